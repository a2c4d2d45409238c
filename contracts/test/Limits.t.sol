// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {LibBit} from "solady/utils/LibBit.sol";
import {FederationTest} from "./FederationTest.sol";
import {IFederation} from "../src/interfaces/IFederation.sol";
import {ILibraries} from "./harness/ILibraries.sol";

/// @dev Gas is measured in transactions of their own: cold storage, calldata and 21,000 included.
contract LimitsTest is FederationTest {
    ILibraries private libraries = ILibraries(vm.deployCode("Libraries.sol:Libraries", ""));
    mapping(address worker => uint256) private _order;

    /// @dev The dearest labels: all classes, each given by one voter of either league if there are
    /// enough, and some abstentions.
    function _label(uint256, address worker, uint256 sample)
        internal
        view
        override
        returns (uint256)
    {
        if ((_order[worker] * 7 + sample * 13) % 100 == 0) return task.classes;
        return (uint256(task.classes) * 1000 - 1 - _order[worker] + 7 * sample) % task.classes;
    }

    function _setTask(uint256 n, uint256 m, uint256 chunk, uint256 classes, uint256 committee)
        private
    {
        task.maxWorkers = uint16(n);
        task.samplesPerRound = uint32(m);
        task.chunkSamples = uint32(chunk);
        task.classes = uint16(classes);
        task.committee = uint16(committee);
    }

    function _groups(uint256 chunk) private view returns (uint256) {
        uint256 first = chunk * task.chunkSamples;
        uint256 rest = task.samplesPerRound - first;
        return ((rest < task.chunkSamples ? rest : task.chunkSamples) + 255) / 256;
    }

    /// @dev Hold `reveal` of the first and the last worker, and `aggregate` of chunk 0, against
    /// their bounds, which may exceed them by no more than `slackPercent`.
    function _requireBounds(uint256 slackPercent) private {
        uint256 n = task.maxWorkers;
        _deploy();
        _registerAll(n);
        address[] memory workers = federation.roster();
        uint256[2] memory inLeague;
        for (uint256 i; i < n; ++i) {
            uint256 league = task.peering == 1 ? federation.leagueOf(workers[i]) : i % 2;
            _order[workers[i]] = inLeague[league]++;
        }
        _commitAll();
        uint256 dearest;
        for (uint256 i; i < n; ++i) {
            _reveal(workers[i]);
            if (i > 0 && i < n - 1) continue;
            uint256 used = vm.lastCallGas().gasTotalUsed;
            vm.assertLe(used, _revealBound(workers[i]), "reveal");
            if (used > dearest) dearest = used;
        }
        uint256 withoutEnd = _revealBound(workers[0]) - 12_500 * n;
        vm.assertLe(withoutEnd, (dearest * (100 + slackPercent)) / 100, "reveal, slack");
        _aggregate(0);
        uint256 aggregated = vm.lastCallGas().gasTotalUsed;
        uint256 most = libraries.aggregateGas(
            federation.committeeOf(0).length,
            _groups(0),
            _chunksOf(workers[0]).length,
            task.classes,
            _words(uint256(task.samplesPerRound) * task.maxWorkers),
            task.peering == 1
        );
        vm.assertLe(aggregated, most, "aggregate");
        vm.assertLe(most, (aggregated * (100 + slackPercent)) / 100, "aggregate, slack");
    }

    /// @dev Words of storage that counts up to `most` take.
    function _words(uint256 most) private view returns (uint256) {
        uint256 perWord = 256 / (LibBit.fls(most) + 1);
        return (task.classes + perWord - 1) / perWord;
    }

    function _revealBound(address worker) private returns (uint256) {
        uint256[] memory assigned = _chunksOf(worker);
        uint256 groups;
        for (uint256 c; c < assigned.length; ++c) {
            groups += _groups(assigned[c]);
        }
        uint256 m = task.samplesPerRound;
        uint256 words = _words(m) + _words(m * task.maxWorkers);
        return libraries.revealGas(task.maxWorkers, groups, assigned.length, task.classes, words);
    }

    /// forge-config: default.isolate = true
    /// forge-config: default.fuzz.runs = 40
    function testFuzz_BoundsAreAboveTheMeasuredCostAndNear(
        uint256 n,
        uint256 m,
        uint256 classes,
        uint256 peering,
        uint256 committee
    ) public {
        peering %= 2;
        task.peering = uint8(peering);
        task.minWorkers = uint16(3 + peering);
        n = 3 + peering + (n % 8);
        m = 1 + (m % 1500);
        uint256 chunk = 256 * (1 + (classes % 3));
        committee = 2 * (committee % 3);
        bool isLarge = committee <= n && ((m + chunk - 1) / chunk) * committee >= n;
        _setTask(n, m, chunk, 2 + (classes % 50), isLarge ? committee : 0);
        _requireBounds(200); // small calls, of which the fixed part is most
    }

    /// forge-config: default.isolate = true
    function test_BoundsHoldForAThousandClasses() public {
        _setTask(4, 512, 512, 1000, 0);
        _requireBounds(150);
    }

    /// forge-config: default.isolate = true
    function test_BoundsHoldForAThousandClassesWithoutLeagues() public {
        task.peering = 0;
        _setTask(4, 256, 256, 1000, 0);
        _requireBounds(150);
    }

    /// forge-config: default.isolate = true
    function test_BoundsHoldForTenWorkersAndChunksOf1024() public {
        _setTask(10, 2000, 1024, 10, 0);
        _requireBounds(50);
    }

    /// forge-config: default.isolate = true
    function test_BoundsHoldForTenWorkersAndChunksOf8192() public {
        _setTask(10, 8192, 8192, 10, 0);
        _requireBounds(50);
    }

    /// @dev As many as are dealt with by patterns.
    /// forge-config: default.isolate = true
    function test_BoundsHoldForTwelveWorkersAndChunksOf4096() public {
        _setTask(12, 4096, 4096, 12, 0);
        _requireBounds(50);
    }

    /// forge-config: default.isolate = true
    function test_BoundsHoldFor32WorkersAndChunksOf512() public {
        _setTask(32, 512, 512, 10, 0);
        _requireBounds(50);
    }

    /// forge-config: default.isolate = true
    function test_BoundsHoldForRevealsOfManyGroups() public {
        _setTask(4, 16_384, 1024, 10, 0);
        _requireBounds(50);
    }

    /// forge-config: default.isolate = true
    function test_BoundsHoldForAHundredClasses() public {
        _setTask(4, 5120, 512, 100, 0);
        _requireBounds(75);
    }

    /// forge-config: default.isolate = true
    function test_BoundsHoldForAHundredClassesAndTenWorkers() public {
        _setTask(10, 512, 512, 100, 0);
        _requireBounds(40);
    }

    /// forge-config: default.isolate = true
    function test_BoundsHoldForAHundredClassesWithoutLeagues() public {
        task.peering = 0;
        _setTask(9, 256, 256, 100, 0);
        _requireBounds(60);
    }

    /// forge-config: default.isolate = true
    function test_BoundsHoldFor64Workers() public {
        _setTask(64, 256, 256, 10, 0);
        _requireBounds(45);
    }

    /// @dev Every sample would be worked on alone.
    function test_RefusesAHundredWorkersWithAHundredClasses() public {
        _setTask(100, 256, 256, 100, 0);
        vm.expectPartialRevert(IFederation.TransactionTooCostly.selector);
        _create();
    }

    function test_AcceptsAHundredWorkersWithTenClasses() public {
        _setTask(100, 40_000, 768, 10, 0);
        task.minWorkers = 100;
        _create();
    }

    function test_AcceptsThePapersExperiment() public {
        _setTask(10, 40_000, 1024, 10, 0);
        task.minWorkers = 10;
        _create();
    }

    function test_AcceptsTenToThirtyTwoWorkers() public {
        _setTask(32, 10_000, 512, 10, 0);
        _create();
    }

    function test_AcceptsCommitteesOfTwoOutOfAHundred() public {
        _setTask(100, 200_000, 1024, 10, 2);
        task.minWorkers = 20;
        _create();
    }

    /// forge-config: default.isolate = true
    function test_DeploymentFitsATransaction() public {
        _setTask(768, 200_000, 256, 10, 2);
        task.minWorkers = 20;
        bytes memory code = bytes.concat(vm.getCode("Federation.sol:Federation"), abi.encode(task));
        address created;
        uint256 gas = gasleft();
        assembly {
            created := create(0, add(code, 32), mload(code))
        }
        vm.assertLe(gas - gasleft(), 16_777_216);
        vm.assertTrue(created != address(0));
    }
}
