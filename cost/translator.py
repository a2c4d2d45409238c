"""EVM bytecode to Python functions, trace by trace, at first use.

A trace runs from a jump target to where the next address is not known, through calls of internal
functions. Stack places become local variables, and the fixed gas of the trace is added up once, so
that a chunk's aggregation takes a second and not a minute. `machine.Frame` has what traces call.
"""

import re
from collections.abc import Callable
from typing import Any

WORD = (1 << 256) - 1
LONGEST_TRACE = 400  # instructions
HALT = -1

# name: (stack places taken, gas, expression); a is the top of the stack.
PURE: dict[int, tuple[int, int, str]] = {
    0x01: (2, 3, "(a + b) & W"),
    0x02: (2, 5, "(a * b) & W"),
    0x03: (2, 3, "(a - b) & W"),
    0x04: (2, 5, "a // b if b else 0"),
    0x05: (2, 5, "sdiv(a, b)"),
    0x06: (2, 5, "a % b if b else 0"),
    0x07: (2, 5, "smod(a, b)"),
    0x08: (3, 8, "(a + b) % c if c else 0"),
    0x09: (3, 8, "a * b % c if c else 0"),
    0x0B: (2, 5, "signextend(a, b)"),
    0x10: (2, 3, "+(a < b)"),
    0x11: (2, 3, "+(a > b)"),
    0x12: (2, 3, "+(a ^ TOP < b ^ TOP)"),
    0x13: (2, 3, "+(a ^ TOP > b ^ TOP)"),
    0x14: (2, 3, "+(a == b)"),
    0x15: (1, 3, "+(not a)"),
    0x16: (2, 3, "a & b"),
    0x17: (2, 3, "a | b"),
    0x18: (2, 3, "a ^ b"),
    0x19: (1, 3, "a ^ W"),
    0x1A: (2, 3, "b >> 8 * (31 - a) & 255 if a < 32 else 0"),
    0x1B: (2, 3, "(b << a) & W if a < 256 else 0"),
    0x1C: (2, 3, "b >> a if a < 256 else 0"),
    0x1D: (2, 3, "(signed(b) >> min(a, 256)) & W"),
    0x30: (0, 2, "f.address"),
    0x33: (0, 2, "f.caller"),
    0x34: (0, 2, "f.value"),
    0x35: (1, 3, "word(d[a : a + 32])"),
    0x36: (0, 2, "len(d) - 32"),
    0x38: (0, 2, "len(f.code.raw)"),
    0x3B: (1, 0, "f.code_size(a)"),
    0x3D: (0, 2, "len(f.returned)"),
    0x42: (0, 2, "f.machine.timestamp"),
    0x44: (0, 2, "f.machine.prevrandao"),
    0x46: (0, 2, "f.machine.chain_id"),
    0x59: (0, 2, "len(m)"),
    0x5A: (0, 2, "1 << 40"),  # what is left: enough
}
# The same for what has effects or a cost of its own, which the frame adds.
_CALLS: dict[int, tuple[int, int, str, bool]] = {
    0x0A: (2, 10, "f.exp(a, b)", True),
    0x20: (2, 30, "f.keccak(a, b)", True),
    0x37: (3, 3, "f.copy(a, d, b, c)", False),
    0x39: (3, 3, "f.copy(a, f.code.raw, b, c)", False),
    0x3E: (3, 3, "f.copy(a, f.returned, b, c)", False),
    0x53: (2, 3, "f.store_byte(a, b)", False),
    0x54: (1, 0, "f.load_slot(a)", True),
    0x55: (2, 0, "f.store_slot(a, b)", False),
    0x5C: (1, 100, "f.transient.get(a, 0)", True),
    0x5D: (2, 100, "f.transient.__setitem__(a, b)", False),
    0x5E: (3, 3, "f.move(a, b, c)", False),
    **{0xA0 + n: (2 + n, 375 * (n + 1), "f.log(a, b)", False) for n in range(5)},
    0xF5: (4, 32_000, "f.create2(b, c, d_)", True),
    0xFA: (6, 0, "f.static_call(b, c, d_, e, g)", True),
}
_ENDS = {0xF3: "f.finish(a, b)", 0xFD: "f.fail(a, b)"}
_NAMES = ("a", "b", "c", "d_", "e", "g")

Trace = Callable[[Any], int]


def _signed(a: int) -> int:
    return a - (a >> 255 << 256)


def _sdiv(a: int, b: int) -> int:
    quotient = abs(_signed(a)) // abs(_signed(b)) if b else 0
    return (quotient if (a ^ b) >> 255 == 0 else -quotient) & WORD


def _smod(a: int, b: int) -> int:
    rest = abs(_signed(a)) % abs(_signed(b)) if b else 0
    return (-rest if a >> 255 else rest) & WORD


def _signextend(a: int, b: int) -> int:
    if a > 30:
        return b
    low = b & ((1 << 8 * (a + 1)) - 1)
    return (low | (WORD << 8 * (a + 1))) & WORD if low >> (8 * a + 7) else low


