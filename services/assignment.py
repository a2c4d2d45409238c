"""Who labels what: protocol section 6.

Pure functions of a round's seed, the length n of its roster and the task's committee size. A ring
position is a place in the permuted roster; even positions are league 0 (E), odd ones league 1 (O).
"""

from eth_utils.crypto import keccak

FEISTEL_ROUNDS = 8


def ring(seed: bytes, n: int) -> list[int]:
    """The round's permutation π of [0, n): the roster index at each ring position.

    A balanced Feistel network over the smallest even number of bits that holds n − 1, walked along
    its cycle until it lands below n.
    """
    if n < 1:
        raise ValueError(f"a ring needs at least 1 worker, got {n}")
    if len(seed) != 32:
        raise ValueError(f"a round's seed is 32 bytes, got {len(seed)}")
    half = max(1, -(-(n - 1).bit_length() // 2))
    mask = (1 << half) - 1
    # There are far fewer inputs to the round function than calls of it.
    mixed = [
        [_mix(seed, i, right) & mask for right in range(1 << half)] for i in range(FEISTEL_ROUNDS)
    ]

    def permute(x: int) -> int:
        left, right = x >> half, x & mask
        for table in mixed:
            left, right = right, left ^ table[right]
        return left << half | right

    indices = []
    for position in range(n):
        index = permute(position)
        while index >= n:
            index = permute(index)
        indices.append(index)
    return indices


def _mix(seed: bytes, i: int, right: int) -> int:
    """keccak256(abi.encode(seed, uint256 i, uint256 R)) as a number."""
    return int.from_bytes(keccak(seed + i.to_bytes(32, "big") + right.to_bytes(32, "big")), "big")


def is_everyone(n: int, committee: int) -> bool:
    """Whether every worker labels every chunk."""
    return committee == 0 or 2 * committee > n


def members(chunk: int, n: int, committee: int) -> list[int]:
    """The ring positions of a chunk's members, in committee order: E, O, E, O, …"""
    if is_everyone(n, committee):
        return list(range(n))
    n_even, n_odd = (n + 1) // 2, n // 2
    positions = []
    for u in range(chunk * committee // 2, (chunk + 1) * committee // 2):
        positions += [2 * (u % n_even), 2 * ((u + u // n_odd) % n_odd) + 1]
    return positions


def assigned_chunks(position: int, n: int, committee: int, n_chunks: int) -> list[int]:
    """The chunks that the worker at a ring position labels, ascending."""
    return [chunk for chunk in range(n_chunks) if position in members(chunk, n, committee)]
