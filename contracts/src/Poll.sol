// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {LibBit} from "solady/utils/LibBit.sol";
import {BitPlanes} from "./BitPlanes.sol";
import {PackedLabels} from "./PackedLabels.sol";
import {PeerTruthSerum} from "./PeerTruthSerum.sol";

/// @dev One chunk in which every sample was labelled by all voters or by none. Voters are the members
/// that revealed, league 0 first; without leagues all are in league 0.
/// @param members per voter, a word: its place among the members
/// @param sources per voter, a word: where its labels are in the calldata
/// @param ballots per voter, eight words about the group at hand: for either of the lowest two pairs of
/// label bits, lowest first, and every value of the pair, the samples that have the value there
/// @param tops the same for the third pair, if there is one, and a word in which the second and the
/// third have the values of a class
/// @param greater per class, filled up to fours, a word: where it had more votes than all before
/// @param matches per class and voter, a word: Σ (peers' votes)
/// @param winners the majority labels, as they travel
/// @param majorityVotes votes for them
struct Poll {
    uint256 classes;
    uint256 bits;
    bool leagues;
    uint256 voters;
    uint256[2] inLeague;
    uint256 members;
    uint256 sources;
    uint256 ballots;
    uint256 tops;
    uint256 greater;
    uint256 matches;
    uint256[] winners;
    uint256 majorityVotes;
}

