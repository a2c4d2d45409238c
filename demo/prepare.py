"""``fedserum prepare``: keys, members, task and data of a federation on one host.

Fresh random keys, funded on a development chain only. In a real federation every party makes its
own key and none of them meet in one folder.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import structlog

from demo.data import PreparedData, prepare_data
from services import log as logging
from services.accounts import development_account, load_account, new_key
from services.chain import Chain
from services.errors import SettingsError, WrongChainError
from services.node import LOCAL_CHAIN_IDS
from services.sealed_order import key_hash, new_order_key, read_order_key
from services.settings import DemoSettings, read_settings
from services.task import WAD

log = structlog.get_logger()

LABELS_PER_CHUNK = 100_000  # of ten classes: what one `aggregate` scores within its gas
BLOCK_SAMPLES = 2048  # what the contract's kernel works on at once
MIN_WORKERS = 4
SPENDING_WEI = 10 * WAD  # what each account gets besides the deposit, for gas
N_FUNDERS = 10  # development accounts that every development node starts with


def run() -> None:
    """Prepare the home folder, and fund its accounts.

    Raises:
        FedserumError: a setting is wrong, data are missing, or the chain does not answer.
    """
    settings = read_settings(DemoSettings)
    logging.configure(settings.log_level)
    prepare(settings)
    fund(settings.home, settings)


def prepare(settings: DemoSettings) -> None:
    """Write keys, data and task to the home folder, unless that has been done.

    Raises:
        DatasetError: a source is missing or too small.
        SettingsError: the folder was prepared with other settings of the task.
    """
    home = settings.home
    if task_file(home).exists():
        _require_same(json.loads(task_file(home).read_text()), settings)
        log.info("home_found", home=str(home))
        return
    write_keys(home, settings.workers)
    data = prepare_data(
        home,
        workers=settings.workers,
        samples=settings.samples,
        rounds=settings.rounds,
        alpha=settings.alpha,
        split=settings.split,
        private_source=settings.private,
        public_source=settings.public,
        private_samples=settings.private_samples,
        seed=settings.seed,
    )
    write_task(home, settings, data)
    log.info("home_prepared", home=str(home), private_samples=data.private_samples)


def _chosen(settings: DemoSettings) -> dict[str, int]:
    """The task's fields that settings decide by themselves."""
    return {
        "samples_per_round": settings.samples,
        "max_workers": settings.workers,
        "rounds": settings.rounds,
        "reward_decay_wad": int(settings.reward_decay * WAD),
        "stop_agreement_wad": int(settings.stop_agreement * WAD),
    }


def _require_same(content: dict[str, Any], settings: DemoSettings) -> None:
    wanted: dict[str, Any] = _chosen(settings) | {
        "preprocessing": settings.preprocessing,
        "sealed_order": settings.sealed_order,
    }
    found = content | {"sealed_order": "sealed_order" in content}
    task = {"preprocessing": "none"} | found | content["task"]
    differs = [name for name in wanted if task.get(name) != wanted[name]]
    if differs:
        found, wants = ({name: each.get(name) for name in differs} for each in (task, wanted))
        raise SettingsError(
            f"{settings.home} was prepared for {found}, but the settings say {wants}; change them "
            "back, or prepare another folder (FEDSERUM_HOME)"
        )


def task_file(home: Path) -> Path:
    """What the orchestrator deploys; it is written last, so its presence says `prepared`."""
    return home / "task.json"


def order_key_file(home: Path) -> Path:
    """The key of a sealed order: the orchestrator's, to bring it to the workers."""
    return home / "orchestrator" / "order.key"


def _order_key(file: Path) -> bytes:
    return read_order_key(file) if file.exists() else new_order_key(file)


def write_keys(home: Path, n_workers: int) -> None:
    """Make the key of the orchestrator and of each worker, unless it is there already."""
    for folder in [home / "orchestrator", *_worker_folders(home, n_workers)]:
        folder.mkdir(parents=True, exist_ok=True)
        key_file = folder / "key"
        if not key_file.exists():
            new_key(key_file)


def write_task(home: Path, settings: DemoSettings, data: PreparedData) -> None:
    """Write the task, with every worker as a member."""
    folders = _worker_folders(home, settings.workers)
    # A sample costs about as much by itself as one label of it, and every class costs the same.
    most = LABELS_PER_CHUNK // (settings.workers + 1) * 10 // max(10, data.classes)
    chunk_samples = max(256, most // BLOCK_SAMPLES * BLOCK_SAMPLES or most // 256 * 256)
    task: dict[str, object] = {
        **_chosen(settings),
        "dataset_hash": data.dataset_hash,
        "chunk_samples": chunk_samples,
        "classes": data.classes,
        "min_workers": MIN_WORKERS,
    }
    members = [load_account(folder / "key").address for folder in folders]
    content = {"task": task, "members": members, "public_samples": data.n_public}
    if settings.preprocessing != "none":
        content["preprocessing"] = settings.preprocessing
    if settings.sealed_order:
        content["sealed_order"] = key_hash(_order_key(order_key_file(home)))
    temporary = home / "task.json.new"
    temporary.write_text(json.dumps(content, indent=1))
    temporary.replace(task_file(home))


def fund(home: Path, settings: DemoSettings, deposit_wei: int = WAD) -> None:
    """Bring every account to what it will spend, from the node's development accounts.

    Raises:
        WrongChainError: this is not a development chain.
        ChainError: the node does not answer.
    """
    chain = Chain.of(settings)
    chain_id = chain.chain_id()
    if chain_id not in LOCAL_CHAIN_IDS:
        raise WrongChainError(
            f"{chain.place} serves chain {chain_id}, whose accounts nobody funds for you: "
            f"expected a development chain {LOCAL_CHAIN_IDS}; fund the keys in {home} yourself"
        )
    folders = [home / "orchestrator", *_worker_folders(home, settings.workers)]
    addresses = [load_account(folder / "key").address for folder in folders]
    needed = deposit_wei + SPENDING_WEI
    poor = [address for address in addresses if chain.balance_wei(address) < needed // 2]

    def pay(index: int) -> None:
        # A chain client sends one transaction at a time, so every funder has its own.
        own = Chain.of(settings)
        for address in poor[index::N_FUNDERS]:
            own.transfer(development_account(index), address, needed)

    with ThreadPoolExecutor(N_FUNDERS) as pool:
        list(pool.map(pay, range(N_FUNDERS)))


def _worker_folders(home: Path, n_workers: int) -> list[Path]:
    return [home / "workers" / str(index) for index in range(n_workers)]
