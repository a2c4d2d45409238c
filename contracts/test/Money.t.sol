// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IFederation} from "../src/interfaces/IFederation.sol";
import {FederationTest} from "./FederationTest.sol";
import {Vm} from "./Vm.sol";

contract SettleTest is FederationTest {
    struct Pools {
        uint256[2] pools;
        uint256[2] sums;
        uint256[] leagues;
        uint256[] rates;
    }

    function setUp() public {
        vm.deal(address(this), 100 ether);
    }

    /// @dev Rates and pools of the round, computed again from the scores.
    function _plainPools(uint256 pot, uint256 cap) private view returns (Pools memory plain) {
        address[] memory workers = federation.roster();
        plain.leagues = new uint256[](workers.length);
        plain.rates = new uint256[](workers.length);
        if (task.peering == 1) plain.pools[0] = pot / 2;
        plain.pools[task.peering] = pot - plain.pools[0];
        for (uint256 i; i < workers.length; ++i) {
            uint256 league = task.peering == 1 ? federation.leagueOf(workers[i]) : 0;
            int256 score = federation.scoreOf(1, workers[i]);
            if (score > 0) plain.rates[i] = uint256(score) / task.samplesPerRound;
            plain.leagues[i] = league;
            plain.pools[league] += cap;
            plain.sums[league] += plain.rates[i];
        }
    }

    function _requireShares(uint256 pot) private {
        uint256 cap = (uint256(task.rewardScaleWad) * task.depositWei) / WAD;
        Pools memory plain = _plainPools(pot, cap);
        address[] memory workers = federation.roster();
        federation.settle();
        uint256 left = plain.pools[0] + plain.pools[1];
        for (uint256 i; i < workers.length; ++i) {
            uint256 sum = plain.sums[plain.leagues[i]];
            uint256 pool = plain.pools[plain.leagues[i]];
            uint256 reward = sum == 0 ? 0 : (pool * plain.rates[i]) / sum;
            uint256 credit = sum == 0 ? cap : reward;
            left -= credit;
            vm.assertEq(federation.rewardOf(1, workers[i]), reward, "reward");
            uint256 balance = task.depositWei - cap + credit;
            vm.assertEq(federation.balanceOf(workers[i]), balance, "balance");
        }
        vm.assertEq(federation.pot(), left, "pot");
    }

    /// forge-config: default.fuzz.runs = 24
    function testFuzz_PaysByTheScorePerSample(
        uint256 peering,
        uint256 penaltyWad,
        uint256 scaleWad,
        uint256 funds,
        uint256 noise
    ) public {
        task.peering = uint8(peering % 2);
        task.penaltyWad = uint64(penaltyWad % 3e18);
        task.rewardScaleWad = uint64(1 + (scaleWad % 0.99e18));
        task.samplesPerRound = 100;
        noisePercent = noise % 101;
        funds %= 10 ether;
        _openFirstRound(6);
        for (uint256 i; i < 5; ++i) {
            _commit(_worker(i));
        }
        _endPhase();
        for (uint256 i; i < 5; ++i) {
            _reveal(_worker(i));
        }
        _aggregateAll();
        federation.fund{value: funds}();
        _requireShares(funds);
    }

    /// @dev One worker of the league does not commit.
    function _requireSharesWithAnIdleOneIn(uint256 league) private {
        task.samplesPerRound = 100;
        _openFirstRound(6);
        uint256 idle;
        while (federation.leagueOf(_worker(idle)) != league) {
            ++idle;
        }
        for (uint256 i; i < 6; ++i) {
            if (i != idle) _commit(_worker(i));
        }
        _endPhase();
        for (uint256 i; i < 6; ++i) {
            if (i != idle) _reveal(_worker(i));
        }
        _aggregateAll();
        _requireShares(0);
    }

    function test_PaysTheStakeOfAnIdleWorkerToItsLeague() public {
        _requireSharesWithAnIdleOneIn(0);
    }

    function test_PaysTheStakeOfAnIdleWorkerToTheOtherLeague() public {
        _requireSharesWithAnIdleOneIn(1);
    }

    function test_WithoutAPositiveScoreStakesGoBackAndThePotStays() public {
        task.penaltyWad = 15e18; // more than ten classes can earn
        _openFirstRound(6);
        federation.fund{value: 7}();
        _playRound();
        federation.settle();
        vm.assertEq(federation.pot(), 7);
        for (uint256 i; i < 6; ++i) {
            vm.assertEq(federation.balanceOf(_worker(i)), 1 ether);
            vm.assertEq(federation.rewardOf(1, _worker(i)), 0);
        }
    }

    function test_OpensTheNextRoundWithADecayedScale() public {
        _openFirstRound(6);
        _playRound();
        federation.settle();
        vm.assertEq(federation.round(), 2);
        vm.assertTrue(federation.phase() == IFederation.Phase.Commit);
        // Nobody commits: the idle pay ⌊λ₂ · D⌋, and the closing federation shares it equally.
        uint256[6] memory balances;
        uint256 paid = federation.pot();
        for (uint256 i; i < 6; ++i) {
            uint256 balance = federation.balanceOf(_worker(i));
            uint256 stake = balance < 0.45 ether ? balance : 0.45 ether;
            balances[i] = balance - stake;
            paid += stake;
        }
        _endPhase();
        uint256 active;
        for (uint256 i; i < 6; ++i) {
            if (balances[i] > 0) ++active;
        }
        for (uint256 i; i < 6; ++i) {
            uint256 share = balances[i] > 0 ? paid / active : 0;
            vm.assertEq(federation.balanceOf(_worker(i)), balances[i] + share);
        }
        vm.assertEq(federation.pot(), paid % active);
    }

    function test_ClosesAfterTheLastRound() public {
        task.rounds = 1;
        _openFirstRound(6);
        _playRound();
        federation.settle();
        vm.assertTrue(federation.phase() == IFederation.Phase.Closed);
        vm.assertEq(federation.deadline(), 0);
        vm.assertEq(federation.roster().length, 6);
    }

    function test_ClosesWhenTheAgreementIsReached() public {
        noisePercent = 0;
        task.stopAgreementWad = 1e18;
        _openFirstRound(6);
        _playRound();
        federation.settle();
        vm.assertTrue(federation.phase() == IFederation.Phase.Closed);
    }

    function test_RevertGiven_ChunksAreMissing() public {
        _openFirstRound(6);
        _commitAll();
        _revealAll();
        _aggregate(1);
        vm.expectRevert(abi.encodeWithSelector(IFederation.ChunksMissing.selector, 2, 1));
        federation.settle();
    }

    function test_RevertGiven_ThirtyDaysHavePassed() public {
        _openFirstRound(6);
        _playRound();
        uint256 deadline = federation.deadline();
        vm.warp(deadline);
        vm.expectRevert(
            abi.encodeWithSelector(IFederation.DeadlinePassed.selector, deadline, deadline)
        );
        federation.settle();
    }

    function test_RevertGiven_AnotherPhase() public {
        _openFirstRound(6);
        vm.expectRevert(
            abi.encodeWithSelector(
                IFederation.WrongPhase.selector,
                IFederation.Phase.Aggregate,
                IFederation.Phase.Commit
            )
        );
        federation.settle();
    }
}

