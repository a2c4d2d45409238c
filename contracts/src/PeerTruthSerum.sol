// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {LibBit} from "solady/utils/LibBit.sol";
import {BitPlanes} from "./BitPlanes.sol";
import {Lanes} from "./Lanes.sol";
import {PackedLabels} from "./PackedLabels.sol";

/// @title Peer Truth Serum for Federated Distillation (PTSFD)
/// @notice The majority of a chunk's labels and every member's score for them: Equation 2 of the
/// paper with the mean taken over the peers who labelled the sample. The cost hardly depends on the
/// number of classes. docs/kernel.md explains the steps.
/// @dev Voters are the members that revealed, league 0 first; without leagues all are in league 0.
/// Each has a seat; a league's seats are filled up to whole eights.
library PeerTruthSerum {
    uint256 internal constant WAD = 1e18;
    /// @notice lcm(1..16): dividing it by up to 16 peers leaves no remainder.
    uint256 internal constant WEIGHT_ONE = 720720;

    /// @dev Eight lanes of 32 bits, one for each of eight seats. Dividing by `LANE` leaves the sum of
    /// the lanes as the remainder, because 2^32 leaves 1.
    uint256 private constant LANE = 0xffffffff;
    uint256 private constant LANE_BITS = 32;
    uint256 private constant ONES =
        0x0000000100000001000000010000000100000001000000010000000100000001;
    /// @dev A sample adds at most r · ⌊720720 / r⌋ to a lane: 23 · 256 · 720720 < 2^32.
    uint256 private constant TABLE_GROUPS = 23;
    /// @dev Bits of a class that index a table; classes have two more at most.
    uint256 private constant LOW_BITS = 8;
    uint256 private constant EIGHT_WORDS = 256;

    /// @param classes number of classes, C
    /// @param penaltyWad β
    /// @param leagues whether a member's peers are the other league (members alternate between the
    /// two) rather than everyone else
    /// @param peerCounts per league, or without leagues per member, and per class: how often the peers
    /// gave that label in the round, g
    struct Chunk {
        uint256 classes;
        uint256 penaltyWad;
        bool leagues;
        uint256[][] peerCounts;
    }

    /// @param scores per member, fixed point
    /// @param globalLabels the majority label of every sample, packed
    /// @param majorityVotes votes for the majority label, summed over the samples
    /// @param votes all votes, summed over the samples
    struct Outcome {
        int256[] scores;
        bytes globalLabels;
        uint256 majorityVotes;
        uint256 votes;
    }

    /// @dev Where everything is, as pointers. A sample set is a word with a bit for each of the 256
    /// samples of the group at hand; `planes` have one for each bit of a number.
    /// @param first per league, its first seat
    /// @param end per league, the seat after its last
    /// @param split bytes that league 0 has in a row of words for eight seats each
    /// @param step bytes of the row
    /// @param stride bytes from one seat's planes to the next: whole fours of words, 0 in front
    /// @param sources per seat, its labels in the calldata
    /// @param planes per seat, its labels' planes
    /// @param labelled per seat, the samples that it labelled
    /// @param left per seat, those whose class was not at hand yet
    /// @param paired per seat, the samples where it is the first with a class that has matches,
    /// as long as they are not added
    /// @param same per seat, the samples where it gave the class at hand
    /// @param class planes of the class at hand, one for every sample: first the majority's
    /// @param votes planes of the votes for a class
    /// @param best planes of the most votes so far
    /// @param nVotes how many planes these have, two at least
    /// @param labelledLanes `labelled`, turned into lanes
    /// @param sameLanes `same`, turned into lanes
    /// @param classLanes the lower eight planes of `class`, turned into lanes
    /// @param pointing class · `step`, if multiplied with the class's bits, one in each lane, is on top
    /// @param isMixed whether some samples were labelled by more voters than others
    /// @param weights per number of peers r, w(r)
    /// @param fullWeights per league, w if all peers labelled a sample
    /// @param tables per 23 groups and class, a row of lanes: Σ (peers' votes) · w(peers), A
    /// @param row a row for a moment
    /// @param compared per seat, how many labels some peer voted beside: N
    struct Tally {
        uint256 bits;
        bool leagues;
        uint256[2] first;
        uint256[2] end;
        uint256 split;
        uint256 step;
        uint256 stride;
        uint256 sources;
        uint256 planes;
        uint256 labelled;
        uint256 left;
        uint256 paired;
        uint256 same;
        uint256 class;
        uint256 votes;
        uint256 best;
        uint256 nVotes;
        uint256 labelledLanes;
        uint256 sameLanes;
        uint256 classLanes;
        uint256 pointing;
        bool isMixed;
        uint256 weights;
        uint256[2] fullWeights;
        uint256 tables;
        uint256 row;
        uint256 compared;
    }

    /// @notice Score and aggregate one chunk.
    /// @param labels per member, the chunk's packed labels, padded with ABSTAIN; empty if it did
    /// not reveal
    /// @param groups groups of 256 samples in the chunk
    function score(bytes[] calldata labels, uint256 groups, Chunk memory chunk)
        internal
        pure
        returns (Outcome memory outcome)
    {
        unchecked {
            Tally memory tally = _newTally(labels, groups, chunk);
            uint256 bits = tally.bits;
            uint256[] memory winners = new uint256[](groups * bits);
            uint256 table = tally.tables;
            for (uint256 group; group < groups; ++group) {
                if (group > 0 && group % TABLE_GROUPS == 0) {
                    table += chunk.classes * tally.step; // the lanes are full
                }
                _read(tally, group);
                _vote(tally);
                outcome.majorityVotes += _total(tally.best, tally.nVotes);
                uint256 class = tally.class + tally.stride - bits * 32;
                for (uint256 b; b < bits; ++b) {
                    winners[group * bits + b] = BitPlanes.load(class + b * 32);
                }
                outcome.votes += _compare(tally);
                _match(tally, table);
            }
            outcome.globalLabels = abi.encodePacked(winners);
            outcome.scores = _scores(tally, labels, groups, chunk);
        }
    }

    // -------------------------------------------------------------------------------- seats

    function _newTally(bytes[] calldata labels, uint256 groups, Chunk memory chunk)
        private
        pure
        returns (Tally memory tally)
    {
        unchecked {
            tally.bits = PackedLabels.labelBits(chunk.classes);
            tally.leagues = chunk.leagues;
            tally.sources = BitPlanes.allocate(labels.length + 8);
            _seat(tally, labels, 0);
            tally.split = (tally.end[0] + 7) / 8 * 32;
            tally.first[1] = tally.split / 4;
            tally.end[1] = tally.first[1];
            _seat(tally, labels, 1);
            tally.step = (tally.end[1] + 7) / 8 * 32;

            uint256 seats = tally.step / 4;
            uint256 words = (tally.bits + 3) / 4 * 4;
            tally.stride = words * 32;
            tally.planes = BitPlanes.allocate(seats * words);
            tally.labelled = BitPlanes.allocate(seats);
            tally.left = BitPlanes.allocate(seats);
            tally.paired = BitPlanes.allocate(seats);
            tally.same = BitPlanes.allocate(seats);
            tally.class = BitPlanes.allocate(16) + (16 - words) * 32;
            tally.nVotes = labels.length < 4 ? 2 : PackedLabels.labelBits(labels.length);
            tally.votes = BitPlanes.allocate(tally.nVotes);
            tally.best = BitPlanes.allocate(tally.nVotes);
            tally.labelledLanes = BitPlanes.allocate(seats);
            tally.sameLanes = BitPlanes.allocate(seats);
            tally.classLanes = BitPlanes.allocate(8);
            for (uint256 lane; lane < 8; ++lane) {
                tally.pointing |= (tally.step << (7 - lane)) << (LANE_BITS * lane);
            }
            tally.weights = BitPlanes.allocate(labels.length + 1);
            for (uint256 r = 1; r <= labels.length; ++r) {
                BitPlanes.store(tally.weights + 32 * r, WEIGHT_ONE / r);
            }
            uint256 inLeague0 = tally.end[0];
            uint256 peers =
                chunk.leagues ? tally.end[1] - tally.first[1] : inLeague0 > 0 ? inLeague0 - 1 : 0;
            tally.fullWeights[0] = BitPlanes.load(tally.weights + 32 * peers);
            tally.fullWeights[1] = BitPlanes.load(tally.weights + 32 * inLeague0);
            uint256 tables = (groups + TABLE_GROUPS - 1) / TABLE_GROUPS;
            tally.tables = BitPlanes.allocate(tables * chunk.classes * tally.step / 32);
            tally.row = BitPlanes.allocate(tally.step / 32);
            tally.compared = BitPlanes.allocate(seats);
        }
    }

    /// @dev Give the league's voters their seats.
    function _seat(Tally memory tally, bytes[] calldata labels, uint256 league) private pure {
        unchecked {
            uint256 seat = tally.first[league];
            for (uint256 i; i < labels.length; ++i) {
                if (labels[i].length == 0 || (tally.leagues ? i % 2 : 0) != league) continue;
                bytes calldata own = labels[i];
                uint256 source;
                assembly ("memory-safe") {
                    source := own.offset
                }
                BitPlanes.store(tally.sources + 32 * seat++, source);
            }
            tally.end[league] = seat;
        }
    }

    /// @dev Take in the planes of a group; nothing is counted yet.
    function _read(Tally memory tally, uint256 group) private pure {
        unchecked {
            uint256 size = tally.bits * 32;
            uint256 stride = tally.stride;
            for (uint256 league; league < 2; ++league) {
                uint256 end = tally.end[league] * 32;
                uint256 planes = tally.planes + tally.first[league] * stride;
                for (uint256 at = tally.first[league] * 32; at < end; at += 32) {
                    uint256 source = BitPlanes.load(tally.sources + at) + group * size;
                    planes += stride;
                    uint256 all = _readPlanes(source, planes - size, size);
                    BitPlanes.store(tally.labelled + at, ~all);
                    BitPlanes.store(tally.left + at, ~all);
                }
            }
            uint256 class = tally.class + stride - size;
            for (uint256 at; at < size; at += 32) {
                BitPlanes.store(class + at, type(uint256).max); // nobody voted: ABSTAIN
            }
            for (uint256 at; at < tally.nVotes * 32; at += 32) {
                BitPlanes.store(tally.best + at, 0);
            }
        }
    }

    /// @return all the AND of the planes: the samples that are ABSTAIN
    function _readPlanes(uint256 source, uint256 planes, uint256 size)
        private
        pure
        returns (uint256 all)
    {
        assembly ("memory-safe") {
            calldatacopy(planes, source, size)
            all := not(0)
            for { let end := add(planes, size) } lt(planes, end) { planes := add(planes, 32) } {
                all := and(all, mload(planes))
            }
        }
    }

    // ---------------------------------------------------------------------------------- votes

    /// @dev One seat after the other, take its labels that are not counted yet, find who else gave
    /// them, and count these votes. So every class of a sample is counted once.
    function _vote(Tally memory tally) private pure {
        unchecked {
            for (uint256 league; league < 2; ++league) {
                for (uint256 seat = tally.first[league]; seat < tally.end[league]; ++seat) {
                    uint256 samples = BitPlanes.load(tally.left + 32 * seat);
                    uint256 matched;
                    if (samples > 0) {
                        BitPlanes.store(tally.votes, samples);
                        for (uint256 p = 1; p < tally.nVotes; ++p) {
                            BitPlanes.store(tally.votes + 32 * p, 0);
                        }
                        matched = _countSame(tally, samples, seat, seat + 1, tally.end[league]);
                        if (tally.leagues) {
                            matched = league == 1
                                ? 0
                                : _countSame(tally, samples, seat, tally.first[1], tally.end[1]);
                        }
                        _takeGreater(
                            samples,
                            tally.planes + seat * tally.stride,
                            tally.class,
                            tally.stride,
                            tally.votes,
                            tally.best,
                            tally.nVotes * 32
                        );
                    }
                    BitPlanes.store(tally.paired + 32 * seat, matched);
                }
            }
        }
    }

    /// @dev Add the votes of seats that gave the same label as `seat`.
    /// @return matched samples where some did
    function _countSame(
        Tally memory tally,
        uint256 samples,
        uint256 seat,
        uint256 other,
        uint256 end
    ) private pure returns (uint256) {
        unchecked {
            return _countSame(
                samples,
                tally.planes + seat * tally.stride,
                tally.stride,
                tally.planes + other * tally.stride,
                tally.left + other * 32,
                tally.left + end * 32,
                tally.votes
            );
        }
    }

    function _countSame(
        uint256 samples,
        uint256 own,
        uint256 stride,
        uint256 planes,
        uint256 left,
        uint256 end,
        uint256 votes
    ) private pure returns (uint256 matched) {
        assembly ("memory-safe") {
            let ones := mload(votes)
            let twos := mload(add(votes, 32))
            for {} lt(left, end) { left := add(left, 32) } {
                let same := and(samples, mload(left))
                switch same
                case 0 { planes := add(planes, stride) }
                default {
                    let from := own
                    for { let next := add(planes, stride) } lt(planes, next) {} {
                        same := and(
                            same,
                            not(
                                or(
                                    or(
                                        xor(mload(planes), mload(from)),
                                        xor(mload(add(planes, 32)), mload(add(from, 32)))
                                    ),
                                    or(
                                        xor(mload(add(planes, 64)), mload(add(from, 64))),
                                        xor(mload(add(planes, 96)), mload(add(from, 96)))
                                    )
                                )
                            )
                        )
                        planes := add(planes, 128)
                        from := add(from, 128)
                    }
                    matched := or(matched, same)
                    mstore(left, xor(mload(left), same))
                    let carry := and(ones, same)
                    ones := xor(ones, same)
                    same := and(twos, carry)
                    twos := xor(twos, carry)
                    for { let at := add(votes, 64) } same { at := add(at, 32) } {
                        let old := mload(at)
                        mstore(at, xor(old, same))
                        same := and(old, same)
                    }
                }
            }
            mstore(votes, ones)
            mstore(add(votes, 32), twos)
        }
    }

    /// @dev Where there are more votes than the best so far, or as many and the class is lower, take
    /// over votes and class.
    function _takeGreater(
        uint256 equal,
        uint256 planes,
        uint256 class,
        uint256 stride,
        uint256 votes,
        uint256 best,
        uint256 size
    ) private pure {
        assembly ("memory-safe") {
            let greater := 0
            for { let at := size } at {} {
                at := sub(at, 32)
                let plane := mload(add(votes, at))
                let differ := and(equal, xor(plane, mload(add(best, at))))
                greater := or(greater, and(differ, plane))
                equal := xor(equal, differ)
            }
            if equal {
                for { let at := 0 } lt(at, stride) { at := add(at, 32) } {
                    let plane := mload(add(class, at))
                    let differ := and(equal, xor(plane, mload(add(planes, at))))
                    greater := or(greater, and(differ, plane))
                    equal := xor(equal, differ)
                }
            }
            if greater {
                for { let at := 0 } lt(at, size) { at := add(at, 32) } {
                    let old := mload(add(best, at))
                    mstore(add(best, at), xor(old, and(greater, xor(old, mload(add(votes, at))))))
                }
                for { let end := add(class, stride) } lt(class, end) { class := add(class, 32) } {
                    let old := mload(class)
                    mstore(class, xor(old, and(greater, xor(old, mload(planes)))))
                    planes := add(planes, 32)
                }
            }
        }
    }

    /// @dev Sum of a number over the samples.
    function _total(uint256 planes, uint256 nPlanes) private pure returns (uint256 total) {
        unchecked {
            for (uint256 p; p < nPlanes; ++p) {
                uint256 plane = BitPlanes.load(planes + 32 * p);
                if (plane > 0) total += LibBit.popCount(plane) << p;
            }
        }
    }

    // -------------------------------------------------------------------------------- company

    /// @dev Count the labels, and those that some peer voted beside.
    /// @return votes how many labels there are
    function _compare(Tally memory tally) private pure returns (uint256 votes) {
        unchecked {
            (uint256 any0, uint256 all0, uint256 several) = _overlap(tally, 0);
            (uint256 any1, uint256 all1,) = _overlap(tally, 1);
            votes = _countCompared(tally, 0, tally.leagues ? any1 : several)
                + _countCompared(tally, 1, any0);
            tally.isMixed = any0 | any1 != all0 & all1;
            if (tally.isMixed) _transposeSeats(tally, tally.labelled, tally.labelledLanes);
        }
    }

    /// @return any the samples that somebody of the league labelled
    /// @return all that everybody did
    /// @return several that more than one did
    function _overlap(Tally memory tally, uint256 league)
        private
        pure
        returns (uint256 any, uint256 all, uint256 several)
    {
        unchecked {
            all = type(uint256).max;
            uint256 end = tally.labelled + 32 * tally.end[league];
            for (uint256 at = tally.labelled + 32 * tally.first[league]; at < end; at += 32) {
                uint256 labelled = BitPlanes.load(at);
                several |= any & labelled;
                any |= labelled;
                all &= labelled;
            }
        }
    }

    /// @param company the samples that some peer labelled
    function _countCompared(Tally memory tally, uint256 league, uint256 company)
        private
        pure
        returns (uint256 votes)
    {
        unchecked {
            uint256 end = 32 * tally.end[league];
            for (uint256 at = 32 * tally.first[league]; at < end; at += 32) {
                uint256 labelled = BitPlanes.load(tally.labelled + at);
                uint256 own = LibBit.popCount(labelled);
                votes += own;
                if (labelled & ~company != 0) own = LibBit.popCount(labelled & company);
                uint256 into = tally.compared + at;
                BitPlanes.store(into, BitPlanes.load(into) + own);
            }
        }
    }

    function _transposeSeats(Tally memory tally, uint256 from, uint256 to) private pure {
        unchecked {
            uint256 size = tally.step * 8;
            for (uint256 at; at < size; at += EIGHT_WORDS) {
                Lanes.transpose(from + at, to + at, LANE_BITS);
            }
        }
    }

    // -------------------------------------------------------------------------------- matches

    /// @dev Add the matches for the majority, then, as long as there are others, for one more class
    /// of each sample that has one.
    function _match(Tally memory tally, uint256 table) private pure {
        unchecked {
            _copy(tally.labelled, tally.left, tally.step * 8);
            uint256 samples = type(uint256).max;
            while (samples != 0) {
                uint256 matched = _findMatches(tally, samples);
                if (matched > 0) _addMatches(tally, matched, table);
                samples = _pick(tally);
            }
        }
    }

    function _copy(uint256 from, uint256 to, uint256 size) private pure {
        assembly ("memory-safe") {
            mcopy(to, from, size)
        }
    }

    /// @dev Who gave the class at hand.
    /// @return the samples where peers did
    function _findMatches(Tally memory tally, uint256 samples) private pure returns (uint256) {
        unchecked {
            (uint256 any0, uint256 several) = _findSame(tally, samples, 0);
            (uint256 any1,) = _findSame(tally, samples, 1);
            return tally.leagues ? any0 & any1 : several;
        }
    }

    function _findSame(Tally memory tally, uint256 samples, uint256 league)
        private
        pure
        returns (uint256 any, uint256 several)
    {
        unchecked {
            uint256 first = tally.first[league];
            uint256 stride = tally.stride;
            uint256 planes = tally.planes + first * stride;
            uint256 end = tally.end[league] * 32;
            for (uint256 at = first * 32; at < end; at += 32) {
                uint256 left = BitPlanes.load(tally.left + at);
                uint256 same = samples & left;
                if (same > 0) {
                    same &= ~_differences(planes, tally.class, stride);
                    several |= any & same;
                    any |= same;
                    BitPlanes.store(tally.left + at, left ^ same);
                    uint256 paired = BitPlanes.load(tally.paired + at);
                    BitPlanes.store(tally.paired + at, paired & ~same);
                }
                BitPlanes.store(tally.same + at, same);
                planes += stride;
            }
        }
    }

    function _differences(uint256 a, uint256 b, uint256 size)
        private
        pure
        returns (uint256 differ)
    {
        assembly ("memory-safe") {
            for { let end := add(a, size) } lt(a, end) { a := add(a, 128) } {
                differ := or(
                    or(
                        or(differ, xor(mload(a), mload(b))),
                        xor(mload(add(a, 32)), mload(add(b, 32)))
                    ),
                    or(
                        xor(mload(add(a, 64)), mload(add(b, 64))),
                        xor(mload(add(a, 96)), mload(add(b, 96)))
                    )
                )
                b := add(b, 128)
            }
        }
    }

    /// @dev For each sample that has another class with a match, take that as the class at hand.
    /// @return picked these samples
    function _pick(Tally memory tally) private pure returns (uint256 picked) {
        unchecked {
            uint256 class = tally.class;
            uint256 stride = tally.stride;
            for (uint256 seat; seat < tally.end[0]; ++seat) {
                uint256 samples = BitPlanes.load(tally.paired + 32 * seat) & ~picked;
                if (samples == 0) continue;
                if (picked == 0) {
                    for (uint256 at; at < stride; at += 32) {
                        BitPlanes.store(class + at, 0);
                    }
                }
                picked |= samples;
                _orPlanes(class, tally.planes + seat * stride, stride, samples);
            }
        }
    }

    function _orPlanes(uint256 into, uint256 planes, uint256 size, uint256 samples) private pure {
        assembly ("memory-safe") {
            for { let end := add(into, size) } lt(into, end) { into := add(into, 32) } {
                mstore(into, or(mload(into), and(samples, mload(planes))))
                planes := add(planes, 32)
            }
        }
    }

    /// @dev Add what the class at hand is worth to its voters.
    function _addMatches(Tally memory tally, uint256 samples, uint256 table) private pure {
        unchecked {
            _transposeSeats(tally, tally.same, tally.sameLanes);
            uint256 low = tally.class + tally.stride - EIGHT_WORDS;
            Lanes.transpose(low, tally.classLanes, LANE_BITS);
            uint256 step = tally.step;
            uint256 highBits = tally.bits > LOW_BITS ? tally.bits - LOW_BITS : 0;
            for (uint256 high; high < 1 << highBits; ++high) {
                uint256 some = samples;
                for (uint256 b; b < highBits; ++b) {
                    uint256 plane = BitPlanes.load(low - 32 * (b + 1));
                    some &= (high >> b) & 1 == 1 ? plane : ~plane;
                }
                for (uint256 block_; some > 0; ++block_) {
                    uint256 top = some >> 224;
                    some <<= 32;
                    if (top > 0) _addBlock(tally, top, block_ * 32, table);
                }
                table += step << LOW_BITS;
            }
        }
    }

    /// @param samples 32 samples of the group
    /// @param at which 32, times 32
    function _addBlock(Tally memory tally, uint256 samples, uint256 at, uint256 table)
        private
        pure
    {
        unchecked {
            if (tally.step == 64 && tally.leagues) {
                _addPair(
                    samples,
                    tally.sameLanes + at,
                    BitPlanes.load(tally.classLanes + at),
                    table,
                    tally.pointing,
                    tally.fullWeights[0],
                    tally.fullWeights[1],
                    tally.isMixed ? tally.labelledLanes + at : 0,
                    tally.weights
                );
                return;
            }
            uint256 classes = BitPlanes.load(tally.classLanes + at);
            while (samples > 0) {
                uint256 sample = samples & (0 - samples);
                samples ^= sample;
                (uint256 w0, uint256 w1) = _weights(tally, sample, at);
                _addRow(
                    sample,
                    tally.sameLanes + at,
                    tally.row,
                    tally.split,
                    tally.step,
                    tally.leagues ? type(uint256).max : 0,
                    w0,
                    w1,
                    table + ((((classes / sample) & ONES) * tally.pointing) >> 224)
                );
            }
        }
    }

    /// @dev What a vote of a peer is worth in one of 32 samples.
    /// @return w0 to a voter in league 0
    /// @return w1 to one in league 1
    function _weights(Tally memory tally, uint256 sample, uint256 at)
        private
        pure
        returns (uint256 w0, uint256 w1)
    {
        unchecked {
            if (!tally.isMixed) return (tally.fullWeights[0], tally.fullWeights[1]);
            uint256 lanes = tally.labelledLanes + at;
            uint256 middle = lanes + 8 * tally.split;
            uint256 voters0 = _sumLanes(lanes, middle, sample);
            uint256 voters1 = _sumLanes(middle, lanes + 8 * tally.step, sample);
            w0 = BitPlanes.load(tally.weights + 32 * (tally.leagues ? voters1 : voters0 - 1));
            w1 = BitPlanes.load(tally.weights + 32 * voters0);
        }
    }

    function _sumLanes(uint256 lanes, uint256 end, uint256 sample)
        private
        pure
        returns (uint256 sum)
    {
        assembly ("memory-safe") {
            for {} lt(lanes, end) { lanes := add(lanes, 256) } {
                sum := add(sum, and(div(mload(lanes), sample), ONES))
            }
            sum := mod(sum, LANE)
        }
    }

    /// @dev One sample, for any number of seats.
    /// @param others all bits set if a voter's peers are the other league, else 0
    function _addRow(
        uint256 sample,
        uint256 same,
        uint256 row,
        uint256 split,
        uint256 step,
        uint256 others,
        uint256 w0,
        uint256 w1,
        uint256 into
    ) private pure {
        assembly ("memory-safe") {
            let voters0 := 0
            let to := row
            for { let end := add(row, split) } lt(to, end) { to := add(to, 32) } {
                let ones := and(div(mload(same), sample), ONES)
                voters0 := add(voters0, ones)
                mstore(to, ones)
                same := add(same, 256)
            }
            let voters1 := 0
            for { let end := add(row, step) } lt(to, end) { to := add(to, 32) } {
                let ones := and(div(mload(same), sample), ONES)
                voters1 := add(voters1, ones)
                mstore(to, ones)
                same := add(same, 256)
            }
            voters0 := mod(voters0, LANE)
            switch others
            case 0 { w0 := mul(w0, sub(voters0, 1)) }
            default { w0 := mul(w0, mod(voters1, LANE)) }
            w1 := mul(w1, voters0)
            let end := add(row, step)
            for { split := add(row, split) } lt(row, split) { row := add(row, 32) } {
                let ones := mload(row)
                if ones { mstore(into, add(mload(into), mul(ones, w0))) }
                into := add(into, 32)
            }
            for {} lt(row, end) { row := add(row, 32) } {
                let ones := mload(row)
                if ones { mstore(into, add(mload(into), mul(ones, w1))) }
                into := add(into, 32)
            }
        }
    }

    /// @dev With leagues, where each has eight seats.
    function _addPair(
        uint256 samples,
        uint256 same,
        uint256 classes,
        uint256 table,
        uint256 pointing,
        uint256 w0,
        uint256 w1,
        uint256 labelled,
        uint256 weights
    ) private pure {
        assembly ("memory-safe") {
            let same0 := mload(same)
            let same1 := mload(add(same, 256))
            for {} samples {} {
                let sample := and(samples, sub(0, samples))
                samples := xor(samples, sample)
                let voters0 := and(div(same0, sample), ONES)
                let voters1 := and(div(same1, sample), ONES)
                if labelled {
                    let r := mod(and(div(mload(add(labelled, 256)), sample), ONES), LANE)
                    w0 := mload(add(weights, shl(5, r)))
                    r := mod(and(div(mload(labelled), sample), ONES), LANE)
                    w1 := mload(add(weights, shl(5, r)))
                }
                let at := add(table, shr(224, mul(and(div(classes, sample), ONES), pointing)))
                mstore(at, add(mload(at), mul(voters0, mul(w0, mod(voters1, LANE)))))
                at := add(at, 32)
                mstore(at, add(mload(at), mul(voters1, mul(w1, mod(voters0, LANE)))))
            }
        }
    }

    // --------------------------------------------------------------------------------- scores

    /// @dev Σ_x ⌊1e18 · A[x] · T / (720720 · g[x])⌋ − β · N, per member that revealed.
    function _scores(
        Tally memory tally,
        bytes[] calldata labels,
        uint256 groups,
        Chunk memory chunk
    ) private pure returns (int256[] memory scores) {
        unchecked {
            scores = new int256[](labels.length);
            for (uint256 league; league < 2; ++league) {
                uint256 seat = tally.first[league];
                for (uint256 i; i < labels.length; ++i) {
                    if (labels[i].length == 0 || (chunk.leagues ? i % 2 : 0) != league) continue;
                    uint256 compared = BitPlanes.load(tally.compared + 32 * seat);
                    uint256[] memory counts = chunk.peerCounts[chunk.leagues ? league : i];
                    scores[i] = int256(_earned(tally, seat, groups, counts))
                        - int256(chunk.penaltyWad * compared);
                    ++seat;
                }
            }
        }
    }

    function _earned(Tally memory tally, uint256 seat, uint256 groups, uint256[] memory counts)
        private
        pure
        returns (uint256 earned)
    {
        unchecked {
            uint256 size = counts.length * tally.step;
            uint256 lanes = tally.tables + seat / 8 * 32;
            uint256 total = _sum(counts);
            return _earned(
                lanes,
                tally.step,
                224 - 32 * (seat % 8),
                lanes + (groups + TABLE_GROUPS - 1) / TABLE_GROUPS * size,
                counts,
                total
            );
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

    /// @param lanes of the first class in the first table
    /// @param last the same in one that would follow the last
    function _earned(
        uint256 lanes,
        uint256 step,
        uint256 shift,
        uint256 last,
        uint256[] memory counts,
        uint256 total
    ) private pure returns (uint256 earned) {
        assembly ("memory-safe") {
            let size := mul(step, mload(counts))
            let factor := mul(total, WAD)
            let count := add(counts, 32)
            for { let end := add(lanes, size) } lt(lanes, end) { lanes := add(lanes, step) } {
                let found := and(shr(shift, mload(lanes)), LANE)
                for { let at := add(lanes, size) } lt(at, last) { at := add(at, size) } {
                    found := add(found, and(shr(shift, mload(at)), LANE))
                }
                last := add(last, step)
                // nothing found is also where no peer ever gave the label, and x / 0 is 0
                earned := add(earned, div(mul(found, factor), mul(WEIGHT_ONE, mload(count))))
                count := add(count, 32)
            }
        }
    }
}
