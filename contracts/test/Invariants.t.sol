// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IFederation} from "../src/interfaces/IFederation.sol";
import {FederationTest} from "./FederationTest.sol";
import {Vm} from "./Vm.sol";

/// @title Workers that do as they please, and a watcher
/// @dev Every call is one that the protocol allows, so none may revert.
contract Handler is FederationTest {
    enum Conduct {
        Honest,
        Lying,
        Malformed
    }

    mapping(uint256 round => mapping(address worker => Conduct)) private _conducts;
    mapping(address worker => uint256) private _balanceAtOpening;
    mapping(address worker => bool) private _hasTaken;
    uint256 private _watchedRound;
    uint256 private _progress;
    uint256 private _scaleWad;
    string public broken;

    constructor(uint8 peering, uint16 committee) {
        task.peering = peering;
        task.committee = committee;
        task.rounds = 3;
        task.minWorkers = 4;
        task.maxWorkers = 8;
        task.classes = 4;
        task.samplesPerRound = committee == 0 ? 40 : 1000;
        _deploy();
        _scaleWad = task.rewardScaleWad;
    }

    function everybody() public view returns (address[] memory workers) {
        workers = new address[](task.maxWorkers);
        for (uint256 i; i < workers.length; ++i) {
            workers[i] = _worker(i);
        }
    }

    // ------------------------------------------------------------------------------- actions

    /// @notice One worker does something that fits the phase.
    function act(uint256 who, uint256 choice) public {
        address worker = _worker(who % task.maxWorkers);
        IFederation.Phase phase = federation.phase();
        if (phase == IFederation.Phase.Closed) _take(worker);
        else if (block.timestamp >= federation.deadline()) federation.advance();
        else if (phase == IFederation.Phase.Registration) _join(who % task.maxWorkers, choice);
        else if (phase == IFederation.Phase.Commit) _commitOrLeave(worker, choice);
        else if (phase == IFederation.Phase.Reveal) _open(worker);
        else _keep(choice);
        _watch();
    }

    /// @notice Everybody does it, some of them badly; the way to later rounds.
    function actAll(uint256 choice) public {
        IFederation.Phase phase = federation.phase();
        for (uint256 i; i < task.maxWorkers && federation.phase() == phase; ++i) {
            act(i, uint256(keccak256(abi.encode(choice, i))));
        }
    }

    function fund(uint256 amount) public {
        IFederation.Phase phase = federation.phase();
        if (phase == IFederation.Phase.Closed || phase == IFederation.Phase.Registration) return;
        amount %= 2 ether;
        vm.deal(address(this), amount);
        federation.fund{value: amount}();
        _watch();
    }

    function wait_(uint256 length) public {
        if (length % 4 == 0) vm.warp(block.timestamp + (length % 3000));
    }

    function finishPhase(uint256 choice) public {
        if (choice % 3 > 0 || federation.phase() == IFederation.Phase.Closed) return;
        _endPhase();
        _watch();
    }

    /// @notice From wherever it is, time alone closes the federation, and everybody is paid.
    /// @return left what the contract still holds
    function close() external returns (uint256 left) {
        for (uint256 steps; federation.phase() != IFederation.Phase.Closed; ++steps) {
            vm.assertLe(steps, 3 * uint256(task.rounds) + 1, "the federation is stuck");
            _endPhase();
            _watch();
        }
        for (uint256 i; i < task.maxWorkers; ++i) {
            _take(_worker(i));
        }
        return address(federation).balance;
    }

    function _join(uint256 i, uint256 choice) private {
        if (federation.balanceOf(_worker(i)) == 0) {
            _register(i);
        } else if (choice % 8 == 0) {
            vm.prank(_worker(i));
            federation.leave();
        }
    }

    function _commitOrLeave(address worker, uint256 choice) private {
        uint256 round = federation.round();
        if (federation.balanceOf(worker) == 0 || federation.commitmentOf(round, worker) != 0) {
            return;
        }
        choice %= 16;
        if (choice == 0) return; // it idles
        if (choice == 1 && round > 1) {
            _hasTaken[worker] = true;
            vm.prank(worker);
            federation.leave();
            return;
        }
        if (choice == 2) _conducts[round][worker] = Conduct.Lying;
        if (choice == 3) _conducts[round][worker] = Conduct.Malformed;
        bytes32 commitment = _commitment(worker, _conductedOpening(worker));
        vm.prank(worker);
        federation.commit(commitment);
    }

    function _conductedOpening(address worker) private returns (Opening memory opening) {
        opening = _opening(worker);
        Conduct conduct = _conducts[federation.round()][worker];
        if (conduct == Conduct.Lying) ++opening.labelCount[0];
        if (conduct == Conduct.Malformed) opening.labels[95] ^= 0x01; // no 4 classes, or padding
    }

    function _open(address worker) private {
        uint256 round = federation.round();
        if (federation.commitmentOf(round, worker) == 0 || federation.isExcluded(worker)) return;
        if (federation.labelsRootOf(round, worker) != 0) return;
        if (_conducts[round][worker] == Conduct.Malformed) return; // it cannot be opened
        _reveal(worker, _conductedOpening(worker));
    }

    function _keep(uint256 choice) private {
        uint256 chunks = federation.chunks();
        for (uint256 i; i < chunks; ++i) {
            uint256 chunk = (choice % chunks + i) % chunks;
            if (federation.globalLabelsHash(federation.round(), chunk) != 0) continue;
            _aggregate(chunk);
            return;
        }
        federation.settle();
    }

    function _take(address worker) private {
        if (federation.balanceOf(worker) == 0) return;
        _hasTaken[worker] = true;
        vm.prank(worker);
        federation.withdraw();
    }

    // ------------------------------------------------------------------------------- watching

    /// @dev Invariants 2 and 4, which compare with what was before.
    function _watch() private {
        uint256 round = federation.round();
        uint256 progress = 4 * round + uint256(federation.phase());
        if (federation.phase() == IFederation.Phase.Closed) progress = type(uint256).max;
        if (progress < _progress) broken = "a phase went back";
        _progress = progress;

        uint256 cap = (_scaleWad * task.depositWei) / WAD;
        for (uint256 i; i < task.maxWorkers; ++i) {
            address worker = _worker(i);
            uint256 balance = federation.balanceOf(worker);
            bool isJudged =
                _watchedRound > 0 && !_hasTaken[worker] && !federation.isExcluded(worker);
            if (isJudged && balance + cap < _balanceAtOpening[worker]) {
                broken = "somebody lost more than the stake";
            }
            if (round > _watchedRound) _balanceAtOpening[worker] = balance;
        }
        if (round > _watchedRound && _watchedRound > 0) {
            _scaleWad = (_scaleWad * task.rewardDecayWad) / WAD;
        }
        _watchedRound = round;
    }

    function contractUnderTest() external view returns (IFederation) {
        return federation;
    }
}

