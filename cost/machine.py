"""A small Ethereum machine that counts gas to the last unit, by the rules of the Prague upgrade.

It has what `Federation`, its kernels and the proxy that deploys them need and refuses the rest: no
ether moves and no call but a static one. Gas never runs out: whoever asks compares what was used
with what may be. `tests/integration/test_machine.py` holds it against anvil, transaction by
transaction.
"""

from dataclasses import dataclass, field
from functools import lru_cache

from eth_utils.crypto import keccak

from cost.translator import Code
from services.errors import ChainError

ADDRESS = (1 << 160) - 1
INVALID = 0xFE

# The ring of a round is hashed anew for every chunk.
_hash = lru_cache(1 << 16)(keccak)
# Machines share what was translated.
_code = lru_cache(16)(Code)


class CallRefused(Exception):  # noqa: N818  (what the contract did, not what went wrong here)
    """The contract reverted; `data` says why, encoded."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data.hex())
        self.data = data


@dataclass
class Result:
    """An executed transaction: gas used, data returned, address of the contract it created."""

    gas_used: int
    returned: bytes
    created: int


class Machine:
    """Accounts with code and storage, and the block that all transactions are in."""

    timestamp = 1_800_000_000
    prevrandao = int.from_bytes(keccak(b"seed of the ring"))
    chain_id = 1

    def __init__(self) -> None:
        self.codes: dict[int, Code] = {}
        self.nonces: dict[int, int] = {}
        self.storage: dict[tuple[int, int], int] = {}
        self.original: dict[tuple[int, int], int] = {}  # of what the transaction wrote
        self.warm: set[int | tuple[int, int]] = set()
        self.refund = 0

    def transact(self, sender: int, to: int | None, data: bytes, value: int = 0) -> Result:
        """Execute a transaction; `to` None creates a contract.

        Raises:
            CallRefused: the contract reverted; nothing changed.
        """
        n_zeros = data.count(0)
        tokens = 4 * len(data) - 3 * n_zeros
        before = (dict(self.storage), dict(self.codes), dict(self.nonces))
        self.original, self.refund = {}, 0
        self.warm = {sender, *range(1, 18)}  # with the precompiled contracts
        try:
            if to is None:
                to = self.next_address(sender)
                frame = self._run_constructor(sender, to, data, value)
                created = 32_000 + 2 * _words(len(data))
            else:
                self.nonces[sender] = self.nonces.get(sender, 0) + 1
                self.warm.add(to)
                frame = Frame(self, to, sender, value, data, self.codes[to])
                frame.run()
                created = 0
        except CallRefused:
            self.storage, self.codes, self.nonces = before
            raise
        used = 21_000 + 4 * tokens + created + frame.gas
        used -= min(self.refund, used // 5)
        return Result(max(used, 21_000 + 10 * tokens), bytes(frame.output), to)

    def call(self, to: int, data: bytes) -> bytes:
        """What a view answers.

        Raises:
            CallRefused: it reverted.
        """
        self.warm = set()
        frame = Frame(self, to, 0, 0, data, self.codes[to])
        frame.run()
        return frame.output

    def next_address(self, creator: int) -> int:
        """Where the next contract of an account will be."""
        nonce = self.nonces.get(creator, 0)
        encoded = bytes([nonce or 0x80])  # as long as it is below 128
        return int.from_bytes(keccak(b"\xd6\x94" + creator.to_bytes(20) + encoded)) & ADDRESS

    def _run_constructor(self, creator: int, at: int, init: bytes, value: int) -> "Frame":
        self.nonces[creator] = self.nonces.get(creator, 0) + 1
        self.nonces[at] = 1
        self.warm.add(at)
        frame = Frame(self, at, creator, value, b"", Code(init))
        frame.run()
        self.codes[at] = _code(bytes(frame.output))
        frame.gas += 200 * len(frame.output)
        return frame


@dataclass
class Frame:
    """One contract at work: what traces call, each adding the gas that depends on arguments."""

    machine: Machine
    address: int
    caller: int
    value: int
    data: bytes  # and 32 bytes of 0, so that every word of it is whole
    code: Code
    gas: int = 0
    stack: list[int] = field(default_factory=list)
    memory: bytearray = field(default_factory=bytearray)
    transient: dict[int, int] = field(default_factory=dict)
    returned: bytes = b""
    output: bytes = b""

    def run(self) -> None:
        """Run to the end.

        Raises:
            CallRefused: it reverted.
        """
        self.data += bytes(32)
        self.code.run(self)

    def grow(self, size: int) -> None:
        """Memory up to here; its price grows with the square."""
        if size > 1 << 26:
            raise CallRefused(b"")  # it would take all the gas that there is
        old, new = len(self.memory) // 32, _words(size)
        if new > old:
            self.gas += 3 * (new - old) + new * new // 512 - old * old // 512
            self.memory.extend(bytes(32 * (new - old)))

    def _reach(self, at: int, size: int) -> None:
        if size > 0:
            self.grow(at + size)

    def exp(self, base: int, exponent: int) -> int:
        """EXP: 50 for every byte of the exponent."""
        self.gas += 50 * _bytes(exponent)
        return pow(base, exponent, 1 << 256)

    def keccak(self, at: int, size: int) -> int:
        """KECCAK256 of memory."""
        self._reach(at, size)
        self.gas += 6 * _words(size)
        data = bytes(self.memory[at : at + size])
        return int.from_bytes(_hash(data) if size < 128 else keccak(data))

    def copy(self, to: int, source: bytes, at: int, size: int) -> None:
        """CALLDATACOPY and its like: beyond the source there are zeros."""
        self._reach(to, size)
        self.gas += 3 * _words(size)
        self.memory[to : to + size] = source[at : at + size].ljust(size, b"\0")

    def move(self, to: int, at: int, size: int) -> None:
        """MCOPY."""
        self._reach(max(to, at), size)
        self.gas += 3 * _words(size)
        self.memory[to : to + size] = self.memory[at : at + size]

    def store_byte(self, at: int, value: int) -> None:
        """MSTORE8."""
        self._reach(at, 1)
        self.memory[at] = value & 255

    def log(self, at: int, size: int) -> None:
        """LOG: what it says is not kept."""
        self._reach(at, size)
        self.gas += 8 * size

    def load_slot(self, slot: int) -> int:
        """SLOAD: dear when the transaction touches the slot for the first time."""
        key = (self.address, slot)
        self.gas += 100 if key in self.machine.warm else 2_100
        self.machine.warm.add(key)
        return self.machine.storage.get(key, 0)

    def store_slot(self, slot: int, value: int) -> None:
        """EIP-2200 with the prices of EIP-2929 and the refunds of EIP-3529."""
        machine, key = self.machine, (self.address, slot)
        if key not in machine.warm:
            self.gas += 2_100
            machine.warm.add(key)
        current = machine.storage.get(key, 0)
        original = machine.original.setdefault(key, current)
        machine.storage[key] = value
        if value == current or original != current:
            self.gas += 100
        else:
            self.gas += 2_900 if original else 20_000
        if value == current:
            return
        if original:
            machine.refund += 4_800 * ((value == 0) - (current == 0))
        if value == original:
            machine.refund += 0 if original == current else 2_800 if original else 19_900

    def code_size(self, account: int) -> int:
        """EXTCODESIZE."""
        self._visit(account)
        code = self.machine.codes.get(account)
        return len(code.raw) if code else 0

    def _visit(self, account: int) -> None:
        """Dear when the transaction meets the account for the first time."""
        self.gas += 100 if account in self.machine.warm else 2_600
        self.machine.warm.add(account)

    def create2(self, at: int, size: int, salt: int) -> int:
        """CREATE2, without ether, of what does not exist yet."""
        self._reach(at, size)
        self.gas += (2 + 6) * _words(size)  # of code to be run, and to be hashed
        init = bytes(self.memory[at : at + size])
        named = b"\xff" + self.address.to_bytes(20) + salt.to_bytes(32) + keccak(init)
        created = int.from_bytes(keccak(named)) & ADDRESS
        self.gas += self.machine._run_constructor(self.address, created, init, 0).gas
        self.returned = b""
        return created

    def static_call(self, to: int, at: int, size: int, into: int, room: int) -> int:
        """STATICCALL: 1 if it succeeded."""
        machine = self.machine
        self._reach(at, size)
        self._reach(into, room)
        self._visit(to)
        data = bytes(self.memory[at : at + size])
        frame = Frame(machine, to, self.address, 0, data, machine.codes[to])
        is_refused = False
        try:
            frame.run()
            self.returned = frame.output
        except CallRefused as refused:
            self.returned, is_refused = refused.data, True
        self.gas += frame.gas
        found = self.returned[:room]
        self.memory[into : into + len(found)] = found
        return 0 if is_refused else 1

    def finish(self, at: int, size: int) -> None:
        """RETURN."""
        self._reach(at, size)
        self.output = bytes(self.memory[at : at + size])

    def fail(self, at: int, size: int) -> None:
        """REVERT."""
        self._reach(at, size)
        raise CallRefused(bytes(self.memory[at : at + size]))

    def invalid(self, code: int) -> None:
        """An instruction that is not for `Federation`, or that reverts without a word."""
        if code == INVALID:
            raise CallRefused(b"")
        raise ChainError(f"the contract uses instruction 0x{code:02x}, which `cost` cannot price")


def _words(size: int) -> int:
    return -(-size // 32)


def _bytes(value: int) -> int:
    return -(-value.bit_length() // 8)
