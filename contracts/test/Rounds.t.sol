// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IFederation} from "../src/interfaces/IFederation.sol";
import {FederationTest} from "./FederationTest.sol";
import {Plain} from "./Plain.sol";
import {Vm} from "./Vm.sol";

/// @dev What one round leaves to the next, and amounts at their smallest.
contract RoundsTest is FederationTest {
    /// @dev ⌊1e18 · votes of the winners / votes⌋ of a round that everybody revealed.
    function _agreement() private view returns (uint256) {
        address[] memory workers = federation.roster();
        uint256 chunks = federation.chunks();
        uint256 majorityVotes;
        uint256 votes;
        for (uint256 q; q < chunks; ++q) {
            uint256[][] memory labels = new uint256[][](workers.length);
            for (uint256 i; i < workers.length; ++i) {
                labels[i] = _chunkLabels(workers[i], q);
            }
            (, uint256 ofWinners, uint256 ofAll) =
                Plain.majority(labels, labels[0].length, task.classes);
            majorityVotes += ofWinners;
            votes += ofAll;
        }
        return (WAD * majorityVotes) / votes;
    }

    function test_ASettledRoundTellsItsPoolItsAgreementAndEveryReward() public {
        _openFirstRound(6);
        vm.deal(address(this), 7);
        federation.fund{value: 7}();
        _playRound();
        vm.recordLogs();
        uint256 agreement = _agreement();
        federation.settle();
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < 6; ++i) {
            address worker = address(uint160(uint256(logs[i].topics[2])));
            vm.assertEq(logs[i].topics[0], IFederation.Rewarded.selector);
            uint256 reward = federation.rewardOf(1, worker);
            vm.assertTrue(reward > 0);
            vm.assertEq(logs[i].data, abi.encode(federation.scoreOf(1, worker), reward));
            vm.assertEq(federation.balanceOf(worker), 0.5 ether + reward);
        }
        vm.assertEq(logs[6].topics[0], IFederation.RoundSettled.selector);
        vm.assertEq(logs[6].data, abi.encode(3 ether + 7, agreement));
    }

    function test_WithoutVotesTheAgreementIsZeroAndStopsNothing() public {
        abstainPercent = 100;
        task.stopAgreementWad = 1;
        _openFirstRound(6);
        _playRound();
        vm.expectEmit(address(federation));
        emit IFederation.RoundSettled(1, 3 ether, 0);
        federation.settle();
        vm.assertEq(federation.round(), 2);
    }

    function test_AnyAgreementReachesAStopAtOneWad() public {
        task.stopAgreementWad = 1;
        _openFirstRound(6);
        _playRound();
        federation.settle();
        vm.assertTrue(federation.phase() == IFederation.Phase.Closed);
    }

    function test_TheNextRosterIsWithoutThoseWhoAreOut() public {
        task.maxWorkers = 9;
        task.rounds = 3;
        _openFirstRound(9);
        Opening memory lie = _opening(_worker(3));
        ++lie.labelCount[0];
        bytes32 commitment = _commitment(_worker(3), lie);
        vm.prank(_worker(3));
        federation.commit(commitment);
        for (uint256 i; i < 9; ++i) {
            if (i != 3) _commit(_worker(i));
        }
        _reveal(_worker(3), lie);
        for (uint256 i = 1; i < 8; ++i) {
            if (i != 3) _reveal(_worker(i));
        }
        _endPhase(); // workers 0 and 8 withheld
        _aggregateAll();
        vm.recordLogs();
        federation.settle();
        vm.assertEq(vm.getRecordedLogs().length, 6 + 2); // Rewarded, RoundSettled, RoundOpened
        address[] memory workers = federation.roster();
        vm.assertEq(workers.length, 6);
        for (uint256 i; i < 6; ++i) {
            vm.assertTrue(federation.balanceOf(workers[i]) > 0);
            federation.leagueOf(workers[i]); // would revert off the roster
        }
        for (uint256 i; i < 3; ++i) {
            address out = _worker([uint256(0), 3, 8][i]);
            vm.expectRevert(abi.encodeWithSelector(IFederation.NotOnRoster.selector, 2, out));
            federation.leagueOf(out);
        }
        _playRound();
        federation.settle();
        vm.assertEq(federation.round(), 3);
    }

    function test_WhoWasLastOnTheRosterAndIsOutHasNoLeague() public {
        _openFirstRound(6);
        _commitAll();
        for (uint256 i; i < 5; ++i) {
            _reveal(_worker(i));
        }
        _endPhase();
        _aggregateAll();
        federation.settle();
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotOnRoster.selector, 2, _worker(5)));
        federation.leagueOf(_worker(5));
    }

    function test_TheStakeDecaysFromRoundToRound() public {
        task.rounds = 3;
        task.rewardScaleWad = 0.4e18;
        _openFirstRound(6);
        _endPhase();
        vm.assertEq(federation.balanceOf(_worker(0)), 0.6 ether);
        _endPhase();
        vm.assertEq(federation.round(), 3);
        vm.assertEq(federation.balanceOf(_worker(0)), 0.24 ether); // less 0.4 · 0.9
        vm.assertEq(federation.pot(), 6 * 0.76 ether);
    }

    function _requirePaddingIsJudged(uint32 samples) private {
        task.samplesPerRound = samples;
        _openFirstRound(6);
        Opening memory opening = _opening(_worker(0));
        Plain.setCode(opening.labels, 4, samples, 2);
        ++opening.labelCount[2];
        bytes32 commitment = _commitment(_worker(0), opening);
        vm.prank(_worker(0));
        federation.commit(commitment);
        for (uint256 i = 1; i < 6; ++i) {
            _commit(_worker(i));
        }
        vm.expectPartialRevert(IFederation.PaddingNotAbstain.selector);
        _reveal(_worker(0), opening);
    }

    function test_PaddingIsJudgedInTheOnlyGroup() public {
        _requirePaddingIsJudged(100);
    }

    function test_AWholeGroupHasNoPadding() public {
        task.samplesPerRound = 256;
        _openFirstRound(6);
        vm.assertEq(federation.chunks(), 1);
        _commitAll();
        _revealAll();
        vm.assertTrue(federation.phase() == IFederation.Phase.Aggregate);
    }

    function test_PaddingIsJudgedBehindASingleSample() public {
        _requirePaddingIsJudged(257);
    }
}

