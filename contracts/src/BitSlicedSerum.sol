// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BitPlanes} from "./BitPlanes.sol";
import {PeerTruthSerum} from "./PeerTruthSerum.sol";
import {Poll, Polls} from "./Poll.sol";

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
    /// @param masks per class and seat, a row: the samples to which the voter gave the class
    /// @param best planes of the most votes so far, rows
    /// @param blocks blocks of a part
    /// @param step size of a record, in bytes
    /// @param group the group at hand
    /// @param at bytes from the first word of the records to the group's
    struct Bench {
        Poll poll;
        uint256 seats;
        uint256 masks;
        uint256 best;
        uint256 blocks;
        uint256 step;
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
    function tally(Poll memory poll, uint256 groups) internal pure {
        unchecked {
            Bench memory bench = _newBench(poll, groups);
            while (bench.group < groups) {
                _tallyPart(bench);
                _countMajority(bench);
                _match(bench);
            }
        }
    }

    /// @dev Go through the groups of the next blocks.
    function _tallyPart(Bench memory bench) private pure {
        unchecked {
            uint256 left = (bench.groups - bench.group + 7) / 8;
            if (left < bench.blocks) bench.blocks = left;
            bench.at = 0;
            bool isFour = bench.seats == 4;
            for (uint256 b = bench.blocks; b > 0; --b) {
                for (uint256 end = bench.at + ROW; bench.at < end; bench.at += WORD) {
                    if (bench.group < bench.groups) {
                        Polls.read(bench.poll, bench.group);
                        if (isFour) _tallyFour(bench);
                        else _tallyTen(bench);
                        Polls.writeWinners(bench.poll, bench.group);
                        ++bench.group;
                    } else {
                        _clearRows(bench.masks + bench.at, bench.step / ROW);
                    }
                }
                bench.at += bench.step - ROW;
            }
        }
    }

    /// @dev Make room for the records.
    function _newBench(Poll memory poll, uint256 groups) private pure returns (Bench memory bench) {
        unchecked {
            bench.poll = poll;
            bench.groups = groups;
            bench.seats = poll.voters <= 4 ? 4 : SEATS;
            uint256 masks = poll.classes * bench.seats * ROW;
            bench.step = masks + 4 * ROW;
            uint256 blocks = (groups + 7) / 8;
            uint256 most = PART_WORDS * WORD / bench.step;
            if (most == 0) most = 1;
            if (most > PART_BLOCKS) most = PART_BLOCKS;
            uint256 parts = (blocks + most - 1) / most;
            bench.blocks = (blocks + parts - 1) / parts;
            bench.masks = BitPlanes.allocate(bench.blocks * bench.step / WORD);
            bench.best = bench.masks + masks;
        }
    }

    // ------------------------------------------------------------------------------- majority

    /// @dev Who votes for each class in the group at hand, and where it has more votes than those
    /// before it.
    function _tallyTen(Bench memory bench) private pure {
        unchecked {
            Poll memory poll = bench.poll;
            uint256 mask = bench.masks + bench.at;
            uint256 best = bench.best + bench.at;
            uint256 greater = poll.greater;
            uint256 end = greater + poll.classes * WORD;
            BitPlanes.store(best, 0);
            BitPlanes.store(best + ROW, 0);
            BitPlanes.store(best + 2 * ROW, 0);
            BitPlanes.store(best + 3 * ROW, 0);
            for (uint256 quad; greater < end; ++quad) {
                uint256 upper = Polls.uppersOf(poll, quad);
                uint256 lower = poll.ballots;
                uint256 four = greater + 4 * WORD;
                if (four > end) four = end;
                for (; greater < four; greater += WORD) {
                    BitPlanes.store(greater, BitPlanes.takeGreaterOfTen(lower, upper, mask, best));
                    lower += WORD;
                    mask += SEATS * ROW;
                }
            }
        }
    }

    /// @dev The same for up to four voters.
    function _tallyFour(Bench memory bench) private pure {
        unchecked {
            Poll memory poll = bench.poll;
            uint256 mask = bench.masks + bench.at;
            uint256 best = bench.best + bench.at;
            uint256 greater = poll.greater;
            uint256 end = greater + poll.classes * WORD;
            BitPlanes.store(best, 0);
            BitPlanes.store(best + ROW, 0);
            BitPlanes.store(best + 2 * ROW, 0);
            for (uint256 quad; greater < end; ++quad) {
                uint256 upper = Polls.uppersOf(poll, quad);
                uint256 four = greater + 4 * WORD;
                if (four > end) four = end;
                BitPlanes.takeGreatersOfFour(poll.ballots, upper, mask, best, greater, four);
                mask += 16 * ROW;
                greater = four;
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

    /// @dev Add the most votes of a class, summed over the samples of the part.
    function _countMajority(Bench memory bench) private pure {
        unchecked {
            uint256 plane = bench.best;
            for (uint256 p; bench.poll.voters >> p > 0; ++p) {
                uint256 found = BitPlanes.countBoth(plane, plane, bench.blocks, bench.step);
                bench.poll.majorityVotes += found << p;
                plane += ROW;
            }
        }
    }

    // -------------------------------------------------------------------------------- matches

    /// @dev Count, for every class and voter, the peers' votes on the samples of its mask.
    function _match(Bench memory bench) private pure {
        unchecked {
            uint256 masks = bench.masks;
            uint256 matches = bench.poll.matches;
            for (uint256 class; class < bench.poll.classes; ++class) {
                _matchPairs(bench, masks, matches);
                masks += bench.seats * ROW;
                matches += bench.poll.voters * WORD;
            }
        }
    }

    /// @dev Count for every pair of peers where both gave the class.
    function _matchPairs(Bench memory bench, uint256 masks, uint256 matches) private pure {
        unchecked {
            (uint256 blocks, uint256 step) = (bench.blocks, bench.step);
            uint256 end = masks + bench.poll.voters * ROW;
            for (uint256 i; i < bench.poll.inLeague[0]; ++i) {
                uint256 first = bench.poll.leagues ? bench.poll.inLeague[0] : i + 1;
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
}
