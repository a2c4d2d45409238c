// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BitPlanes} from "./BitPlanes.sol";
import {Lanes} from "./Lanes.sol";
import {Patterns} from "./Patterns.sol";
import {Sixteens} from "./Sixteens.sol";
import {League, Tallies, Tally} from "./Tally.sol";
import {Votes} from "./Votes.sol";

/// @title What voters earn by giving the same labels as their peers
/// @notice Adds matches to rows, one class of every sample at a time, and rows to accounts.
/// docs/kernel.md, "Many classes".
library Matches {
    /// @dev Add the matches for the majority, then, as long as there are others, for one more class
    /// of each sample that has one.
    function add(Tally memory tally) internal pure {
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
                    if (picked == 0) Tallies.clear(tally.class, stride);
                    picked |= samples;
                    BitPlanes.store(at, paired ^ samples);
                    Tallies.orPlanes(tally.class, option, stride, samples);
                }
                option += stride;
            }
            if (picked > 0) Tallies.orAll(tally.class, stride, ~picked);
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
            Tallies.copy(tally.class + tally.stride - bits * 32, at, bits * 32);
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
    function turnFlipped(Tally memory tally, uint256 from, uint256 step, uint256 bits, uint256 to)
        internal
        pure
    {
        unchecked {
            Tallies.clear(tally.number, 512);
            Lanes.flip(from, step, tally.number + 480, bits, tally.lanes);
            Lanes.turn(tally.number, to, bits, 0, tally.lanes);
        }
    }

    function _addBySixteens(Tally memory tally) private pure {
        unchecked {
            uint256 lowest = tally.class + tally.stride - 32;
            turnFlipped(tally, lowest, 0 - uint256(32), tally.bits, tally.classLanes);
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
            Tallies.countOf(tally.same, peers, samples, votes);
            if (!tally.leagues) _decrement(votes, samples);
            turnFlipped(tally, votes, 32, peers.bits, tally.voteLanes);
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

    /// @dev Move what is in the rows to the accounts.
    function collect(Tally memory tally) internal pure {
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
}
