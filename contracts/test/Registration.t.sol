// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {COUNT_KERNEL, SCORE_KERNEL} from "../src/Kernels.sol";
import {IFederation} from "../src/interfaces/IFederation.sol";
import {FederationTest} from "./FederationTest.sol";

contract ConstructorTest is FederationTest {
    function _requireOutOfBounds(string memory field, uint256 least, uint256 most, uint256 actual)
        private
    {
        vm.expectRevert(
            abi.encodeWithSelector(IFederation.TaskOutOfBounds.selector, field, least, most, actual)
        );
        _create();
    }

    function test_KeepsTheTaskAndOpensRegistration() public {
        _deploy();
        vm.assertEq(keccak256(abi.encode(federation.task())), keccak256(abi.encode(task)));
        vm.assertTrue(federation.phase() == IFederation.Phase.Registration);
        vm.assertEq(federation.round(), 0);
        vm.assertEq(federation.deadline(), block.timestamp + 1000);
        vm.assertEq(federation.chunks(), 2);
        vm.assertEq(federation.roster().length, 0);
        vm.assertTrue(federation.MAX_WORKERS() >= 512);
    }

    function test_RevertWhen_AFieldIsOutOfBounds() public {
        uint256 most = _maxWorkers();
        IFederation.Task memory good = task;
        task.samplesPerRound = 0;
        _requireOutOfBounds("samplesPerRound", 1, type(uint32).max, 0);
        task = good;
        task.chunkSamples = 0;
        _requireOutOfBounds("chunkSamples", 1, type(uint32).max, 0);
        task = good;
        task.classes = 1;
        _requireOutOfBounds("classes", 2, 1023, 1);
        task.classes = 1024;
        _requireOutOfBounds("classes", 2, 1023, 1024);
        task = good;
        task.peering = 2;
        _requireOutOfBounds("peering", 0, 1, 2);
        task = good;
        task.minWorkers = 3;
        _requireOutOfBounds("minWorkers", 4, 6, 3);
        task.minWorkers = 7;
        _requireOutOfBounds("minWorkers", 4, 6, 7);
        task.peering = 0;
        task.minWorkers = 2;
        _requireOutOfBounds("minWorkers", 3, 6, 2);
        task = good;
        task.maxWorkers = uint16(most + 1);
        _requireOutOfBounds("maxWorkers", 3, most, most + 1);
        task = good;
        task.committee = 8;
        _requireOutOfBounds("committee", 0, 6, 8);
        task = good;
        task.rounds = 0;
        _requireOutOfBounds("rounds", 1, type(uint16).max, 0);
        task = good;
        task.depositWei = 0;
        _requireOutOfBounds("depositWei", 1, type(uint96).max, 0);
        task = good;
        task.rewardScaleWad = 0;
        _requireOutOfBounds("rewardScaleWad", 1, 1e18, 0);
        task.rewardScaleWad = 1e18 + 1;
        _requireOutOfBounds("rewardScaleWad", 1, 1e18, 1e18 + 1);
        task = good;
        task.rewardDecayWad = 1e18 + 1;
        _requireOutOfBounds("rewardDecayWad", 0, 1e18, 1e18 + 1);
        task = good;
        task.registrationSeconds = 0;
        _requireOutOfBounds("registrationSeconds", 1, type(uint32).max, 0);
        task = good;
        task.commitSeconds = 0;
        _requireOutOfBounds("commitSeconds", 1, type(uint32).max, 0);
        task = good;
        task.revealSeconds = 0;
        _requireOutOfBounds("revealSeconds", 1, type(uint32).max, 0);
    }

    function _maxWorkers() private returns (uint256) {
        return _create().MAX_WORKERS();
    }

    function test_RevertGiven_AKernelIsMissing() public {
        address[2] memory kernels = [SCORE_KERNEL, COUNT_KERNEL];
        for (uint256 i; i < 2; ++i) {
            bytes memory code = kernels[i].code;
            vm.etch(kernels[i], "");
            vm.expectRevert(abi.encodeWithSelector(IFederation.KernelMissing.selector, kernels[i]));
            _create();
            vm.etch(kernels[i], code);
            _create();
        }
    }

    function test_RevertWhen_AChunkIsNotWholeGroups() public {
        task.chunkSamples = 255;
        vm.expectRevert(
            abi.encodeWithSelector(IFederation.ChunkSamplesNotMultipleOf256.selector, 255)
        );
        _create();
    }

    function test_RevertWhen_TheCommitteeIsOdd() public {
        task.committee = 3;
        vm.expectRevert(abi.encodeWithSelector(IFederation.CommitteeNotEven.selector, 3));
        _create();
    }

    function test_RevertWhen_SomeWouldHaveNothingToLabel() public {
        task.committee = 2;
        vm.expectRevert(abi.encodeWithSelector(IFederation.TooFewSeats.selector, 6, 4));
        _create();
    }

    function test_RevertWhen_AChunkIsTooMuchForOneAggregation() public {
        task.maxWorkers = 12;
        task.classes = 12;
        task.samplesPerRound = 20_480;
        task.chunkSamples = 20_480;
        vm.expectPartialRevert(IFederation.TransactionTooCostly.selector);
        _create();
    }

    function test_TheRegistrationWindowIsTheTasks() public {
        task.registrationSeconds = task.commitSeconds + task.revealSeconds + 7;
        _deploy();
        vm.assertEq(federation.deadline(), block.timestamp + task.registrationSeconds);
    }

    function test_RevertWhen_ARevealHasTooManyBytes() public {
        task.samplesPerRound = 300_000;
        task.chunkSamples = 512;
        vm.expectPartialRevert(IFederation.TransactionTooLarge.selector);
        _create();
    }
}

