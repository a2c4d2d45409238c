"""What a worker refuses to go on with: exit code 1, one clear line, and no cost to anybody."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local import Command
from nodes import ETHER
from party import Home, Party

from services.chain import Phase
from services.datasets import Dataset, load_idx, save_idx, sha256
from worker.journal import Journal

EMPTY_ADDRESS = "0x000000000000000000000000000000000000dEaD"
AT_ONCE = 3  # processes; each one's import of torch takes a core for seconds


def refusals(cases: dict[str, Command]) -> dict[str, str]:
    """Start each command, a few at a time; the one line that each fails with."""
    lines: dict[str, str] = {}
    names = list(cases)
    for start in range(0, len(names), AT_ONCE):
        batch = names[start : start + AT_ONCE]
        for name in batch:
            cases[name].start()
        lines |= {name: cases[name].fail() for name in batch}
    return lines


def require(lines: dict[str, str], expected: dict[str, list[str]]) -> None:
    """Each line has the words that are expected of it."""
    assert lines.keys() == expected.keys()
    wrong = {
        name: line for name, line in lines.items() if any(w not in line for w in expected[name])
    }
    assert not wrong


def money(party: Party) -> dict[str, Any]:
    """All that a worker's failure could cost others."""
    chain = party.stage.deployer
    return {
        "balances": [chain.balance_of(member) for member in party.stage.members],
        "ether": [chain.chain.balance_wei(member) for member in party.stage.members],
        "pot": chain.pot(),
        "phase": chain.phase(),
    }


def test_wrong_data_are_refused_before_money_moves(
    build: Callable[..., Party], home: Home, tmp_path: Path
) -> None:
    """With samples that are missing, other or too few nobody registers."""
    party = build()
    images = load_idx(home.folder / "public").samples
    empty = tmp_path / "empty"
    empty.mkdir()
    other, few = tmp_path / "other", tmp_path / "few"
    save_idx(other, Dataset(images[::-1].copy()))
    save_idx(few, Dataset(images[:100]))
    small = build(dataset_hash=sha256(images[:100]))

    def case(name: str, **settings: object) -> Command:
        command = party.worker(0, state_dir=tmp_path / f"{name}-state", **settings)
        command.log_file = tmp_path / f"{name}.log"
        return command

    before = money(party), money(small)
    lines = refusals(
        {
            "public missing": case("1", public_data=tmp_path / "nowhere"),
            "public other": case("3", public_data=other),
            "public too few": small.worker(1, public_data=few),
            "private empty": case("5", private_data=empty),
        }
    )
    require(
        lines,
        {
            "public missing": ["nowhere", "no such folder"],
            "public other": [home.dataset_hash, sha256(images[::-1].copy())],
            "public too few": ["has 100 samples", "labels 512"],
            "private empty": [str(empty), "train-images-idx3-ubyte"],
        },
    )
    assert (money(party), money(small)) == before


def test_a_wrong_chain_key_or_setting_is_refused(
    build: Callable[..., Party], home: Home, tmp_path: Path
) -> None:
    """Each names what was expected, what was found and what to do."""
    party = build()
    poor = party.worker(1, patience_s=1)
    party.node.set_balance(party.address(1), ETHER // 2)
    stranger = party.worker(2)
    account = party.node.new_account()
    Path(str(stranger.settings["key_file"])).write_text(account.key.hex())
    late_party = build(5, registration_seconds=60)
    late = late_party.worker(4, private_data=home.folder / "workers" / "0" / "private")
    late_party.register()
    late_party.node.pass_time(60)
    late_party.keep()
    assert late_party.stage.deployer.phase() is Phase.COMMIT

    def case(name: str, **settings: object) -> Command:
        command = party.worker(0, state_dir=tmp_path / f"{name}-state", **settings)
        command.log_file = tmp_path / f"{name}.log"
        return command

    before = money(party), money(late_party)
    lines = refusals(
        {
            "no chain": case("1", rpc_url="http://127.0.0.1:1", patience_s=1),
            "no contract": case("2", contract=EMPTY_ADDRESS),
            "no funds": poor,
            "not a member": stranger,
            "too late": late,
        }
    )
    require(
        lines,
        {
            "no chain": ["for 1 s in vain", "127.0.0.1:1", "FEDSERUM_RPC_URL"],
            "no contract": [f"no contract is at {EMPTY_ADDRESS}"],
            "no funds": [party.address(1), f"found {ETHER // 2} wei"],
            "not a member": [account.address, "is not a member"],
            "too late": [late_party.address(4), "registration is closed"],
        },
    )
    assert (money(party), money(late_party)) == before


def test_one_identity_is_for_one_process(
    build: Callable[..., Party], home: Home, tmp_path: Path
) -> None:
    """A second process on the same state folder or home stops; the first one plays on."""
    party = build()
    first = party.worker(0)
    first.start()
    first.wait_for("worker_registered")
    # A home folder with the one identity that the first worker holds.
    own = tmp_path / "home" / "workers" / "0"
    own.mkdir(parents=True)
    (own / "state").symlink_to(tmp_path / "worker-0" / "state")
    shutil.copy(tmp_path / "worker-0" / "key", own / "key")
    named = party.make("named", "worker", **first.settings)
    claimed = party.make(
        "claimed",
        "worker",
        rpc_url=party.node.url,
        contract=party.stage.deployment.contract,
        home=tmp_path / "home",
    )
    require(
        refusals({"named": named, "claimed": claimed}),
        {
            "named": [str(tmp_path / "worker-0" / "state"), "another worker runs"],
            "claimed": ["every identity in", "is taken"],
        },
    )
    assert first.is_running()


def test_a_corrupt_journal_commits_to_nothing(build: Callable[..., Party]) -> None:
    """What cannot be opened later is not sent; the others' round goes on and nobody is slashed."""
    party = build(5, commit_seconds=60)
    worker = party.worker(0)
    chain = party.stage.deployer.chain
    folder = Path(str(worker.settings["state_dir"]))
    contract = party.stage.deployment.contract
    path = Journal(folder, chain.chain_id(), chain.genesis_hash(), contract).folder
    (path / "round-1.json").write_text('{"labels": "00", "label_')
    worker.start()
    party.register()
    assert "round-1.json is corrupt" in worker.wait_for("journal_unready")["cause"]
    assert not any(party.stage.deployer.commitment_of(1, party.address(0)))
    party.commit()
    party.node.pass_time(60)
    party.keep()
    party.reveal()
    party.keep()
    assert len(party.events("RoundSettled")) == 1
    assert party.events("Slashed") == []