/// @dev One wei is money.
contract OneWeiTest is FederationTest {
    function setUp() public {
        task.depositWei = 1;
        task.rewardScaleWad = 1e18;
    }

    function test_IsADeposit() public {
        _deploy();
        _register(0);
        vm.expectRevert(abi.encodeWithSelector(IFederation.AlreadyRegistered.selector, _worker(0)));
        _register(0);
        vm.prank(_worker(0));
        federation.leave();
        vm.assertEq(_worker(0).balance, 1 + 1); // with what the refused call came with
    }

    function test_IsAStakeAndAReward() public {
        task.penaltyWad = 15e18; // stakes go back
        _openFirstRound(6);
        _playRound();
        vm.recordLogs();
        federation.settle();
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs[6].topics[0], IFederation.RoundSettled.selector);
        (uint256 pool,) = abi.decode(logs[6].data, (uint256, uint256));
        vm.assertEq(pool, 6);
        for (uint256 i; i < 6; ++i) {
            vm.assertEq(federation.balanceOf(_worker(i)), 1);
        }
        vm.prank(_worker(0));
        federation.leave();
        vm.assertEq(_worker(0).balance, 1);
    }

    function test_IsLostByWhoDoesNotReveal() public {
        _openFirstRound(6);
        _commitAll();
        for (uint256 i; i < 5; ++i) {
            _reveal(_worker(i));
        }
        _endPhase();
        vm.assertTrue(federation.isExcluded(_worker(5)));
        vm.assertEq(federation.pot(), 1);
    }

    function test_WhoCommittedShareTheStakesOfTheIdle() public {
        _openFirstRound(6);
        for (uint256 i; i < 3; ++i) {
            _commit(_worker(i));
        }
        _endPhase(); // void: three pay 1, and three are too few to go on
        vm.assertTrue(federation.phase() == IFederation.Phase.Closed);
        for (uint256 i; i < 6; ++i) {
            vm.assertEq(federation.balanceOf(_worker(i)), i < 3 ? 2 : 0);
        }
        vm.assertEq(federation.pot(), 0);
    }

    function test_TheOnlyOneLeftGetsThePot() public {
        _openFirstRound(6);
        _commit(_worker(0));
        _endPhase();
        vm.assertEq(federation.balanceOf(_worker(0)), 6);
        vm.assertEq(federation.pot(), 0);
    }

    function test_WithNobodyLeftThePotStays() public {
        _openFirstRound(6);
        _endPhase();
        vm.assertTrue(federation.phase() == IFederation.Phase.Closed);
        vm.assertEq(federation.pot(), 6);
        vm.assertEq(address(federation).balance, 6);
    }
}
