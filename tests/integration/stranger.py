"""What anybody computes to take part, written from the protocol's page alone.

Sections 2 to 6 in plain integers; a tutorial for clients in other languages. No chain, no input or
output, nothing of this project: `test_stranger.py` plays with it against the contract.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from eth_abi.abi import encode
from eth_utils.crypto import keccak

WAD = 10**18
GROUP = 256
LCM = 720720

Labels = list[int]


class Task(NamedTuple):
    """Section 8: the fields of the contract's `Task`, in its order."""

    members_root: bytes
    dataset_hash: bytes
    samples_per_round: int
    chunk_samples: int
    classes: int
    committee: int
    peering: int
    min_workers: int
    max_workers: int
    rounds: int
    deposit_wei: int
    penalty_wad: int
    reward_scale_wad: int
    reward_decay_wad: int
    stop_agreement_wad: int
    registration_seconds: int
    commit_seconds: int
    reveal_seconds: int
    uri: str

    def chunk_sizes(self) -> list[int]:
        """Section 2: how many samples each chunk of a round has; only the last may be shorter."""
        starts = range(0, self.samples_per_round, self.chunk_samples)
        return [min(self.chunk_samples, self.samples_per_round - start) for start in starts]


# Section 2: labels on the wire


def abstain(classes: int) -> int:
    """The code of a label that is not given: all B bits set, B the bit length of C."""
    return (1 << classes.bit_length()) - 1


def pack(labels: Labels, classes: int) -> bytes:
    """Pack one chunk: B words for every 256 samples, the most significant bit plane first."""
    padded = labels + [abstain(classes)] * (-len(labels) % GROUP)
    words = []
    for start in range(0, len(padded), GROUP):
        for plane in reversed(range(classes.bit_length())):
            word = 0
            for code in padded[start : start + GROUP]:
                word = word << 1 | code >> plane & 1  # the first sample ends as the top bit
            words.append(word.to_bytes(32, "big"))
    return b"".join(words)


def unpack(data: bytes, classes: int, n_samples: int) -> Labels:
    """Read one chunk's codes back, without its padding."""
    n_planes = classes.bit_length()
    words = [int.from_bytes(data[at : at + 32], "big") for at in range(0, len(data), 32)]
    labels = []
    for sample in range(n_samples):
        group, place = divmod(sample, GROUP)
        code = 0
        for word in words[group * n_planes : (group + 1) * n_planes]:
            code = code << 1 | word >> (GROUP - 1 - place) & 1
        labels.append(code)
    return labels


