"""The home folder of a run: keys, task and real data for everybody, as `fedserum prepare` lays out.

The public set is smaller than all rounds together, so later rounds label samples again: what a
worker keeps of them stays bounded, and its memory is worth looking at.
"""

import json
from pathlib import Path

from demo.data import prepare_data
from demo.prepare import fund, task_file, write_keys
from services.chain import load_account
from services.settings import DemoSettings, read_settings
from services.task import WAD

CHUNK_SAMPLES = 256
FRESH_ROUNDS = 4  # whose samples the public set has: fewer than the memory has to warm up
PRIVATE_SAMPLES = 100  # of one worker
MIN_WORKERS = 4
REWARD_SCALE_WAD = WAD // 50  # of a deposit at stake in a round, so that many rounds cost no member
REGISTRATION_S = 300


def prepare(home: Path, workers: int, samples: int, rounds: int, window_s: int, seed: int) -> None:
    """Write the home folder.

    Args:
        home: the folder.
        workers: number of workers.
        samples: public samples of a round.
        rounds: number of rounds.
        window_s: seconds of the commit window, and of the reveal window.
        seed: of the split.
    """
    write_keys(home, workers)
    data = prepare_data(
        home,
        workers=workers,
        samples=samples,
        rounds=min(rounds, FRESH_ROUNDS),
        alpha=100.0,
        private_samples=PRIVATE_SAMPLES * workers,
        seed=seed,
    )
    task = {
        "dataset_hash": data.dataset_hash,
        "samples_per_round": samples,
        "chunk_samples": CHUNK_SAMPLES,
        "classes": data.classes,
        "min_workers": MIN_WORKERS,
        "max_workers": workers,
        "rounds": rounds,
        "reward_scale_wad": REWARD_SCALE_WAD,
        "registration_seconds": REGISTRATION_S,
        "commit_seconds": window_s,
        "reveal_seconds": window_s,
    }
    members = [
        load_account(home / "workers" / str(index) / "key").address for index in range(workers)
    ]
    content = {"task": task, "members": members, "public_samples": data.n_public}
    task_file(home).write_text(json.dumps(content, indent=1))


def fund_all(home: Path, rpc_url: str, workers: int) -> None:
    """Give every account what it will spend."""
    settings = {"home": home, "rpc_url": rpc_url, "workers": workers, "poll_s": 0.2}
    fund(home, read_settings(DemoSettings, **settings))