contract AdvanceTest is FederationTest {
    function _requirePhase(IFederation.Phase phase) private view {
        vm.assertTrue(federation.phase() == phase);
    }

    function test_OpensRoundOneWithFewerThanTheMost() public {
        _openFirstRound(4);
        _requirePhase(IFederation.Phase.Commit);
        vm.assertEq(federation.roster().length, 4);
    }

    function test_ClosesWithTooFewRegistered() public {
        _deploy();
        _registerAll(3);
        vm.warp(federation.deadline());
        vm.expectEmit(address(federation));
        emit IFederation.Closed();
        federation.advance();
        _requirePhase(IFederation.Phase.Closed);
        vm.assertEq(federation.round(), 0);
        vm.assertEq(federation.balanceOf(_worker(0)), 1 ether);
    }

    function test_EndsCommitWithThoseWhoCommitted() public {
        _openFirstRound(6);
        for (uint256 i; i < 5; ++i) {
            _commit(_worker(i));
        }
        _endPhase();
        _requirePhase(IFederation.Phase.Reveal);
        vm.assertEq(federation.deadline(), block.timestamp + 3000);
    }

    function test_VoidsARoundWithTooFewCommitsAndChargesTheIdle() public {
        _openFirstRound(6);
        for (uint256 i; i < 3; ++i) {
            _commit(_worker(i));
        }
        vm.warp(federation.deadline());
        vm.expectEmit(address(federation));
        emit IFederation.RoundVoided(1);
        federation.advance();
        _requirePhase(IFederation.Phase.Commit);
        vm.assertEq(federation.round(), 2);
        vm.assertEq(federation.pot(), 1.5 ether);
        vm.assertEq(federation.balanceOf(_worker(0)), 1 ether);
        vm.assertEq(federation.balanceOf(_worker(5)), 0.5 ether);
        vm.assertEq(federation.rewardOf(1, _worker(0)), 0);
    }

    function _commitOneLeague(uint256 league, uint256 most) private {
        task.maxWorkers = 10;
        _openFirstRound(10);
        uint256 commits;
        for (uint256 i; i < 10 && commits < most; ++i) {
            if (federation.leagueOf(_worker(i)) != league) continue;
            _commit(_worker(i));
            ++commits;
        }
        _endPhase();
        vm.assertEq(federation.round(), 2);
        vm.assertEq(federation.pot(), (10 - most) * 0.5 ether);
    }

    function test_VoidsARoundInWhichOnlySomeOfALeagueCommitted() public {
        _commitOneLeague(0, 4);
    }

    function test_VoidsARoundInWhichALeagueDidNotCommit() public {
        _commitOneLeague(0, 5);
    }

    function test_VoidsARoundInWhichTheOtherLeagueDidNotCommit() public {
        _commitOneLeague(1, 5);
    }

    function test_OpensRevealWithFewCommitsInBothLeagues() public {
        task.maxWorkers = 10;
        _openFirstRound(10);
        uint256[2] memory commits;
        for (uint256 i; i < 10; ++i) {
            if (commits[federation.leagueOf(_worker(i))]++ < 2) _commit(_worker(i));
        }
        _endPhase();
        _requirePhase(IFederation.Phase.Reveal);
    }

    function test_OpensRevealWithCommitsFromAnywhereWithoutLeagues() public {
        task.peering = 0;
        task.minWorkers = 3;
        task.maxWorkers = 8;
        _openFirstRound(8);
        for (uint256 i; i < 8; ++i) {
            if (federation.leagueOf(_worker(i)) == 0) _commit(_worker(i)); // every other position
        }
        _endPhase();
        _requirePhase(IFederation.Phase.Reveal);
    }

    function _revealOneLeague(uint256 league) private {
        task.maxWorkers = 10;
        _openFirstRound(10);
        _commitAll();
        for (uint256 i; i < 10; ++i) {
            if (federation.leagueOf(_worker(i)) == league) _reveal(_worker(i));
        }
        _endPhase();
        _requirePhase(IFederation.Phase.Commit);
        vm.assertEq(federation.round(), 2);
        vm.assertEq(federation.roster().length, 5);
        vm.assertEq(federation.pot(), 5 ether);
    }

    function test_VoidsARoundInWhichALeagueDidNotReveal() public {
        _revealOneLeague(0);
    }

    function test_VoidsARoundInWhichTheOtherLeagueDidNotReveal() public {
        _revealOneLeague(1);
    }

    function test_SlashesWhoDidNotReveal() public {
        _openFirstRound(6);
        _commitAll();
        for (uint256 i; i < 5; ++i) {
            _reveal(_worker(i));
        }
        vm.warp(federation.deadline());
        vm.expectEmit(address(federation));
        emit IFederation.Slashed(1, _worker(5), 1 ether, IFederation.SlashReason.Withheld);
        federation.advance();
        _requirePhase(IFederation.Phase.Aggregate);
        vm.assertTrue(federation.isExcluded(_worker(5)));
        vm.assertEq(federation.balanceOf(_worker(5)), 0);
        vm.assertEq(federation.pot(), 1 ether);
    }

    function test_SlashesALiarOnce() public {
        _openFirstRound(6);
        Opening memory lie = _opening(_worker(0));
        ++lie.labelCount[0];
        bytes32 commitment = _commitment(_worker(0), lie);
        vm.prank(_worker(0));
        federation.commit(commitment);
        for (uint256 i = 1; i < 6; ++i) {
            _commit(_worker(i));
        }
        _reveal(_worker(0), lie);
        for (uint256 i = 1; i < 5; ++i) {
            _reveal(_worker(i));
        }
        vm.warp(federation.deadline());
        vm.recordLogs();
        federation.advance();
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 2);
        vm.assertEq(logs[0].topics[2], bytes32(uint256(uint160(_worker(5)))));
        vm.assertEq(federation.pot(), 2 ether);
    }

    function test_VoidsARoundWithTooFewReveals() public {
        _openFirstRound(6);
        _commitAll();
        for (uint256 i; i < 3; ++i) {
            _reveal(_worker(i));
        }
        _endPhase();
        // Three are slashed, three are left, fewer than four: closed, and the pot is shared.
        _requirePhase(IFederation.Phase.Closed);
        vm.assertEq(federation.balanceOf(_worker(0)), 2 ether);
        vm.assertEq(federation.pot(), 0);
    }

    function test_VoidsAnAggregationThatTookThirtyDays() public {
        _openFirstRound(6);
        _playRound();
        vm.assertEq(federation.deadline(), block.timestamp + 30 days);
        _endPhase();
        vm.assertEq(federation.round(), 2);
        for (uint256 i; i < 6; ++i) {
            vm.assertEq(federation.balanceOf(_worker(i)), 1 ether);
            vm.assertEq(federation.rewardOf(1, _worker(i)), 0);
        }
    }

    function test_RevertGiven_TheWindowIsOpen() public {
        _deploy();
        uint256 deadline = federation.deadline();
        vm.warp(deadline - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IFederation.DeadlineNotReached.selector, deadline, deadline - 1)
        );
        federation.advance();
    }

    function test_RevertGiven_Closed() public {
        _deploy();
        _endPhase();
        vm.expectRevert(IFederation.FederationClosed.selector);
        federation.advance();
    }
}

