// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {PackedLabels} from "./PackedLabels.sol";

/// @title Peer Truth Serum for Federated Distillation (PTSFD)
/// @notice The majority of a chunk's labels and every member's score for them, sample by sample:
/// Equation 2 of the paper with the mean taken over the peers who labelled the sample.
library PeerTruthSerum {
    uint256 internal constant WAD = 1e18;
    /// @notice lcm(1..16): dividing it by up to 16 peers leaves no remainder.
    uint256 internal constant WEIGHT_ONE = 720720;

    /// @param samples number of samples of the chunk
    /// @param classes number of classes, C
    /// @param penaltyWad β
    /// @param leagues whether a member's peers are the other league (members alternate between the
    /// two) rather than everyone else
    /// @param peerCounts per member and class, how often its peers gave that label in the round: g
    struct Chunk {
        uint256 samples;
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

    /// @dev What the walk through the samples reads and adds up.
    /// @param codes per member, its codes of the group at hand; none if it did not reveal
    /// @param votes per league and class, the votes on the sample at hand; all 0 between samples
    /// @param matches per member and class, Σ (peers' votes for the class) · w(peers' votes): A
    /// @param compared per member, how many of its labels some peer voted beside: N
    /// @param winners the majority labels of the group at hand
    struct Tally {
        uint256[][] codes;
        uint256[][2] votes;
        uint256[][] matches;
        uint256[] compared;
        uint256[] winners;
    }

    /// @notice Score and aggregate one chunk.
    /// @param labels per member, the chunk's packed labels; empty if it did not reveal
    function score(bytes[] calldata labels, Chunk memory chunk)
        internal
        pure
        returns (Outcome memory outcome)
    {
        unchecked {
            uint256 bits = PackedLabels.labelBits(chunk.classes);
            uint256 groups = PackedLabels.groupsFor(chunk.samples);
            uint256[] memory planes = new uint256[](groups * bits);
            Tally memory tally = _newTally(labels, chunk.classes);
            for (uint256 group; group < groups; ++group) {
                for (uint256 i; i < labels.length; ++i) {
                    if (tally.codes[i].length == 0) continue;
                    PackedLabels.unpack(
                        PackedLabels.planesOf(labels[i], group, bits), tally.codes[i]
                    );
                }
                uint256 samples = chunk.samples - group * PackedLabels.GROUP_SAMPLES;
                if (samples > PackedLabels.GROUP_SAMPLES) samples = PackedLabels.GROUP_SAMPLES;
                for (uint256 s; s < samples; ++s) {
                    _scoreSample(s, PackedLabels.abstain(bits), chunk.leagues, tally, outcome);
                }
                PackedLabels.pack(tally.winners, samples, planes, group, bits);
            }
            outcome.globalLabels = abi.encodePacked(planes);
            outcome.scores = _scores(chunk, tally);
        }
    }

    function _newTally(bytes[] calldata labels, uint256 classes)
        private
        pure
        returns (Tally memory tally)
    {
        tally.codes = new uint256[][](labels.length);
        tally.matches = new uint256[][](labels.length);
        for (uint256 i; i < labels.length; ++i) {
            if (labels[i].length == 0) continue;
            tally.codes[i] = new uint256[](PackedLabels.GROUP_SAMPLES);
            tally.matches[i] = new uint256[](classes);
        }
        tally.votes[0] = new uint256[](classes);
        tally.votes[1] = new uint256[](classes);
        tally.compared = new uint256[](labels.length);
        tally.winners = new uint256[](PackedLabels.GROUP_SAMPLES);
    }

    /// @dev Without leagues all votes are booked in league 0, and a worker's own vote is no peer's.
    function _scoreSample(
        uint256 s,
        uint256 abstain,
        bool leagues,
        Tally memory tally,
        Outcome memory outcome
    ) private pure {
        unchecked {
            uint256[][] memory codes = tally.codes;
            uint256[] memory votes0 = tally.votes[0];
            uint256[] memory votes1 = tally.votes[1];
            uint256 total0;
            uint256 total1;
            for (uint256 i; i < codes.length; ++i) {
                if (codes[i].length == 0 || codes[i][s] == abstain) continue;
                if (leagues && i % 2 == 1) {
                    ++votes1[codes[i][s]];
                    ++total1;
                } else {
                    ++votes0[codes[i][s]];
                    ++total0;
                }
            }

            uint256 winner = abstain;
            uint256 most;
            for (uint256 i; i < codes.length; ++i) {
                if (codes[i].length == 0 || codes[i][s] == abstain) continue;
                uint256 class = codes[i][s];
                uint256 all = votes0[class] + votes1[class];
                if (all > most || (all == most && class < winner)) {
                    most = all;
                    winner = class;
                }
                uint256 peers = leagues ? (i % 2 == 0 ? total1 : total0) : total0 - 1;
                if (peers == 0) continue;
                uint256 agreeing =
                    leagues ? (i % 2 == 0 ? votes1[class] : votes0[class]) : votes0[class] - 1;
                tally.matches[i][class] += agreeing * (WEIGHT_ONE / peers);
                ++tally.compared[i];
            }
            tally.winners[s] = winner;
            outcome.majorityVotes += most;
            outcome.votes += total0 + total1;

            for (uint256 i; i < codes.length; ++i) {
                if (codes[i].length == 0 || codes[i][s] == abstain) continue;
                votes0[codes[i][s]] = 0;
                votes1[codes[i][s]] = 0;
            }
        }
    }

    /// @dev Σ_x ⌊1e18 · A[x] · T / (720720 · g[x])⌋ − β · N, per member that revealed.
    function _scores(Chunk memory chunk, Tally memory tally)
        private
        pure
        returns (int256[] memory scores)
    {
        scores = new int256[](tally.codes.length);
        for (uint256 i; i < scores.length; ++i) {
            if (tally.codes[i].length == 0) continue;
            uint256[] memory counts = chunk.peerCounts[i];
            uint256 total;
            for (uint256 class; class < chunk.classes; ++class) {
                total += counts[class];
            }
            uint256 earned;
            for (uint256 class; class < chunk.classes; ++class) {
                uint256 matches = tally.matches[i][class];
                if (matches == 0) continue;
                earned += (WAD * matches * total) / (WEIGHT_ONE * counts[class]);
            }
            scores[i] = int256(earned) - int256(chunk.penaltyWad * tally.compared[i]);
        }
    }
}
