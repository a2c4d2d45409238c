"""What must hold after every fault: rounds settled, only the guilty slashed, no wei lost."""

from typing import Any

from conftest import Deployed
from party import Party

from audit.__main__ import audit
from services.chain import Phase
from services.settings import AuditSettings


def check(played: Party | Deployed, guilty: set[str]) -> None:
    """Check a federation that has played its rounds, from its chain alone.

    Args:
        played: the federation; closed, withdrawn from or not.
        guilty: addresses of exactly those who must have been slashed.
    """
    stage = played.stage if isinstance(played, Party) else played
    federation, contract = stage.deployer, stage.deployment.contract
    events = federation.events(stage.deployment.deploy_block)

    def all_of(name: str) -> list[dict[str, Any]]:
        return [event.args for event in events if event.name == name]

    assert federation.phase() is Phase.CLOSED
    settled = [event["round"] for event in all_of("RoundSettled")]
    assert settled == list(range(1, federation.round() + 1)) != [], "a round did not settle"

    slashed = [event["worker"] for event in all_of("Slashed")]
    assert sorted(slashed) == sorted(guilty)
    assert {member for member in stage.members if federation.is_excluded(member)} == guilty

    came_in = sum(e["deposit"] for e in all_of("Registered"))
    came_in += sum(e["amount"] for e in all_of("Funded"))
    went_out = sum(e["amount"] for e in all_of("Withdrawn"))
    went_out += sum(e["refund"] for e in all_of("Left"))
    balances = {member: federation.balance_of(member) for member in stage.members}
    held = sum(balances.values()) + federation.pot()
    assert held + went_out == came_in
    assert stage.chain.balance_wei(contract) == held
    assert not any(balances[member] for member in guilty)

    where: dict[str, Any] = {"rpc_url": stage.chain.rpc_url, "contract": contract}
    found = audit(AuditSettings(**where))
    assert found.endswith("everything agrees\n"), found
