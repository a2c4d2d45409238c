"""Start one worker: ``fedserum worker``. Settings come from the environment."""

import structlog

from services import log as logging
from services.chain import load_account
from services.errors import ChainUnreachableError
from services.membership import Description
from services.patience import Patience
from services.settings import WorkerSettings, read_settings
from services.task import WAD
from worker.abstention import Abstention
from worker.data import load_data
from worker.federation import connect
from worker.identity import Identity, claim
from worker.journal import Journal
from worker.protocol import Worker
from worker.report import Reporter
from worker.sample_order import SampleOrder
from worker.steps import Steps

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
        patience = Patience(settings.patience_s, settings.poll_s)
        while True:
            try:
                worker = join(identity, settings)
                break
            except ChainUnreachableError as error:
                patience.wait("chain_unready", error)
        worker.take_part()


def join(identity: Identity, settings: WorkerSettings) -> Worker:
    """Connect, check everything that can be checked before money moves, and load the data.

    Raises:
        FedserumError: what is missing or does not fit, and what to do.
    """
    account = load_account(identity.key_file, settings.key_password_file)
    federation = connect(settings, account, ORCHESTRATOR_WAIT_S)
    chain, task = federation.chain, federation.task()
    chain_id, genesis_hash = chain.chain_id(), chain.genesis_hash()
    journal = Journal(identity.state_dir, chain_id, genesis_hash, federation.address)
    description = journal.description(task, settings.members)
    data = load_data(identity, task, description.preprocessing or "none")
    log.info(
        "worker_started", address=account.address, contract=federation.address, chain_id=chain_id
    )
    # Torch takes seconds to load: what can fail above has answered by now.
    from worker.study import Study

    steps = Steps(federation, account, task, journal)
    return Worker(
        federation=federation,
        chain_identity=(chain_id, genesis_hash),
        account=account,
        task=task,
        study=Study(
            data, settings, journal.model_file, _abstention(settings, description, task.penalty_wad)
        ),
        order=SampleOrder(steps, description.sealed_order, len(data.public)),
        steps=steps,
        reporter=Reporter(settings.orchestrator_url, account, chain_id, federation.address),
        settings=settings,
    )


def _abstention(settings: WorkerSettings, description: Description, penalty_wad: int) -> Abstention:
    """The worker's own rule; the task's threshold where it has none."""
    rule = settings.abstention
    if rule == "none" and description.threshold is not None:
        rule = description.threshold
    return Abstention(rule, penalty_wad / WAD, settings.label_cost)
