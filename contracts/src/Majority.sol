// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BitPlanes} from "./BitPlanes.sol";
import {League, Tallies, Tally} from "./Tally.sol";
import {Votes} from "./Votes.sol";

/// @title The majority's class in every sample, and which other classes have matches
/// @notice Voter by voter, or class by class where classes are fewer. docs/kernel.md, "Many classes".
library Majority {
    /// @dev One voter after the other, count who of those behind gave the same labels. The first who
    /// gave a class in a sample has all its votes; who comes later has fewer, which change nothing.
    function voteByVoter(Tally memory tally) internal pure {
        unchecked {
            uint256 class = tally.class;
            uint256 stride = tally.stride;
            Tallies.fill(class, stride, type(uint256).max); // nobody voted: ABSTAIN
            Tallies.clear(tally.best, tally.sizeVotes);
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

    /// @dev One class after the other, in ascending order: it becomes the best where it has more votes.
    function voteByClass(Tally memory tally) internal pure {
        unchecked {
            Tallies.clear(tally.best, tally.sizeVotes);
            _splitLast(tally, tally.league0);
            _splitLast(tally, tally.league1);
            for (uint256 class; class < tally.classes; ++class) {
                if (class % 4 == 0) {
                    _mask(tally, tally.league0, class / 4);
                    _mask(tally, tally.league1, class / 4);
                }
                Tallies.clear(tally.votes, tally.sizeVotes);
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
            Tallies.clear(tally.class, tally.stride);
            uint256 option = tally.options + tally.classes * tally.stride;
            uint256 written;
            uint256 matched;
            for (uint256 at = tally.classes * 32; at > 0;) {
                at -= 32;
                option -= tally.stride;
                uint256 samples = BitPlanes.load(tally.took + at) & ~written;
                if (samples == 0) continue;
                written |= samples;
                Tallies.orPlanes(tally.class, option, tally.stride, samples);
                uint256 paired = BitPlanes.load(tally.paired + at);
                matched |= paired & samples;
                BitPlanes.store(tally.paired + at, paired & ~samples);
            }
            Tallies.orAll(tally.class, tally.stride, ~written);
            tally.matched = matched;
        }
    }
}
