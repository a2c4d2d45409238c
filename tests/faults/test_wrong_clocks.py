"""Hosts whose clocks are minutes off, or jump: only the chain's clock counts."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import faulty_host
from aftermath import check
from conftest import Deployed
from local import commands
from nodes import Node, free_port
from orchestrators import TASK
from party import Home, Party
from test_envelopes import files_of

from services.chain import Deployment, Federation, Phase
from services.task import Task


def stage_of(node: Node, members: list[Any], found: dict[str, Any], task: Task) -> Deployed:
    """The members' side of what the orchestrator has deployed."""
    chain, contract = node.chain(), found["contract"]
    return Deployed(
        chain=chain,
        task=task,
        members=[member.address for member in members],
        deployment=Deployment(contract, found["block"], "", 0),
        deployer=Federation(chain, contract),
        workers=[Federation(chain, contract, member) for member in members],
    )


def test_wrong_clocks_change_nothing(node: Node, home: Home, tmp_path: Path) -> None:
    """A worker ten minutes ahead, an orchestrator whose clock jumps by twenty: who reveals in the
    chain's time is paid, who does not is slashed, and nobody waits longer than that.
    """
    members = [node.new_account() for _ in range(5)]
    addresses = [member.address for member in members]
    task = TASK | {
        "dataset_hash": home.dataset_hash,
        "samples_per_round": 512,
        "max_workers": 5,
        "rounds": 1,
        "commit_seconds": 600,
        "reveal_seconds": 600,
    }
    (tmp_path / "task.json").write_text(json.dumps({"task": task, "members": addresses}))
    (tmp_path / "key").write_text(node.new_account().key.hex())
    with commands(tmp_path) as make:
        orchestrator = make(
            "orchestrator",
            "orchestrator",
            rpc_url=node.url,
            key_file=tmp_path / "key",
            state_dir=tmp_path / "state",
            task_file=tmp_path / "task.json",
            port=free_port(),
            poll_s=0.1,
        )
        orchestrator.program = (faulty_host.__file__,)
        orchestrator.start(TEST_CLOCK_S="-600,600")
        found = orchestrator.wait_for("federation_found")
        deployed = Federation(node.chain(), found["contract"]).task()
        stage = stage_of(node, members, found, deployed)
        party = Party(node, stage, home.folder, tmp_path, make)
        worker = party.worker(model=files_of(party, tmp_path / "predictions"), poll_s=0.1)
        worker.program = (faulty_host.__file__,)
        worker.start(TEST_CLOCK_S="600")
        party.register()
        party.await_commit()
        party.commit()
        party.await_reveal()
        del party.openings[4]
        for index, opening in party.openings.items():
            stage.reveal(stage.workers[index], opening)
        chain = stage.deployer
        assert chain.deadline() - stage.chain.now() > 60
        assert chain.phase() is Phase.REVEAL  # nobody ends it before
        said = datetime.fromisoformat(worker.wait_for("worker_started")["timestamp"])
        assert said > datetime.now(UTC) + timedelta(minutes=9)  # so its clock is wrong indeed
        node.pass_time(600)
        party.await_chain(lambda: chain.phase() is Phase.CLOSED)
        assert worker.end() == 0, worker.said()
        check(party, {addresses[4]})
