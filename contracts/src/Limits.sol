// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Assignment} from "./Assignment.sol";
import {PackedCounts} from "./PackedCounts.sol";
import {PackedLabels} from "./PackedLabels.sol";
import {Recount} from "./Recount.sol";
import {Tallies} from "./Tally.sol";
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
    /// @dev Words of memory up to which `PeerTruthSerum` works, less what is not counted here.
    uint256 private constant MAX_KERNEL_WORDS = 60_000;
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
        uint256 size = 260 + groups * bits * PackedLabels.WORD_BYTES + classes * 32;
        uint256 execution = 125_000 + workers * 12_500 + assigned * 1_250 + classes * 720
            + countWords * 22_300 + 9 * size + _memoryGas(size / 32 + 3 * classes + 2 * assigned);
        return _transactionGas(size, execution + _countGas(groups, classes, bits));
    }

    /// @dev `Recount.count`, which costs the same whatever the labels.
    function _countGas(uint256 groups, uint256 classes, uint256 bits)
        private
        pure
        returns (uint256)
    {
        if (Recount.isCheaperToSlice(groups, classes)) {
            uint256 blocks = (groups + 15) / 16;
            return (classes + 1) * (1_170 * blocks + 850) + 90 * bits * groups + 2_500
                + _memoryGas(blocks * (bits > 4 ? 256 : 128) + 2 * classes + 20);
        }
        uint256 codes = 1 << bits;
        return 11_330 * groups + 85 * codes * (groups / 255 + 3) + 5_000
            + _memoryGas(9 * codes + classes + 56);
    }

    /// @notice Upper bound of what `aggregate` costs.
    /// @param members workers of the chunk
    /// @param groups groups of 256 samples in it
    /// @param assigned chunks of a worker: its Merkle tree's leaves
    /// @param countWords words of storage that the league's label counts take; a worker's own are no more
    function aggregateGas(
        uint256 members,
        uint256 groups,
        uint256 assigned,
        uint256 classes,
        uint256 countWords,
        bool leagues
    ) internal pure returns (uint256) {
        uint256 bits = PackedLabels.labelBits(classes);
        uint256 size = _aggregateBytes(members, groups, assigned, bits);
        uint256 lists = leagues ? 2 : members;
        uint256 execution = 80_000 + members * (10_700 + 190 * _depth(assigned)) + size / 2 + groups
            * bits * 290 + 450 * classes + 4_400 * countWords
            + _memoryGas(size / 32 + groups * bits * 2 + 4 * members + lists * (classes + 2));
        if (!leagues) {
            execution += members * (12_000 + 560 * classes + 2_200 * countWords);
        }
        return _transactionGas(
            size, execution + 250 * members * groups + _scoreGas(members, groups, classes, leagues)
        );
    }

    /// @dev `PeerTruthSerum.score`, if in every sample as many classes as possible have matches, and
    /// voters abstain unevenly everywhere. `BitSlicedSerum` and `MaskedVotes` cost less.
    function _scoreGas(uint256 members, uint256 groups, uint256 classes, bool leagues)
        private
        pure
        returns (uint256)
    {
        uint256 bits = PackedLabels.labelBits(classes);
        uint256 fours = (bits + 3) / 4; // of planes
        uint256 voters0 = leagues ? (members + 1) / 2 : members;
        uint256 perGroup;
        uint256 options;
        if (classes < members) {
            options = classes;
            perGroup = classes * (members * (170 + 25 * bits) + 3_300);
        } else {
            options = voters0;
            perGroup = members * ((members - 1) * (65 + 110 * fours) + 1_800 + 420 * fours);
        }
        (uint256 perPass, uint256 once, uint256 words) =
            _matchGas(voters0, members - voters0, groups, classes, leagues);
        perPass += 210 * fours * members + options * (150 + 260 * fours) + 3_000;
        perGroup += perPass * (classes < members / 2 ? classes : members / 2) + members
            * (1_000 + 100 * fours) + 6_000;
        words += members * (2 * classes + 4 * fours + 16) + 4 * fours * classes + classes
            * (leagues ? 2 : members) + 2 * bits * groups + 900;
        // Rows are reached by pointers of 21 bits.
        if (words > MAX_KERNEL_WORDS) return MAX_TRANSACTION_GAS;
        return groups * perGroup + once + 150 * members * classes + 60_000 + 6_000 * members
            + _memoryGas(words);
    }

    /// @dev What `Patterns` and `Sixteens` take for one class of every sample of a group, once in a
    /// chunk, and of memory.
    function _matchGas(
        uint256 voters0,
        uint256 voters1,
        uint256 groups,
        uint256 classes,
        bool leagues
    ) private pure returns (uint256 perPass, uint256 once, uint256 words) {
        uint256 n = voters0 + voters1;
        uint256 bits = PackedLabels.labelBits(classes);
        uint256 bits0 = PackedLabels.labelBits(voters0);
        uint256 bits1 = PackedLabels.labelBits(voters1);
        if (Tallies.isByPattern(voters0, voters1, groups, bits)) {
            once = (110 << n) + classes * (135 * n * n + 560 * n + 720);
            words = ((voters0 + 1) << (bits + (leagues ? bits1 : 0))) + (1 << n);
            return (22_200, once, words);
        }
        uint256 blocks = (voters0 + 15) / 16 + (voters1 + 15) / 16;
        perPass = (leagues ? 2 : 1) * (7_500 + 600 * (bits0 > bits1 ? bits0 : bits1)) + 75 * n
            + 24_800 * blocks;
        uint256 most = voters0 > voters1 ? voters0 : voters1;
        uint256 groupsInRows = 65_535 / (256 * (most + 1));
        if (groupsInRows > 23) groupsInRows = 23;
        once = (groups / groupsInRows + 1) * blocks * classes * (120 * (voters0 + 1) + 1_450);
        bits += blocks > 1 ? PackedLabels.labelBits(blocks - 1) : 0;
        words = (most + 1) << bits;
        if (Tallies.isCramped(bits, most)) perPass = MAX_TRANSACTION_GAS;
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
        uint256 countWords =
            PackedCounts.wordsFor(task.classes, uint256(task.samplesPerRound) * task.maxWorkers);
        uint256 needed =
            aggregateGas(members, groups, assigned, task.classes, countWords, task.peering == 1);
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
