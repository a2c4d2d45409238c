// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {DynamicArrayLib} from "solady/utils/DynamicArrayLib.sol";
import {PackedLabels} from "./PackedLabels.sol";

/// @title Peer Truth Serum for Federated Distillation (PTSFD)
/// @notice The majority of a chunk's labels and every member's score for them, sample by sample:
/// Equation 2 of the paper with the mean taken over the peers who labelled the sample.
/// @dev `get` and `set` skip the bounds check of an array access, most of the cost of this file.
/// They stay in bounds whatever the labels are: what codes index has room for all 2^B of them.
library PeerTruthSerum {
    using DynamicArrayLib for uint256[];

    uint256 internal constant WAD = 1e18;
    /// @notice lcm(1..16): dividing it by up to 16 peers leaves no remainder.
    uint256 internal constant WEIGHT_ONE = 720720;
    /// @dev Votes are counted in two halves of a word: league 0 below, league 1 above.
    uint256 private constant VOTE_0 = 1;
    uint256 private constant VOTE_1 = 1 << 128;
    uint256 private constant LOWER = type(uint128).max;

    /// @param classes number of classes, C
    /// @param penaltyWad β
    /// @param leagues whether a member's peers are the other league (members alternate between the
    /// two) rather than everyone else
    /// @param peerCounts per member and class, how often its peers gave that label in the round: g
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

    /// @dev What the walk through the blocks of 16 samples reads and adds up. Voters are the
    /// members that revealed, those of league 0 first; without leagues all are booked there. A row
    /// belongs to a sample of the block; row 0 is the last sample, which is in the lowest lane.
    /// @param members per voter, its place in the committee
    /// @param inLeague0 how many voters are in league 0
    /// @param planes per voter, its bit planes of the group at hand
    /// @param lanes per voter, its codes of the block at hand
    /// @param votes per row and code, the votes on a sample; all 0 between blocks
    /// @param weights per league and row, w of how many of its voters' peers labelled the sample
    /// @param best per row, the class with the most votes; see `_rank`
    /// @param matches per voter and code, Σ (peers' votes for the class) · w: A; in the upper
    /// half, how many of these labels some peer voted beside: N
    struct Tally {
        uint256[] members;
        uint256 inLeague0;
        uint256[][] planes;
        uint256[] lanes;
        uint256[] votes;
        uint256[][2] weights;
        uint256[] best;
        uint256[][] matches;
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
        uint256 bits = PackedLabels.labelBits(chunk.classes);
        uint256[] memory planes = new uint256[](groups * bits);
        Tally memory tally = _newTally(labels, bits, chunk);
        for (uint256 group; group < groups; ++group) {
            for (uint256 v; v < tally.members.length; ++v) {
                PackedLabels.readPlanes(labels[tally.members[v]], group, tally.planes[v]);
            }
            for (uint256 block_; block_ < PackedLabels.GROUP_BLOCKS; ++block_) {
                uint256 winners = _scoreBlock(block_, bits, chunk.leagues, tally, outcome);
                PackedLabels.writeLanes(winners, planes, group, block_, bits);
            }
        }
        outcome.globalLabels = abi.encodePacked(planes);
        outcome.scores = _scores(chunk, tally);
    }

    function _newTally(bytes[] calldata labels, uint256 bits, Chunk memory chunk)
        private
        pure
        returns (Tally memory tally)
    {
        uint256 voters;
        for (uint256 i; i < labels.length; ++i) {
            if (labels[i].length > 0) ++voters;
        }
        tally.members = new uint256[](voters);
        tally.planes = new uint256[][](voters);
        tally.lanes = new uint256[](voters);
        tally.votes = new uint256[](PackedLabels.BLOCK_SAMPLES << bits);
        tally.weights[0] = new uint256[](PackedLabels.BLOCK_SAMPLES);
        tally.weights[1] = new uint256[](PackedLabels.BLOCK_SAMPLES);
        tally.best = new uint256[](PackedLabels.BLOCK_SAMPLES);
        tally.matches = new uint256[][](voters);
        uint256 v;
        for (uint256 league; league < 2; ++league) {
            for (uint256 i; i < labels.length; ++i) {
                if (labels[i].length == 0 || (chunk.leagues ? i % 2 : 0) != league) continue;
                tally.members[v] = i;
                tally.planes[v] = new uint256[](bits);
                tally.matches[v] = new uint256[](1 << bits);
                ++v;
            }
            if (league == 0) tally.inLeague0 = v;
        }
    }

    /// @return winners the majority labels of the 16 samples, as lanes
    function _scoreBlock(
        uint256 block_,
        uint256 bits,
        bool leagues,
        Tally memory tally,
        Outcome memory outcome
    ) private pure returns (uint256 winners) {
        uint256 voters = tally.members.length;
        for (uint256 v; v < voters; ++v) {
            uint256 lanes = PackedLabels.lanesOf(tally.planes[v], block_);
            tally.lanes[v] = lanes;
            _castVotes(lanes, tally.votes, bits, v < tally.inLeague0 ? VOTE_0 : VOTE_1);
        }
        outcome.votes += _weigh(tally, bits, leagues);
        for (uint256 v; v < voters; ++v) {
            bool in0 = v < tally.inLeague0;
            _addMatches(
                tally.lanes[v],
                tally.votes,
                bits,
                leagues && in0 ? 128 : 0,
                leagues ? 0 : 1,
                tally.weights[in0 ? 0 : 1],
                tally.matches[v]
            );
        }
        for (uint256 v; v < voters; ++v) {
            _countOut(tally.lanes[v], tally.votes, bits, tally.best);
        }
        for (uint256 row; row < PackedLabels.BLOCK_SAMPLES; ++row) {
            uint256 rank = tally.best[row];
            uint256 winner = rank == 0
                ? PackedLabels.abstain(bits)
                : PackedLabels.LANE - (rank & PackedLabels.LANE);
            winners |= winner << (row * PackedLabels.LANE_BITS);
            outcome.majorityVotes += rank >> PackedLabels.LANE_BITS;
            tally.best[row] = 0;
        }
    }

    /// @dev Add one voter's votes, abstentions among them.
    function _castVotes(uint256 lanes, uint256[] memory votes, uint256 bits, uint256 vote)
        private
        pure
    {
        unchecked {
            for (uint256 row; row < PackedLabels.BLOCK_SAMPLES; ++row) {
                uint256 place = (row << bits) | (lanes & PackedLabels.LANE);
                votes.set(place, votes.get(place) + vote);
                lanes >>= PackedLabels.LANE_BITS;
            }
        }
    }

    /// @dev Take the abstentions out of the votes and set the weights.
    /// @return all votes on the 16 samples
    function _weigh(Tally memory tally, uint256 bits, bool leagues)
        private
        pure
        returns (uint256 all)
    {
        unchecked {
            uint256 in0 = tally.inLeague0;
            uint256 in1 = tally.members.length - in0;
            for (uint256 row; row < PackedLabels.BLOCK_SAMPLES; ++row) {
                uint256 place = (row << bits) | PackedLabels.abstain(bits);
                uint256 abstentions = tally.votes[place];
                tally.votes[place] = 0;
                uint256 votes0 = in0 - (abstentions & LOWER);
                uint256 votes1 = in1 - (abstentions >> 128);
                all += votes0 + votes1;
                uint256 peers0 = leagues ? votes1 : votes0 > 0 ? votes0 - 1 : 0;
                tally.weights[0][row] = peers0 == 0 ? 0 : WEIGHT_ONE / peers0;
                tally.weights[1][row] = votes0 == 0 ? 0 : WEIGHT_ONE / votes0;
            }
        }
    }

    /// @dev Compare one voter with its peers.
    /// @param peerShift which half of `votes` are its peers'
    /// @param own how many of these votes are its own
    function _addMatches(
        uint256 lanes,
        uint256[] memory votes,
        uint256 bits,
        uint256 peerShift,
        uint256 own,
        uint256[] memory weights,
        uint256[] memory matches
    ) private pure {
        unchecked {
            for (uint256 row; row < PackedLabels.BLOCK_SAMPLES; ++row) {
                uint256 class = lanes & PackedLabels.LANE;
                lanes >>= PackedLabels.LANE_BITS;
                uint256 ballot = votes.get((row << bits) | class);
                uint256 weight = weights.get(row);
                if (ballot == 0 || weight == 0) continue; // it abstains, or all its peers do
                uint256 agreeing = ((ballot >> peerShift) & LOWER) - own;
                matches.set(class, matches.get(class) + agreeing * weight + (1 << 128));
            }
        }
    }

    /// @dev Count the votes for one voter's classes and wipe them.
    function _countOut(uint256 lanes, uint256[] memory votes, uint256 bits, uint256[] memory best)
        private
        pure
    {
        unchecked {
            for (uint256 row; row < PackedLabels.BLOCK_SAMPLES; ++row) {
                uint256 class = lanes & PackedLabels.LANE;
                lanes >>= PackedLabels.LANE_BITS;
                uint256 place = (row << bits) | class;
                uint256 ballot = votes.get(place);
                if (ballot == 0) continue; // counted already, or it abstains
                votes.set(place, uint256(0));
                uint256 rank = _rank((ballot & LOWER) + (ballot >> 128), class);
                if (rank > best.get(row)) best.set(row, rank);
            }
        }
    }

    /// @dev Orders by votes, then the lowest class.
    function _rank(uint256 votes, uint256 class) private pure returns (uint256) {
        return (votes << PackedLabels.LANE_BITS) | (PackedLabels.LANE - class);
    }

    /// @dev Σ_x ⌊1e18 · A[x] · T / (720720 · g[x])⌋ − β · N, per member that revealed.
    function _scores(Chunk memory chunk, Tally memory tally)
        private
        pure
        returns (int256[] memory scores)
    {
        unchecked {
            scores = new int256[](chunk.peerCounts.length);
            for (uint256 v; v < tally.members.length; ++v) {
                uint256[] memory counts = chunk.peerCounts[tally.members[v]];
                uint256[] memory matches = tally.matches[v];
                uint256 total;
                for (uint256 class; class < counts.length; ++class) {
                    total += counts.get(class);
                }
                uint256 earned;
                uint256 compared;
                for (uint256 class; class < counts.length; ++class) {
                    uint256 found = matches.get(class);
                    compared += found >> 128;
                    found &= LOWER;
                    if (found == 0) continue; // so also where no peer ever gave the label
                    earned += (WAD * found * total) / (WEIGHT_ONE * counts.get(class));
                }
                scores[tally.members[v]] = int256(earned) - int256(chunk.penaltyWad * compared);
            }
        }
    }
}
