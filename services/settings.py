"""Every setting as data: name, type, unit, default, one sentence.

Read once in a ``__main__`` from the environment (prefix ``FEDSERUM_``) and passed down; no other
module reads the environment. ``docs/settings.md`` lists them all, and a test keeps it complete.
"""

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.errors import SettingsError

PREFIX = "FEDSERUM_"


class ProcessSettings(BaseSettings):
    """What every process needs."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    rpc_url: str = Field("http://127.0.0.1:8545", description="The chain node's HTTP JSON-RPC URL.")
    rpc_timeout_s: float = Field(10.0, gt=0, description="Seconds to wait for one RPC answer.")
    transaction_timeout_s: float = Field(
        120.0, gt=0, description="Seconds to wait until a sent transaction is in a block."
    )
    poll_s: float = Field(0.5, gt=0, description="Seconds between two looks at the chain.")
    key_file: Path = Field(description="File with this process's private key: 64 hex digits.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level of the log lines shown."
    )


class WorkerSettings(ProcessSettings):
    """One worker process."""

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
    state_dir: Path = Field(description="Folder for the journal and the model; survives restarts.")
    private_data: Path = Field(description="Folder of idx files: the private, labelled samples.")
    public_data: Path = Field(description="Folder of idx files: the public samples, in task order.")
    test_data: Path | None = Field(
        None, description="Folder of idx files to measure accuracy on; empty: the validation split."
    )
    seed: int = Field(0, ge=0, description="Seed of initialisation, split and batch order.")
    epochs: int = Field(5, gt=0, description="Passes over the private data before the first round.")
    distill_epochs: int = Field(
        5, gt=0, description="Passes over the round's public samples while distilling."
    )
    batch_size: int = Field(64, gt=0, description="Samples per optimiser step.")
    learning_rate: float = Field(1e-3, gt=0, description="Adam's step size.")
    validation_fraction: float = Field(
        0.1, gt=0, lt=1, description="Share of the private data held out for validation."
    )
    threads: int = Field(1, gt=0, description="CPU threads for training.")
    keeper_grace_s: float = Field(
        30.0, ge=0, description="Seconds that a due call may wait before this worker makes it."
    )
    reveal_margin_s: float = Field(
        5.0, ge=0, description="Warn if less than these seconds are left when a reveal is sent."
    )


class OrchestratorSettings(ProcessSettings):
    """The orchestrator process."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    state_dir: Path = Field(description="Folder for the deployment record; survives restarts.")
    task_file: Path = Field(description="JSON file with the task to deploy and its members.")
    token_file: Path | None = Field(
        None, description="File with the bearer token of POST /rounds/advance; empty: refused."
    )
    token: SecretStr | None = Field(None, description="The bearer token itself, instead of a file.")
    keeper: bool = Field(True, description="Whether to make due calls.")


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def read_settings(kind: type[SettingsT]) -> SettingsT:
    """Read one process's settings from the environment.

    Raises:
        SettingsError: names every variable that is missing or wrong, and what it is for.
    """
    try:
        return kind()
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            name = str(problem["loc"][0])
            about = kind.model_fields[name].description if name in kind.model_fields else ""
            lines.append(f"{PREFIX}{name.upper()}: {problem['msg']}. {about}")
        raise SettingsError("set these environment variables:\n  " + "\n  ".join(lines)) from error
