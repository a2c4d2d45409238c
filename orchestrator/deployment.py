"""Deploy the federation once, and find it again after every restart.

``deployment.json`` in the state folder is written before the deploying transaction is sent, so a
crash in between never leads to a second federation, and is checked against the chain at each start,
so that a wiped chain or another one is noticed. The kernels, which all federations of a chain
share, are put there first if they are missing; where they are nothing is sent, so they need no
record.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import structlog
from eth_account.signers.local import LocalAccount
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from orchestrator.state import read_json, write_json
from services import chain as chain_module
from services.chain import Chain, Federation, release_code_hash
from services.errors import (
    ChainError,
    ContractMissingError,
    ContractRevertError,
    MembershipError,
    SettingsError,
    WrongChainError,
)
from services.interface import envelopes
from services.membership import describe, members_root
from services.task import WAD, Bytes32, Task

FILE_NAME = "deployment.json"

log = structlog.get_logger()

Address = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{40}$")]


class Record(BaseModel):
    """What ``deployment.json`` holds; the last three are unknown until a block has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    chain_id: int
    genesis_hash: Bytes32
    contract: Address
    transaction_hashes: list[Bytes32] = Field(min_length=1)  # one per fee that it was sent with
    code_hash: Bytes32 | None = None
    deploy_block: int | None = None
    gas_used: int | None = None

    def block(self) -> int:
        """The block of the deployment, in a complete record."""
        if self.deploy_block is None:
            raise ChainError(f"{self.contract} is in no block yet; start the orchestrator again")
        return self.deploy_block


class _IncludedAfterAllError(Exception):
    """The transaction that an earlier process sent is in a block by now."""


def open_deployment(
    chain: Chain, account: LocalAccount, task_file: Path, state_dir: Path
) -> Record:
    """The federation that this state folder belongs to; deploys it if there is none yet.

    Returns:
        The complete record, checked against the chain.

    Raises:
        SettingsError: the task file or the record is missing or malformed, or the contract's
            constructor refuses the task.
        WrongChainError: the record is about another chain.
        ContractMissingError: the contract is gone, or is another one.
        ChainError: the node does not answer or the transaction does not go through.
    """
    path = state_dir / FILE_NAME
    record = _read_record(path)
    if record is not None:
        _check_chain(chain, record, path)
        if _is_undone(chain, account, record):
            log.warning("deployment_undone", contract=record.contract, advice="it is made again")
            record = record.model_copy(update={"deploy_block": None})
    if record is None or record.deploy_block is None:
        record = _deploy(chain, account, task_file, path, record)
        log.info(
            "federation_deployed",
            contract=record.contract,
            block=record.deploy_block,
            gas_used=record.gas_used,
            tx=record.transaction_hashes[-1],
        )
    _check_code(chain, record, path)
    _warn_of_another_release(chain, record)
    return record


def _is_undone(chain: Chain, account: LocalAccount, record: Record) -> bool:
    """Whether the chain has lost the blocks of a deployment that it had."""
    return (
        record.deploy_block is not None
        and chain.code_hash(record.contract) is None
        and chain.may_create_again(account, record.contract)
    )


def _warn_of_another_release(chain: Chain, record: Record) -> None:
    """What runs goes on, also where this release would deploy other code, or refuse the task."""
    try:
        expected = release_code_hash(chain, Federation(chain, record.contract).task())
    except ContractRevertError as error:
        expected = f"none: this release refuses the task ({error})"
    if record.code_hash != expected:
        log.warning(
            "contract_of_another_release",
            contract=record.contract,
            expected=expected,
            found=record.code_hash,
            advice="run the release that deployed it, or move deployment.json away to deploy anew",
        )


def check(chain: Chain, record: Record, state_dir: Path) -> None:
    """Check that chain and contract are still the recorded ones; errors as of open_deployment."""
    path = state_dir / FILE_NAME
    _check_chain(chain, record, path)
    _check_code(chain, record, path)


def read_task(task_file: Path) -> Task:
    """The task to deploy, with the root of its members and its description filled in.

    Raises:
        SettingsError: the file is missing or malformed.
    """
    try:
        content: Any = json.loads(task_file.read_text())
        members, fields = list(content["members"]), dict(content["task"])
        how = {name: content.get(name) for name in ("preprocessing", "threshold")}
        key_hash = content.get("sealed_order")
    except OSError as error:
        raise SettingsError(
            f"cannot read the task file {task_file} ({error.strerror}); set FEDSERUM_TASK_FILE, or "
            "make one with `fedserum prepare`"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f'{task_file} is malformed ({error!r}); expected {{"task": {{…}}, "members": ["0x…"]}}'
        ) from error
    try:
        root = members_root(members)
        if key_hash is not None:
            how["sealed_order"] = {"key_hash": key_hash, "envelopes": envelopes().address}
        uri = fields.get("uri") or describe(members, **how)
    except MembershipError as error:
        raise SettingsError(f"{task_file}: {error}") from error
    if fields.setdefault("members_root", root) != root:
        raise SettingsError(
            f"{task_file}: members_root is {fields['members_root']}, but its members have the root "
            f"{root}; correct one of them, or leave members_root out"
        )
    try:
        task = Task(**fields | {"uri": uri})
    except ValidationError as error:
        problems = "; ".join(f"{p['loc'][0]}: {p['msg']}" for p in error.errors())
        raise SettingsError(f"{task_file}: the task is malformed: {problems}") from error
    _warn_of_repeats(task, content.get("public_samples"))
    _warn_of_terms(task)
    return task


