// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Assignment} from "./Assignment.sol";
import {Limits} from "./Limits.sol";
import {PackedCounts} from "./PackedCounts.sol";
import {PackedLabels} from "./PackedLabels.sol";
import {IFederation} from "./interfaces/IFederation.sol";

/// @title What a federation remembers
/// @notice All storage and every way of reading it. `Federation` is what changes it.
/// @dev A worker takes part while its balance is above 0: leaving and slashing take all of it.
abstract contract FederationState is IFederation {
    using PackedCounts for PackedCounts.Counts;

    uint256 public constant MAX_WORKERS = Limits.MAX_WORKERS;
    uint256 internal constant WAD = 1e18;

    /// @param index place in the roster; stale once the worker is off it
    /// @param committed last round in which it committed
    struct Worker {
        uint128 balance;
        uint16 index;
        uint16 committed;
        bool excluded;
    }

    /// @param samples how many samples the worker was assigned, s
    struct Submission {
        bytes32 commitment;
        bytes32 labelsRoot;
        int128 score;
        uint32 samples;
        uint8 league;
        bool hasRevealed;
        PackedCounts.Counts labelCount;
    }

    /// @dev Workers that share one pool; without leagues all are booked in league 0.
    /// @param rates Σ of its members' scores per assigned sample
    /// @param labelCount per class, the sum of its members' label counts
    struct League {
        uint128 pool;
        uint128 rates;
        uint16 commits;
        uint16 reveals;
        PackedCounts.Counts labelCount;
    }

    /// @param scaleWad the round's λ
    /// @param left workers that left during the round
    /// @param opened commitments that were revealed or slashed
    struct Round {
        bytes32 seed;
        uint128 majorityVotes;
        uint128 votes;
        uint64 scaleWad;
        uint16 left;
        uint16 opened;
        uint32 aggregatedChunks;
        League[2] leagues;
        mapping(address worker => Submission) submissions;
        mapping(uint256 chunk => bytes32) globalLabelsHash;
    }

    Task internal _task;
    Phase internal _phase;
    uint16 internal _round;
    uint64 internal _deadline;
    uint128 internal _pot;
    /// @dev How many entries of `_roster` count; those behind them are gone.
    uint16 internal _rosterLength;
    mapping(uint256 index => address) internal _roster;
    mapping(address worker => Worker) internal _workers;
    mapping(uint256 round => Round) internal _rounds;

    // ---------------------------------------------------------------------------------- views

    /// @inheritdoc IFederation
    function task() external view returns (Task memory) {
        return _task;
    }

    /// @inheritdoc IFederation
    function phase() external view returns (Phase) {
        return _phase;
    }

    /// @inheritdoc IFederation
    function round() external view returns (uint256) {
        return _round;
    }

    /// @inheritdoc IFederation
    function deadline() external view returns (uint256) {
        return _deadline;
    }

    /// @inheritdoc IFederation
    function roster() public view returns (address[] memory workers) {
        workers = new address[](_rosterLength);
        for (uint256 i; i < workers.length; ++i) {
            workers[i] = _roster[i];
        }
    }

    /// @inheritdoc IFederation
    function committeeOf(uint256 chunk) public view returns (address[] memory members) {
        if (_round == 0) revert NoRound();
        if (chunk >= chunks()) revert NoSuchChunk(chunk, chunks());
        uint256[] memory positions = Assignment.members(chunk, _rosterLength, _task.committee);
        members = new address[](positions.length);
        for (uint256 i; i < positions.length; ++i) {
            members[i] = _workerAt(positions[i]);
        }
    }

    /// @inheritdoc IFederation
    function leagueOf(address worker) external view returns (uint256) {
        if (_round == 0) revert NoRound();
        uint256 index = _workers[worker].index;
        if (index >= _rosterLength || _roster[index] != worker) {
            revert NotOnRoster(_round, worker);
        }
        return _positionOf(_workers[worker]) % 2;
    }

    /// @inheritdoc IFederation
    function chunks() public view returns (uint256) {
        uint256 chunkSamples = _task.chunkSamples;
        return (_task.samplesPerRound + chunkSamples - 1) / chunkSamples;
    }

    /// @inheritdoc IFederation
    function balanceOf(address worker) external view returns (uint256) {
        return _workers[worker].balance;
    }

    /// @inheritdoc IFederation
    function pot() external view returns (uint256) {
        return _pot;
    }

    /// @inheritdoc IFederation
    function isExcluded(address worker) external view returns (bool) {
        return _workers[worker].excluded;
    }

    /// @inheritdoc IFederation
    function commitmentOf(uint256 round_, address worker) public view returns (bytes32) {
        return _rounds[round_].submissions[worker].commitment;
    }

    /// @inheritdoc IFederation
    function labelCountOf(uint256 round_, address worker)
        external
        view
        returns (uint32[] memory labelCount)
    {
        Submission storage submission = _rounds[round_].submissions[worker];
        if (!submission.hasRevealed) return labelCount;
        uint256[] memory counts = submission.labelCount.load(_task.classes, _mostOwn());
        labelCount = new uint32[](counts.length);
        for (uint256 class; class < counts.length; ++class) {
            labelCount[class] = uint32(counts[class]);
        }
    }

    /// @inheritdoc IFederation
    function scoreOf(uint256 round_, address worker) external view returns (int256) {
        return _rounds[round_].submissions[worker].score;
    }

    /// @inheritdoc IFederation
    function rewardOf(uint256 round_, address worker) external view returns (uint256) {
        Submission storage submission = _rounds[round_].submissions[worker];
        League storage league = _rounds[round_].leagues[submission.league];
        return _share(league.pool, league.rates, _rate(submission));
    }

    /// @inheritdoc IFederation
    function labelsRootOf(uint256 round_, address worker) external view returns (bytes32) {
        return _rounds[round_].submissions[worker].labelsRoot;
    }

    /// @inheritdoc IFederation
    function globalLabelsHash(uint256 round_, uint256 chunk) external view returns (bytes32) {
        return _rounds[round_].globalLabelsHash[chunk];
    }

    /// @inheritdoc IFederation
    function hashCommitment(
        uint256 round_,
        address worker,
        bytes calldata labels,
        uint32[] calldata labelCount,
        bytes32 salt
    ) public view returns (bytes32) {
        return keccak256(
            abi.encode(
                block.chainid,
                address(this),
                round_,
                worker,
                keccak256(labels),
                keccak256(abi.encodePacked(labelCount)),
                salt
            )
        );
    }

    // ------------------------------------------------------------------------ roster and leagues

    function _hasLeagues() internal view returns (bool) {
        return _task.peering == 1;
    }

    function _leagueAt(uint256 position) internal view returns (uint256) {
        return _hasLeagues() ? position % 2 : 0;
    }

    function _workerAt(uint256 position) internal view returns (address) {
        return _roster[Assignment.rosterIndex(_rounds[_round].seed, _rosterLength, position)];
    }

    function _positionOf(Worker storage worker) internal view returns (uint256) {
        return Assignment.ringPosition(_rounds[_round].seed, _rosterLength, worker.index);
    }

    function _commits(Round storage current) internal view returns (uint256) {
        return uint256(current.leagues[0].commits) + current.leagues[1].commits;
    }

    /// @dev Whether a round with that many takers per league can pay.
    function _isEnough(uint256 inLeague0, uint256 inLeague1) internal view returns (bool) {
        if (_hasLeagues() && (inLeague0 == 0 || inLeague1 == 0)) return false;
        return inLeague0 + inLeague1 >= _task.minWorkers;
    }

    // ------------------------------------------------------------------------------------ labels

    function _samplesIn(uint256 chunk) internal view returns (uint256) {
        return
            Math.min(
                _task.chunkSamples, _task.samplesPerRound - chunk * uint256(_task.chunkSamples)
            );
    }

    function _labelsRoot(bytes calldata labels, uint256[] memory assigned, uint256 bits)
        internal
        view
        returns (bytes32)
    {
        if (assigned.length == 0) return 0;
        bytes32[] memory level = new bytes32[](assigned.length);
        uint256 offset;
        for (uint256 i; i < assigned.length; ++i) {
            uint256 end = offset + PackedLabels.packedBytes(_samplesIn(assigned[i]), bits);
            level[i] = _leaf(assigned[i], labels[offset:end]);
            offset = end;
        }
        for (uint256 width = level.length; width > 1; width = (width + 1) / 2) {
            for (uint256 i; i < width / 2; ++i) {
                level[i] = Hashes.commutativeKeccak256(level[2 * i], level[2 * i + 1]);
            }
            if (width % 2 == 1) level[width / 2] = level[width - 1];
        }
        return level[0];
    }

    function _leaf(uint256 chunk, bytes calldata labels) internal pure returns (bytes32) {
        return keccak256(abi.encode(chunk, keccak256(labels)));
    }

    /// @dev g; see `PeerTruthSerum.Chunk`.
    function _peerCounts(address[] memory members)
        internal
        view
        returns (uint256[][] memory peerCounts)
    {
        League[2] storage leagues = _rounds[_round].leagues;
        uint256 classes = _task.classes;
        uint256 most = _mostOfAll();
        if (_hasLeagues()) {
            peerCounts = new uint256[][](2);
            peerCounts[0] = leagues[1].labelCount.load(classes, most);
            peerCounts[1] = leagues[0].labelCount.load(classes, most);
            return peerCounts;
        }
        peerCounts = new uint256[][](members.length);
        uint256[] memory total = leagues[0].labelCount.load(classes, most);
        for (uint256 i; i < members.length; ++i) {
            Submission storage submission = _rounds[_round].submissions[members[i]];
            if (!submission.hasRevealed) continue;
            uint256[] memory own = submission.labelCount.load(classes, _mostOwn());
            for (uint256 class; class < classes; ++class) {
                own[class] = total[class] - own[class];
            }
            peerCounts[i] = own;
        }
    }

    /// @dev The most labels that one worker can give to a class in a round, and all together.
    function _mostOwn() internal view returns (uint256) {
        return _task.samplesPerRound;
    }

    function _mostOfAll() internal view returns (uint256) {
        return uint256(_task.samplesPerRound) * _task.maxWorkers;
    }

    // ------------------------------------------------------------------------------------- money

    /// @dev ⌊λ · deposit⌋: what a round puts at stake of every balance, at most.
    function _stakeCap(Round storage current) internal view returns (uint256) {
        return (uint256(current.scaleWad) * _task.depositWei) / WAD;
    }

    /// @dev Score per assigned sample, at least 0; 0 without reveal.
    function _rate(Submission storage submission) internal view returns (uint256) {
        int256 score = submission.score;
        return score > 0 ? uint256(score) / submission.samples : 0;
    }

    /// @dev ⌊pool · rate / Σ rates⌋; 0 where stakes go back.
    function _share(uint256 pool, uint256 rates, uint256 rate) internal pure returns (uint256) {
        return rates == 0 ? 0 : (pool * rate) / rates;
    }
}
