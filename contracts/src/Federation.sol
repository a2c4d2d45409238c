// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {DynamicArrayLib} from "solady/utils/DynamicArrayLib.sol";
import {EfficientHashLib} from "solady/utils/EfficientHashLib.sol";
import {Assignment} from "./Assignment.sol";
import {CountKernel} from "./CountKernel.sol";
import {COUNT_KERNEL, SCORE_KERNEL} from "./Kernels.sol";
import {Limits} from "./Limits.sol";
import {PackedCounts} from "./PackedCounts.sol";
import {PackedLabels} from "./PackedLabels.sol";
import {FederationState} from "./FederationState.sol";
import {PeerTruthSerum} from "./PeerTruthSerum.sol";
import {ScoreKernel} from "./ScoreKernel.sol";
import {IFederation} from "./interfaces/IFederation.sol";

/// @title Federation
/// @notice Runs the rounds of one federation: registration, then commit, reveal and aggregation in
/// every round, then closed. No role exists; every transition is a call that anyone may make.
contract Federation is FederationState {
    using DynamicArrayLib for uint256[];
    using PackedCounts for PackedCounts.Counts;

    /// @dev Where an active worker stands when a round is settled.
    /// @param rate score per assigned sample, at least 0
    struct Standing {
        uint256 balance;
        uint256 stake;
        uint256 league;
        int256 score;
        uint256 rate;
    }

    /// @dev How long an aggregation may last before the round is void.
    uint256 private constant AGGREGATE_SECONDS = 30 days;

    constructor(Task memory task_) {
        Limits.requireValid(task_); // first, so that a task can be judged on a chain without kernels
        _requireKernel(SCORE_KERNEL);
        _requireKernel(COUNT_KERNEL);
        _task = task_;
        _deadline = uint40(block.timestamp + task_.registrationSeconds);
    }

    /// @dev That there is code is enough: an address of CREATE2 commits to the creation code, and a
    /// kernel's has no arguments, storage or selfdestruct, so only one code can ever be there.
    function _requireKernel(address kernel) private view {
        if (kernel.code.length == 0) revert KernelMissing(kernel);
    }

    // --------------------------------------------------------------------------- registration

    /// @inheritdoc IFederation
    function register(bytes32[] calldata proof) external payable {
        // Check:
        _requireOpen(Phase.Registration);
        Worker storage worker = _workers[msg.sender];
        bytes32 leaf = EfficientHashLib.hash(EfficientHashLib.hash(uint160(msg.sender))); // of the tree
        if (!MerkleProof.verifyCalldata(proof, _task.membersRoot, leaf)) {
            revert NotMember(msg.sender);
        }
        if (worker.balance > 0) revert AlreadyRegistered(msg.sender);
        if (msg.value != _task.depositWei) revert WrongDeposit(_task.depositWei, msg.value);

        // Effect:
        worker.balance = uint128(msg.value);
        worker.index = _rosterLength;
        _roster[_rosterLength] = msg.sender;
        ++_rosterLength;
        emit Registered(msg.sender, msg.value);
        if (_rosterLength == _task.maxWorkers) _openRound();
    }

    /// @inheritdoc IFederation
    function leave() external {
        // Check:
        Worker storage worker = _workers[msg.sender];
        uint256 refund = worker.balance;
        if (_phase == Phase.Registration) {
            _requireOpen(Phase.Registration);
            if (refund == 0) revert NotRegistered(msg.sender);
        } else {
            _requireOpen(Phase.Commit);
            if (_round == 1) revert CannotLeaveRoundOne();
            if (refund == 0) revert NotOnRoster(_round, msg.sender);
            _requireNotCommitted();
        }

        // Effect:
        worker.balance = 0;
        emit Left(msg.sender, refund);
        if (_phase == Phase.Registration) {
            _dropFromRoster(worker.index);
        } else {
            --_awaited;
            _endCommitIfComplete();
        }

        // Interaction:
        _pay(msg.sender, refund);
    }

    // ---------------------------------------------------------------------- commit and reveal

    /// @inheritdoc IFederation
    function commit(bytes32 commitment) external {
        // Check:
        _requireOpen(Phase.Commit);
        if (commitment == 0) revert EmptyCommitment();
        _requireNotCommitted();
        if (_workers[msg.sender].balance == 0) revert NotOnRoster(_round, msg.sender);

        // Effect:
        _rounds[_round].submissions[msg.sender].commitment = commitment;
        --_awaited;
        ++_takers;
        emit Committed(_round, msg.sender, commitment);
        _endCommitIfComplete();
    }

    /// @inheritdoc IFederation
    function reveal(bytes calldata labels, uint32[] calldata labelCount, bytes32 salt) external {
        // Check:
        _requireOpen(Phase.Reveal);
        Worker storage worker = _workers[msg.sender];
        Submission storage submission = _rounds[_round].submissions[msg.sender];
        if (worker.excluded) revert WorkerExcluded(msg.sender);
        if (submission.commitment == 0) revert NotCommitted(_round, msg.sender);
        if (_isRevealed(submission.labelCount.first)) revert AlreadyRevealed(_round, msg.sender);
        uint256 classes = _task.classes;
        if (labelCount.length != classes) {
            revert WrongLabelCountLength(classes, labelCount.length);
        }
        bytes32 labelCountHash = _hash(labelCount);
        bytes32 commitment = _commitment(_round, msg.sender, labels, labelCountHash, salt);
        if (commitment != submission.commitment) {
            revert CommitmentMismatch(submission.commitment, commitment);
        }
        uint256 position = _positionOf(worker);
        (uint256 samples, bytes32 labelsRoot) = _checkLabels(labels, position);
        uint256[] memory counts = _recount(labels, classes);

        // Effect:
        if (EfficientHashLib.hash(counts.asBytes32Array()) == labelCountHash) {
            _book(submission, position, samples, labelsRoot, counts);
            emit Revealed(_round, msg.sender, labelCount, labels);
        } else {
            _pot += _slash(msg.sender, SlashReason.WrongLabelCount);
        }
        if (--_awaited == 0) _endReveal();
    }

    // ------------------------------------------------------------- aggregation and settlement

    /// @inheritdoc IFederation
    function aggregate(uint256 chunk, bytes[] calldata labels, bytes32[][] calldata proofs)
        external
    {
        // Check:
        _requireOpen(Phase.Aggregate);
        Round storage current = _rounds[_round];
        uint256[] memory positions = _positionsOf(chunk);
        uint256 members = positions.length;
        if (current.globalLabelsHash[chunk] != 0) revert AlreadyAggregated(_round, chunk);
        if (labels.length != members || proofs.length != members) {
            revert WrongEntryCount(members, labels.length, proofs.length);
        }
        bytes32[] memory roots = new bytes32[](members);
        for (uint256 i; i < members; ++i) {
            bool isRevealed = current.tallies[positions[i]] != 0;
            roots[i] = _labelsRootOf(chunk, positions[i], isRevealed, labels[i], proofs[i]);
        }
        _checkRoots(current, chunk, positions, roots);

        // Effect:
        PeerTruthSerum.Outcome memory outcome = ScoreKernel(SCORE_KERNEL)
            .score(
                labels,
                PackedLabels.groupsFor(_samplesIn(chunk)),
                PeerTruthSerum.Chunk({
                classes: _task.classes,
                penaltyWad: _task.penaltyWad,
                leagues: _hasLeagues(),
                peerCounts: _peerCounts(positions)
            })
            );
        for (uint256 i; i < members; ++i) {
            current.tallies[positions[i]] += 2 * int128(outcome.scores[i]); // 0 without labels
        }
        _majorityVotes += uint64(outcome.majorityVotes);
        _votes += uint64(outcome.votes);
        current.globalLabelsHash[chunk] = keccak256(outcome.globalLabels);
        ++_aggregatedChunks;
        emit ChunkAggregated(_round, chunk, msg.sender, outcome.globalLabels);
    }

    /// @inheritdoc IFederation
    function settle() external {
        // Check:
        _requireOpen(Phase.Aggregate);
        if (_aggregatedChunks != chunks()) {
            revert ChunksMissing(chunks(), _aggregatedChunks);
        }

        // Effect:
        uint256 pool = _shareOut();
        uint256 agreementWad = _votes == 0 ? 0 : (WAD * _majorityVotes) / _votes;
        emit RoundSettled(_round, pool, agreementWad);
        if (_task.stopAgreementWad > 0 && agreementWad >= _task.stopAgreementWad) _close();
        else _openRound();
    }

    // ---------------------------------------------------------------------------- at any time

    /// @inheritdoc IFederation
    function advance() external {
        if (_phase == Phase.Closed) revert FederationClosed();
        if (block.timestamp < _deadline) revert DeadlineNotReached(_deadline, block.timestamp);
        if (_phase == Phase.Registration) {
            _openRound();
        } else if (_phase == Phase.Commit) {
            _endCommit();
        } else if (_phase == Phase.Reveal) {
            _slashWithholders();
            _endReveal();
        } else {
            _voidRound();
        }
    }

    /// @inheritdoc IFederation
    function fund() external payable {
        if (_phase == Phase.Closed) revert FederationClosed();
        if (_phase == Phase.Registration) revert NoRound();
        _pot += SafeCast.toUint128(msg.value);
        emit Funded(msg.sender, msg.value);
    }

    /// @inheritdoc IFederation
    function withdraw() external {
        // Check:
        if (_phase != Phase.Closed) revert WrongPhase(Phase.Closed, _phase);
        uint256 amount = _workers[msg.sender].balance;
        if (amount == 0) revert NothingToWithdraw(msg.sender);

        // Effect:
        _workers[msg.sender].balance = 0;
        emit Withdrawn(msg.sender, amount);

        // Interaction:
        _pay(msg.sender, amount);
    }

    // ------------------------------------------------------------------------------ the clock

    /// @dev The phase is the expected one and its window still open.
    function _requireOpen(Phase expected) private view {
        if (_phase != expected) revert WrongPhase(expected, _phase);
        if (block.timestamp >= _deadline) revert DeadlinePassed(_deadline, block.timestamp);
    }

    function _enter(Phase next, uint256 lengthSeconds) private {
        _phase = next;
        _deadline = uint40(block.timestamp + lengthSeconds);
    }

    /// @dev Start the next round, or close: after the last round, or with too few workers left.
    function _openRound() private {
        uint256 active = _countActive();
        if (_round == _task.rounds || active < _task.minWorkers) {
            _close();
            return;
        }
        for (uint256 i; _rosterLength > active;) {
            if (_workers[_roster[i]].balance == 0) _dropFromRoster(i);
            else ++i;
        }
        ++_round;
        (_awaited, _takers, _leaguesRevealed) = (_rosterLength, 0, 0);
        (_majorityVotes, _votes, _aggregatedChunks) = (0, 0, 0);
        _seed = keccak256(abi.encode(block.prevrandao, address(this), uint256(_round)));
        _scaleWad = _round == 1
            ? _task.rewardScaleWad
            : uint64((uint256(_scaleWad) * _task.rewardDecayWad) / WAD);
        _enter(Phase.Commit, _task.commitSeconds);
        emit RoundOpened(_round, active, _seed, _deadline);
    }

    function _endCommitIfComplete() private {
        if (_awaited == 0) _endCommit();
    }

    function _endCommit() private {
        if (!_isEnoughCommitted()) {
            _voidRound();
            return;
        }
        (_awaited, _takers) = (_takers, 0);
        _enter(Phase.Reveal, _task.revealSeconds);
        emit RevealOpened(_round, _deadline);
    }

    function _endReveal() private {
        if (!_isEnoughRevealed()) {
            _voidRound();
            return;
        }
        _enter(Phase.Aggregate, AGGREGATE_SECONDS);
        emit AggregationOpened(_round, chunks());
    }

    /// @dev Nobody is paid; who did not commit pays its stake, or idlers could void rounds for free.
    function _voidRound() private {
        uint256 idle;
        Round storage current = _rounds[_round];
        uint256 cap = _stakeCap();
        address[] memory workers = roster();
        for (uint256 i; i < workers.length; ++i) {
            Worker storage worker = _workers[workers[i]];
            uint256 stake = Math.min(worker.balance, cap);
            if (stake == 0 || current.submissions[workers[i]].commitment != 0) continue;
            worker.balance -= uint128(stake);
            idle += stake;
        }
        _pot += uint128(idle);
        emit RoundVoided(_round);
        _openRound();
    }

    /// @dev What is left in the pot is shared by those who are still in.
    function _close() private {
        _phase = Phase.Closed;
        _deadline = 0;
        uint256 active = _countActive();
        uint128 share = active == 0 ? 0 : uint128(_pot / active);
        if (share > 0) {
            address[] memory workers = roster();
            for (uint256 i; i < workers.length; ++i) {
                Worker storage worker = _workers[workers[i]];
                if (worker.balance > 0) worker.balance += share;
            }
            _pot -= uint128(share * active);
        }
        emit Closed();
    }

    // -------------------------------------------------------------------------------- roster

    function _countActive() private view returns (uint256 active) {
        address[] memory workers = roster();
        for (uint256 i; i < workers.length; ++i) {
            if (_workers[workers[i]].balance > 0) ++active;
        }
    }

    /// @dev The last one takes the place of the one that goes.
    function _dropFromRoster(uint256 index) private {
        --_rosterLength;
        address last = _roster[_rosterLength];
        _roster[index] = last;
        _workers[last].index = uint16(index);
    }

    // --------------------------------------------------------------------------------- labels

    /// @dev The labels are whole, padded, well-formed chunks of the ring position.
    /// @return samples how many samples they cover
    /// @return labelsRoot root of the Merkle tree over the chunks
    function _checkLabels(bytes calldata labels, uint256 position)
        private
        view
        returns (uint256 samples, bytes32 labelsRoot)
    {
        unchecked {
            uint256 last = chunks() - 1;
            uint256[] memory assigned =
                Assignment.chunksOf(position, _rosterLength, _task.committee, last + 1);
            samples = assigned.length * _task.chunkSamples;
            if (assigned[assigned.length - 1] == last) {
                samples -= _task.chunkSamples - _samplesIn(last);
            }
            uint256 bits = PackedLabels.labelBits(_task.classes);
            uint256 expectedBytes = PackedLabels.packedBytes(samples, bits);
            if (labels.length != expectedBytes) {
                revert WrongLabelsLength(expectedBytes, labels.length);
            }
            if (samples % PackedLabels.GROUP_SAMPLES > 0) {
                PackedLabels.requirePadded(labels, samples, bits);
            }
            labelsRoot = _labelsRoot(labels, assigned, bits);
        }
    }

    /// @dev The label count of the labels; reverts on malformed codes.
    function _recount(bytes calldata labels, uint256 classes)
        private
        pure
        returns (uint256[] memory counts)
    {
        uint256 bits = PackedLabels.labelBits(classes);
        uint256 codes = (labels.length * 8) / bits;
        uint256 valid;
        (counts, valid) = CountKernel(COUNT_KERNEL).count(labels, bits, classes);
        if (valid != codes) revert MalformedLabels(codes, valid);
    }

    function _requireNotCommitted() private view {
        bytes32 commitment = commitmentOf(_round, msg.sender);
        if (commitment != 0) revert AlreadyCommitted(_round, msg.sender, commitment);
    }

    /// @dev What is to be remembered of a reveal.
    function _book(
        Submission storage submission,
        uint256 position,
        uint256 samples,
        bytes32 labelsRoot,
        uint256[] memory counts
    ) private {
        submission.labelCount.add(counts, _mostOwn(), _headOf(samples, position));
        Round storage current = _rounds[_round];
        current.labelsRoots[position] = labelsRoot;
        current.tallies[position] = 1;
        uint256 league = _leagueAt(position);
        current.leagues[league].labelCount.add(counts, _mostOfAll(), 0);
        _leaguesRevealed |= uint8(1 << league);
        ++_takers;
    }

    /// @return the root of the tree to which an entry of `aggregate` belongs; 0 for an empty one
    function _labelsRootOf(
        uint256 chunk,
        uint256 position,
        bool isRevealed,
        bytes calldata labels,
        bytes32[] calldata proof
    ) private view returns (bytes32) {
        if (!isRevealed) {
            if (labels.length > 0) {
                revert UnexpectedLabels(chunk, _workerAt(position));
            }
            return 0;
        }
        if (labels.length == 0) revert MissingLabels(chunk, _workerAt(position));
        return MerkleProof.processProofCalldata(proof, _leaf(chunk, labels));
    }

    /// @dev The roots are those of the reveals. Where everyone is in every chunk, the roots are the same
    /// in all of them, and after the first one hash is read in place of every root; with two
    /// chunks that would not pay.
    function _checkRoots(
        Round storage current,
        uint256 chunk,
        uint256[] memory positions,
        bytes32[] memory roots
    ) private {
        bool isShared = positions.length == _rosterLength && chunks() > 2;
        bytes32 rootsHash = isShared ? EfficientHashLib.hash(roots) : bytes32(0);
        if (isShared && rootsHash == current.rootsHash) return;
        for (uint256 i; i < positions.length; ++i) {
            bytes32 expected = current.labelsRoots[positions[i]];
            if (roots[i] == expected) continue;
            revert LabelsNotRevealed(chunk, _workerAt(positions[i]), expected);
        }
        if (isShared) current.rootsHash = rootsHash;
    }

    // ---------------------------------------------------------------------------------- money

    /// @dev Move every active worker's stake and reward, and what is left to the pot.
    /// @return total Σ stakes + pot
    function _shareOut() private returns (uint256 total) {
        Round storage current = _rounds[_round];
        address[] memory workers = roster();
        Standing[] memory standings = new Standing[](workers.length);
        uint256[2] memory pools;
        uint256[2] memory sums;
        if (_hasLeagues()) pools[0] = _pot / 2;
        pools[_hasLeagues() ? 1 : 0] = _pot - pools[0];
        uint256 cap = _stakeCap();
        for (uint256 i; i < workers.length; ++i) {
            Standing memory its = standings[i];
            its.balance = _workers[workers[i]].balance;
            if (its.balance == 0) continue;
            its.stake = Math.min(its.balance, cap);
            _judge(current, workers[i], its);
            pools[its.league] += its.stake;
            sums[its.league] += its.rate;
        }

        total = pools[0] + pools[1];
        uint256 left = total;
        for (uint256 i; i < workers.length; ++i) {
            Standing memory its = standings[i];
            if (its.balance == 0) continue;
            uint256 sum = sums[its.league];
            uint256 reward = _share(pools[its.league], sum, its.rate);
            uint256 credit = sum == 0 ? its.stake : reward;
            if (credit != its.stake) {
                _workers[workers[i]].balance = uint128(its.balance - its.stake + credit);
            }
            left -= credit;
            emit Rewarded(_round, workers[i], its.score, reward);
        }
        for (uint256 league; league < 2; ++league) {
            current.leagues[league].pool = uint128(pools[league]);
            current.leagues[league].rates = uint128(sums[league]);
        }
        _pot = uint128(left);
    }

    /// @dev The league that the worker is booked in, its score and its rate.
    function _judge(Round storage current, address account, Standing memory its) private view {
        uint256 head = current.submissions[account].labelCount.first;
        if (_isRevealed(head)) {
            its.league = _leagueAt(_positionIn(head));
            its.score = _scoreOf(current, head);
            its.rate = _rate(head, its.score);
        } else {
            its.league = _leagueAt(_positionOf(_workers[account]));
        }
    }

    /// @dev Slash everybody who committed and did not reveal.
    function _slashWithholders() private {
        uint256 slashed;
        Round storage current = _rounds[_round];
        address[] memory workers = roster();
        for (uint256 i; i < workers.length; ++i) {
            if (_workers[workers[i]].balance == 0) continue; // has left or was slashed
            Submission storage submission = current.submissions[workers[i]];
            if (_isRevealed(submission.labelCount.first) || submission.commitment == 0) continue;
            slashed += _slash(workers[i], SlashReason.Withheld);
        }
        _pot += uint128(slashed);
    }

    /// @dev Take the whole balance and exclude the worker for good.
    function _slash(address account, SlashReason reason) private returns (uint128 amount) {
        Worker storage worker = _workers[account];
        amount = worker.balance;
        worker.balance = 0;
        worker.excluded = true;
        emit Slashed(_round, account, amount, reason);
    }

    function _pay(address receiver, uint256 amount) private {
        (bool isPaid,) = receiver.call{value: amount}("");
        if (!isPaid) revert PaymentFailed(receiver, amount);
    }
}
