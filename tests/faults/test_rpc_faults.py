"""Answers of the node that get lost, come late, twice or out of date: every step happens once."""

from collections.abc import Callable
from pathlib import Path

from aftermath import check
from party import Party
from proxy import DELAY, DOUBLE, LOSE_ANSWER, LOSE_REQUEST, OLD, at_random, in_turn, proxied
from test_envelopes import files_of

SEND = "eth_sendRawTransaction"
STEPS = ["Registered", "Committed", "Revealed", "Withdrawn"]


def play(party: Party) -> None:
    """A round with worker 0 as a process, to its end; its steps are on the chain once each."""
    worker, me = party.processes[0], party.address(0)
    worker.start()
    party.register()
    party.await_commit()
    party.commit()
    party.await_reveal()
    party.reveal()
    party.keep()
    assert worker.end() == 0, worker.said()
    assert int(party.node.rpc("eth_getTransactionCount", me, "latest"), 16) == len(STEPS)
    done = [name for name in STEPS for event in party.events(name) if event["worker"] == me]
    assert done == STEPS
    assert len(worker.events("round_learnt")) == 1
    check(party, set())


def test_a_round_through_a_faulty_network_is_played_once(
    build: Callable[..., Party], tmp_path: Path
) -> None:
    """Whatever is lost, late or double at sending, and anywhere else: no step is done twice."""
    every = in_turn([LOSE_ANSWER, DOUBLE, DELAY, LOSE_REQUEST, None])
    first, rest = in_turn([LOSE_ANSWER, DOUBLE]), at_random(seed=6, share=0.1)

    def plan(method: str, count: int) -> str | None:
        return (every if method == SEND else first if count <= 2 else rest)(method, count)

    party = build()
    with proxied(party.node.url, plan, delay_s=0.7) as proxy:
        worker = party.worker(
            model=files_of(party, tmp_path / "predictions"),
            rpc_url=proxy.url,
            rpc_timeout_s=0.5,
            poll_s=0.1,
        )
        play(party)
    for fault in (LOSE_ANSWER, DOUBLE, DELAY, LOSE_REQUEST):
        assert proxy.done[SEND, fault], fault
    for method in proxy.asked:
        assert proxy.done[method, LOSE_ANSWER], f"no answer to {method} got lost"
    assert worker.events("node_did_not_answer")


def test_a_node_of_two_minds_leads_to_no_step_twice(
    build: Callable[..., Party], tmp_path: Path
) -> None:
    """Behind one address one node may lag: what is asked may be answered as a look ago."""
    plan = at_random(seed=6, share=0.2, faults=[OLD])
    party = build()
    with proxied(party.node.url, plan) as proxy:
        party.worker(model=files_of(party, tmp_path / "predictions"), rpc_url=proxy.url, poll_s=0.1)
        play(party)
    assert proxy.done["eth_call", OLD]


def test_cut_off_from_its_node_a_worker_reveals_when_it_is_back(
    build: Callable[..., Party], tmp_path: Path
) -> None:
    """However often it asked in vain; it says so, and how long it goes on asking."""
    party = build()
    with proxied(party.node.url, lambda *_: None) as proxy:
        worker = party.worker(
            model=files_of(party, tmp_path / "predictions"), rpc_url=proxy.url, poll_s=0.1
        )
        worker.start()
        party.register()
        party.await_commit()
        proxy.is_cut = True
        party.commit()
        party.reveal()
        worker.wait_for("chain_unready")
        assert not any(party.stage.deployer.labels_root_of(1, party.address(0)))
        proxy.is_cut = False
        party.await_reveal()
        party.keep()
        assert worker.end() == 0, worker.said()
    check(party, set())
