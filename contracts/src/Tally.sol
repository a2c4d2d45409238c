// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BitPlanes} from "./BitPlanes.sol";
import {PackedLabels} from "./PackedLabels.sol";
import {Patterns} from "./Patterns.sol";
import {PeerTruthSerum} from "./PeerTruthSerum.sol";
import {Sixteens} from "./Sixteens.sol";
import {Votes} from "./Votes.sol";

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

/// @title What a chunk's voters, votes and matches are kept in
/// @notice Sets up a tally, reads a group's labels into it, and handles its words.
library Tallies {
    function create(bytes[] calldata labels, uint256 groups, PeerTruthSerum.Chunk memory chunk)
        internal
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
            tally.byPattern = isByPattern(voters0, voters1, groups, tally.bits);
            tally.stride = (tally.bits + 3) / 4 * 128;
            tally.planes = BitPlanes.allocate(voters * tally.stride / 32);
            fill(tally.planes, voters * tally.stride, type(uint256).max);
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
                tally.isCramped = isCramped(rowBits, most);
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

    /// @notice Whether the table of patterns is worth its while, and the rows take no more than 2^14
    /// words.
    function isByPattern(uint256 voters0, uint256 voters1, uint256 groups, uint256 bits)
        internal
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

    /// @notice Whether a row's index has no room for how many are missing: then every sample is worked
    /// on alone, which takes more gas than a transaction may have.
    /// @param rowBits of the index without
    /// @param most voters of a league
    function isCramped(uint256 rowBits, uint256 most) internal pure returns (bool) {
        return most > 255 || rowBits + PackedLabels.labelBits(most) > 15;
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
                BitPlanes.store(at, PeerTruthSerum.WEIGHT_ONE / peers);
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
            fill(tally.options, tally.classes * stride, type(uint256).max);
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
    function read(Tally memory tally, uint256 offset) internal pure {
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

    function copy(uint256 from, uint256 to, uint256 size) internal pure {
        assembly ("memory-safe") {
            mcopy(to, from, size)
        }
    }

    function fill(uint256 at, uint256 size, uint256 word) internal pure {
        assembly ("memory-safe") {
            for { let end := add(at, size) } lt(at, end) { at := add(at, 32) } {
                mstore(at, word)
            }
        }
    }

    function clear(uint256 at, uint256 size) internal pure {
        assembly ("memory-safe") {
            calldatacopy(at, calldatasize(), size)
        }
    }

    function orPlanes(uint256 into, uint256 planes, uint256 size, uint256 samples) internal pure {
        assembly ("memory-safe") {
            for { let end := add(into, size) } lt(into, end) { into := add(into, 32) } {
                mstore(into, or(mload(into), and(samples, mload(planes))))
                planes := add(planes, 32)
            }
        }
    }

    function orAll(uint256 into, uint256 size, uint256 samples) internal pure {
        assembly ("memory-safe") {
            for { let end := add(into, size) } lt(into, end) { into := add(into, 32) } {
                mstore(into, or(mload(into), samples))
            }
        }
    }

    /// @dev How many of a league's words, which lie among all seats', have a bit, in some samples.
    function countOf(uint256 words, League memory league, uint256 samples, uint256 into)
        internal
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
}
