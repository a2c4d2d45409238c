"""A federation on a real chain, and what its strangers believe to be true of it.

The chain's side of the stranger's client (protocol, sections 7 and 8): web3 and the contract's ABI,
nothing else of this project. `test_stranger.py` plays rounds on it.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from stranger import Task, member_proof, members_tree
from stranger_ledger import Ledger
from web3 import HTTPProvider, Web3
from web3.exceptions import ContractCustomError
from web3.types import RPCEndpoint

ABI_FILE = Path(__file__).parents[2] / "services/abi/Federation.json"
REGISTRATION, COMMIT, REVEAL, AGGREGATE, CLOSED = range(5)
GAS_CAP = 16_777_216
GWEI = 10**9


class Stage:
    """One federation and its strangers; deploys it."""

    def __init__(self, node: Any, n_strangers: int, **fields: Any) -> None:
        self.node = node
        cached = {RPCEndpoint("eth_chainId")}
        provider = HTTPProvider(node.url, cache_allowed_requests=True, cacheable_requests=cached)
        self.w3 = Web3(provider)
        self.accounts: dict[str, LocalAccount] = {}
        for _ in range(n_strangers):
            account = node.new_account()
            self.accounts[account.address] = account
        self.members = list(self.accounts)
        self.outsider: LocalAccount = node.new_account()
        values = {
            "members_root": members_tree(self.members)[0],
            "dataset_hash": b"\x11" * 32,
            "samples_per_round": 700,
            "chunk_samples": 256,
            "classes": 10,
            "committee": 0,
            "peering": 1,
            "min_workers": 4,
            "max_workers": n_strangers,
            "rounds": 2,
            "deposit_wei": 10**18 + 7,
            "penalty_wad": 3 * 10**18 // 2,
            "reward_scale_wad": 3 * 10**17 + 1,
            "reward_decay_wad": 9 * 10**17 + 1,
            "stop_agreement_wad": 0,
            "registration_seconds": 3600,
            "commit_seconds": 600,
            "reveal_seconds": 300,
            "uri": "data:,a task for strangers",
        }
        self.task = Task(**(values | fields))
        self.ledger = Ledger(self.task)
        artefact = json.loads(ABI_FILE.read_text(encoding="utf-8"))
        node.put_kernels()  # as whoever is the first to deploy on a chain does for all
        factory = self.w3.eth.contract(abi=artefact["abi"], bytecode=artefact["bytecode"])
        receipt = self.send(self.outsider, factory.constructor(tuple(self.task)))
        self.deploy_block = receipt["blockNumber"]
        self.contract: Any = self.w3.eth.contract(receipt["contractAddress"], abi=artefact["abi"])

    def send(self, account: LocalAccount, call: Any, value_wei: int = 0) -> Any:
        """Sign, send and wait; section 8: no call of the protocol ever needs more than the cap."""
        transaction = call.build_transaction(
            {
                "from": account.address,
                "nonce": self.w3.eth.get_transaction_count(account.address),
                "chainId": self.w3.eth.chain_id,
                "value": value_wei,
                "gas": GAS_CAP,
                "maxFeePerGas": 100 * GWEI,
                "maxPriorityFeePerGas": GWEI,
            }
        )
        signed = account.sign_transaction(transaction)
        hash_ = self.w3.eth.send_raw_transaction(signed.raw_transaction)
        receipt = self.w3.eth.wait_for_transaction_receipt(hash_, poll_latency=0.02)
        if receipt["status"] != 1:  # ask again for the reason, at the state before that block
            call.call({"from": account.address, "value": value_wei}, receipt["blockNumber"] - 1)
        assert receipt["status"] == 1, f"{call.fn_name} used {receipt['gasUsed']} gas and failed"
        return receipt

    def paid(self, account: LocalAccount, call: Any) -> int:
        """Send, and say how many wei the sender got, gas aside."""
        before = self.w3.eth.get_balance(account.address)
        receipt = self.send(account, call)
        gas_wei = receipt["gasUsed"] * receipt["effectiveGasPrice"]
        return self.w3.eth.get_balance(account.address) - before + int(gas_wei)

    def show(self, view: str, *args: Any) -> Any:
        """What the contract says."""
        return self.contract.functions[view](*args).call()

    def events(self, name: str, **filters: Any) -> list[Any]:
        """All events of a name, e.g. of one round."""
        event = self.contract.events[name]()
        return list(event.get_logs(from_block=self.deploy_block, argument_filters=filters))

    def clock(self) -> int:
        """Seconds; the time of the last block."""
        return int(self.w3.eth.get_block("latest")["timestamp"])

    def pass_deadline(self) -> None:
        """Wait until the phase's window is over and end it; anybody may."""
        self.node.pass_time(self.show("deadline") - self.clock())
        self.send(self.outsider, self.contract.functions.advance())

    def check_money(self) -> None:
        """Section 5: every balance, the pot, and that no wei was made or lost."""
        for member in self.members:
            assert self.show("balanceOf", member) == self.ledger.balances.get(member, 0)
            assert self.show("isExcluded", member) == (member in self.ledger.excluded)
        assert self.show("pot") == self.ledger.pot
        held = self.w3.eth.get_balance(self.contract.address)
        assert held == sum(self.ledger.balances.values()) + self.ledger.pot

    def register(self) -> None:
        """Section 7: all members register with their proofs; the last of them opens round 1."""
        assert Task(*self.show("task")) == self.task
        for member, account in self.accounts.items():
            assert self.show("phase") == REGISTRATION
            call = self.contract.functions.register(member_proof(self.members, member))
            self.send(account, call, self.task.deposit_wei)
            self.ledger.register(member)
            [event] = self.events("Registered", worker=member)
            assert event["args"]["deposit"] == self.task.deposit_wei
        self.check_money()

    def fund(self, value_wei: int) -> None:
        """Section 5: anybody may add to the pot while rounds go on."""
        self.send(self.outsider, self.contract.functions.fund(), value_wei)
        self.ledger.pot += value_wei
        [event] = self.events("Funded")
        assert event["args"] == {"from": self.outsider.address, "amount": value_wei}
        self.check_money()

    def pay_out(self) -> None:
        """Section 5: the pot is shared, then everybody takes what it owns, once."""
        assert (self.show("phase"), self.show("deadline")) == (CLOSED, 0)
        assert len(self.events("Closed")) == 1
        self.check_money()
        withdraw = self.contract.functions.withdraw()
        for member in sorted(self.ledger.active()):
            owned = self.ledger.leave(member)
            assert self.paid(self.accounts[member], withdraw) == owned
            [event] = self.events("Withdrawn", worker=member)
            assert event["args"]["amount"] == owned
        self.check_money()
        for member in self.members:
            with pytest.raises(ContractCustomError):
                withdraw.call({"from": member})