def _warn_of_repeats(task: Task, public_samples: int | None) -> None:
    """Protocol section 2: a sample labelled twice has a public answer the second time."""
    needed = task.rounds * task.samples_per_round
    if public_samples is not None and needed > public_samples:
        log.warning(
            "public_samples_repeat",
            needed=needed,
            public_samples=public_samples,
            advice="keep rounds * samples_per_round within the public set: later rounds meet "
            "samples whose labels are public already",
        )


def _warn_of_terms(task: Task) -> None:
    """What the contract accepts and docs/limits.md shows to pay the wrong workers."""
    if task.peering == 0:
        log.warning(
            "peers_share_a_pool",
            peering=0,
            advice="leave peering at 1: with one pool a worker gains by spoiling others' scores",
        )
    if task.penalty_wad < WAD:
        log.warning(
            "guessing_is_paid",
            penalty_wad=task.penalty_wad,
            advice=f"raise penalty_wad to {WAD} or more: a label by chance scores 1 - beta; "
            "`fedserum simulate` shows what each kind of worker may expect",
        )


def _deploy(
    chain: Chain, account: LocalAccount, task_file: Path, path: Path, earlier: Record | None
) -> Record:
    """Send the deploying transaction, unless the one of an earlier process made it."""
    intended = earlier
    chain_id, genesis_hash = chain.chain_id(), chain.genesis_hash()

    def note(transaction_hash: str, contract: str) -> None:
        nonlocal intended
        hashes: list[str] = []
        if intended is not None:
            if chain.code_hash(intended.contract) is not None:
                raise _IncludedAfterAllError
            # The same nonce makes the same address: at most one of these can be included.
            if intended.contract == contract:
                hashes = [h for h in intended.transaction_hashes if h != transaction_hash]
        intended = Record(
            chain_id=chain_id,
            genesis_hash=genesis_hash,
            contract=contract,
            transaction_hashes=[*hashes, transaction_hash],
        )
        write_json(path, intended.model_dump())

    if earlier is None or chain.code_hash(earlier.contract) is None:
        task = read_task(task_file)
        try:
            chain_module.check_task(chain, task)
            chain_module.put_kernels(chain, account)
            chain_module.deploy(chain, account, task, before_send=note)
        except ContractRevertError as error:
            if error.name == "KernelMissing":  # the chain was reorganised
                raise
            raise SettingsError(
                f"the contract refuses the task in {task_file}: {error}; correct the task"
            ) from error
        except _IncludedAfterAllError:
            pass
    if intended is None:
        raise ChainError("the deployment was sent without a record; expected one before it")
    return _complete(chain, intended, path)


def _complete(chain: Chain, record: Record, path: Path) -> Record:
    """Add what only the block tells."""
    receipt, refusal = None, None
    for transaction_hash in record.transaction_hashes:
        try:
            receipt = chain.receipt(transaction_hash)
            break
        except ChainError as error:
            refusal = error
    if receipt is None:
        raise ChainError(
            f"{record.contract} has code, but no block has the transactions of {path}: {refusal}; "
            "restore the file, or move it away to deploy a new federation"
        )
    complete = record.model_copy(
        update={
            "transaction_hashes": [receipt.transaction_hash],
            "code_hash": chain.code_hash(record.contract),
            "deploy_block": receipt.block_number,
            "gas_used": receipt.gas_used,
        }
    )
    write_json(path, complete.model_dump())
    return complete


def _read_record(path: Path) -> Record | None:
    content = read_json(path)
    if content is None:
        return None
    try:
        return Record.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(f"{p['loc']}: {p['msg']}" for p in error.errors())
        raise SettingsError(
            f"{path} is malformed: {problems}; restore it, or move it away to deploy a new "
            "federation"
        ) from error


def _check_chain(chain: Chain, record: Record, path: Path) -> None:
    expected = (record.chain_id, record.genesis_hash)
    found = (chain.chain_id(), chain.genesis_hash())
    if found != expected:
        raise WrongChainError(
            f"{path} is about chain {expected[0]} with genesis {expected[1]}, but {chain.place} "
            f"serves chain {found[0]} with genesis {found[1]}: another chain, or a wiped one; set "
            "FEDSERUM_RPC_URL, or move the file away to deploy a new federation here"
        )


def _check_code(chain: Chain, record: Record, path: Path) -> None:
    found = chain.code_hash(record.contract)
    if found is None or found != record.code_hash:
        raise ContractMissingError(
            f"{path} says that the contract at {record.contract} has code hash "
            f"{record.code_hash}, found {found or 'no code'} on chain {record.chain_id}; set "
            "FEDSERUM_RPC_URL, or move the file away to deploy a new federation"
        )
