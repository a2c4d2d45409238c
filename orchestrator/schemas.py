"""What the API answers and accepts: protocol section 10, field by field.

Wei, scores and fixed-point numbers are decimal strings (JSON numbers lose digits above 2^53), times
unix seconds, addresses checksummed. Only data; the routes fill it from the index.
"""

from typing import Annotated, Any, Literal

from eth_utils.address import to_checksum_address
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainSerializer,
    PrivateAttr,
    StringConstraints,
    model_validator,
)

from services.task import Task

Phase = Literal["registration", "commit", "reveal", "aggregate", "closed"]
RoundPhase = Literal["commit", "reveal", "aggregate", "settled", "void"]
Slash = Literal["withheld", "wrong_label_count"]

Decimal = Annotated[int, PlainSerializer(str, return_type=str)]
Address = Annotated[
    str,
    StringConstraints(pattern=r"^0x[0-9a-fA-F]{40}$"),
    AfterValidator(to_checksum_address),
]


class Problem(BaseModel):
    """An error, as RFC 9457 has it; sent as ``application/problem+json``."""

    type: str = Field(default="about:blank", description="URI of the kind of problem.")
    title: str = Field(description="The kind of problem, the same each time.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What went wrong here, what was expected and what to do.")
    instance: str = Field(description="Path of the request.")
    errors: list[dict[str, Any]] | None = Field(
        None, description="With 422: each value that was refused: where (`loc`) and why (`msg`)."
    )


