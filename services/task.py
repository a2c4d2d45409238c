"""The task of a federation: the contract's constructor argument, and its public description.

Protocol section 8. The description says who the members are and which data set is public; it lives
behind ``task.uri``, by default inside it as a ``data:`` URI, so that a chain alone is enough.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

WAD = 10**18  # fixed point: 1e18 is 1

Bytes32 = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-f]{64}$")]


class Task(BaseModel):
    """Every field of the contract's ``Task`` struct, in its order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    members_root: Bytes32 = Field(description="Root of the OpenZeppelin Merkle tree of members.")
    dataset_hash: Bytes32 = Field(description="SHA-256 of the public set's canonical bytes.")
    samples_per_round: int = Field(description="m: public samples that a round labels.")
    chunk_samples: int = Field(description="Samples per aggregated chunk, a multiple of 256.")
    classes: int = Field(description="C: number of classes.")
    committee: int = Field(0, description="Workers per chunk; 0: everyone labels everything.")
    peering: int = Field(1, description="0: scored against everyone else; 1: the other league.")
    min_workers: int = Field(4, description="Fewest workers for a round that pays.")
    max_workers: int = Field(description="Most workers that may register.")
    rounds: int = Field(1, description="Rounds until the federation closes.")
    deposit_wei: int = Field(WAD, description="Deposit of every worker, in wei.")
    penalty_wad: int = Field(WAD, description="Penalty beta, fixed point.")
    reward_scale_wad: int = Field(WAD // 2, description="lambda of round 1: stake / deposit.")
    reward_decay_wad: int = Field(WAD, description="Factor on lambda after every round.")
    stop_agreement_wad: int = Field(0, description="Agreement that ends it early; 0: never.")
    registration_seconds: int = Field(300, description="Registration window, in seconds.")
    commit_seconds: int = Field(1800, description="Commit window, in seconds.")
    reveal_seconds: int = Field(300, description="Reveal window, in seconds.")
    uri: str = Field("", description="Where the task's description is.")

    def to_abi(self) -> tuple[Any, ...]:
        """The struct as web3 encodes it: field values in order, hashes as bytes."""
        values = self.model_dump()
        for name in ("members_root", "dataset_hash"):
            values[name] = bytes.fromhex(values[name][2:])
        return tuple(values.values())

    @classmethod
    def from_abi(cls, values: tuple[Any, ...]) -> "Task":
        """The task from the tuple that the contract's ``task()`` returns."""
        fields = dict(zip(cls.model_fields, values, strict=True))
        for name in ("members_root", "dataset_hash"):
            fields[name] = "0x" + bytes(fields[name]).hex()
        return cls(**fields)