contract FundTest is FederationTest {
    function setUp() public {
        vm.deal(address(this), 3 ether);
    }

    function test_AddsToThePot() public {
        _openFirstRound(6);
        vm.expectEmit(address(federation));
        emit IFederation.Funded(address(this), 2 ether);
        federation.fund{value: 2 ether}();
        vm.assertEq(federation.pot(), 2 ether);
    }

    function test_RevertGiven_Registration() public {
        _deploy();
        vm.expectRevert(IFederation.NoRound.selector);
        federation.fund{value: 1}();
    }

    function test_RevertGiven_Closed() public {
        _deploy();
        _endPhase();
        vm.expectRevert(IFederation.FederationClosed.selector);
        federation.fund{value: 1}();
    }

    function test_RevertWhen_SentWithoutACall() public {
        _openFirstRound(6);
        (bool isSent,) = address(federation).call{value: 1}("");
        vm.assertFalse(isSent);
    }
}

/// @dev Takes its money only once, and asks for it twice.
contract Reentrant {
    IFederation private immutable _federation;
    bool public hasPaidTwice;

    constructor(IFederation federation) {
        _federation = federation;
    }

    receive() external payable {
        try _federation.withdraw() {
            hasPaidTwice = true;
        } catch {}
    }
}

contract WithdrawTest is FederationTest {
    /// @dev Three registered, too few: closed.
    function setUp() public {
        _deploy();
        _registerAll(3);
        _endPhase();
    }

    function test_PaysTheWholeBalanceOnce() public {
        vm.expectEmit(address(federation));
        emit IFederation.Withdrawn(_worker(0), 1 ether);
        vm.prank(_worker(0));
        federation.withdraw();
        vm.assertEq(_worker(0).balance, 1 ether);
        vm.assertEq(federation.balanceOf(_worker(0)), 0);
        vm.expectRevert(abi.encodeWithSelector(IFederation.NothingToWithdraw.selector, _worker(0)));
        vm.prank(_worker(0));
        federation.withdraw();
    }

    function test_AReceiverThatCallsBackGetsNoMore() public {
        vm.etch(_worker(0), address(new Reentrant(federation)).code);
        vm.prank(_worker(0));
        federation.withdraw();
        vm.assertEq(_worker(0).balance, 1 ether);
        vm.assertFalse(Reentrant(payable(_worker(0))).hasPaidTwice());
        vm.assertEq(address(federation).balance, 2 ether);
    }

    function test_RevertWhen_TheReceiverRefuses() public {
        vm.etch(_worker(0), hex"5f5ffd");
        vm.expectRevert(
            abi.encodeWithSelector(IFederation.PaymentFailed.selector, _worker(0), 1 ether)
        );
        vm.prank(_worker(0));
        federation.withdraw();
    }

    function test_RevertWhen_ThereIsNothing() public {
        vm.expectRevert(
            abi.encodeWithSelector(IFederation.NothingToWithdraw.selector, address(this))
        );
        federation.withdraw();
    }

    function test_RevertGiven_NotClosed() public {
        _deploy();
        _register(0);
        vm.expectRevert(
            abi.encodeWithSelector(
                IFederation.WrongPhase.selector,
                IFederation.Phase.Closed,
                IFederation.Phase.Registration
            )
        );
        vm.prank(_worker(0));
        federation.withdraw();
    }
}
