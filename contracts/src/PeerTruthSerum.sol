// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {LibBit} from "solady/utils/LibBit.sol";
import {BitPlanes} from "./BitPlanes.sol";
import {Lanes} from "./Lanes.sol";
import {PackedLabels} from "./PackedLabels.sol";
import {Patterns} from "./Patterns.sol";
import {Sixteens} from "./Sixteens.sol";

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
    /// samples of the group at hand; a number per sample is so many words, one for each of its bits.
    /// @param byPattern whether all voters are dealt with at once
    /// @param first per league, its first seat
    /// @param end per league, the seat after its last
    /// @param stride bytes from one seat's labels to the next: whole fours of words, 0 in front
    /// @param sources per seat, its labels in the calldata
    /// @param planes per seat, its labels
    /// @param labelled per seat, the samples that it labelled
    /// @param paired per seat, the samples where its class has matches, as long as they are not added
    /// @param same per seat, the samples where it gave the class at hand
    /// @param class the class at hand, one for every sample: first the majority's
    /// @param votes votes for a class
    /// @param best the most votes so far
    /// @param nVotes how many words these have
    /// @param missing per league, how many of its voters did not label a sample: 16 words
    /// @param isMixed whether some samples of the group were labelled by more voters than others
    /// @param wasMixed whether those of any group were
    /// @param number 16 words to put a number together
    /// @param classLanes the class at hand, in lanes
    /// @param voterLanes who gave it, in lanes
    /// @param voteLanes how many peers gave it, in lanes
    /// @param missingLanes per league, `missing` in lanes
    /// @param weights per league, and number of its peers who are missing: w
    /// @param rows matches not yet on an account
    /// @param table what `rows` is added to by
    /// @param accounts per seat and class, A
    /// @param compared per seat, how many labels some peer voted beside: N
    struct Tally {
        uint256 bits;
        uint256 classes;
        bool leagues;
        bool byPattern;
        uint256[2] first;
        uint256[2] end;
        uint256 stride;
        uint256 sources;
        uint256 planes;
        uint256 labelled;
        uint256 paired;
        uint256 same;
        uint256 class;
        uint256 votes;
        uint256 best;
        uint256 nVotes;
        uint256[2] missing;
        bool isMixed;
        bool wasMixed;
        uint256 number;
        uint256 classLanes;
        uint256 voterLanes;
        uint256 voteLanes;
        uint256[2] missingLanes;
        uint256[2] weights;
        uint256 rows;
        uint256 table;
        uint256 accounts;
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
            uint256[] memory winners = new uint256[](groups * PackedLabels.labelBits(chunk.classes));
            outcome.scores = new int256[](labels.length);
            Tally memory tally = _newTally(labels, groups, chunk);
            uint256 size = tally.bits * 32;
            uint256 winner = BitPlanes.pointerTo(winners);
            for (uint256 group; group < groups; ++group) {
                _read(tally, group * size);
                (uint256 samples, uint256 votes) = _compare(tally);
                outcome.votes += votes;
                _vote(tally);
                outcome.majorityVotes += _total(tally.best, tally.nVotes);
                _copy(tally.class + tally.stride - size, winner, size);
                winner += size;
                _match(tally, samples);
                if (!tally.byPattern && (group + 1) % Sixteens.MOST_GROUPS == 0) _collect(tally);
            }
            _collect(tally);
            if (tally.byPattern) Patterns.release(tally.rows);
            outcome.globalLabels = abi.encodePacked(winners);
            _score(tally, labels, chunk, outcome.scores);
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
            tally.classes = chunk.classes;
            tally.leagues = chunk.leagues;
            (uint256 voters0, uint256 voters1) = _countVoters(labels, chunk.leagues);
            tally.byPattern = _isByPattern(voters0, voters1, groups, tally.bits);
            // A pattern's last bit is the last seat's; else a league begins with a sixteen.
            tally.first[0] = tally.byPattern ? 16 - voters0 - voters1 : 0;
            tally.end[0] = tally.first[0] + voters0;
            tally.first[1] = tally.byPattern ? tally.end[0] : (voters0 + 15) / 16 * 16;
            tally.end[1] = tally.first[1] + voters1;
            uint256 seats = (tally.end[1] + 15) / 16 * 16;
            tally.sources = BitPlanes.allocate(seats);
            _seat(tally, labels);

            uint256 words = (tally.bits + 3) / 4 * 4;
            tally.stride = words * 32;
            tally.planes = BitPlanes.allocate(seats * words);
            tally.labelled = BitPlanes.allocate(seats);
            tally.paired = BitPlanes.allocate(seats);
            tally.same = BitPlanes.allocate(seats);
            tally.class = BitPlanes.allocate(words);
            tally.nVotes = PackedLabels.labelBits(labels.length | 4);
            tally.votes = BitPlanes.allocate(16);
            tally.best = BitPlanes.allocate(16);
            tally.number = BitPlanes.allocate(16);
            tally.classLanes = BitPlanes.allocate(16);
            tally.voterLanes = BitPlanes.allocate(16);
            tally.voteLanes = BitPlanes.allocate(16);
            for (uint256 league; league < 2; ++league) {
                tally.missing[league] = BitPlanes.allocate(16);
                tally.missingLanes[league] = BitPlanes.allocate(16);
                uint256 peers = league == 1 ? voters0 : chunk.leagues ? voters1 : voters0 - 1;
                tally.weights[league] = BitPlanes.allocate(labels.length + 1);
                for (uint256 at = tally.weights[league]; int256(peers) > 0; --peers) {
                    BitPlanes.store(at, WEIGHT_ONE / peers);
                    at += 32;
                }
            }
            tally.compared = BitPlanes.allocate(seats);
            tally.accounts = BitPlanes.allocate(seats * chunk.classes);
            if (tally.byPattern) {
                tally.table = Patterns.newTable(voters0, voters1, chunk.leagues);
                tally.rows = Patterns.reserve(
                    1 << (tally.bits + _missingBits(tally, 0) + _missingBits(tally, 1))
                );
            } else {
                tally.table = Sixteens.newOnes();
                tally.rows = BitPlanes.allocate(seats / 16 * (2 << tally.bits));
            }
        }
    }

    function _countVoters(bytes[] calldata labels, bool leagues)
        private
        pure
        returns (uint256 voters0, uint256 voters1)
    {
        unchecked {
            for (uint256 i; i < labels.length; ++i) {
                if (labels[i].length == 0) continue;
                if (leagues && i % 2 == 1) ++voters1;
                else ++voters0;
            }
        }
    }

    /// @dev If the table is worth its while, and the rows take no more than 2^14 words.
    function _isByPattern(uint256 voters0, uint256 voters1, uint256 groups, uint256 bits)
        private
        pure
        returns (bool)
    {
        unchecked {
            uint256 voters = voters0 + voters1;
            return voters <= Patterns.MOST_VOTERS && groups <= Patterns.MOST_GROUPS
                && 1 << voters <= groups * PackedLabels.GROUP_SAMPLES
                && bits + PackedLabels.labelBits(voters0) + PackedLabels.labelBits(voters1) <= 14;
        }
    }

    /// @dev Give the voters their seats.
    function _seat(Tally memory tally, bytes[] calldata labels) private pure {
        unchecked {
            uint256[2] memory next = [tally.first[0], tally.first[1]];
            for (uint256 i; i < labels.length; ++i) {
                bytes calldata own = labels[i];
                if (own.length == 0) continue;
                uint256 source;
                assembly ("memory-safe") {
                    source := own.offset
                }
                uint256 league = tally.leagues ? i % 2 : 0;
                BitPlanes.store(tally.sources + 32 * next[league]++, source);
            }
        }
    }

    /// @dev Take in a group's labels; nothing is counted yet.
    function _read(Tally memory tally, uint256 offset) private pure {
        unchecked {
            uint256 size = tally.bits * 32;
            for (uint256 league; league < 2; ++league) {
                uint256 first = tally.first[league];
                _readLeague(
                    tally.sources + 32 * first,
                    offset,
                    size,
                    tally.planes + first * tally.stride,
                    tally.planes + tally.end[league] * tally.stride,
                    tally.stride,
                    tally.labelled + 32 * first
                );
            }
        }
    }

    function _readLeague(
        uint256 sources,
        uint256 offset,
        uint256 size,
        uint256 planes,
        uint256 end,
        uint256 stride,
        uint256 labelled
    ) private pure {
        assembly ("memory-safe") {
            for {} lt(planes, end) {} {
                let at := sub(add(planes, stride), size)
                calldatacopy(at, add(mload(sources), offset), size)
                planes := add(planes, stride)
                let abstained := mload(at)
                for { at := add(at, 32) } lt(at, planes) { at := add(at, 32) } {
                    abstained := and(abstained, mload(at))
                }
                mstore(labelled, not(abstained))
                sources := add(sources, 32)
                labelled := add(labelled, 32)
            }
        }
    }

    function _copy(uint256 from, uint256 to, uint256 size) private pure {
        assembly ("memory-safe") {
            mcopy(to, from, size)
        }
    }

    function _fill(uint256 at, uint256 size, uint256 word) private pure {
        assembly ("memory-safe") {
            for { let end := add(at, size) } lt(at, end) { at := add(at, 32) } {
                mstore(at, word)
            }
        }
    }

    // -------------------------------------------------------------------------------- company

    /// @dev Count the labels that some peer voted beside, and who is missing where.
    /// @return any the samples that somebody labelled
    /// @return votes how many labels there are
    function _compare(Tally memory tally) private pure returns (uint256 any, uint256 votes) {
        unchecked {
            (uint256 any0, uint256 all0, uint256 several) = _overlap(tally, 0);
            (uint256 any1, uint256 all1,) = _overlap(tally, 1);
            any = any0 | any1;
            votes = _countCompared(tally, 0, tally.leagues ? any1 : several)
                + _countCompared(tally, 1, any0);
            bool isMixed = any & ~(all0 & all1) != 0;
            if (isMixed || tally.isMixed) {
                _countMissing(tally, 0, isMixed ? any : 0);
                _countMissing(tally, 1, isMixed ? any : 0);
            }
            tally.isMixed = isMixed;
            if (isMixed) tally.wasMixed = true;
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

    /// @param samples those that matter
    function _countMissing(Tally memory tally, uint256 league, uint256 samples) private pure {
        unchecked {
            uint256 number = tally.missing[league];
            _fill(number, 512, 0);
            uint256 end = tally.labelled + 32 * tally.end[league];
            for (uint256 at = tally.labelled + 32 * tally.first[league]; at < end; at += 32) {
                _increment(number + 480, samples & ~BitPlanes.load(at));
            }
            if (tally.byPattern) return;
            Lanes.turn(number, tally.missingLanes[league], tally.nVotes);
        }
    }

    /// @param at the number's lowest word, those above in front
    function _increment(uint256 at, uint256 samples) private pure {
        assembly ("memory-safe") {
            for {} samples { at := sub(at, 32) } {
                let old := mload(at)
                mstore(at, xor(old, samples))
                samples := and(old, samples)
            }
        }
    }

    // ---------------------------------------------------------------------------------- votes

    /// @dev One seat after the other, count who of those behind gave the same labels. The first who
    /// gave a class in a sample has all its votes; who comes later has fewer, which change nothing.
    function _vote(Tally memory tally) private pure {
        unchecked {
            _fill(tally.class + tally.stride - tally.bits * 32, tally.bits * 32, type(uint256).max);
            _fill(tally.best, tally.nVotes * 32, 0);
            for (uint256 league; league < 2; ++league) {
                for (uint256 seat = tally.first[league]; seat < tally.end[league]; ++seat) {
                    uint256 samples = BitPlanes.load(tally.labelled + 32 * seat);
                    uint256 own = tally.planes + seat * tally.stride;
                    BitPlanes.store(tally.votes, samples);
                    _fill(tally.votes + 32, tally.nVotes * 32 - 32, 0);
                    uint256 matched = _countSame(tally, samples, own, seat + 1, tally.end[league]);
                    if (tally.leagues) {
                        matched = league == 1
                            ? 0
                            : _countSame(tally, samples, own, tally.first[1], tally.end[1]);
                    }
                    BitPlanes.store(tally.paired + 32 * seat, matched);
                    _takeGreater(
                        samples,
                        own,
                        tally.class,
                        tally.stride,
                        tally.votes,
                        tally.best,
                        tally.nVotes * 32
                    );
                }
            }
        }
    }

    /// @dev Add the votes of seats that gave the same label.
    /// @return matched samples where some did
    function _countSame(
        Tally memory tally,
        uint256 samples,
        uint256 own,
        uint256 first,
        uint256 end
    ) private pure returns (uint256 matched) {
        unchecked {
            if (first == end) return 0;
            uint256 same = tally.same;
            _findSame(tally, samples, own, first, end);
            return _add(same + 32 * first, same + 32 * end, tally.votes);
        }
    }

    /// @dev Note which of some seats gave the label `own`, and where.
    function _findSame(Tally memory tally, uint256 samples, uint256 own, uint256 first, uint256 end)
        private
        pure
    {
        unchecked {
            uint256 stride = tally.stride;
            _findSame(
                samples,
                own + stride - 128,
                stride,
                tally.planes + (first + 1) * stride - 128,
                tally.planes + (end + 1) * stride - 128,
                tally.same + 32 * first
            );
        }
    }

    /// @param own the last four words of a label
    /// @param planes those of the first seat
    /// @param end those of the seat after the last
    function _findSame(
        uint256 samples,
        uint256 own,
        uint256 stride,
        uint256 planes,
        uint256 end,
        uint256 same
    ) private pure {
        assembly ("memory-safe") {
            let a := mload(own)
            let b := mload(add(own, 32))
            let c := mload(add(own, 64))
            let d := mload(add(own, 96))
            for {} lt(planes, end) { planes := add(planes, stride) } {
                let differ :=
                    or(
                        or(xor(a, mload(planes)), xor(b, mload(add(planes, 32)))),
                        or(xor(c, mload(add(planes, 64))), xor(d, mload(add(planes, 96))))
                    )
                for { let back := sub(stride, 128) } back { back := sub(back, 128) } {
                    let x := sub(own, back)
                    let y := sub(planes, back)
                    differ := or(
                        differ,
                        or(
                            or(xor(mload(x), mload(y)), xor(mload(add(x, 32)), mload(add(y, 32)))),
                            or(
                                xor(mload(add(x, 64)), mload(add(y, 64))),
                                xor(mload(add(x, 96)), mload(add(y, 96)))
                            )
                        )
                    )
                }
                mstore(same, and(samples, not(differ)))
                same := add(same, 32)
            }
        }
    }

    /// @dev Add words to the votes.
    /// @return any their OR
    function _add(uint256 from, uint256 end, uint256 votes) private pure returns (uint256 any) {
        assembly ("memory-safe") {
            let ones := mload(votes)
            let twos := mload(add(votes, 32))
            let fours := mload(add(votes, 64))
            for {} lt(from, end) { from := add(from, 32) } {
                let word := mload(from)
                any := or(any, word)
                let carry := and(ones, word)
                ones := xor(ones, word)
                word := and(twos, carry)
                twos := xor(twos, carry)
                carry := and(fours, word)
                fours := xor(fours, word)
                for { let at := add(votes, 96) } carry { at := add(at, 32) } {
                    let old := mload(at)
                    mstore(at, xor(old, carry))
                    carry := and(old, carry)
                }
            }
            mstore(votes, ones)
            mstore(add(votes, 32), twos)
            mstore(add(votes, 64), fours)
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

    // -------------------------------------------------------------------------------- matches

    /// @dev Add the matches for the majority, then, as long as there are others, for one more class
    /// of each sample that has one.
    function _match(Tally memory tally, uint256 samples) private pure {
        unchecked {
            while (samples != 0) {
                uint256 class = tally.class;
                _findSame(tally, samples, class, tally.first[0], tally.end[0]);
                _findSame(tally, samples, class, tally.first[1], tally.end[1]);
                (uint256 any0, uint256 several) = _strike(tally, 0);
                (uint256 any1,) = _strike(tally, 1);
                uint256 matched = tally.leagues ? any0 & any1 : several;
                if (matched > 0) {
                    if (tally.byPattern) _addByPattern(tally, matched);
                    else _addBySixteens(tally, matched);
                }
                samples = _pick(tally);
            }
        }
    }

    /// @dev The class at hand is dealt with.
    /// @return any samples where somebody of the league gave it
    /// @return several where more than one did
    function _strike(Tally memory tally, uint256 league)
        private
        pure
        returns (uint256 any, uint256 several)
    {
        uint256 same = tally.same + 32 * tally.first[league];
        uint256 end = tally.same + 32 * tally.end[league];
        uint256 paired = tally.paired + 32 * tally.first[league];
        assembly ("memory-safe") {
            for {} lt(same, end) { same := add(same, 32) } {
                let word := mload(same)
                several := or(several, and(any, word))
                any := or(any, word)
                mstore(paired, and(mload(paired), not(word)))
                paired := add(paired, 32)
            }
        }
    }

    /// @dev For each sample that has another class with a match, take that as the class at hand.
    /// @return picked these samples
    function _pick(Tally memory tally) private pure returns (uint256 picked) {
        unchecked {
            uint256 class = tally.class;
            uint256 stride = tally.stride;
            for (uint256 seat = tally.first[0]; seat < tally.end[0]; ++seat) {
                uint256 samples = BitPlanes.load(tally.paired + 32 * seat) & ~picked;
                if (samples == 0) continue;
                if (picked == 0) _fill(class, stride, 0);
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

    /// @dev Rows go by who is missing in league 0, in league 1, and by class.
    function _addByPattern(Tally memory tally, uint256 matched) private pure {
        unchecked {
            uint256 bits = tally.bits;
            uint256 at = tally.number + 512 - bits * 32;
            _copy(tally.class + tally.stride - bits * 32, at, bits * 32);
            if (tally.wasMixed) {
                for (uint256 league = 2; league > 0;) {
                    --league;
                    uint256 some = _missingBits(tally, league);
                    at -= some * 32;
                    _copy(tally.missing[league] + 512 - some * 32, at, some * 32);
                    bits += some;
                }
            }
            Lanes.turn(tally.number, tally.classLanes, bits);
            Lanes.turn(tally.same, tally.voterLanes, 16 - tally.first[0]);
            Patterns.add(matched, tally.classLanes, tally.voterLanes, tally.rows, tally.table);
        }
    }

    function _missingBits(Tally memory tally, uint256 league) private pure returns (uint256) {
        return PackedLabels.labelBits(tally.end[league] - tally.first[league]);
    }

    function _addBySixteens(Tally memory tally, uint256 matched) private pure {
        unchecked {
            uint256 size = tally.bits * 32;
            _copy(tally.class + tally.stride - size, tally.number + 512 - size, size);
            Lanes.turn(tally.number, tally.classLanes, tally.bits);
            _fill(tally.number, 512, 0);
            Sixteens.Account memory account;
            account.ones = tally.table;
            account.classes = tally.classLanes;
            account.votes = tally.voteLanes;
            account.voters = tally.voterLanes;
            for (uint256 league; league < 2; ++league) {
                uint256 peers = tally.leagues ? 1 - league : 0;
                account.weights = tally.weights[league];
                account.missing = tally.missingLanes[peers];
                _countVotes(tally, peers, matched);
                for (uint256 seat = tally.first[league]; seat < tally.end[league]; seat += 16) {
                    account.rows = tally.rows + ((seat / 16) << (tally.bits + 6));
                    Lanes.turn(tally.same + 32 * seat, tally.voterLanes, 16);
                    Sixteens.add(matched, account);
                }
            }
        }
    }

    /// @dev How many peers gave the class at hand.
    function _countVotes(Tally memory tally, uint256 peers, uint256 matched) private pure {
        unchecked {
            uint256 number = tally.number;
            uint256 end = tally.same + 32 * tally.end[peers];
            for (uint256 at = tally.same + 32 * tally.first[peers]; at < end; at += 32) {
                _increment(number + 480, BitPlanes.load(at) & matched);
            }
            if (!tally.leagues) _decrement(number + 480, matched);
            Lanes.turn(number, tally.voteLanes, tally.nVotes);
            _fill(number, 512, 0);
        }
    }

    function _decrement(uint256 at, uint256 samples) private pure {
        assembly ("memory-safe") {
            for {} samples { at := sub(at, 32) } {
                let new := xor(mload(at), samples)
                mstore(at, new)
                samples := and(new, samples)
            }
        }
    }

    // --------------------------------------------------------------------------------- scores

    /// @dev Move what is in the rows to the accounts.
    function _collect(Tally memory tally) private pure {
        unchecked {
            for (uint256 league; league < 2; ++league) {
                uint256 first = tally.first[league];
                uint256 end = tally.end[league];
                if (first == end) continue;
                if (tally.byPattern) {
                    _collectPatterns(tally, league);
                    continue;
                }
                for (uint256 seat = first; seat < end; seat += 16) {
                    Sixteens.collect(
                        tally.rows + ((seat / 16) << (tally.bits + 6)),
                        tally.accounts + seat * tally.classes * 32,
                        tally.classes,
                        end - seat < 16 ? end - seat : 16
                    );
                }
            }
        }
    }

    function _collectPatterns(Tally memory tally, uint256 league) private pure {
        unchecked {
            uint256 peers = tally.leagues ? 1 - league : league;
            (uint256 nSets, uint256 step) = _sets(tally, peers);
            (uint256 nOwn, uint256 stepOwn) = _sets(tally, league);
            for (uint256 missing; missing < nSets; ++missing) {
                uint256 weight = BitPlanes.load(tally.weights[league] + 32 * missing);
                if (weight == 0) continue;
                Patterns.collect(
                    tally.rows + missing * step,
                    tally.leagues ? nOwn : 1,
                    stepOwn,
                    16 - tally.end[league],
                    weight,
                    tally.accounts + (tally.end[league] - 1) * tally.classes * 32,
                    tally.classes,
                    tally.end[league] - tally.first[league]
                );
            }
        }
    }

    /// @return nSets how many numbers of missing voters there can be
    /// @return step bytes from the rows for one to those for the next
    function _sets(Tally memory tally, uint256 league)
        private
        pure
        returns (uint256 nSets, uint256 step)
    {
        unchecked {
            nSets = tally.wasMixed ? tally.end[league] - tally.first[league] + 1 : 1;
            step = (32 << tally.bits) << (league == 0 ? _missingBits(tally, 1) : 0);
        }
    }

    /// @dev Σ_x ⌊1e18 · A[x] · T / (720720 · g[x])⌋ − β · N, per member that revealed.
    function _score(
        Tally memory tally,
        bytes[] calldata labels,
        Chunk memory chunk,
        int256[] memory scores
    ) private pure {
        unchecked {
            uint256[2] memory next = [tally.first[0], tally.first[1]];
            uint256[2] memory totals;
            for (uint256 i; i < labels.length; ++i) {
                if (labels[i].length == 0) continue;
                uint256 league = chunk.leagues ? i % 2 : 0;
                uint256 seat = next[league]++;
                uint256[] memory counts = chunk.peerCounts[chunk.leagues ? league : i];
                if (!chunk.leagues || totals[league] == 0) totals[league] = _sum(counts);
                uint256 earned = _earned(
                    tally.accounts + seat * counts.length * 32,
                    BitPlanes.pointerTo(counts),
                    counts.length * 32,
                    totals[league] * WAD
                );
                uint256 compared = BitPlanes.load(tally.compared + 32 * seat);
                scores[i] = int256(earned) - int256(chunk.penaltyWad * compared);
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

    /// @param account pointer to A
    /// @param counts pointer to g
    function _earned(uint256 account, uint256 counts, uint256 size, uint256 factor)
        private
        pure
        returns (uint256 earned)
    {
        assembly ("memory-safe") {
            for { let end := add(account, size) } lt(account, end) { account := add(account, 32) } {
                // A is also 0 where no peer ever gave the label, and x / 0 is 0
                let share := div(mul(mload(account), factor), mul(WEIGHT_ONE, mload(counts)))
                earned := add(earned, share)
                counts := add(counts, 32)
            }
        }
    }
}