/// @dev 1. The contract's ether is the sum of all balances and the pot.
/// 2. In one round nobody but the slashed loses more than ⌊λ · D⌋.
/// 3. Who was excluded has a balance of 0 and keeps it.
/// 4. Phases and rounds never go back.
/// 5. From every state, time and `advance` close the federation; then everybody can withdraw, and
/// what remains is the pot.
abstract contract InvariantTest is FederationTest {
    Handler internal handler;

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0].addr = address(handler);
        targets[0].selectors = new bytes4[](5);
        targets[0].selectors[0] = Handler.act.selector;
        targets[0].selectors[1] = Handler.actAll.selector;
        targets[0].selectors[2] = Handler.fund.selector;
        targets[0].selectors[3] = Handler.wait_.selector;
        targets[0].selectors[4] = Handler.finishPhase.selector;
    }

    function invariant_MoneyIsConserved() public view {
        IFederation played = handler.contractUnderTest();
        address[] memory workers = handler.everybody();
        uint256 owed = played.pot();
        for (uint256 i; i < workers.length; ++i) {
            uint256 balance = played.balanceOf(workers[i]);
            owed += balance;
            if (played.isExcluded(workers[i])) vm.assertEq(balance, 0, "excluded");
        }
        vm.assertEq(address(played).balance, owed, "conserved");
    }

    function invariant_NobodyLosesMoreThanTheStakeAndPhasesGoForward() public view {
        vm.assertEq(handler.broken(), "");
    }

    function invariant_NoPhaseCanGetStuck() public {
        uint256 state = vm.snapshotState();
        vm.assertEq(handler.close(), handler.contractUnderTest().pot(), "all but the pot is paid");
        vm.assertEq(handler.broken(), "");
        vm.revertToState(state);
    }
}

contract InvariantsWithLeaguesTest is InvariantTest {
    function setUp() public {
        handler = new Handler(1, 0);
    }

    /// @dev Else the invariants would say little.
    function test_TheActorsReachEveryOutcome() public {
        vm.recordLogs();
        for (uint256 run; run < 8; ++run) {
            handler = new Handler(1, 0);
            for (uint256 step; step < 60; ++step) {
                uint256 choice = uint256(keccak256(abi.encode(run, step)));
                if (step % (2 + (run % 4)) == 0) handler.finishPhase(choice);
                else if (step % 5 == 1) handler.fund(choice);
                else handler.actAll(choice);
            }
        }
        bytes32[9] memory events = [
            IFederation.Left.selector,
            IFederation.Funded.selector,
            IFederation.Slashed.selector,
            IFederation.ChunkAggregated.selector,
            IFederation.Rewarded.selector,
            IFederation.RoundSettled.selector,
            IFederation.RoundVoided.selector,
            IFederation.Closed.selector,
            IFederation.Withdrawn.selector
        ];
        uint256[9] memory seen;
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            for (uint256 e; e < 9; ++e) {
                if (logs[i].topics[0] == events[e]) ++seen[e];
            }
        }
        for (uint256 e; e < 9; ++e) {
            vm.assertTrue(seen[e] > 2, vm.toString(e));
        }
    }
}

contract InvariantsWithoutLeaguesTest is InvariantTest {
    function setUp() public {
        handler = new Handler(0, 0);
    }
}

contract InvariantsWithCommitteesTest is InvariantTest {
    function setUp() public {
        handler = new Handler(1, 2);
    }
}
