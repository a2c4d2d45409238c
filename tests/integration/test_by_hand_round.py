"""A round by hand beside ordinary workers: nothing but `fedserum` commands and .npy files."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from local import PATIENCE_S, SAMPLES
from nodes import ETHER, ROOT, Node
from party import Home, Party, wait_for_transaction, without_blocks

from hand.standing import ether
from services.chain import Phase
from services.datasets import load_idx
from services.settings import PREFIX

N_WORKERS = 9
HAND = 9  # the member without a worker
CLASSES = 10
AT_ONCE = 3  # workers that start; each one's import of torch takes a core for seconds
WINDOWS = ("registration_seconds", "commit_seconds", "reveal_seconds")


@dataclass
class Hand:
    """Somebody who types commands, in a folder of their own."""

    folder: Path
    settings: dict[str, object]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command; torch cannot be imported in it."""
        (self.folder / "torch.py").write_text("raise ImportError('by hand needs no torch')\n")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
        environment |= {PREFIX + k.upper(): str(v) for k, v in self.settings.items()}
        return subprocess.Popen(
            [sys.executable, "-m", "fedserum", *arguments],
            cwd=self.folder,
            env=environment | {"PYTHONPATH": f"{self.folder}:{ROOT}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def do(self, *arguments: str, code: int = 0) -> str:
        """Run a command to its end: what it says, and that it ends with this code."""
        process = self.start(*arguments)
        said, complained = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == code, said + complained
        return complained if code else said

    def kill_under_way(self, node: Node, *arguments: str, arrives: bool = False) -> None:
        """Start a command and kill it when its transaction waits for a block, which may get it."""
        with without_blocks(node):
            process = self.start(*arguments)
            try:
                wait_for_transaction(node)
            finally:
                process.send_signal(signal.SIGKILL)
                process.communicate()
            if not arrives:
                node.drop_pending()


def predict(private: Path, public: Path) -> np.ndarray:
    """The participant's own pipeline: how near each public sample is to each class's mean."""
    mine, images = load_idx(private), load_idx(public).samples
    assert mine.labels is not None
    pixels = mine.samples.reshape(len(mine), -1) / 255
    means = np.stack(
        [pixels[mine.labels == x].mean(0) if (mine.labels == x).any() else np.inf * pixels[0]
         for x in range(CLASSES)]
    )  # fmt: skip
    distances = np.stack(
        [((images.reshape(len(images), -1) / 255 - mean) ** 2).sum(1) for mean in means], 1
    )
    return -np.nan_to_num(distances, nan=np.inf)


def test_a_round_by_hand_beside_nine_workers(
    build: Callable[..., Party], home: Home, tmp_path: Path
) -> None:
    """Killed with each transaction under way, it takes every step once, is paid and withdraws."""
    party = build(N_WORKERS + 1, **dict.fromkeys(WINDOWS, 3600))
    folder = tmp_path / "by-hand"
    folder.mkdir()
    account = party.stage.workers[HAND].account
    assert account is not None
    (folder / "key").write_text(account.key.hex())
    hand = Hand(
        folder,
        {
            "rpc_url": party.node.url,
            "contract": party.stage.deployment.contract,
            "key_file": "key",
            "state_dir": "state",
            "poll_s": 0.05,
        },
    )
    chain, me = party.stage.deployer, party.address(HAND)
    scores = predict(home.folder / "workers" / "3" / "private", home.folder / "public")
    np.save(folder / "predictions.npy", scores.astype(np.float32))

    hand.kill_under_way(party.node, "register")
    assert "is registered" in hand.do("register")
    for index in range(N_WORKERS):
        private = home.folder / "workers" / str(index % 3) / "private"
        party.worker(index, private_data=private, keeper_grace_s=2).start()
        if index % AT_ONCE == AT_ONCE - 1:
            party.processes[index].wait_for("model_trained")
    for index in range(N_WORKERS):
        party.await_commit(index)

    public = len(scores)
    assert f"--public-samples {public}" in hand.do("commit", "predictions.npy", code=1)
    commit = ("commit", "predictions.npy", "--public-samples", str(public))
    hand.kill_under_way(party.node, *commit)
    journal = next(folder.glob("state/*/round-1.json"))
    kept = journal.read_bytes()
    assert chain.phase() is Phase.COMMIT
    assert f"committed to {SAMPLES} labels and 0 abstentions" in hand.do(*commit)
    assert journal.read_bytes() == kept
    for index in range(N_WORKERS):
        party.await_reveal(index)

    assert "next        fedserum reveal" in hand.do("status")
    hand.kill_under_way(party.node, "reveal")
    assert chain.phase() is Phase.REVEAL
    hand.kill_under_way(party.node, "reveal", arrives=True)
    assert "round 1: revealed already" in hand.do("reveal")
    party.await_chain(lambda: chain.phase() is Phase.CLOSED)
    assert "closed after round 1" in hand.do("status")

    hand.do("labels", "-o", "global.npy", "--votes", "votes.npy")
    labels, votes = np.load(folder / "global.npy"), np.load(folder / "votes.npy")
    assert (labels == votes.argmax(1)).all()
    assert (votes.sum(1) == N_WORKERS + 1).all()
    mine = scores[:SAMPLES].argmax(1)
    assert (votes[np.arange(SAMPLES), mine] > 0).all()

    assert party.events("Slashed") == []
    reward = chain.reward_of(1, me)
    assert chain.score_of(1, me) > 0
    before = chain.chain.balance_wei(me)
    hand.kill_under_way(party.node, "withdraw")
    assert f"withdrew {ether(ETHER // 2 + reward)} ether" in hand.do("withdraw")
    assert "withdrawn already" in hand.do("withdraw")
    assert 0 <= ETHER // 2 + reward - (chain.chain.balance_wei(me) - before) < ETHER // 100
    for name in ("Registered", "Committed", "Revealed", "Withdrawn"):
        assert [event["worker"] for event in party.events(name)].count(me) == 1
    for worker in party.processes.values():
        assert worker.end() == 0, worker.said()


def test_hand_and_worker_go_on_from_one_another(
    build: Callable[..., Party], home: Home, tmp_path: Path
) -> None:
    """They keep one journal: either reveals what the other committed to, but not both at once."""
    party = build(rounds=2, reward_scale_wad=10**17)
    worker = party.worker(0)
    settings = {name: worker.settings[name] for name in ("rpc_url", "contract", "key_file")}
    folder = tmp_path / "by-hand"
    folder.mkdir()
    hand = Hand(folder, settings | {"state_dir": worker.settings["state_dir"]})
    hand.do("register")
    party.register()
    np.save(folder / "predictions.npy", np.arange(SAMPLES) % CLASSES)
    hand.do("commit", "predictions.npy")
    party.commit()
    worker.start()
    party.await_reveal()
    assert "another worker runs with the state folder" in hand.do("reveal", code=1)
    assert "round 1 of 2, reveal until" in hand.do("status")  # which only looks
    party.reveal()
    party.keep()

    party.await_commit(round_number=2)
    worker.kill()
    party.commit()
    hand.do("reveal")
    party.reveal()
    party.keep()
    hand.do("withdraw")
    assert party.events("Slashed") == []
    revealed = [e["round"] for e in party.events("Revealed") if e["worker"] == party.address(0)]
    assert revealed == [1, 2]


def test_a_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    """It is not overwritten, and names the address to be listed."""
    hand = Hand(tmp_path, {})
    assert "holds the key of 0x" in hand.do("key", "new", "key")
    key = (tmp_path / "key").read_text()
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert "key is there already" in hand.do("key", "new", "key", code=1)
    assert (tmp_path / "key").read_text() == key


def test_what_is_missing_is_said_before_a_node_is_asked(tmp_path: Path) -> None:
    """Settings by both their names, a file that is not there, a verb that is misused."""
    hand = Hand(tmp_path, {"rpc_url": "http://127.0.0.1:1"})
    message = hand.do("reveal", code=1)
    assert "FEDSERUM_KEY_FILE (or --key-file) and FEDSERUM_STATE_DIR (or --state-dir)" in message
    assert "name the file to write" in hand.do("key", "new", code=1)
    assert "cannot read nothing.npy" in hand.do("commit", "nothing.npy", code=1)
    assert "set FEDSERUM_CONTRACT" in hand.do("labels", "-o", "global.npy", code=1)
    assert "usage: fedserum labels" in hand.do("labels", code=2)
