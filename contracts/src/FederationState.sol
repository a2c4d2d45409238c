// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {EfficientHashLib} from "solady/utils/EfficientHashLib.sol";
import {Assignment} from "./Assignment.sol";
import {Limits} from "./Limits.sol";
import {PackedCounts} from "./PackedCounts.sol";
import {PackedLabels} from "./PackedLabels.sol";
import {IFederation} from "./interfaces/IFederation.sol";

/// @title What a federation remembers
/// @notice All storage and every way of reading it. `Federation` is what changes it.
/// @dev A worker takes part while its balance is above 0: leaving and slashing take all of it. Arrays
/// of 1024 have a place for each of MAX_WORKERS or more: unlike a mapping's, it needs no hash.
abstract contract FederationState is IFederation {
    using PackedCounts for PackedCounts.Counts;

    uint256 public constant MAX_WORKERS = Limits.MAX_WORKERS;
    uint256 internal constant WAD = 1e18;

    /// @param index place in the roster; stale once the worker is off it
    struct Worker {
        uint128 balance;
        uint16 index;
        bool excluded;
    }

    /// @param labelCount its head, 0 without reveal, says what `_isRevealed` and what is below it tell
    struct Submission {
        bytes32 commitment;
        PackedCounts.Counts labelCount;
    }

    /// @dev Workers that share one pool; without leagues all are booked in league 0.
    /// @param rates Σ of its members' scores per assigned sample
    /// @param labelCount per class, the sum of its members' label counts
    struct League {
        uint128 pool;
        uint128 rates;
        PackedCounts.Counts labelCount;
    }

    /// @dev What `aggregate` needs of a member is found by its ring position, without its address.
    /// @param rootsHash hash of all `labelsRoots`, if they were verified
    /// @param tallies per ring position, score · 2 + 1; 0 without reveal
    /// @param labelsRoots per ring position
    struct Round {
        League[2] leagues;
        mapping(address worker => Submission) submissions;
        mapping(uint256 chunk => bytes32) globalLabelsHash;
        bytes32 rootsHash;
        int128[1024] tallies;
        bytes32[1024] labelsRoots;
    }

    Task internal _task;

    // One word of storage, which almost every call reads and writes.
    Phase internal _phase;
    uint16 internal _round;
    uint40 internal _deadline;
    /// @dev How many entries of `_roster` count; those behind them are gone.
    uint16 internal _rosterLength;
    /// @dev Workers that may still act in this phase: commit or leave; reveal or be slashed.
    uint16 internal _awaited;
    /// @dev Workers that did what the phase is for: commit; reveal.
    uint16 internal _takers;
    /// @dev Leagues in which somebody revealed, a bit for each.
    uint8 internal _leaguesRevealed;
    uint128 internal _pot;

    // Of this round, too; a word that had a value in the last round is cheaper to write than a new one.
    bytes32 internal _seed;
    /// @dev λ.
    uint64 internal _scaleWad;
    uint64 internal _majorityVotes;
    uint64 internal _votes;
    uint32 internal _aggregatedChunks;

    mapping(address worker => Worker) internal _workers;
    mapping(uint256 round => Round) internal _rounds;
    address[1024] internal _roster;

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
    function committeeOf(uint256 chunk) external view returns (address[] memory members) {
        uint256[] memory positions = _positionsOf(chunk);
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
        unchecked {
            uint256 chunkSamples = _task.chunkSamples;
            return (_task.samplesPerRound + chunkSamples - 1) / chunkSamples;
        }
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
        if (!_isRevealed(submission.labelCount.first)) return labelCount;
        uint256[] memory counts = _ownCounts(submission);
        labelCount = new uint32[](counts.length);
        for (uint256 class; class < counts.length; ++class) {
            labelCount[class] = uint32(counts[class]);
        }
    }

    /// @inheritdoc IFederation
    function scoreOf(uint256 round_, address worker) external view returns (int256) {
        Round storage past = _rounds[round_];
        return _scoreOf(past, past.submissions[worker].labelCount.first);
    }

    /// @inheritdoc IFederation
    function rewardOf(uint256 round_, address worker) external view returns (uint256) {
        Round storage past = _rounds[round_];
        uint256 head = past.submissions[worker].labelCount.first;
        League storage league = past.leagues[_leagueAt(_positionIn(head))];
        return _share(league.pool, league.rates, _rate(head, _scoreOf(past, head)));
    }

    /// @inheritdoc IFederation
    function labelsRootOf(uint256 round_, address worker) external view returns (bytes32) {
        uint256 head = _rounds[round_].submissions[worker].labelCount.first;
        return _isRevealed(head) ? _rounds[round_].labelsRoots[_positionIn(head)] : bytes32(0);
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
        return _commitment(round_, worker, labels, _hash(labelCount), salt);
    }

    // ------------------------------------------------------------------------ roster and leagues

    function _hasLeagues() internal view returns (bool) {
        return _task.peering == 1;
    }

    function _leagueAt(uint256 position) internal view returns (uint256) {
        return _hasLeagues() ? position % 2 : 0;
    }

    function _workerAt(uint256 position) internal view returns (address) {
        return _roster[Assignment.rosterIndex(_seed, _rosterLength, position)];
    }

    function _positionOf(Worker storage worker) internal view returns (uint256) {
        return Assignment.ringPosition(_seed, _rosterLength, worker.index);
    }

    /// @dev Ring positions of the chunk's members, in committee order.
    function _positionsOf(uint256 chunk) internal view returns (uint256[] memory) {
        if (_round == 0) revert NoRound();
        if (chunk >= chunks()) revert NoSuchChunk(chunk, chunks());
        return Assignment.members(chunk, _rosterLength, _task.committee);
    }

    /// @dev Whether a round with these commits can pay. A commit does not say in which league it is,
    /// for it would have to find its ring position; so if all could be in one league, they are sought.
    function _isEnoughCommitted() internal view returns (bool) {
        uint256 n = _rosterLength;
        if (_takers < _task.minWorkers) return false;
        if (!_hasLeagues() || _takers > (n + 1) / 2) return true;
        uint256 leagues; // a bit for each
        for (uint256 position; position < n && leagues != 3; ++position) {
            if (commitmentOf(_round, _workerAt(position)) != 0) leagues |= 1 << (position % 2);
        }
        return leagues == 3;
    }

    /// @dev Whether a round with these reveals can pay.
    function _isEnoughRevealed() internal view returns (bool) {
        return _takers >= _task.minWorkers && (!_hasLeagues() || _leaguesRevealed == 3);
    }

    // ------------------------------------------------------------------------------- submissions

    /// @dev What goes in front of a label count: samples, ring position, and a 1 to tell it from 0.
    function _headOf(uint256 samples, uint256 position) internal pure returns (uint256) {
        return (samples << 32) | (position << 1) | 1;
    }

    /// @param head the first word of a label count
    function _isRevealed(uint256 head) internal pure returns (bool) {
        return head > 0;
    }

    /// @return the ring position that the worker had
    function _positionIn(uint256 head) internal pure returns (uint256) {
        return uint32(head) >> 1;
    }

    /// @return fixed point
    function _scoreOf(Round storage current, uint256 head) internal view returns (int256) {
        return _isRevealed(head) ? current.tallies[_positionIn(head)] >> 1 : int128(0);
    }

    function _ownCounts(Submission storage submission) internal view returns (uint256[] memory) {
        return submission.labelCount.load(_task.classes, _mostOwn(), true);
    }

    // ------------------------------------------------------------------------------------ labels

    function _samplesIn(uint256 chunk) internal view returns (uint256) {
        unchecked {
            return Math.min(
                _task.chunkSamples, _task.samplesPerRound - chunk * uint256(_task.chunkSamples)
            );
        }
    }

    /// @param assigned the chunks that they form, of which the last may be shorter
    function _labelsRoot(bytes calldata labels, uint256[] memory assigned, uint256 bits)
        internal
        view
        returns (bytes32)
    {
        unchecked {
            bytes32[] memory level = new bytes32[](assigned.length);
            uint256 chunkBytes = PackedLabels.packedBytes(_task.chunkSamples, bits);
            for (uint256 i; i < assigned.length; ++i) {
                uint256 end = Math.min((i + 1) * chunkBytes, labels.length);
                level[i] = _leaf(assigned[i], labels[i * chunkBytes:end]);
            }
            for (uint256 width = level.length; width > 1; width = (width + 1) / 2) {
                for (uint256 i; i < width / 2; ++i) {
                    level[i] = Hashes.commutativeKeccak256(level[2 * i], level[2 * i + 1]);
                }
                if (width % 2 == 1) level[width / 2] = level[width - 1];
            }
            return level[0];
        }
    }

    function _commitment(
        uint256 round_,
        address worker,
        bytes calldata labels,
        bytes32 labelCountHash,
        bytes32 salt
    ) internal view returns (bytes32) {
        bytes32 labelsHash = EfficientHashLib.hashCalldata(labels); // without memory of its own
        return keccak256(
            abi.encode(
                block.chainid, address(this), round_, worker, labelsHash, labelCountHash, salt
            )
        );
    }

    function _hash(uint32[] calldata labelCount) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(labelCount));
    }

    function _leaf(uint256 chunk, bytes calldata labels) internal pure returns (bytes32) {
        return EfficientHashLib.hash(bytes32(chunk), EfficientHashLib.hashCalldata(labels));
    }

    /// @dev g; see `PeerTruthSerum.Chunk`.
    function _peerCounts(uint256[] memory positions)
        internal
        view
        returns (uint256[][] memory peerCounts)
    {
        Round storage current = _rounds[_round];
        uint256 classes = _task.classes;
        uint256 most = _mostOfAll();
        if (_hasLeagues()) {
            peerCounts = new uint256[][](2);
            for (uint256 league; league < 2; ++league) {
                peerCounts[league] =
                    current.leagues[1 - league].labelCount.load(classes, most, false);
            }
            return peerCounts;
        }
        peerCounts = new uint256[][](positions.length);
        uint256[] memory total = current.leagues[0].labelCount.load(classes, most, false);
        for (uint256 i; i < positions.length; ++i) {
            if (current.tallies[positions[i]] == 0) continue;
            uint256[] memory own = _ownCounts(current.submissions[_workerAt(positions[i])]);
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
        unchecked {
            return uint256(_task.samplesPerRound) * _task.maxWorkers;
        }
    }

    // ------------------------------------------------------------------------------------- money

    /// @dev ⌊λ · deposit⌋: what a round puts at stake of every balance, at most.
    function _stakeCap() internal view returns (uint256) {
        return (uint256(_scaleWad) * _task.depositWei) / WAD;
    }

    /// @dev Score per assigned sample, at least 0; 0 without reveal.
    function _rate(uint256 head, int256 score) internal pure returns (uint256) {
        return score > 0 ? uint256(score) / (uint64(head) >> 32) : 0;
    }

    /// @dev ⌊pool · rate / Σ rates⌋; 0 where stakes go back.
    function _share(uint256 pool, uint256 rates, uint256 rate) internal pure returns (uint256) {
        return rates == 0 ? 0 : (pool * rate) / rates;
    }
}
