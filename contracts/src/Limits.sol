// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Assignment} from "./Assignment.sol";
import {BitPlanes} from "./BitPlanes.sol";
import {BitSlicedSerum} from "./BitSlicedSerum.sol";
import {PackedCounts} from "./PackedCounts.sol";
import {PackedLabels} from "./PackedLabels.sol";
import {IFederation} from "./interfaces/IFederation.sol";

/// @title What a task may ask for
/// @notice Refuses a task that is out of bounds, or whose `reveal` or `aggregate` would not fit a
/// transaction for some number of workers. The gas figures are upper bounds of the measured cost;
/// `test/Limits.t.sol` holds them against the contract. The other functions fit for any task of up
/// to MAX_WORKERS workers, which `test/Capacity.t.sol` shows.
library Limits {
    uint256 internal constant MAX_WORKERS = 768;
    uint256 internal constant MAX_CLASSES = 1023;
    uint256 internal constant WAD = 1e18;
    /// @notice EIP-7825, gas per transaction.
    uint256 internal constant MAX_TRANSACTION_GAS = 16_777_216;
    /// @notice What nodes accept, bytes per signed transaction, less 512 for signature and fees.
    uint256 internal constant MAX_CALLDATA_BYTES = 131_072 - 512;

    /// @notice Reverts unless every transaction of the task fits.
    function requireValid(IFederation.Task memory task) internal pure {
        _requireInBounds(task);
        uint256 chunks = (uint256(task.samplesPerRound) + task.chunkSamples - 1) / task.chunkSamples;
        if (task.committee > 0 && chunks * task.committee < task.maxWorkers) {
            revert IFederation.TooFewSeats(task.maxWorkers, chunks * task.committee);
        }
        for (uint256 n = task.minWorkers; n <= task.maxWorkers; ++n) {
            bool everyone = Assignment.isEveryone(n, task.committee);
            uint256 side = n / 2;
            uint256 assigned = everyone ? chunks : ((chunks * task.committee) / 2 + side - 1) / side;
            if (assigned > chunks) assigned = chunks;
            _requireRevealFits(task, n, assigned);
            // More members cost more, and so do more chunks a worker, of which fewer workers have more.
            bool isDearest = everyone
                ? n == task.maxWorkers || !Assignment.isEveryone(n + 1, task.committee)
                : n == task.minWorkers || Assignment.isEveryone(n - 1, task.committee);
            if (isDearest) {
                _requireAggregateFits(task, n, everyone ? n : task.committee, assigned);
            }
        }
    }

    /// @notice Upper bound of what `reveal` costs.
    /// @param workers length of the roster: the last reveal may void the round and open the next
    /// @param groups groups of 256 samples that are revealed
    /// @param assigned chunks that they form
    /// @param countWords words of storage that the worker's and its league's label counts take
    function revealGas(
        uint256 workers,
        uint256 groups,
        uint256 assigned,
        uint256 classes,
        uint256 countWords
    ) internal pure returns (uint256) {
        uint256 bits = PackedLabels.labelBits(classes);
        uint256 pairs = (bits + 1) / 2;
        uint256 size = 260 + groups * bits * PackedLabels.WORD_BYTES + classes * 32;
        uint256 counting;
        uint256 words = size / 8 + 4 * classes + 4 * assigned;
        if (BitSlicedSerum.isCheaperToCount(classes)) {
            uint256 blocks = _blocks(groups);
            uint256 uppers = pairs > 2 ? pairs - 2 : 0;
            counting =
                (classes + 1) * (blocks * (560 + 240 * uppers) + 1_260) + blocks * pairs * 2_400;
            words += blocks * 8 * (4 * pairs + 4);
        } else {
            counting = groups * (bits > 8 ? 16_000 : 12_200) + classes * 150;
            words += 1 << bits;
        }
        uint256 execution = 140_000 + workers * 11_000 + counting + assigned * 1_500 + classes
            * 1_100 + countWords * 23_000 + 12 * size + _memoryGas(words);
        return _transactionGas(size, execution);
    }

    /// @notice Upper bound of what `aggregate` costs.
    /// @param members workers of the chunk
    /// @param groups groups of 256 samples in it
    /// @param assigned chunks of a worker: its Merkle tree's leaves
    function aggregateGas(
        uint256 members,
        uint256 groups,
        uint256 assigned,
        uint256 classes,
        bool leagues
    ) internal pure returns (uint256) {
        uint256 bits = PackedLabels.labelBits(classes);
        uint256 size = _aggregateBytes(members, groups, assigned, bits);
        uint256 perMember = 20_000 + classes * (leagues ? 200 : 1_400) + _depth(assigned) * 600;
        uint256 execution = 165_000 + members * perMember + classes * 1_100 + 2 * size
            + (BitSlicedSerum.isCheaper(members, classes)
                    ? _slicedGas(members, _blocks(groups), classes, leagues)
                    : _plainGas(members, groups, classes, leagues));
        return _transactionGas(size, execution);
    }

    /// @dev `BitSlicedSerum.score` with weights, that is with abstentions.
    function _slicedGas(uint256 members, uint256 blocks, uint256 classes, bool leagues)
        private
        pure
        returns (uint256)
    {
        uint256 bits = PackedLabels.labelBits(classes);
        uint256 pairs = (bits + 1) / 2;
        uint256 halves = leagues ? 2 : 1;
        uint256 voters = (members + halves - 1) / halves; // of a league
        uint256 planes = BitSlicedSerum.planesOf(voters);
        uint256 worths = BitSlicedSerum.worthsOf(voters);
        uint256 perClass = members * (620 * worths + 120 + (pairs > 2 ? 220 * (pairs - 2) : 0))
            + halves * (planes > 3 ? 5_300 + 590 * planes * worths : 5_300)
            + (leagues && planes == 3 ? 0 : 2_080 * planes) + 1_660 * bits;
        uint256 perBlock = members * 29_000 + halves * (8 << planes) * 87 * planes;
        uint256 seats = (members / halves | 1) + (leagues ? voters | 1 : 0);
        uint256 words = blocks * 8
            * (seats * (4 * pairs + 2) + 7 * planes + (2 * halves + 1) * worths + classes + 2)
            + members * 3 * classes + 2_000;
        return blocks * (classes * perClass + perBlock) + members * classes * (455 * worths + 1_550)
            + _memoryGas(words);
    }

    /// @dev `PeerTruthSerum.score`, if in every sample as many classes as possible have matches, and
    /// somebody abstains in every group.
    function _plainGas(uint256 members, uint256 groups, uint256 classes, bool leagues)
        private
        pure
        returns (uint256)
    {
        uint256 bits = PackedLabels.labelBits(classes);
        uint256 fours = (bits + 3) / 4; // of planes
        uint256 eights = leagues ? 2 * ((members + 15) / 16) : (members + 7) / 8; // of seats
        uint256 matched = members / 2 < classes ? members / 2 : classes;
        uint256 voting = members * members * (118 * fours + 110) + members
            * (500 * fours + 120 * PackedLabels.labelBits(members) + 3_200);
        uint256 turning = matched * (members * (205 * fours + 310) + 880 * eights + 3_900);
        uint256 adding = 430 * matched;
        if (!leagues || eights > 2) {
            uint256 rows = matched * eights;
            adding = 935 * matched + 303 * rows + 105 * (members < rows ? members : rows);
        }
        uint256 tables = (groups + 22) / 23;
        uint256 words = members * (classes * (2 + tables / 8) + groups * bits + 150) + 5 * classes
            + 4 * groups * bits + 600;
        return groups * (voting + turning + adding * PackedLabels.GROUP_SAMPLES + 5_500) + members
            * (classes * (120 + 65 * tables) + 1_600) + _memoryGas(words);
    }

    function _blocks(uint256 groups) private pure returns (uint256) {
        return (groups + BitPlanes.BLOCK - 1) / BitPlanes.BLOCK;
    }

    /// @dev What the EVM charges, and as much again for clearing.
    function _memoryGas(uint256 words) private pure returns (uint256) {
        return 6 * words + (words * words) / 512;
    }

    function _requireRevealFits(IFederation.Task memory task, uint256 n, uint256 assigned)
        private
        pure
    {
        uint256 groups = assigned * (task.chunkSamples / PackedLabels.GROUP_SAMPLES);
        uint256 all = PackedLabels.groupsFor(task.samplesPerRound);
        if (groups > all) groups = all;
        uint256 bits = PackedLabels.labelBits(task.classes);
        uint256 size = groups * bits * PackedLabels.WORD_BYTES + uint256(task.classes) * 32 + 260;
        if (size > MAX_CALLDATA_BYTES) {
            revert IFederation.TransactionTooLarge("reveal", n, MAX_CALLDATA_BYTES, size);
        }
        uint256 own = task.samplesPerRound;
        uint256 countWords = PackedCounts.wordsFor(task.classes, own)
            + PackedCounts.wordsFor(task.classes, own * task.maxWorkers);
        uint256 needed = revealGas(n, groups, assigned, task.classes, countWords);
        if (needed > MAX_TRANSACTION_GAS) {
            revert IFederation.TransactionTooCostly("reveal", n, MAX_TRANSACTION_GAS, needed);
        }
    }

    function _requireAggregateFits(
        IFederation.Task memory task,
        uint256 n,
        uint256 members,
        uint256 assigned
    ) private pure {
        uint256 samples = task.chunkSamples;
        if (samples > task.samplesPerRound) samples = task.samplesPerRound;
        uint256 groups = PackedLabels.groupsFor(samples);
        uint256 size =
            _aggregateBytes(members, groups, assigned, PackedLabels.labelBits(task.classes));
        if (size > MAX_CALLDATA_BYTES) {
            revert IFederation.TransactionTooLarge("aggregate", n, MAX_CALLDATA_BYTES, size);
        }
        uint256 needed = aggregateGas(members, groups, assigned, task.classes, task.peering == 1);
        if (needed > MAX_TRANSACTION_GAS) {
            revert IFederation.TransactionTooCostly("aggregate", n, MAX_TRANSACTION_GAS, needed);
        }
    }

    /// @dev Selector, chunk, two array heads; per member two offsets, two lengths, labels, proof.
    function _aggregateBytes(uint256 members, uint256 groups, uint256 assigned, uint256 bits)
        private
        pure
        returns (uint256)
    {
        return
            260 + members * (128 + groups * bits * PackedLabels.WORD_BYTES + 32 * _depth(assigned));
    }

    /// @dev Merkle proof length for a tree of that many leaves.
    function _depth(uint256 leaves) private pure returns (uint256 depth) {
        while (leaves > 1 << depth) ++depth;
    }

    /// @dev EIP-7623, counting every byte as non-zero: the larger of execution and floor.
    function _transactionGas(uint256 size, uint256 execution) private pure returns (uint256) {
        uint256 standard = 21_000 + 16 * size + execution;
        uint256 floor = 21_000 + 40 * size;
        return standard > floor ? standard : floor;
    }

    function _requireInBounds(IFederation.Task memory task) private pure {
        uint256 max32 = type(uint32).max;
        _within("samplesPerRound", task.samplesPerRound, 1, max32);
        _within("chunkSamples", task.chunkSamples, 1, max32);
        _within("classes", task.classes, 2, MAX_CLASSES);
        _within("peering", task.peering, 0, 1);
        _within("maxWorkers", task.maxWorkers, 3, MAX_WORKERS);
        _within("minWorkers", task.minWorkers, task.peering == 1 ? 4 : 3, task.maxWorkers);
        _within("committee", task.committee, 0, task.maxWorkers);
        _within("rounds", task.rounds, 1, type(uint16).max);
        _within("depositWei", task.depositWei, 1, type(uint96).max);
        _within("rewardScaleWad", task.rewardScaleWad, 1, WAD);
        _within("rewardDecayWad", task.rewardDecayWad, 0, WAD);
        _within("registrationSeconds", task.registrationSeconds, 1, max32);
        _within("commitSeconds", task.commitSeconds, 1, max32);
        _within("revealSeconds", task.revealSeconds, 1, max32);
        if (task.chunkSamples % PackedLabels.GROUP_SAMPLES != 0) {
            revert IFederation.ChunkSamplesNotMultipleOf256(task.chunkSamples);
        }
        if (task.committee % 2 != 0) revert IFederation.CommitteeNotEven(task.committee);
    }

    function _within(string memory field, uint256 actual, uint256 least, uint256 most)
        private
        pure
    {
        if (actual < least || actual > most) {
            revert IFederation.TaskOutOfBounds(field, least, most, actual);
        }
    }
}