# What traces name.
_SPACE = {
    "W": WORD,
    "TOP": 1 << 255,
    "word": int.from_bytes,
    "signed": _signed,
    "sdiv": _sdiv,
    "smod": _smod,
    "signextend": _signextend,
}


class Code:
    """One contract's code and its traces so far."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._traces: dict[int, Trace] = {}

    def run(self, frame: Any) -> None:
        """Run a frame from its first instruction until it halts."""
        traces, place = self._traces, 0
        while place != HALT:
            trace = traces.get(place)
            if trace is None:
                trace = traces[place] = _Translation(self.raw, place).compiled()
            place = trace(frame)


class _Translation:
    """One trace in the making: `stack` has the expressions of places that the trace wrote."""

    def __init__(self, raw: bytes, start: int) -> None:
        self.raw, self.start = raw, start
        self.lines: list[str] = []
        self.stack: list[str] = []
        self.gas = 0
        self.n_names = 0

    def compiled(self) -> Trace:
        self._translate()
        source = "def trace(f):\n s = f.stack\n m = f.memory\n d = f.data\n "
        source += "\n ".join(self.lines)
        space: dict[str, Any] = dict(_SPACE)
        exec(compile(source, f"<trace {self.start}>", "exec"), space)  # noqa: S102
        trace: Trace = space["trace"]
        return trace

    def _translate(self) -> None:
        place, raw = self.start, self.raw
        entered = set()
        for _ in range(LONGEST_TRACE):
            code = raw[place] if place < len(raw) else 0
            place += 1
            if code == 0x5B:  # JUMPDEST
                self.gas += 1
                entered.add(place - 1)
            elif code == 0x5F or 0x60 <= code <= 0x7F:  # PUSH
                size = code - 0x5F
                self.stack.append(str(int.from_bytes(raw[place : place + size], "big")))
                place += size
                self.gas += 2 if size == 0 else 3
            elif 0x80 <= code <= 0x8F:  # DUP
                self._need(code - 0x7F)
                self.stack.append(self.stack[-(code - 0x7F)])
                self.gas += 3
            elif 0x90 <= code <= 0x9F:  # SWAP
                depth = code - 0x8E
                self._need(depth)
                self.stack[-1], self.stack[-depth] = self.stack[-depth], self.stack[-1]
                self.gas += 3
            elif code == 0x50:  # POP
                self._take(1)
                self.gas += 2
            elif code == 0x56:  # JUMP
                [target] = self._take(1)
                self.gas += 8
                if not target.isdigit() or int(target) in entered or int(target) == self.start:
                    self._leave(target)
                    return
                place = int(target)
            elif code == 0x57:  # JUMPI
                target, condition = self._take(2)
                self.gas += 10
                self.lines.append(f"if {condition}:")
                self._leave(target, " ")
            elif code == 0x51:  # MLOAD
                [at] = self._take(1)
                self._reach(at)
                self._set(f"word(m[{at} : {at} + 32])")
            elif code == 0x52:  # MSTORE
                at, value = self._take(2)
                self._reach(at)
                self.lines.append(f"m[{at} : {at} + 32] = ({value}).to_bytes(32)")
            elif code in PURE:
                taken, gas, expression = PURE[code]
                self.gas += gas
                self._set(_filled(expression, self._take(taken)))
            elif code in _CALLS:
                taken, gas, expression, has_result = _CALLS[code]
                self.gas += gas
                filled = _filled(expression, self._take(taken))
                if has_result:
                    self._set(filled)
                else:
                    self.lines.append(filled)
            elif code in _ENDS:
                self.lines.append(_filled(_ENDS[code], self._take(2)))
                self._leave(str(HALT))
                return
            elif code == 0:
                self._leave(str(HALT))
                return
            else:
                self.lines.append(f"f.invalid({code})")
                self._leave(str(HALT))
                return
        self._leave(str(place))

    def _need(self, n: int) -> None:
        """Bring places of the stack that the trace has not touched into names."""
        while len(self.stack) < n:
            self.stack.insert(0, self._name("s.pop()"))

    def _take(self, n: int) -> list[str]:
        self._need(n)
        taken = self.stack[len(self.stack) - n :]
        del self.stack[len(self.stack) - n :]
        return taken[::-1]

    def _name(self, expression: str) -> str:
        self.n_names += 1
        self.lines.append(f"v{self.n_names} = {expression}")
        return f"v{self.n_names}"

    def _set(self, expression: str) -> None:
        self.stack.append(self._name(expression))

    def _reach(self, at: str) -> None:
        self.gas += 3
        self.lines.append(f"if {at} + 32 > len(m): f.grow({at} + 32)")

    def _leave(self, target: str, indent: str = "") -> None:
        """Write the stack back, book the gas and go on elsewhere."""
        if self.stack:
            self.lines.append(f"{indent}s += ({', '.join(self.stack)},)")
        self.lines.append(f"{indent}f.gas += {self.gas}")
        self.lines.append(f"{indent}return {target}")


def _filled(expression: str, arguments: list[str]) -> str:
    """An expression with its arguments in place of their names."""
    names = dict(zip(_NAMES, arguments, strict=False))
    tokens = re.split(r"(\w+)", expression)
    return "".join(names.get(token, token) for token in tokens)