contract RegisterTest is FederationTest {
    function setUp() public {
        _deploy();
    }

    function test_LocksTheDepositOfAMember() public {
        vm.expectEmit(address(federation));
        emit IFederation.Registered(_worker(0), 1 ether);
        _register(0);
        vm.assertEq(federation.balanceOf(_worker(0)), 1 ether);
        vm.assertEq(address(federation).balance, 1 ether);
        vm.assertEq(federation.roster()[0], _worker(0));
    }

    function test_TheLastOneOpensRoundOne() public {
        _registerAll(5);
        vm.assertEq(federation.round(), 0);
        vm.prevrandao(77);
        bytes32 seed = keccak256(abi.encode(uint256(77), address(federation), uint256(1)));
        vm.expectEmit(address(federation));
        emit IFederation.RoundOpened(1, 6, seed, block.timestamp + 2000);
        _register(5);
        vm.assertTrue(federation.phase() == IFederation.Phase.Commit);
        vm.assertEq(federation.round(), 1);
        vm.assertEq(federation.deadline(), block.timestamp + 2000);
    }

    function test_WhoLeftMayComeBack() public {
        _register(0);
        _register(1);
        vm.prank(_worker(0));
        federation.leave();
        _register(0);
        vm.assertEq(federation.roster().length, 2);
        vm.assertEq(federation.roster()[1], _worker(0));
    }

    function test_RevertWhen_NotAMember() public {
        bytes32[] memory proof = _memberProof(0);
        vm.deal(address(this), 1 ether);
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotMember.selector, address(this)));
        federation.register{value: 1 ether}(proof);
    }

    function test_RevertWhen_TheDepositIsWrong() public {
        bytes32[] memory proof = _memberProof(0);
        vm.deal(_worker(0), 2 ether);
        for (uint256 i; i < 3; ++i) {
            uint256 amount = [uint256(0), 1 ether - 1, 1 ether + 1][i];
            vm.expectRevert(
                abi.encodeWithSelector(IFederation.WrongDeposit.selector, 1 ether, amount)
            );
            vm.prank(_worker(0));
            federation.register{value: amount}(proof);
        }
    }

    function test_RevertGiven_RegisteredAlready() public {
        _register(0);
        vm.expectRevert(abi.encodeWithSelector(IFederation.AlreadyRegistered.selector, _worker(0)));
        _register(0);
    }

    function test_RevertGiven_TheWindowIsOver() public {
        uint256 deadline = federation.deadline();
        vm.warp(deadline);
        vm.expectRevert(
            abi.encodeWithSelector(IFederation.DeadlinePassed.selector, deadline, deadline)
        );
        _register(0);
    }

    function test_RevertGiven_TheRoundIsOpen() public {
        _registerAll(6);
        vm.expectRevert(
            abi.encodeWithSelector(
                IFederation.WrongPhase.selector,
                IFederation.Phase.Registration,
                IFederation.Phase.Commit
            )
        );
        _register(6);
    }
}