class Health(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Chain and contract answer."""

    status: Literal["ready"] = "ready"
    indexed_block: int = Field(description="The last block whose events the answers contain.")


class TaskView(Task):
    """The contract's ``Task`` struct (protocol section 8)."""

    deposit_wei: Decimal = Field(description="Deposit of every worker, in wei.")
    penalty_wad: Decimal = Field(description="Penalty beta, 1e18 is 1.")
    reward_scale_wad: Decimal = Field(description="lambda of round 1, 1e18 is 1.")
    reward_decay_wad: Decimal = Field(description="Factor on lambda after every round.")
    stop_agreement_wad: Decimal = Field(description="Agreement that ends it early; 0: never.")


class FederationView(BaseModel):
    """The federation that this orchestrator deployed and keeps."""

    chain_id: int = Field(description="The chain's id.")
    genesis_hash: str = Field(description="Hash of the chain's block 0.")
    contract: Address = Field(description="The federation's address.")
    code_hash: str = Field(description="Keccak-256 of the contract's runtime code.")
    deploy_block: int = Field(description="Block of the deployment; no event is older.")
    task: TaskView = Field(description="Every field of the contract's task.")
    phase: Phase = Field(description="The phase the contract is in.")
    round: int = Field(description="The current round; 0 before the first.")
    deadline: int = Field(description="When the phase ends, unix seconds; 0 once closed.")
    workers: int = Field(description="How many workers registered and did not leave.")


class Participation(BaseModel):
    """One worker in one round: what the chain says, then what the worker itself reported."""

    round: int = Field(description="The round.")
    address: Address = Field(description="The worker.")
    committed: bool = Field(description="Whether it committed.")
    revealed: bool = Field(description="Whether it revealed.")
    slashed: Slash | None = Field(description="Why it was slashed; null if it was not.")
    label_counts: list[int] | None = Field(
        description="Labels per class, recounted on chain; null until it reveals."
    )
    score: Decimal | None = Field(
        description="PTSFD score in 1e18 units; null until the round settles, and if it is void."
    )
    reward_wei: Decimal | None = Field(
        description="Reward; null until the round ends, 0 where stakes went back."
    )
    balance_wei: Decimal | None = Field(
        description="Balance after the round, or now while it runs; null if the node has "
        "forgotten the state of that block."
    )
    top1_accuracy_before: float | None = Field(
        description="Reported: top-1 accuracy before distillation, 0..1."
    )
    top1_accuracy_after: float | None = Field(
        description="Reported: top-1 accuracy after distillation, 0..1."
    )
    private_samples: int | None = Field(description="Reported: size of its private data.")
    model: str | None = Field(description="Reported: name of its model.")


class RoundView(BaseModel):
    """One round, from its opening on."""

    round: int = Field(description="Number of the round, from 1.")
    phase: RoundPhase = Field(description="Where the round is.")
    commit_deadline: int = Field(description="End of the commit window, unix seconds.")
    reveal_deadline: int | None = Field(
        description="End of the reveal window, unix seconds; null until it opens."
    )
    committed: int = Field(description="How many workers committed.")
    revealed: int = Field(description="How many workers revealed.")
    chunks: int = Field(description="Chunks of a round.")
    aggregated_chunks: int = Field(description="Chunks aggregated so far.")
    agreement: float | None = Field(
        description="Votes of the majority classes / all votes, 0..1; null until it settles."
    )
    pool_wei: Decimal | None = Field(description="What was shared out; null until it settles.")
    gas_used: dict[str, int] = Field(
        description="Gas per contract function: the sum over this round's transactions."
    )
    workers: list[Participation] = Field(description="The round's roster.")


class WorkerView(BaseModel):
    """One worker over all rounds."""

    address: Address = Field(description="The worker.")
    balance_wei: Decimal = Field(description="Its balance in the contract now.")
    excluded: bool = Field(description="Whether it was slashed and excluded for good.")
    rounds: list[Participation] = Field(description="Every round whose roster it was on.")


class Report(BaseModel):
    """A worker's own figures for one round; shown, never part of a score."""

    model_config = ConfigDict(extra="forbid", strict=True)

    round: int = Field(ge=1, description="The round that the figures are about.")
    contract: Address = Field(description="The federation's address.")
    chain_id: int = Field(description="The chain's id.")
    top1_accuracy_before: float = Field(ge=0, le=1, description="Before distillation, 0..1.")
    top1_accuracy_after: float | None = Field(
        ge=0, le=1, description="After distillation, 0..1; null where there was nothing to learn."
    )
    private_samples: int = Field(ge=1, description="Size of the worker's private data.")
    model: str = Field(min_length=1, max_length=100, description="Name of the worker's model.")

    _as_sent: dict[str, Any] = PrivateAttr()

    @model_validator(mode="wrap")
    @classmethod
    def _keep_as_sent(cls, value: Any, handler: ModelWrapValidatorHandler["Report"]) -> "Report":
        # The signature covers the text as the worker wrote it: 1 is not 1.0 there.
        report = handler(value)
        if isinstance(value, dict):  # a report that is one already keeps its own
            report._as_sent = value
        return report

    def as_sent(self) -> dict[str, Any]:
        """The JSON object that the worker signed."""
        return self._as_sent


class SignedReport(BaseModel):
    """A report and the worker's signature under it."""

    model_config = ConfigDict(extra="forbid")

    report: Report
    signature: str = Field(
        pattern=r"^0x[0-9a-fA-F]{130}$",
        description="EIP-191 signature (65 bytes) over the report as JSON text with sorted keys "
        "and no spaces.",
    )


class Kept(BaseModel):
    """What the keeper did when it was poked."""

    function: Literal["advance", "aggregate", "settle"] | None = Field(
        description="The contract function that was called; null if nothing was due."
    )
    chunk: int | None = Field(description="The chunk that was aggregated.")
    transaction_hash: str | None = Field(
        description="The transaction; null if nothing was due or someone else was faster."
    )
    gas_used: int | None = Field(description="Its gas.")
    detail: str = Field(description="The same in words.")


class EventView(BaseModel):
    """One contract event; the ``data`` of a server-sent event."""

    name: str = Field(description="Name of the event, as in the contract.")
    block_number: int
    block_hash: str
    transaction_hash: str
    log_index: int
    args: dict[str, Any] = Field(
        description="Arguments, named as in the contract; bytes as 0x hex, amounts, scores and "
        "fixed-point numbers as decimal strings."
    )