/// @title The two ends of a poll
/// @notice From labels, as they travel, to the samples that a voter gave to a class; and from matches
/// to scores.
library Polls {
    uint256 private constant WORD = BitPlanes.WORD;
    /// @notice Bytes of a ballot.
    uint256 internal constant BALLOT = 256;
    uint256 internal constant MOST_CLASSES = 63;

    // ------------------------------------------------------------------------------ which way

    /// @notice Whether every sample was labelled by all voters or by none.
    /// @return isUniform whether that is so
    /// @return labelled if so, how many by all
    function compareLabelled(bytes[] calldata labels, uint256 groups, uint256 bits)
        internal
        pure
        returns (bool isUniform, uint256 labelled)
    {
        unchecked {
            uint256 sources = BitPlanes.allocate(labels.length);
            uint256 end = sources;
            for (uint256 i; i < labels.length; ++i) {
                if (labels[i].length == 0) continue;
                BitPlanes.store(end, _sourceOf(labels[i]));
                end += WORD;
            }
            if (sources == end) return (true, 0);
            uint256 size = bits * WORD;
            for (uint256 offset; offset < groups * size; offset += size) {
                (uint256 abstained, uint256 differ) = _abstainedIn(sources, end, offset, bits);
                if (differ != 0) return (false, 0);
                labelled += abstained == 0 ? 256 : LibBit.popCount(~abstained);
            }
            return (true, labelled);
        }
    }

    /// @param offset of the group in the labels
    /// @return abstained the samples of a group that the last voter did not label
    /// @return differ those where another one did what this did not
    function _abstainedIn(uint256 sources, uint256 end, uint256 offset, uint256 bits)
        private
        pure
        returns (uint256 abstained, uint256 differ)
    {
        assembly ("memory-safe") {
            // two planes and, where there are more, up to four at once: some may be the same
            let last := add(offset, shl(5, sub(bits, 1)))
            let third := add(offset, 64)
            if gt(third, last) { third := last }
            for { let any := 0 } lt(sources, end) { sources := add(sources, 32) } {
                let source := mload(sources)
                let own := add(source, offset)
                let all :=
                    and(
                        and(calldataload(own), calldataload(add(own, 32))),
                        and(calldataload(add(source, third)), calldataload(add(source, last)))
                    )
                if gt(bits, 4) {
                    for { let at := add(offset, 96) } lt(at, last) { at := add(at, 32) } {
                        all := and(all, calldataload(add(source, at)))
                    }
                }
                differ := or(differ, and(any, xor(abstained, all)))
                any := not(0)
                abstained := all
            }
        }
    }

    function _sourceOf(bytes calldata labels) private pure returns (uint256 source) {
        assembly ("memory-safe") {
            source := labels.offset
        }
    }

    /// @param labels as in `PeerTruthSerum.score`, and so the others
    function create(bytes[] calldata labels, uint256 groups, PeerTruthSerum.Chunk memory chunk)
        internal
        pure
        returns (Poll memory poll)
    {
        unchecked {
            poll.classes = chunk.classes;
            poll.bits = PackedLabels.labelBits(chunk.classes);
            poll.leagues = chunk.leagues;
            _findVoters(poll, labels);
            uint256 n = poll.voters;
            uint256 words = (n < BitPlanes.SEATS ? BitPlanes.SEATS : n) * BALLOT / WORD;
            poll.ballots = BitPlanes.allocate(words);
            if (poll.bits > 4) poll.tops = BitPlanes.allocate(words);
            if (poll.bits == 2) {
                // this stands for the pairs above the only one
                for (uint256 v; v < n; ++v) {
                    BitPlanes.store(poll.ballots + v * BALLOT + 4 * WORD, type(uint256).max);
                }
            }
            poll.greater = BitPlanes.allocate((chunk.classes + 3) / 4 * 4);
            poll.matches = BitPlanes.allocate(chunk.classes * n);
            poll.winners = new uint256[](groups * poll.bits);
        }
    }

    /// @dev The members that revealed, league 0 first.
    function _findVoters(Poll memory poll, bytes[] calldata labels) private pure {
        unchecked {
            poll.members = BitPlanes.allocate(labels.length);
            poll.sources = BitPlanes.allocate(labels.length);
            uint256 step = poll.leagues ? 2 : 1;
            uint256 at;
            for (uint256 league; league < step; ++league) {
                uint256 first = at;
                for (uint256 i = league; i < labels.length; i += step) {
                    bytes calldata own = labels[i];
                    if (own.length == 0) continue;
                    BitPlanes.store(poll.members + at, i);
                    BitPlanes.store(poll.sources + at, _sourceOf(own));
                    at += WORD;
                }
                poll.inLeague[league] = (at - first) / WORD;
            }
            poll.voters = at / WORD;
        }
    }

    // ------------------------------------------------------------------------------- ballots

    /// @notice Fill in everybody's ballot for a group. Where an odd number's top bit stands alone, the
    /// upper bit of its pair is read from behind the calldata, where all is 0.
    function read(Poll memory poll, uint256 group) internal pure {
        unchecked {
            uint256 bits = poll.bits;
            uint256 low = (group * bits + bits - 1) * WORD;
            uint256 sources = poll.sources;
            uint256 end = sources + poll.voters * WORD;
            if (bits == 2) {
                _readPair(sources, end, low, low - WORD, poll.ballots);
                return;
            }
            uint256 high = bits == 3 ? msg.data.length : low - 3 * WORD;
            _readTwoPairs(sources, end, low, high, poll.ballots);
            if (bits > 4) {
                low -= 4 * WORD;
                high = bits == 5 ? msg.data.length : low - WORD;
                _readPair(sources, end, low, high, poll.tops);
            }
        }
    }

    /// @dev One pair of planes of every voter, at offsets `low` and `high`.
    function _readPair(uint256 sources, uint256 end, uint256 low, uint256 high, uint256 ballot)
        private
        pure
    {
        assembly ("memory-safe") {
            for {} lt(sources, end) { sources := add(sources, 32) } {
                let source := mload(sources)
                let a := calldataload(add(source, low))
                let b := calldataload(add(source, high))
                let both := and(a, b)
                mstore(ballot, not(or(a, b)))
                mstore(add(ballot, 32), xor(a, both))
                mstore(add(ballot, 64), xor(b, both))
                mstore(add(ballot, 96), both)
                ballot := add(ballot, BALLOT)
            }
        }
    }

    /// @dev The lowest two pairs, which most labels have, in one go.
    /// @param low offset of the lowest plane; the second and the third are before it
    /// @param high offset of the fourth
    function _readTwoPairs(uint256 sources, uint256 end, uint256 low, uint256 high, uint256 ballot)
        private
        pure
    {
        assembly ("memory-safe") {
            for {} lt(sources, end) { sources := add(sources, 32) } {
                let source := mload(sources)
                let b := calldataload(add(source, high))
                source := add(source, low)
                let a := calldataload(sub(source, 64))
                let both := and(a, b)
                mstore(add(ballot, 128), not(or(a, b)))
                mstore(add(ballot, 160), xor(a, both))
                mstore(add(ballot, 192), xor(b, both))
                mstore(add(ballot, 224), both)
                a := calldataload(source)
                b := calldataload(sub(source, 32))
                both := and(a, b)
                mstore(ballot, not(or(a, b)))
                mstore(add(ballot, 32), xor(a, both))
                mstore(add(ballot, 64), xor(b, both))
                mstore(add(ballot, 96), both)
                ballot := add(ballot, BALLOT)
            }
        }
    }

    /// @notice A voter's samples of a class are those in both of two words of its ballot: it has the
    /// class's value in the lowest pair of bits, and its values in all pairs above.
    /// @param quad four classes that differ in the lowest pair only
    /// @return pointer to the first ballot's word for the pairs above
    function uppersOf(Poll memory poll, uint256 quad) internal pure returns (uint256) {
        unchecked {
            uint256 upper = poll.ballots + 4 * WORD;
            if (poll.bits <= 4) return upper + quad * WORD;
            upper += (quad & 3) * WORD;
            uint256 top = poll.tops + (quad >> 2) * WORD;
            uint256 both = poll.tops + 4 * WORD;
            uint256 end = both + poll.voters * BALLOT;
            assembly ("memory-safe") {
                for { let into := both } lt(into, end) { into := add(into, BALLOT) } {
                    mstore(into, and(mload(upper), mload(top)))
                    upper := add(upper, BALLOT)
                    top := add(top, BALLOT)
                }
            }
            return both;
        }
    }

    // ------------------------------------------------------------------------------- majority

    /// @notice The last class that was greater than all before it, as labels travel.
    function writeWinners(Poll memory poll, uint256 group) internal pure {
        unchecked {
            uint256 into = BitPlanes.pointerTo(poll.winners) + group * poll.bits * WORD;
            uint256 last = into + poll.bits * WORD;
            uint256 first = poll.greater;
            uint256 end = first + (poll.classes + 3) / 4 * 128;
            assembly ("memory-safe") {
                // leave every sample to the last class that has it; four classes at a time share
                // all but the lowest two bits
                let open := not(0)
                let plane0 := 0
                let plane1 := 0
                for { let quad := shr(7, sub(end, first)) } quad {} {
                    quad := sub(quad, 1)
                    let any
                    {
                        let from := add(first, shl(7, quad))
                        let word := and(mload(add(from, 96)), open)
                        open := xor(open, word)
                        any := word
                        plane0 := or(plane0, word)
                        word := and(mload(add(from, 64)), open)
                        open := xor(open, word)
                        any := or(any, word)
                        plane1 := or(plane1, any)
                        word := and(mload(add(from, 32)), open)
                        open := xor(open, word)
                        plane0 := or(plane0, word)
                        any := or(any, word)
                        word := and(mload(from), open)
                        open := xor(open, word)
                        any := or(any, word)
                    }
                    if and(quad, 1) {
                        let to := sub(last, 96)
                        mstore(to, or(mload(to), any))
                    }
                    let to := sub(last, 128)
                    for { let left := shr(1, quad) } left { left := shr(1, left) } {
                        if and(left, 1) { mstore(to, or(mload(to), any)) }
                        to := sub(to, 32)
                    }
                }
                // nobody voted: ABSTAIN
                for { let to := into } lt(to, sub(last, 64)) { to := add(to, 32) } {
                    mstore(to, or(mload(to), open))
                }
                mstore(sub(last, 64), or(plane1, open))
                mstore(sub(last, 32), or(plane0, open))
            }
        }
    }

    // -------------------------------------------------------------------------------- outcome

    /// @notice What came out; see `PeerTruthSerum.score`.
    /// @param members how many there are
    /// @param labelled how many samples were labelled
    function close(
        Poll memory poll,
        uint256 members,
        uint256 labelled,
        PeerTruthSerum.Chunk memory chunk
    ) internal pure returns (PeerTruthSerum.Outcome memory outcome) {
        unchecked {
            outcome.majorityVotes = poll.majorityVotes;
            outcome.votes = labelled * poll.voters;
            outcome.globalLabels = BitPlanes.toBytes(poll.winners);
            outcome.scores = new int256[](members);
            uint256 v;
            for (uint256 league; v < poll.voters; ++league) {
                uint256 end = v + poll.inLeague[league];
                uint256 peers = poll.leagues ? poll.inLeague[1 - league] : end - 1;
                if (peers == 0) {
                    v = end;
                    continue;
                }
                uint256 unit = PeerTruthSerum.WAD * (PeerTruthSerum.WEIGHT_ONE / peers);
                uint256 factor;
                for (; v < end; ++v) {
                    uint256 member = BitPlanes.load(poll.members + v * WORD);
                    uint256[] memory counts = chunk.peerCounts[poll.leagues ? league : member];
                    if (!poll.leagues || factor == 0) factor = _sum(counts) * unit;
                    uint256 earned =
                        _earned(poll.matches + v * WORD, poll.voters * WORD, factor, counts);
                    outcome.scores[member] = int256(earned) - int256(chunk.penaltyWad * labelled);
                }
            }
        }
    }

    function _sum(uint256[] memory counts) private pure returns (uint256 total) {
        assembly ("memory-safe") {
            let at := add(counts, 32)
            for { let end := add(at, shl(5, mload(counts))) } lt(at, end) { at := add(at, 32) } {
                total := add(total, mload(at))
            }
        }
    }

    /// @dev Σ_x ⌊1e18 · A[x] · T / (720720 · g[x])⌋.
    /// @param sums pointer to the voter's word of the first class
    /// @param step bytes to that of the next
    /// @param factor 1e18 · T · what the words count
    /// @param counts per class, g
    function _earned(uint256 sums, uint256 step, uint256 factor, uint256[] memory counts)
        private
        pure
        returns (uint256 earned)
    {
        uint256 weightOne = PeerTruthSerum.WEIGHT_ONE;
        assembly ("memory-safe") {
            let at := add(counts, 32)
            for { let end := add(at, shl(5, mload(counts))) } lt(at, end) { at := add(at, 32) } {
                // nothing found is also where no peer ever gave the label, and x / 0 is 0
                earned := add(earned, div(mul(mload(sums), factor), mul(weightOne, mload(at))))
                sums := add(sums, step)
            }
        }
    }
}
