// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {LibBit} from "solady/utils/LibBit.sol";
import {BitPlanes} from "./BitPlanes.sol";
import {Majority} from "./Majority.sol";
import {Matches} from "./Matches.sol";
import {PackedLabels} from "./PackedLabels.sol";
import {Patterns} from "./Patterns.sol";
import {League, Tallies, Tally} from "./Tally.sol";

/// @title Peer Truth Serum for Federated Distillation (PTSFD)
/// @notice The majority of a chunk's labels and every member's score for them: Equation 2 of the
/// paper with the mean taken over the peers who labelled the sample. The cost hardly depends on the
/// number of classes. docs/kernel.md explains the steps.
/// @dev Voters are the members that revealed, league 0 first; without leagues all are in league 0.
/// Each has a seat, in this order.
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
            Tally memory tally = Tallies.create(labels, groups, chunk);
            uint256 size = tally.bits * 32;
            uint256 winner = BitPlanes.pointerTo(winners);
            for (uint256 group; group < groups; ++group) {
                Tallies.read(tally, group * size);
                outcome.votes += _compare(tally);
                if (tally.byClass) Majority.voteByClass(tally);
                else Majority.voteByVoter(tally);
                outcome.majorityVotes += _total(tally.best, tally.sizeVotes);
                Tallies.copy(tally.class + tally.stride - size, winner, size);
                winner += size;
                Matches.add(tally);
                if (!tally.byPattern && (group + 1) % tally.groupsInRows == 0) {
                    Matches.collect(tally);
                }
            }
            Matches.collect(tally);
            _score(tally, labels, chunk, outcome.scores);
            Patterns.release(tally.rows);
            bytes memory globalLabels;
            assembly ("memory-safe") {
                globalLabels := winners
                mstore(globalLabels, shl(5, mload(winners)))
            }
            outcome.globalLabels = globalLabels;
        }
    }

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
            Tallies.countOf(tally.absent, league, samples, league.missing);
            if (tally.byPattern) return;
            Matches.turnFlipped(tally, league.missing, 32, league.bits, league.missingLanes);
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