contract LeaveTest is FederationTest {
    function _leave(address worker) private {
        vm.prank(worker);
        federation.leave();
    }

    function _openSecondRound() private {
        task.minWorkers = 4;
        _openFirstRound(6);
        _playRound();
        federation.settle();
    }

    function test_InRegistrationPaysTheDepositBack() public {
        _deploy();
        _registerAll(3);
        vm.expectEmit(address(federation));
        emit IFederation.Left(_worker(0), 1 ether);
        _leave(_worker(0));
        vm.assertEq(_worker(0).balance, 1 ether);
        vm.assertEq(federation.balanceOf(_worker(0)), 0);
        vm.assertEq(federation.roster().length, 2);
        vm.assertEq(federation.roster()[0], _worker(2));
    }

    function test_InRoundTwoPaysTheBalanceAndKeepsTheRing() public {
        _openSecondRound();
        address worker = federation.roster()[2];
        uint256 balance = federation.balanceOf(worker);
        uint256 league = federation.leagueOf(worker);
        _leave(worker);
        vm.assertEq(worker.balance, balance);
        vm.assertEq(federation.roster().length, 6);
        vm.assertEq(federation.leagueOf(worker), league);
        _endPhase(); // nobody committed: void, and the next roster is without the leaver
        vm.assertTrue(federation.phase() == IFederation.Phase.Closed);
    }

    function test_TheLastToLeaveEndsCommit() public {
        _openSecondRound();
        address[] memory workers = federation.roster();
        _leave(workers[0]);
        for (uint256 i = 2; i < 6; ++i) {
            _commit(workers[i]);
        }
        vm.assertTrue(federation.phase() == IFederation.Phase.Commit);
        _leave(workers[1]);
        vm.assertTrue(federation.phase() != IFederation.Phase.Commit);
    }

    function test_RevertWhen_NotRegistered() public {
        _deploy();
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotRegistered.selector, address(this)));
        federation.leave();
    }

    function test_RevertGiven_RoundOne() public {
        _openFirstRound(6);
        vm.expectRevert(IFederation.CannotLeaveRoundOne.selector);
        _leave(_worker(0));
    }

    function test_RevertGiven_Committed() public {
        _openSecondRound();
        address worker = federation.roster()[0];
        _commit(worker);
        bytes32 commitment = federation.commitmentOf(2, worker);
        vm.expectRevert(
            abi.encodeWithSelector(IFederation.AlreadyCommitted.selector, 2, worker, commitment)
        );
        _leave(worker);
    }

    function test_RevertGiven_LeftAlready() public {
        _openSecondRound();
        address worker = federation.roster()[0];
        _leave(worker);
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotOnRoster.selector, 2, worker));
        _leave(worker);
    }

    function test_RevertGiven_TheWindowIsOver() public {
        _deploy();
        _register(0);
        uint256 deadline = federation.deadline();
        vm.warp(deadline + 5);
        vm.expectRevert(
            abi.encodeWithSelector(IFederation.DeadlinePassed.selector, deadline, deadline + 5)
        );
        _leave(_worker(0));
    }

    function test_RevertGiven_AnotherPhase() public {
        _openFirstRound(6);
        _commitAll();
        vm.expectRevert(
            abi.encodeWithSelector(
                IFederation.WrongPhase.selector, IFederation.Phase.Commit, IFederation.Phase.Reveal
            )
        );
        _leave(_worker(0));
    }
}