def split(data: bytes, task: Task, chunks: Sequence[int]) -> dict[int, bytes]:
    """Cut a worker's concatenated labels into its chunks, which come in ascending order."""
    parts, start = {}, 0
    for chunk in chunks:
        n_groups = -(-task.chunk_sizes()[chunk] // GROUP)
        end = start + n_groups * task.classes.bit_length() * 32
        parts[chunk] = data[start:end]
        start = end
    return parts


def count_labels(labels: Labels, classes: int) -> list[int]:
    """Section 1, label count: how often each class was given; abstentions are in no class."""
    return [labels.count(label) for label in range(classes)]


# Section 3: commitments and Merkle roots


def commitment(
    chain_id: int,
    contract: str,
    round_number: int,
    worker: str,
    labels: bytes,
    label_count: list[int],
    salt: bytes,
) -> bytes:
    """What a worker commits to; `abi.encodePacked` of an array takes 32 bytes per element."""
    packed_count = b"".join(count.to_bytes(32, "big") for count in label_count)
    types = ["uint256", "address", "uint256", "address", "bytes32", "bytes32", "bytes32"]
    return keccak(
        encode(
            types,
            [chain_id, contract, round_number, worker, keccak(labels), keccak(packed_count), salt],
        )
    )


def parent(left: bytes, right: bytes) -> bytes:
    """The node above two others, whichever of them comes first."""
    return keccak(min(left, right) + max(left, right))


def labels_tree(parts: Mapping[int, bytes]) -> list[list[bytes]]:
    """All levels of a worker's tree over its chunks, leaves first; an odd last node moves up."""
    leaves = [
        keccak(encode(["uint256", "bytes32"], [chunk, keccak(parts[chunk])]))
        for chunk in sorted(parts)
    ]
    levels = [leaves or [bytes(32)]]
    while len(below := levels[-1]) > 1:
        pairs = zip(below[0::2], below[1::2], strict=False)
        odd = below[-1:] if len(below) % 2 else []
        levels.append([parent(*pair) for pair in pairs] + odd)
    return levels


def labels_root(parts: Mapping[int, bytes]) -> bytes:
    """What the contract keeps of revealed labels."""
    return labels_tree(parts)[-1][0]


def labels_proof(parts: Mapping[int, bytes], chunk: int) -> list[bytes]:
    """The siblings that lead from one chunk's leaf to the root, none where a node moved up."""
    at, proof = sorted(parts).index(chunk), []
    for level in labels_tree(parts)[:-1]:
        if at ^ 1 < len(level):
            proof.append(level[at ^ 1])
        at //= 2
    return proof


def member_leaf(address: str) -> bytes:
    """Section 8, `membersRoot`: OpenZeppelin's standard tree hashes its encoded values twice."""
    return keccak(keccak(encode(["address"], [address])))


def members_tree(members: Sequence[str]) -> list[bytes]:
    """OpenZeppelin's heap: sorted leaves fill it from the end, the root is node 0."""
    tree = sorted((member_leaf(member) for member in members), reverse=True)
    tree = [b""] * (len(members) - 1) + tree
    for at in reversed(range(len(members) - 1)):
        tree[at] = parent(tree[2 * at + 1], tree[2 * at + 2])
    return tree


def member_proof(members: Sequence[str], address: str) -> list[bytes]:
    """What `register` wants to see from a member."""
    tree, proof = members_tree(members), []
    at = tree.index(member_leaf(address))
    while at:
        proof.append(tree[at + 1 if at % 2 else at - 1])
        at = (at - 1) // 2
    return proof


# Section 6: who labels what


def seed_of(prevrandao: int, contract: str, round_number: int) -> bytes:
    """The round's seed, of the block that opened the round."""
    return keccak(encode(["uint256", "address", "uint256"], [prevrandao, contract, round_number]))


def ring(roster: Sequence[str], seed: bytes) -> list[str]:
    """The roster in the order of π: eight Feistel rounds, again while the result is too large."""
    n = len(roster)
    half = max(1, ((n - 1).bit_length() + 1) // 2)

    def scramble(x: int) -> int:
        left, right = x >> half, x % 2**half
        for i in range(8):
            digest = keccak(encode(["bytes32", "uint256", "uint256"], [seed, i, right]))
            left, right = right, left ^ int.from_bytes(digest, "big") % 2**half
        return left << half | right

    order = []
    for position in range(n):
        place = scramble(position)
        while place >= n:
            place = scramble(place)
        order.append(roster[place])
    return order


def committee_of(positions: Sequence[str], chunk: int, committee: int) -> list[str]:
    """The members of a chunk in the contract's order; `positions` is the ring."""
    if committee == 0 or 2 * committee > len(positions):
        return list(positions)
    even, odd = positions[0::2], positions[1::2]
    members = []
    for t in range(committee // 2):
        u = chunk * (committee // 2) + t
        members += [even[u % len(even)], odd[(u + u // len(odd)) % len(odd)]]
    return members


# Section 4: PTSFD


def peers_of(
    worker: str, revealed: Sequence[str], positions: Sequence[str], peering: int
) -> set[str]:
    """P(i): everyone else who revealed, or with leagues who of the other league revealed."""
    league = positions.index(worker) % 2
    return {
        peer
        for peer in revealed
        if peer != worker and (peering == 0 or positions.index(peer) % 2 != league)
    }


def score_chunk(
    mine: Labels, peer_labels: Sequence[Labels], peer_counts: Sequence[list[int]], task: Task
) -> int:
    """One worker's score for one chunk.

    `peer_labels` are of the peers in this chunk, `peer_counts` the whole round's label counts of
    all peers, also of those that did not label this chunk.
    """
    g = [sum(counts) for counts in zip(*peer_counts, strict=True)] or [0] * task.classes
    agreed, n_labelled, none = [0] * task.classes, 0, abstain(task.classes)
    for j, label in enumerate(mine):
        votes = [labels[j] for labels in peer_labels if labels[j] != none]
        if label != none and votes:
            agreed[label] += votes.count(label) * (LCM // len(votes))
            n_labelled += 1
    paid = (WAD * a * sum(g) // (LCM * g_x) for a, g_x in zip(agreed, g, strict=True) if g_x)
    return sum(paid) - task.penalty_wad * n_labelled


def count_votes(labels: Sequence[Labels], n_samples: int, classes: int) -> list[list[int]]:
    """Votes for each class, sample by sample."""
    return [count_labels([row[j] for row in labels], classes) for j in range(n_samples)]


def majority(votes: Sequence[list[int]], classes: int) -> Labels:
    """Global labels: most votes, then lowest class, ABSTAIN where nobody voted."""
    return [row.index(max(row)) if any(row) else abstain(classes) for row in votes]
