// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {LibBit} from "solady/utils/LibBit.sol";
import {BitPlanes} from "./BitPlanes.sol";
import {Lanes} from "./Lanes.sol";
import {PackedLabels} from "./PackedLabels.sol";
import {Patterns} from "./Patterns.sol";
import {Sixteens} from "./Sixteens.sol";
import {Votes} from "./Votes.sol";

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

    /// @dev A sample set is a word with a bit for each of the 256 samples of the group at hand; a
    /// number per sample is so many words, one for each of its bits. All others are pointers.
    /// @param voters how many revealed
    /// @param first offset of its first voter's word among the seats'
    /// @param end offset after its last
    /// @param planes per voter, its labels
    /// @param masks per voter, the samples whose label begins like some classes; then a 0
    /// @param quads per voter, what the last two bits of its labels are
    /// @param bits of a number up to `voters`
    /// @param missing how many voters did not label a sample, the lowest bit first
    /// @param missingLanes the same in lanes
    /// @param weights per number of peers who are missing, what a match is worth: w
    struct League {
        uint256 voters;
        uint256 first;
        uint256 end;
        uint256 planes;
        uint256 masks;
        uint256 quads;
        uint256 bits;
        uint256 missing;
        uint256 missingLanes;
        uint256 weights;
    }

    /// @param byClass whether votes are counted class by class, not voter by voter
    /// @param byPattern whether matches are added for all voters at once
    /// @param stride bytes from one label to the next: whole fours of words, all bits set in front
    /// @param end offset after the last seat's word
    /// @param sources per seat, its labels in the calldata
    /// @param planes per seat, its labels
    /// @param labelled per seat, the samples that it labelled
    /// @param absent per seat, the others
    /// @param same per seat, the samples where it gave the class at hand, between 16 zeros each
    /// @param compared per seat, how many labels some peer voted beside: N
    /// @param accounts per seat and class, A
    /// @param options labels that may have matches: every class, or every voter's in league 0
    /// @param nOptions how many
    /// @param paired per option, the samples where it has matches that are not added yet
    /// @param took per class, the samples where it had more votes than those before
    /// @param class the class at hand, one for every sample: first the majority's
    /// @param matched the samples where it has matches
    /// @param votes votes for a class, the lowest bit first
    /// @param best the most votes so far
    /// @param sizeVotes bytes of either
    /// @param isMixed whether some samples of the group were labelled by more voters than others
    /// @param wasMixed whether those of any group were
    /// @param number 16 words to put a number together
    /// @param classLanes the class at hand, in lanes
    /// @param voterLanes who gave it, in lanes
    /// @param voteLanes how many peers gave it, in lanes
    /// @param lanes the lowest bit of each lane
    /// @param table from who gave a class in a sample to what is added to its row
    /// @param rows matches that are not on an account yet
    struct Tally {
        uint256 bits;
        uint256 classes;
        bool leagues;
        bool byClass;
        bool byPattern;
        League league0;
        League league1;
        uint256 stride;
        uint256 end;
        uint256 sources;
        uint256 planes;
        uint256 labelled;
        uint256 absent;
        uint256 same;
        uint256 compared;
        uint256 accounts;
        uint256 options;
        uint256 nOptions;
        uint256 paired;
        uint256 took;
        uint256 class;
        uint256 matched;
        uint256 votes;
        uint256 best;
        uint256 sizeVotes;
        bool isMixed;
        bool wasMixed;
        uint256 number;
        uint256 classLanes;
        uint256 voterLanes;
        uint256 voteLanes;
        uint256 lanes;
        uint256 zeros;
        Sixteens.Sixteen sixteen;
        uint256 table;
        uint256 rows;
        uint256 groupsInRows;
        bool isCramped;
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
                outcome.votes += _compare(tally);
                if (tally.byClass) _voteByClass(tally);
                else _voteByVoter(tally);
                outcome.majorityVotes += _total(tally.best, tally.sizeVotes);
                _copy(tally.class + tally.stride - size, winner, size);
                winner += size;
                _match(tally);
                if (!tally.byPattern && (group + 1) % tally.groupsInRows == 0) _collect(tally);
            }
            _collect(tally);
            _score(tally, labels, chunk, outcome.scores);
            Patterns.release(tally.rows);
            outcome.globalLabels = abi.encodePacked(winners);
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
            uint256 voters = voters0 + voters1;
            tally.byClass = chunk.classes < voters;
            tally.byPattern = _isByPattern(voters0, voters1, groups, tally.bits);
            tally.stride = (tally.bits + 3) / 4 * 128;
            tally.planes = BitPlanes.allocate(voters * tally.stride / 32);
            _fill(tally.planes, voters * tally.stride, type(uint256).max);
            _found(tally, tally.league0, 0, voters0);
            _found(tally, tally.league1, voters0, voters1);
            tally.league0.weights = _weigh(voters, chunk.leagues ? voters1 : voters0 - 1);
            tally.league1.weights = _weigh(voters, voters0);
            tally.end = voters * 32;
            tally.sources = BitPlanes.allocate(voters);
            _seat(tally, labels);

            tally.labelled = BitPlanes.allocate(voters);
            tally.absent = BitPlanes.allocate(voters + 1);
            tally.same = BitPlanes.allocate(voters + 32) + 512;
            tally.compared = BitPlanes.allocate(voters);
            tally.accounts = BitPlanes.allocate(voters * chunk.classes);
            tally.options = tally.planes;
            tally.nOptions = voters0;
            if (tally.byClass) _listClasses(tally);
            tally.paired = BitPlanes.allocate(tally.nOptions);
            tally.took = BitPlanes.allocate(tally.nOptions);
            tally.class = BitPlanes.allocate(tally.stride / 32);
            tally.votes = BitPlanes.allocate(16);
            tally.best = BitPlanes.allocate(16);
            tally.sizeVotes = (PackedLabels.labelBits(voters | 8) + 1) / 2 * 64;
            tally.lanes = type(uint256).max / 0xffff;
            tally.number = BitPlanes.allocate(16);
            tally.classLanes = BitPlanes.allocate(16);
            tally.voterLanes = BitPlanes.allocate(16);
            tally.voteLanes = BitPlanes.allocate(16);
            uint256 rowBits = tally.bits;
            if (tally.byPattern) {
                rowBits += tally.league0.bits + tally.league1.bits;
                tally.table = Patterns.newTable(voters0, voters1, chunk.leagues);
            } else {
                uint256 sixteens = (voters0 + 15) / 16 + (voters1 + 15) / 16;
                if (sixteens > 1) rowBits += PackedLabels.labelBits(sixteens - 1);
                uint256 most = voters0 > voters1 ? voters0 : voters1;
                tally.groupsInRows = Sixteens.groupsFor(most);
                tally.isCramped = most > 255 || rowBits + PackedLabels.labelBits(most) > 15;
                tally.zeros = BitPlanes.allocate(16);
                tally.sixteen = Sixteens.Sixteen({
                    lanes: tally.lanes,
                    rows: 0,
                    classes: tally.classLanes,
                    missing: 0,
                    shift: rowBits,
                    votes: tally.voteLanes,
                    voters: tally.voterLanes
                });
                if (!tally.isCramped) rowBits += PackedLabels.labelBits(most);
            }
            tally.rows = Patterns.reserve(1 << rowBits);
            assert(tally.rows / 32 + (1 << rowBits) <= 1 << 16); // pointers fit lanes
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

    function _found(Tally memory tally, League memory league, uint256 first, uint256 voters)
        private
        pure
    {
        unchecked {
            league.voters = voters;
            league.bits = PackedLabels.labelBits(voters);
            league.first = first * 32;
            league.end = (first + voters) * 32;
            league.planes = tally.planes + first * tally.stride;
            if (tally.byClass) {
                league.masks = BitPlanes.allocate(voters + 1);
                league.quads = BitPlanes.allocate(4 * voters + 4);
            }
            league.missing = BitPlanes.allocate(16);
            league.missingLanes = BitPlanes.allocate(16);
        }
    }

    /// @param peers who are there if nobody is missing; below 0 without voters
    function _weigh(uint256 voters, uint256 peers) private pure returns (uint256 weights) {
        unchecked {
            weights = BitPlanes.allocate(voters + 1);
            for (uint256 at = weights; int256(peers) > 0; --peers) {
                BitPlanes.store(at, WEIGHT_ONE / peers);
                at += 32;
            }
        }
    }

    /// @dev Give the voters their seats.
    function _seat(Tally memory tally, bytes[] calldata labels) private pure {
        unchecked {
            uint256 next0 = tally.sources + tally.league0.first;
            uint256 next1 = tally.sources + tally.league1.first;
            for (uint256 i; i < labels.length; ++i) {
                bytes calldata own = labels[i];
                if (own.length == 0) continue;
                uint256 source;
                assembly ("memory-safe") {
                    source := own.offset
                }
                if (tally.leagues && i % 2 == 1) {
                    BitPlanes.store(next1, source);
                    next1 += 32;
                } else {
                    BitPlanes.store(next0, source);
                    next0 += 32;
                }
            }
        }
    }

    /// @dev Every class as a label that all samples have.
    function _listClasses(Tally memory tally) private pure {
        unchecked {
            uint256 stride = tally.stride;
            tally.nOptions = tally.classes;
            tally.options = BitPlanes.allocate(tally.classes * stride / 32);
            _fill(tally.options, tally.classes * stride, type(uint256).max);
            for (uint256 class; class < tally.classes; ++class) {
                uint256 at = tally.options + (class + 1) * stride;
                for (uint256 b; b < tally.bits; ++b) {
                    at -= 32;
                    if ((class >> b) & 1 == 0) BitPlanes.store(at, 0);
                }
            }
        }
    }

    /// @dev Take in a group's labels; nothing is counted yet.
    function _read(Tally memory tally, uint256 offset) private pure {
        unchecked {
            _read(
                tally.sources,
                tally.sources + tally.end,
                offset,
                tally.bits * 32,
                tally.planes,
                tally.stride,
                tally.labelled,
                tally.absent - tally.labelled
            );
        }
    }

    function _read(
        uint256 sources,
        uint256 end,
        uint256 offset,
        uint256 size,
        uint256 planes,
        uint256 stride,
        uint256 labelled,
        uint256 ahead
    ) private pure {
        assembly ("memory-safe") {
            for {} lt(sources, end) { sources := add(sources, 32) } {
                let next := add(planes, stride)
                calldatacopy(sub(next, size), add(mload(sources), offset), size)
                let abstained := not(0)
                for {} lt(planes, next) { planes := add(planes, 128) } {
                    abstained := and(
                        and(abstained, and(mload(planes), mload(add(planes, 32)))),
                        and(mload(add(planes, 64)), mload(add(planes, 96)))
                    )
                }
                mstore(labelled, not(abstained))
                mstore(add(labelled, ahead), abstained)
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

    function _clear(uint256 at, uint256 size) private pure {
        assembly ("memory-safe") {
            calldatacopy(at, calldatasize(), size)
        }
    }

    // -------------------------------------------------------------------------------- company

    /// @dev Count the labels, those that some peer voted beside, and who is missing where.
    function _compare(Tally memory tally) private pure returns (uint256 votes) {
        unchecked {
            (uint256 any0, uint256 all0, uint256 several) = _overlap(tally, tally.league0);
            (uint256 any1, uint256 all1,) = _overlap(tally, tally.league1);
            votes = _countCompared(tally, tally.league0, tally.leagues ? any1 : several)
                + _countCompared(tally, tally.league1, any0);
            uint256 mixed = (any0 | any1) & ~(all0 & all1);
            if (mixed > 0 || tally.isMixed) {
                _countMissing(tally, tally.league0, mixed);
                _countMissing(tally, tally.league1, mixed);
            }
            tally.isMixed = mixed > 0;
            if (mixed > 0) tally.wasMixed = true;
        }
    }

    /// @return any the samples that somebody of the league labelled
    /// @return all that everybody did
    /// @return several that more than one did
    function _overlap(Tally memory tally, League memory league)
        private
        pure
        returns (uint256 any, uint256 all, uint256 several)
    {
        uint256 at = tally.labelled + league.first;
        uint256 end = tally.labelled + league.end;
        assembly ("memory-safe") {
            all := not(0)
            for {} lt(at, end) { at := add(at, 32) } {
                let word := mload(at)
                several := or(several, and(any, word))
                any := or(any, word)
                all := and(all, word)
            }
        }
    }

    /// @param company the samples that some peer labelled
    function _countCompared(Tally memory tally, League memory league, uint256 company)
        private
        pure
        returns (uint256 votes)
    {
        unchecked {
            uint256 end = tally.labelled + league.end;
            uint256 into = tally.compared + league.first;
            for (uint256 at = tally.labelled + league.first; at < end; at += 32) {
                uint256 labelled = BitPlanes.load(at);
                uint256 own = labelled == type(uint256).max ? 256 : LibBit.popCount(labelled);
                votes += own;
                if (labelled & ~company != 0) own = LibBit.popCount(labelled & company);
                BitPlanes.store(into, BitPlanes.load(into) + own);
                into += 32;
            }
        }
    }

    /// @param samples those where anybody is
    function _countMissing(Tally memory tally, League memory league, uint256 samples) private pure {
        unchecked {
            _countOf(tally.absent, league, samples, league.missing);
            if (tally.byPattern) return;
            _turnFlipped(tally, league.missing, 32, league.bits, league.missingLanes);
        }
    }

    // ---------------------------------------------------------------------------------- votes

    /// @dev One voter after the other, count who of those behind gave the same labels. The first who
    /// gave a class in a sample has all its votes; who comes later has fewer, which change nothing.
    function _voteByVoter(Tally memory tally) private pure {
        unchecked {
            uint256 class = tally.class;
            uint256 stride = tally.stride;
            _fill(class, stride, type(uint256).max); // nobody voted: ABSTAIN
            _clear(tally.best, tally.sizeVotes);
            uint256 own = tally.planes;
            uint256 labelled = tally.labelled;
            uint256 end = labelled + tally.end;
            uint256 ahead = tally.same - labelled;
            for (uint256 voters = tally.end / 32; voters > 0; --voters) {
                if (voters % 4 == 0 && labelled >= tally.labelled + tally.league1.first) {
                    // No class that is new here can become the majority's, and no matches are missed.
                    if (Votes.areAbove(tally.best, voters, tally.sizeVotes)) break;
                }
                uint256 samples = BitPlanes.load(labelled);
                uint256 next = own + stride;
                labelled += 32;
                Votes.find(own, next, stride, labelled, end, labelled + ahead);
                Votes.count(samples, labelled + ahead, end + ahead, tally.votes);
                if (labelled <= tally.labelled + tally.league0.end) _notePaired(tally, labelled);
                (uint256 more, uint256 differ) =
                    Votes.raise(tally.votes, tally.best, tally.sizeVotes);
                samples &= ~differ; // as many
                if (samples > 0) more |= samples & Votes.compare(own, class, stride);
                if (more > 0) Votes.replace(class, own, stride, more);
                own = next;
            }
        }
    }

    /// @param labelled of the next voter
    function _notePaired(Tally memory tally, uint256 labelled) private pure {
        unchecked {
            uint256 matched = tally.leagues
                ? _anyOf(tally.same + tally.league1.first, tally.same + tally.end)
                : _severalOf(tally.votes, tally.sizeVotes);
            BitPlanes.store(tally.paired + labelled - 32 - tally.labelled, matched);
        }
    }

    function _anyOf(uint256 at, uint256 end) private pure returns (uint256 any) {
        assembly ("memory-safe") {
            for {} lt(at, end) { at := add(at, 32) } { any := or(any, mload(at)) }
        }
    }

    /// @dev Where a voter's label has more votes than the best so far, or as many and is lower, it
    /// becomes the best.
    function _takeOver(Tally memory tally, uint256 own, uint256 at) private pure {
        unchecked {
            (uint256 more, uint256 differ) = Votes.raise(tally.votes, tally.best, tally.sizeVotes);
            uint256 tied = BitPlanes.load(tally.labelled + at) & ~differ;
            if (tied > 0) more |= tied & Votes.compare(own, tally.class, tally.stride);
            if (more > 0) Votes.replace(tally.class, own, tally.stride, more);
        }
    }

    /// @dev One class after the other, in ascending order: it becomes the best where it has more votes.
    function _voteByClass(Tally memory tally) private pure {
        unchecked {
            _clear(tally.best, tally.sizeVotes);
            _splitLast(tally, tally.league0);
            _splitLast(tally, tally.league1);
            for (uint256 class; class < tally.classes; ++class) {
                if (class % 4 == 0) {
                    _mask(tally, tally.league0, class / 4);
                    _mask(tally, tally.league1, class / 4);
                }
                _clear(tally.votes, tally.sizeVotes);
                uint256 matched = _addVotes(tally, tally.league0, class);
                if (tally.leagues) {
                    matched &= _addVotes(tally, tally.league1, class);
                } else {
                    matched = _severalOf(tally.votes, tally.sizeVotes);
                }
                BitPlanes.store(tally.paired + class * 32, matched);
                (uint256 more,) = Votes.raise(tally.votes, tally.best, tally.sizeVotes);
                BitPlanes.store(tally.took + class * 32, more);
            }
            _writeMajority(tally);
        }
    }

    function _splitLast(Tally memory tally, League memory league) private pure {
        unchecked {
            uint256 last = league.planes + tally.stride - 32;
            Votes.splitQuads(last, tally.stride, league.quads, league.quads + league.voters * 128);
        }
    }

    function _mask(Tally memory tally, League memory league, uint256 upper) private pure {
        unchecked {
            uint256 plane = league.planes + tally.stride - 96;
            uint256 end = league.masks + league.voters * 32;
            Votes.mask(upper, plane, tally.bits - 2, tally.stride, league.masks, end);
        }
    }

    function _addVotes(Tally memory tally, League memory league, uint256 class)
        private
        pure
        returns (uint256)
    {
        unchecked {
            uint256 end = league.masks + league.voters * 32;
            return Votes.addBoth(league.masks, end, league.quads + class % 4 * 32, tally.votes);
        }
    }

    function _severalOf(uint256 votes, uint256 size) private pure returns (uint256 several) {
        unchecked {
            for (uint256 at = 32; at < size; at += 32) {
                several |= BitPlanes.load(votes + at);
            }
        }
    }

    /// @dev The majority's class is the last that took over.
    function _writeMajority(Tally memory tally) private pure {
        unchecked {
            _clear(tally.class, tally.stride);
            uint256 option = tally.options + tally.classes * tally.stride;
            uint256 written;
            uint256 matched;
            for (uint256 at = tally.classes * 32; at > 0;) {
                at -= 32;
                option -= tally.stride;
                uint256 samples = BitPlanes.load(tally.took + at) & ~written;
                if (samples == 0) continue;
                written |= samples;
                _orPlanes(tally.class, option, tally.stride, samples);
                uint256 paired = BitPlanes.load(tally.paired + at);
                matched |= paired & samples;
                BitPlanes.store(tally.paired + at, paired & ~samples);
            }
            _orAll(tally.class, tally.stride, ~written);
            tally.matched = matched;
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

    function _orAll(uint256 into, uint256 size, uint256 samples) private pure {
        assembly ("memory-safe") {
            for { let end := add(into, size) } lt(into, end) { into := add(into, 32) } {
                mstore(into, or(mload(into), samples))
            }
        }
    }

    /// @dev Sum of a number over the samples.
    function _total(uint256 planes, uint256 size) private pure returns (uint256 total) {
        unchecked {
            for (uint256 p; 32 * p < size; ++p) {
                uint256 plane = BitPlanes.load(planes + 32 * p);
                if (plane > 0) total += LibBit.popCount(plane) << p;
            }
        }
    }

    // -------------------------------------------------------------------------------- matches

    /// @dev Add the matches for the majority, then, as long as there are others, for one more class
    /// of each sample that has one.
    function _match(Tally memory tally) private pure {
        unchecked {
            do {
                Votes.find(
                    tally.class,
                    tally.planes,
                    tally.stride,
                    tally.labelled,
                    tally.labelled + tally.end,
                    tally.same
                );
                if (!tally.byClass) _strike(tally);
                if (tally.matched > 0) {
                    if (tally.byPattern) _addByPattern(tally);
                    else _addBySixteens(tally);
                }
            } while (_pick(tally));
        }
    }

    /// @dev Of the options who are voters, several may be the class at hand.
    function _strike(Tally memory tally) private pure {
        uint256 paired = tally.paired;
        uint256 same = tally.same + tally.league0.first;
        uint256 end = tally.same + tally.league0.end;
        uint256 matched;
        assembly ("memory-safe") {
            for {} lt(same, end) { same := add(same, 32) } {
                let word := mload(paired)
                let struck := and(word, mload(same))
                matched := or(matched, struck)
                mstore(paired, xor(word, struck))
                paired := add(paired, 32)
            }
        }
        tally.matched |= matched;
    }

    /// @dev For each sample that has another class with a match, take that as the class at hand.
    function _pick(Tally memory tally) private pure returns (bool) {
        unchecked {
            uint256 stride = tally.stride;
            uint256 option = tally.options;
            uint256 end = tally.paired + tally.nOptions * 32;
            uint256 picked;
            for (uint256 at = tally.paired; at < end; at += 32) {
                uint256 paired = BitPlanes.load(at);
                uint256 samples = paired & ~picked;
                if (samples > 0) {
                    if (picked == 0) _clear(tally.class, stride);
                    picked |= samples;
                    BitPlanes.store(at, paired ^ samples);
                    _orPlanes(tally.class, option, stride, samples);
                }
                option += stride;
            }
            if (picked > 0) _orAll(tally.class, stride, ~picked);
            tally.matched = picked;
            return picked > 0;
        }
    }

    function _putMissing(uint256 at, League memory league) private pure returns (uint256) {
        unchecked {
            for (uint256 b; b < league.bits; ++b) {
                at -= 32;
                BitPlanes.store(at, BitPlanes.load(league.missing + 32 * b));
            }
            return at;
        }
    }

    /// @dev Rows go by who is missing in league 0, in league 1, and by class.
    function _addByPattern(Tally memory tally) private pure {
        unchecked {
            uint256 bits = tally.bits;
            uint256 at = tally.number + 512 - bits * 32;
            _copy(tally.class + tally.stride - bits * 32, at, bits * 32);
            if (tally.wasMixed) {
                at = _putMissing(at, tally.league1);
                _putMissing(at, tally.league0);
                bits += tally.league0.bits + tally.league1.bits;
            }
            Lanes.turn(tally.number, tally.classLanes, bits, tally.rows / 32, tally.lanes);
            Lanes.turn(
                tally.same + tally.end - 512,
                tally.voterLanes,
                tally.end / 32,
                tally.table / 32,
                tally.lanes
            );
            Patterns.add(tally.matched, tally.classLanes, tally.voterLanes, tally.lanes);
        }
    }

    /// @dev Turn a number, with its samples in the order in which voters' lanes have them.
    /// @param from its lowest word
    /// @param step to the next
    function _turnFlipped(Tally memory tally, uint256 from, uint256 step, uint256 bits, uint256 to)
        private
        pure
    {
        unchecked {
            _clear(tally.number, 512);
            Lanes.flip(from, step, tally.number + 480, bits, tally.lanes);
            Lanes.turn(tally.number, to, bits, 0, tally.lanes);
        }
    }

    function _addBySixteens(Tally memory tally) private pure {
        unchecked {
            uint256 lowest = tally.class + tally.stride - 32;
            _turnFlipped(tally, lowest, 0 - uint256(32), tally.bits, tally.classLanes);
            if (tally.leagues) {
                _addLeague(tally, tally.league0, tally.league1);
                _addLeague(tally, tally.league1, tally.league0);
            } else {
                _addLeague(tally, tally.league0, tally.league0);
            }
        }
    }

    function _addLeague(Tally memory tally, League memory league, League memory peers)
        private
        pure
    {
        unchecked {
            if (!tally.isCramped) {
                _addLeague(tally, league, peers, tally.matched);
                return;
            }
            // A quarter of the samples at a time, and one number of missing peers, fit the rows.
            for (uint256 missing; missing <= peers.voters; ++missing) {
                uint256 samples = tally.matched & _samplesWith(peers, missing);
                for (uint256 quarter; quarter < 256 && samples > 0; quarter += 64) {
                    uint256 some = samples & (uint256(type(uint64).max) << quarter);
                    if (some == 0) continue;
                    _addLeague(tally, league, peers, some);
                    _collectSixteens(tally, league, 1, league.weights + 32 * missing);
                }
            }
        }
    }

    function _samplesWith(League memory peers, uint256 missing)
        private
        pure
        returns (uint256 samples)
    {
        unchecked {
            samples = type(uint256).max;
            for (uint256 b; b < peers.bits; ++b) {
                uint256 word = BitPlanes.load(peers.missing + 32 * b);
                samples &= (missing >> b) & 1 == 1 ? word : ~word;
            }
        }
    }

    function _addLeague(
        Tally memory tally,
        League memory league,
        League memory peers,
        uint256 samples
    ) private pure {
        unchecked {
            _countVotes(tally, peers, samples);
            BitPlanes.store(tally.votes, samples);
            Lanes.flip(tally.votes, 0, tally.votes, 1, tally.lanes);
            Sixteens.Sixteen memory sixteen = tally.sixteen;
            sixteen.missing = tally.isCramped ? tally.zeros : peers.missingLanes;
            for (uint256 at = league.first; at < league.end; at += 512) {
                Lanes.transposeSixteen(tally.same + at, tally.voterLanes);
                sixteen.rows = _rowsOf(tally, league, at) / 32;
                Sixteens.add(BitPlanes.load(tally.votes), sixteen);
            }
        }
    }

    /// @dev Sixteens of league 0 come first; the last may be a part of one.
    function _rowsOf(Tally memory tally, League memory league, uint256 at)
        private
        pure
        returns (uint256)
    {
        unchecked {
            uint256 sixteen = (at - league.first) / 512;
            if (league.first > 0) sixteen += (league.first + 480) / 512;
            return tally.rows + (sixteen << (tally.bits + 5));
        }
    }

    /// @dev How many peers gave the class at hand.
    function _countVotes(Tally memory tally, League memory peers, uint256 samples) private pure {
        unchecked {
            uint256 votes = tally.votes;
            _countOf(tally.same, peers, samples, votes);
            if (!tally.leagues) _decrement(votes, samples);
            _turnFlipped(tally, votes, 32, peers.bits, tally.voteLanes);
        }
    }

    /// @dev How many of a league's words, which lie among all seats', have a bit, in some samples.
    function _countOf(uint256 words, League memory league, uint256 samples, uint256 into)
        private
        pure
    {
        unchecked {
            uint256 end = words + league.end;
            uint256 behind = BitPlanes.load(end);
            Votes.count(0, words + league.first, end, into);
            BitPlanes.store(end, behind);
            for (uint256 at = into; at < into + 32 * league.bits; at += 32) {
                BitPlanes.store(at, BitPlanes.load(at) & samples);
            }
        }
    }

    function _decrement(uint256 at, uint256 samples) private pure {
        assembly ("memory-safe") {
            for {} samples { at := add(at, 32) } {
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
            if (tally.byPattern) {
                if (!tally.wasMixed) return; // every match has the same weight
                if (tally.leagues) {
                    _collectPatterns(tally, tally.league0, tally.league1);
                    _collectPatterns(tally, tally.league1, tally.league0);
                } else {
                    _collectPatterns(tally, tally.league0, tally.league0);
                }
            } else {
                uint256 nSets0 = tally.leagues ? tally.league1.voters : tally.league0.voters;
                uint256 nSets1 = tally.league0.voters;
                if (!tally.wasMixed || tally.isCramped) (nSets0, nSets1) = (0, 0);
                _collectSixteens(tally, tally.league0, nSets0 + 1, tally.league0.weights);
                _collectSixteens(tally, tally.league1, nSets1 + 1, tally.league1.weights);
            }
        }
    }

    function _collectPatterns(Tally memory tally, League memory league, League memory peers)
        private
        pure
    {
        unchecked {
            (uint256 nSets, uint256 step) = _sets(tally, peers);
            (uint256 nOwn, uint256 stepOwn) = _sets(tally, league);
            uint256 weights = league.weights;
            uint256 rows = tally.rows;
            for (; nSets > 0; --nSets) {
                Patterns.collect(
                    rows,
                    tally.leagues ? nOwn : 1,
                    stepOwn,
                    (tally.end - league.end) / 32,
                    BitPlanes.load(weights),
                    tally.accounts + league.end * tally.classes,
                    tally.classes,
                    league.voters
                );
                weights += 32;
                rows += step;
            }
        }
    }

    /// @return nSets of rows that there are for numbers of missing voters
    /// @return step bytes from one to the next
    function _sets(Tally memory tally, League memory league)
        private
        pure
        returns (uint256 nSets, uint256 step)
    {
        unchecked {
            nSets = league.voters + 1;
            step = 32 << tally.bits;
            if (league.end != tally.league1.end) {
                step <<= tally.league1.bits;
            }
        }
    }

    /// @param nSets of rows that there are for numbers of missing peers
    function _collectSixteens(
        Tally memory tally,
        League memory league,
        uint256 nSets,
        uint256 weights
    ) private pure {
        unchecked {
            uint256 size = tally.classes * 32;
            for (uint256 at = league.first; at < league.end; at += 512) {
                uint256 rows = _rowsOf(tally, league, at);
                uint256 account = tally.accounts + at * tally.classes;
                for (uint256 end = account + size; account < end; account += 32) {
                    Sixteens.collect(
                        rows,
                        nSets,
                        32 << tally.sixteen.shift,
                        weights,
                        account,
                        size,
                        league.end - at < 512 ? (league.end - at) / 32 : 16,
                        tally.lanes
                    );
                    rows += 32;
                }
            }
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
            uint256 next0 = tally.league0.first;
            uint256 next1 = tally.league1.first;
            uint256 total0;
            uint256 total1;
            for (uint256 i; i < labels.length; ++i) {
                if (labels[i].length == 0) continue;
                uint256[] memory counts = chunk.peerCounts[chunk.leagues ? i % 2 : i];
                uint256 at;
                uint256 total;
                if (chunk.leagues && i % 2 == 1) {
                    (at, next1) = (next1, next1 + 32);
                    if (total1 == 0) total1 = _sum(counts);
                    total = total1;
                } else {
                    (at, next0) = (next0, next0 + 32);
                    if (!chunk.leagues || total0 == 0) total0 = _sum(counts);
                    total = total0;
                }
                uint256 earned = tally.wasMixed || !tally.byPattern
                    ? _earned(
                        tally.accounts + at * counts.length,
                        BitPlanes.pointerTo(counts),
                        counts.length * 32,
                        total * WAD,
                        0,
                        type(uint256).max
                    )
                    : _earned(
                        tally.rows,
                        BitPlanes.pointerTo(counts),
                        counts.length * 32,
                        total * WAD
                            * BitPlanes.load(
                                (chunk.leagues && i % 2 == 1 ? tally.league1 : tally.league0)
                                .weights
                            ),
                        (tally.end - 32 - at) / 32 * Patterns.LANE_BITS,
                        Patterns.LANE
                    );
                uint256 compared = BitPlanes.load(tally.compared + at);
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
    /// @param factor times which A is
    /// @param shift lowest bit of A in its words
    /// @param mask its bits
    function _earned(
        uint256 account,
        uint256 counts,
        uint256 size,
        uint256 factor,
        uint256 shift,
        uint256 mask
    ) private pure returns (uint256 earned) {
        assembly ("memory-safe") {
            for { let end := add(account, size) } lt(account, end) { account := add(account, 32) } {
                // A is also 0 where no peer ever gave the label, and x / 0 is 0
                let found := and(shr(shift, mload(account)), mask)
                let share := div(mul(found, factor), mul(WEIGHT_ONE, mload(counts)))
                earned := add(earned, share)
                counts := add(counts, 32)
            }
        }
    }
}
