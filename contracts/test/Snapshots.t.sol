// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {FederationTest} from "./FederationTest.sol";

/// @dev What a round of ten workers costs, each call in a transaction of its own. The figures are in
/// `contracts/snapshots/Round.json`.
contract SnapshotsTest is FederationTest {
    function _snap(string memory name) private {
        vm.snapshotValue("Round", name, vm.lastCallGas().gasTotalUsed);
    }

    /// forge-config: default.isolate = true
    function test_ARoundOfTenWorkersAndTwoChunksOf1024() public {
        task.maxWorkers = 10;
        task.samplesPerRound = 2048;
        task.chunkSamples = 1024;
        _deploy();
        _register(0);
        _snap("register");
        for (uint256 i = 1; i < 10; ++i) {
            _register(i);
        }
        _snap("register, opens round 1");
        _commit(_worker(0));
        _snap("commit");
        for (uint256 i = 1; i < 10; ++i) {
            _commit(_worker(i));
        }
        _reveal(_worker(0));
        _snap("reveal, first");
        _reveal(_worker(1));
        _reveal(_worker(2));
        _reveal(_worker(3));
        _snap("reveal");
        for (uint256 i = 4; i < 10; ++i) {
            _reveal(_worker(i));
        }
        _aggregate(0);
        _snap("aggregate, 1024 samples");
        _aggregate(1);
        federation.settle();
        _snap("settle");
        vm.assertEq(federation.round(), 2);
    }
}
