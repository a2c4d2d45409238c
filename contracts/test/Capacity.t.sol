// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IFederation} from "../src/interfaces/IFederation.sol";
import {FederationTest} from "./FederationTest.sol";
import {LibBit} from "solady/utils/LibBit.sol";

/// @dev The dearest transactions of the largest federation, each in a transaction of its own.
contract CapacityTest is FederationTest {
    /// @dev With 3 classes every code of 2 bits is well-formed, so noise is a chunk of labels.
    function _packedChunk(address worker, uint256 chunk)
        internal
        view
        override
        returns (bytes memory)
    {
        bytes32 noise = keccak256(abi.encode(federation.round(), worker, chunk));
        return abi.encode(noise, keccak256(abi.encode(noise)));
    }

    function _opening(address worker) internal override returns (Opening memory opening) {
        uint256[] memory assigned = _chunksOf(worker);
        opening.labelCount = new uint32[](3);
        for (uint256 i; i < assigned.length; ++i) {
            bytes memory packed = _packedChunk(worker, assigned[i]);
            (uint256 high, uint256 low) = abi.decode(packed, (uint256, uint256));
            opening.labels = bytes.concat(opening.labels, packed);
            opening.labelCount[0] += uint32(LibBit.popCount(~high & ~low));
            opening.labelCount[1] += uint32(LibBit.popCount(~high & low));
            opening.labelCount[2] += uint32(LibBit.popCount(high & ~low));
        }
    }

    function setUp() public {
        task.maxWorkers = 768;
        task.committee = 16;
        task.chunkSamples = 256;
        task.samplesPerRound = 48 * 256;
        task.classes = 3;
        task.penaltyWad = 0;
        task.rewardScaleWad = 1e18; // who earns nothing has nothing left and is dropped
        _deploy();
        _registerAll(767);
    }

    function _isInLeague0(address worker) private view returns (bool) {
        return federation.leagueOf(worker) == 0;
    }

    /// @dev The transaction before it.
    function _requireFits(string memory name) private {
        uint256 used = vm.lastCallGas().gasTotalUsed;
        vm.snapshotValue("Capacity", name, used);
        vm.assertLe(used, 16_777_216, name);
    }

    /// forge-config: default.isolate = true
    function test_TheLastRegistrationOpensTheRound() public {
        _register(767);
        _requireFits("register, opens round 1");
    }

    /// forge-config: default.isolate = true
    function test_AdvanceVoidsTheRoundAndDropsHalf() public {
        _register(767);
        address[] memory workers = federation.roster();
        for (uint256 i; i < 768; ++i) {
            if (_isInLeague0(workers[i])) _commit(workers[i]);
        }
        vm.warp(federation.deadline());
        federation.advance();
        _requireFits("advance, void in Commit");
        vm.assertEq(federation.roster().length, 384);
    }

    /// forge-config: default.isolate = true
    function test_AdvanceSlashesEverybody() public {
        _register(767);
        _commitAll();
        _requireFits("commit, opens Reveal");
        vm.warp(federation.deadline());
        federation.advance();
        _requireFits("advance, slashes everybody");
        vm.assertTrue(federation.phase() == IFederation.Phase.Closed);
    }

    /// forge-config: default.isolate = true
    function test_TheLastRevealVoidsTheRoundAndDropsHalf() public {
        _register(767);
        address[] memory workers = federation.roster();
        address liar;
        for (uint256 i; i < 768; ++i) {
            if (_isInLeague0(workers[i])) _commit(workers[i]);
            else liar = workers[i];
        }
        Opening memory lie = _opening(liar);
        ++lie.labelCount[0];
        bytes32 commitment = _commitment(liar, lie);
        vm.prank(liar);
        federation.commit(commitment);
        _endPhase();
        for (uint256 i; i < 768; ++i) {
            if (_isInLeague0(workers[i])) _reveal(workers[i]);
        }
        _reveal(liar, lie);
        _requireFits("reveal, void and next round");
        vm.assertEq(federation.roster().length, 384);
    }

    /// forge-config: default.isolate = true
    function test_SettlePaysEverybodyAndDropsHalf() public {
        task.penaltyWad = 1e18;
        _deploy();
        _registerAll(768);
        _playRound();
        federation.settle();
        _requireFits("settle, next round");
        vm.assertLe(federation.roster().length, 500);
    }

    /// forge-config: default.isolate = true
    function test_SettleClosesAndSharesThePot() public {
        task.rounds = 1;
        task.rewardScaleWad = 0.5e18;
        task.penaltyWad = 1.05e18; // the pot stays with the league that earns nothing
        _deploy();
        _registerAll(768);
        address[] memory workers = federation.roster();
        for (uint256 i; i < 768; ++i) {
            if (i % 2 == 0) _commit(workers[i]);
        }
        _endPhase();
        for (uint256 i; i < 768; ++i) {
            if (i % 2 == 0) _reveal(workers[i]);
        }
        vm.deal(address(this), 1 ether);
        federation.fund{value: 1 ether}();
        _aggregateAll();
        federation.settle();
        _requireFits("settle, closes");
    }
}
