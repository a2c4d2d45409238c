"""Start one worker: ``fedserum worker``. Settings come from the environment."""

import time

import httpx
import structlog

from services import log as logging
from services.chain import Chain, Federation, load_account, verify_chain, verify_contract
from services.errors import ContractMissingError, SettingsError
from services.membership import Description
from services.settings import PREFIX, WorkerSettings, read_settings
from services.task import WAD
from worker.abstention import Abstention
from worker.data import load_data
from worker.identity import Identity, claim
from worker.journal import Journal
from worker.protocol import Worker
from worker.report import Reporter

log = structlog.get_logger()

ORCHESTRATOR_WAIT_S = 120.0


def run() -> None:
    """Take part until the federation is closed.

    Raises:
        FedserumError: it cannot go on; nothing that it keeps on disk is lost.
    """
    settings = read_settings(WorkerSettings)
    logging.configure(settings.log_level)
    with claim(settings) as identity:
        structlog.contextvars.bind_contextvars(worker=identity.name)
        settings = settings.model_copy(update={"seed": settings.seed + identity.number})
        join(identity, settings).take_part()


def join(identity: Identity, settings: WorkerSettings) -> Worker:
    """Connect, check everything that can be checked before money moves, and load the data.

    Raises:
        FedserumError: what is missing or does not fit, and what to do.
    """
    account = load_account(identity.key_file)
    chain = Chain(
        settings.rpc_url,
        settings.rpc_timeout_s,
        settings.transaction_timeout_s,
        settings.poll_s,
    )
    contract = settings.contract or _ask_orchestrator(chain, settings)
    verify_contract(chain, contract, settings.code_hash)
    federation = Federation(chain, contract, account)
    task = federation.task()
    chain_id = chain.chain_id()
    journal = Journal(identity.state_dir, chain_id, chain.genesis_hash(), federation.address)
    description = journal.description(task, settings.members)
    data = load_data(identity, task, description.preprocessing or "none")
    log.info("worker_started", address=account.address, contract=contract, chain_id=chain_id)
    # Torch takes seconds to load: what can fail above has answered by now.
    from worker.study import Study

    return Worker(
        federation=federation,
        account=account,
        task=task,
        study=Study(
            data, settings, journal.model_file, _abstention(settings, description, task.penalty_wad)
        ),
        n_public=len(data.public),
        journal=journal,
        reporter=Reporter(settings.orchestrator_url, account, chain_id, federation.address),
        settings=settings,
    )


def _abstention(settings: WorkerSettings, description: Description, penalty_wad: int) -> Abstention:
    """The worker's own rule; the task's threshold where it has none."""
    rule = settings.abstention
    if rule == "none" and description.threshold is not None:
        rule = description.threshold
    return Abstention(rule, penalty_wad / WAD, settings.label_cost)


def _ask_orchestrator(chain: Chain, settings: WorkerSettings) -> str:
    """The federation's address, once the orchestrator has deployed it on the node's chain."""
    url = settings.orchestrator_url
    if url is None:
        raise SettingsError(f"set {PREFIX}CONTRACT, or {PREFIX}ORCHESTRATOR_URL to ask for it")
    until = time.monotonic() + ORCHESTRATOR_WAIT_S
    while True:
        try:
            answer = httpx.get(f"{url}/federation", timeout=settings.rpc_timeout_s)
            if answer.is_success:
                found = answer.json()
                verify_chain(chain, found["chain_id"], found["genesis_hash"])
                return str(found["contract"])
            problem = f"{answer.status_code}: {answer.text[:200]}"
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError) as error:
            problem = f"{type(error).__name__}: {error}"
        if time.monotonic() > until:
            raise ContractMissingError(
                f"the orchestrator at {url} named no federation within {ORCHESTRATOR_WAIT_S:.0f} s "
                f"({problem}); start it, or set {PREFIX}CONTRACT"
            )
        time.sleep(1.0)
