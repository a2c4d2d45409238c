// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {FederationTest} from "./FederationTest.sol";
import {LibBit} from "solady/utils/LibBit.sol";
import {Vm} from "./Vm.sol";

contract CapacityTest is FederationTest {
    event log_named_uint(string key, uint256 val);

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
        task.maxWorkers = 1024;
        task.committee = 16;
        task.chunkSamples = 256;
        task.samplesPerRound = 64 * 256;
        task.classes = 3;
        task.penaltyWad = 0;
        task.rewardScaleWad = 1e18;
        task.rewardDecayWad = 1e18;
        _deploy();
        _registerAll(1023);
    }

    function _show(string memory name) internal {
        Vm.Gas memory gas = vm.lastCallGas();
        emit log_named_uint(name, gas.gasTotalUsed);
        emit log_named_uint("   refunded", uint256(int256(gas.gasRefunded)));
    }

    /// forge-config: default.isolate = true
    function test_Open() public {
        _register(1023);
        _show("open");
        vm.warp(federation.deadline());
        federation.advance();
        _show("void idle");
    }

    /// forge-config: default.isolate = true
    function test_Settle() public {
        _register(1023);
        _commitAll();
        _show("commit last");
        _revealAll();
        _show("reveal last");
        _aggregateAll();
        _show("aggregate last");
        federation.settle();
        _show("settle");
    }

    /// forge-config: default.isolate = true
    function test_Slash() public {
        _register(1023);
        _commitAll();
        vm.warp(federation.deadline());
        federation.advance();
        _show("slash");
    }
}
