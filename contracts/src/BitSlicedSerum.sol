// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {LibBit} from "solady/utils/LibBit.sol";
import {BitPlanes} from "./BitPlanes.sol";
import {PackedLabels} from "./PackedLabels.sol";
import {PeerTruthSerum} from "./PeerTruthSerum.sol";

/// @title PTSFD for a few voters, 256 samples at a time
/// @notice The same majority and scores as `PeerTruthSerum`, to the last bit, from word operations
/// on bit planes, for chunks with up to ten voters in which every sample was labelled by all of them
/// or by none. docs/kernel.md explains the steps.
/// @dev Voters are the members that revealed, league 0 first; without leagues all are in league 0.
library BitSlicedSerum {
    uint256 private constant WORD = BitPlanes.WORD;
    uint256 private constant ROW = BitPlanes.ROW;
    uint256 private constant SEATS = BitPlanes.SEATS;
    /// @dev Blocks are worked on in parts that take about so much memory, for its price grows with
    /// the square, and in so many at once at most, for `BitPlanes.countBoth`.
    uint256 private constant PART_WORDS = 6000;
    uint256 private constant PART_BLOCKS = 31;

    /// @dev Every block of a part has a record of the same layout, in rows. Pointers are into the
    /// first one. Words have ten seats; what belongs to seats without voters is 0.
    /// @param seats as many as the masks of a class have rows: four, if voters are no more, or ten
    /// @param sources per voter, a word: where its labels are in the calldata
    /// @param quads per pair of label bits, lowest pair first, value of the pair and seat, a word: the
    /// samples of the group at hand that have the value there
    /// @param uppers per seat, a word: those that have a class's values in all pairs but the lowest, all
    /// of them if there is no other
    /// @param masks per class and seat, a row: the samples to which the voter gave the class
    /// @param best planes of the most votes so far, rows
    /// @param greater per class, filled up to fours, a word: where it had more votes than all before
    /// @param blocks blocks of a part
    /// @param step size of a record, in bytes
    /// @param matches per class and voter, a word: Σ (peers' votes)
    /// @param winners the majority labels, as they travel
    /// @param majorityVotes votes for them
    /// @param members who revealed, league 0 first
    /// @param group the group at hand
    /// @param at bytes from the first word of the records to the group's
    struct Bench {
        uint256 classes;
        uint256 bits;
        bool leagues;
        uint256 voters;
        uint256[2] inLeague;
        uint256 seats;
        uint256 sources;
        uint256 quads;
        uint256 uppers;
        uint256 masks;
        uint256 best;
        uint256 greater;
        uint256 blocks;
        uint256 step;
        uint256 matches;
        uint256[] winners;
        uint256 majorityVotes;
        uint256[] members;
        uint256 groups;
        uint256 group;
        uint256 at;
    }

    /// @notice Whether this is the cheaper way to score, as long as every sample was labelled by all
    /// voters or by none. It goes through every class, however few labels it has.
    function isCheaper(uint256 members, uint256 classes) internal pure returns (bool) {
        return members <= SEATS && classes <= 18;
    }

    /// @notice Score and aggregate one chunk in which every sample was labelled by all voters or by
    /// none; see `PeerTruthSerum.score`.
    /// @param labelled how many by all
    function score(
        bytes[] calldata labels,
        uint256 groups,
        uint256 labelled,
        PeerTruthSerum.Chunk memory chunk
    ) internal pure returns (PeerTruthSerum.Outcome memory outcome) {
        unchecked {
            Bench memory bench = _newBench(labels, groups, chunk);
            while (bench.group < bench.groups) {
                _tallyPart(bench);
                _countMajority(bench);
                _match(bench);
            }
            outcome.majorityVotes = bench.majorityVotes;
            outcome.votes = labelled * bench.voters;
            outcome.globalLabels = BitPlanes.toBytes(bench.winners);
            outcome.scores = _scores(bench, labels.length, labelled, chunk);
        }
    }

    /// @dev Go through the groups of the next blocks.
    function _tallyPart(Bench memory bench) private pure {
        unchecked {
            uint256 left = (bench.groups - bench.group + 7) / 8;
            if (left < bench.blocks) bench.blocks = left;
            bench.at = 0;
            for (uint256 b = bench.blocks; b > 0; --b) {
                for (uint256 end = bench.at + ROW; bench.at < end; bench.at += WORD) {
                    if (bench.group < bench.groups) {
                        _readQuads(bench);
                        _tally(bench);
                        _writeWinners(bench);
                        ++bench.group;
                    } else {
                        _clearRows(bench.masks + bench.at, bench.step / ROW);
                    }
                }
                bench.at += bench.step - ROW;
            }
        }
    }

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

    // ------------------------------------------------------------------------------- workbench

    function _sourceOf(bytes calldata labels) private pure returns (uint256 source) {
        assembly ("memory-safe") {
            source := labels.offset
        }
    }

    /// @dev The members that revealed, league 0 first.
    function _voters(bytes[] calldata labels, bool leagues)
        private
        pure
        returns (uint256[] memory members)
    {
        unchecked {
            uint256 n;
            for (uint256 i; i < labels.length; ++i) {
                if (labels[i].length > 0) ++n;
            }
            members = new uint256[](n);
            uint256 v;
            for (uint256 league; league < 2; ++league) {
                for (uint256 i; i < labels.length; ++i) {
                    if (labels[i].length > 0 && (leagues ? i % 2 : 0) == league) members[v++] = i;
                }
            }
        }
    }

    function _newBench(bytes[] calldata labels, uint256 groups, PeerTruthSerum.Chunk memory chunk)
        private
        pure
        returns (Bench memory bench)
    {
        unchecked {
            uint256[] memory members = _voters(labels, chunk.leagues);
            uint256 n = members.length;
            bench.members = members;
            bench.groups = groups;
            bench.classes = chunk.classes;
            bench.bits = PackedLabels.labelBits(chunk.classes);
            bench.leagues = chunk.leagues;
            bench.voters = n;
            bench.sources = BitPlanes.allocate(n);
            for (uint256 v; v < n; ++v) {
                ++bench.inLeague[chunk.leagues ? members[v] % 2 : 0];
                BitPlanes.store(bench.sources + v * WORD, _sourceOf(labels[members[v]]));
            }
            _layOut(bench);
            bench.winners = new uint256[](groups * bench.bits);
            bench.quads = BitPlanes.allocate((bench.bits + 1) / 2 * 4 * SEATS);
            bench.uppers = BitPlanes.allocate(SEATS);
            for (uint256 v; v < n; ++v) {
                BitPlanes.store(bench.uppers + v * WORD, type(uint256).max);
            }
            bench.greater = BitPlanes.allocate((chunk.classes + 3) / 4 * 4);
            bench.matches = BitPlanes.allocate(chunk.classes * n);
        }
    }

    /// @dev Make room for the records.
    function _layOut(Bench memory bench) private pure {
        unchecked {
            bench.seats = bench.voters <= 4 ? 4 : SEATS;
            uint256 masks = bench.classes * bench.seats * ROW;
            bench.step = masks + 4 * ROW;
            uint256 blocks = (bench.groups + 7) / 8;
            uint256 most = PART_WORDS * WORD / bench.step;
            if (most == 0) most = 1;
            if (most > PART_BLOCKS) most = PART_BLOCKS;
            uint256 parts = (blocks + most - 1) / most;
            bench.blocks = (blocks + parts - 1) / parts;
            bench.masks = BitPlanes.allocate(bench.blocks * bench.step / WORD);
            bench.best = bench.masks + masks;
        }
    }

    // ---------------------------------------------------------------------------------- masks

    /// @dev For every pair of label bits of the group at hand, the samples that have each of its four
    /// values. An odd number's top bit stands alone: as both bits of a pair it makes 0 or 3.
    function _readQuads(Bench memory bench) private pure {
        unchecked {
            uint256 bit = bench.bits;
            uint256 offset = bench.group * bit * WORD;
            uint256 quad = bench.quads;
            uint256 sources = bench.sources;
            uint256 end = sources + bench.voters * WORD;
            if (bit > 2) {
                uint256 low = offset + (bit - 1) * WORD;
                _readTwoPairs(sources, end, low, bit == 3 ? low - 2 * WORD : low - 3 * WORD, quad);
                quad += 8 * SEATS * WORD;
                bit = bit == 3 ? 0 : bit - 4;
            }
            for (; bit > 0; bit -= bit == 1 ? 1 : 2) {
                uint256 low = offset + (bit - 1) * WORD;
                _readPair(sources, end, low, bit == 1 ? low : low - WORD, quad);
                quad += 4 * SEATS * WORD;
            }
        }
    }

    /// @dev One pair of planes of every voter, at offsets `low` and `high`.
    function _readPair(uint256 sources, uint256 end, uint256 low, uint256 high, uint256 quad)
        private
        pure
    {
        assembly ("memory-safe") {
            for {} lt(sources, end) { sources := add(sources, 32) } {
                let source := mload(sources)
                let a := calldataload(add(source, low))
                let b := calldataload(add(source, high))
                let both := and(a, b)
                mstore(quad, not(or(a, b)))
                mstore(add(quad, 320), xor(a, both))
                mstore(add(quad, 640), xor(b, both))
                mstore(add(quad, 960), both)
                quad := add(quad, 32)
            }
        }
    }

    /// @dev The lowest two pairs, which most labels have, in one go.
    /// @param low offset of the lowest plane; the others are before it
    /// @param last offset of the fourth, or again of the third if it is the last
    function _readTwoPairs(uint256 sources, uint256 end, uint256 low, uint256 last, uint256 quad)
        private
        pure
    {
        assembly ("memory-safe") {
            for {} lt(sources, end) { sources := add(sources, 32) } {
                let source := mload(sources)
                let b := calldataload(add(source, last))
                source := add(source, low)
                let a := calldataload(sub(source, 64))
                let both := and(a, b)
                mstore(add(quad, 1280), not(or(a, b)))
                mstore(add(quad, 1600), xor(a, both))
                mstore(add(quad, 1920), xor(b, both))
                mstore(add(quad, 2240), both)
                a := calldataload(source)
                b := calldataload(sub(source, 32))
                both := and(a, b)
                mstore(quad, not(or(a, b)))
                mstore(add(quad, 320), xor(a, both))
                mstore(add(quad, 640), xor(b, both))
                mstore(add(quad, 960), both)
                quad := add(quad, 32)
            }
        }
    }

    /// @dev A voter's samples of a class are those in both of two words: it has the class's value in
    /// the lowest pair of bits, and its values in all pairs above.
    /// @param quad four classes that differ in the lowest pair only
    /// @return the words of all seats for the pairs above
    function _uppersOf(Bench memory bench, uint256 quad) private pure returns (uint256) {
        unchecked {
            uint256 bits = bench.bits;
            if (bits == 4) return bench.quads + (4 + quad) * SEATS * WORD;
            if (bits == 2) return bench.uppers;
            uint256 value = SEATS * WORD;
            uint256 upper = bench.quads + 4 * value + _valueOf(quad, 0, bits - 2) * value;
            for (uint256 bit = 2; bit < bits - 2; bit += 2) {
                uint256 word = bench.quads + (2 * bit + 4 + _valueOf(quad, bit, bits - 2)) * value;
                _bothOf(upper, word, bench.uppers, value);
                upper = bench.uppers;
            }
            return upper;
        }
    }

    /// @dev The value of the pair of bits that starts there; a bit that stands alone makes 0 or 3.
    function _valueOf(uint256 code, uint256 bit, uint256 bits) private pure returns (uint256) {
        return bit + 1 == bits ? 3 * (code >> bit) : (code >> bit) & 3;
    }

    function _bothOf(uint256 a, uint256 b, uint256 into, uint256 size) private pure {
        assembly ("memory-safe") {
            for { let end := add(a, size) } lt(a, end) { a := add(a, 32) } {
                mstore(into, and(mload(a), mload(b)))
                b := add(b, 32)
                into := add(into, 32)
            }
        }
    }

    // ------------------------------------------------------------------------------- majority

    /// @dev Who votes for each class in the group at hand, and where it has more votes than those
    /// before it.
    function _tally(Bench memory bench) private pure {
        unchecked {
            bool isFour = bench.seats == 4;
            uint256 mask = bench.masks + bench.at;
            uint256 best = bench.best + bench.at;
            uint256 greater = bench.greater;
            uint256 end = greater + bench.classes * WORD;
            BitPlanes.store(best, 0);
            BitPlanes.store(best + ROW, 0);
            BitPlanes.store(best + 2 * ROW, 0);
            BitPlanes.store(best + 3 * ROW, 0);
            for (uint256 quad; greater < end; ++quad) {
                uint256 upper = _uppersOf(bench, quad);
                uint256 lower = bench.quads;
                uint256 four = greater + 4 * WORD;
                if (four > end) four = end;
                if (isFour) {
                    BitPlanes.takeGreatersOfFour(lower, upper, mask, best, greater, four);
                    mask += (four - greater) / WORD * 4 * ROW;
                    greater = four;
                }
                for (; greater < four; greater += WORD) {
                    BitPlanes.store(greater, BitPlanes.takeGreaterOfTen(lower, upper, mask, best));
                    lower += SEATS * WORD;
                    mask += SEATS * ROW;
                }
            }
        }
    }

    /// @dev Set one word of n rows to 0.
    function _clearRows(uint256 at, uint256 n) private pure {
        unchecked {
            for (uint256 end = at + n * ROW; at < end; at += ROW) {
                BitPlanes.store(at, 0);
            }
        }
    }

    /// @dev The last class that was greater than all before it, as labels travel.
    function _writeWinners(Bench memory bench) private pure {
        unchecked {
            uint256 into = BitPlanes.pointerTo(bench.winners) + bench.group * bench.bits * WORD;
            uint256 last = into + bench.bits * WORD;
            uint256 first = bench.greater;
            uint256 end = first + (bench.classes + 3) / 4 * 128;
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

    /// @dev Add the most votes of a class, summed over the samples of the part.
    function _countMajority(Bench memory bench) private pure {
        unchecked {
            uint256 plane = bench.best;
            for (uint256 p; bench.voters >> p > 0; ++p) {
                uint256 found = BitPlanes.countBoth(plane, plane, bench.blocks, bench.step);
                bench.majorityVotes += found << p;
                plane += ROW;
            }
        }
    }

    // -------------------------------------------------------------------------------- matches

    /// @dev Count, for every class and voter, the peers' votes on the samples of its mask.
    function _match(Bench memory bench) private pure {
        unchecked {
            uint256 masks = bench.masks;
            uint256 matches = bench.matches;
            for (uint256 class; class < bench.classes; ++class) {
                _matchPairs(bench, masks, matches);
                masks += bench.seats * ROW;
                matches += bench.voters * WORD;
            }
        }
    }

    /// @dev Count for every pair of peers where both gave the class.
    function _matchPairs(Bench memory bench, uint256 masks, uint256 matches) private pure {
        unchecked {
            (uint256 blocks, uint256 step) = (bench.blocks, bench.step);
            uint256 end = masks + bench.voters * ROW;
            for (uint256 i; i < bench.inLeague[0]; ++i) {
                uint256 first = bench.leagues ? bench.inLeague[0] : i + 1;
                uint256 other = matches + first * WORD;
                uint256 total;
                for (uint256 mask = masks + first * ROW; mask < end; mask += ROW) {
                    uint256 found = BitPlanes.countBoth(masks + i * ROW, mask, blocks, step);
                    total += found;
                    BitPlanes.store(other, BitPlanes.load(other) + found);
                    other += WORD;
                }
                other = matches + i * WORD;
                BitPlanes.store(other, BitPlanes.load(other) + total);
            }
        }
    }

    // -------------------------------------------------------------------------------- outcome

    /// @dev Σ_x ⌊1e18 · A[x] · T / (720720 · g[x])⌋ − β · N, per member that revealed.
    function _scores(
        Bench memory bench,
        uint256 size,
        uint256 labelled,
        PeerTruthSerum.Chunk memory chunk
    ) private pure returns (int256[] memory scores) {
        unchecked {
            scores = new int256[](size);
            uint256[] memory members = bench.members;
            for (uint256 v; v < members.length; ++v) {
                uint256 member = members[v];
                uint256 peers = chunk.leagues ? bench.inLeague[1 - member % 2] : members.length - 1;
                if (peers == 0) continue;
                uint256 unit = PeerTruthSerum.WEIGHT_ONE / peers;
                uint256 earned = _earned(
                    bench.matches + v * WORD,
                    bench.voters * WORD,
                    unit,
                    chunk.peerCounts[chunk.leagues ? member % 2 : member]
                );
                scores[member] = int256(earned) - int256(chunk.penaltyWad * labelled);
            }
        }
    }

    /// @param sums pointer to the voter's word of the first class
    /// @param step bytes to that of the next
    /// @param unit what the words count
    /// @param counts per class, g
    function _earned(uint256 sums, uint256 step, uint256 unit, uint256[] memory counts)
        private
        pure
        returns (uint256 earned)
    {
        uint256 weightOne = PeerTruthSerum.WEIGHT_ONE;
        uint256 wad = PeerTruthSerum.WAD;
        assembly ("memory-safe") {
            let end := add(counts, shl(5, add(mload(counts), 1)))
            let total := 0
            for { let at := add(counts, 32) } lt(at, end) { at := add(at, 32) } {
                total := add(total, mload(at))
            }
            total := mul(mul(total, wad), unit)
            for { let at := add(counts, 32) } lt(at, end) { at := add(at, 32) } {
                // nothing found is also where no peer ever gave the label, and x / 0 is 0
                earned := add(earned, div(mul(mload(sums), total), mul(weightOne, mload(at))))
                sums := add(sums, step)
            }
        }
    }
}
