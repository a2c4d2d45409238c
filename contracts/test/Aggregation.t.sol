// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IFederation} from "../src/interfaces/IFederation.sol";
import {FederationTest} from "./FederationTest.sol";
import {Plain} from "./Plain.sol";

contract AggregateTest is FederationTest {
    /// @dev Six workers, of whom worker 5 did not commit, at the start of aggregation.
    function _openAggregation() private {
        _openFirstRound(6);
        for (uint256 i; i < 5; ++i) {
            _commit(_worker(i));
        }
        _endPhase();
        for (uint256 i; i < 5; ++i) {
            _reveal(_worker(i));
        }
    }

    /// @dev Scores, majority and agreement of a whole round against the plain computation.
    function _requirePlainResults() private view {
        address[] memory workers = federation.roster();
        uint256 n = workers.length;
        bool[] memory revealed = new bool[](n);
        uint256[][] memory counts = new uint256[][](n);
        for (uint256 i; i < n; ++i) {
            revealed[i] = federation.labelsRootOf(1, workers[i]) != 0;
            counts[i] = new uint256[](task.classes);
            if (!revealed[i]) continue;
            uint32[] memory count = federation.labelCountOf(1, workers[i]);
            for (uint256 x; x < count.length; ++x) {
                counts[i][x] = count[x];
            }
        }
        int256[] memory scores = new int256[](n);
        uint256 chunks = federation.chunks();
        for (uint256 q; q < chunks; ++q) {
            uint256[][] memory labels = _labelsOf(q, workers, revealed);
            uint256 samples = _chunkLabels(workers[0], q).length;
            (uint256[] memory winners,,) = Plain.majority(labels, samples, task.classes);
            vm.assertEq(
                federation.globalLabelsHash(1, q), keccak256(Plain.pack(winners, task.classes))
            );
            for (uint256 i; i < n; ++i) {
                if (labels[i].length == 0) continue;
                bool[] memory peers = _peersOf(i, workers);
                scores[i] += Plain.score(i, labels, peers, counts, task.penaltyWad);
            }
        }
        for (uint256 i; i < n; ++i) {
            vm.assertEq(federation.scoreOf(1, workers[i]), scores[i], "score");
        }
    }

    function _labelsOf(uint256 chunk, address[] memory workers, bool[] memory revealed)
        private
        view
        returns (uint256[][] memory labels)
    {
        labels = new uint256[][](workers.length);
        address[] memory members = federation.committeeOf(chunk);
        for (uint256 i; i < workers.length; ++i) {
            for (uint256 k; k < members.length; ++k) {
                if (members[k] == workers[i] && revealed[i]) {
                    labels[i] = _chunkLabels(workers[i], chunk);
                }
            }
        }
    }

    function _peersOf(uint256 i, address[] memory workers)
        private
        view
        returns (bool[] memory peers)
    {
        peers = new bool[](workers.length);
        for (uint256 k; k < workers.length; ++k) {
            peers[k] = task.peering == 0
                ? k != i
                : federation.leagueOf(workers[k]) != federation.leagueOf(workers[i]);
        }
    }

    /// forge-config: default.fuzz.runs = 24
    function testFuzz_ScoresAndMajorityAreThoseOfTheProtocol(
        uint256 n,
        uint256 m,
        uint256 classes,
        uint256 peering,
        uint256 committee,
        uint256 absent,
        uint256 chance
    ) public {
        task.peering = uint8(peering % 2);
        task.minWorkers = 3 + task.peering;
        n = task.minWorkers + (n % (13 - task.minWorkers));
        task.maxWorkers = uint16(n);
        task.samplesPerRound = uint32(1 + (m % 600));
        task.classes = uint16(2 + (classes % 39));
        committee = 2 * (committee % 3);
        bool isLarge = committee <= n && ((task.samplesPerRound + 255) / 256) * committee >= n;
        task.committee = isLarge ? uint16(committee) : 0;
        task.penaltyWad = uint64(chance % 2e18);
        abstainPercent = chance % 101;
        noisePercent = (chance >> 64) % 101;
        _openFirstRound(n);
        address[] memory workers = federation.roster();
        bool isAbsent = n > task.minWorkers; // one does not commit, if the others are enough
        for (uint256 i; i < n; ++i) {
            if (!isAbsent || i != absent % n) _commit(workers[i]);
        }
        if (isAbsent) _endPhase();
        for (uint256 i; i < n; ++i) {
            if (!isAbsent || i != absent % n) _reveal(workers[i]);
        }
        _aggregateAll();
        _requirePlainResults();
    }

    /// @dev Most of a class that its counts have room for: all agree, in more samples than a chunk has,
    /// and more workers than a round needs. A count that ran over would be another's, and scores with it.
    function test_CountsAreWholeWhereAllAgree() public {
        task.peering = 0;
        task.minWorkers = 3;
        task.maxWorkers = 9;
        task.classes = 2;
        task.samplesPerRound = 1024;
        abstainPercent = 0;
        noisePercent = 0;
        _openFirstRound(9);
        _commitAll();
        _revealAll();
        uint32[] memory counts = _opening(_worker(0)).labelCount;
        for (uint256 i; i < 9; ++i) {
            uint32[] memory kept = federation.labelCountOf(1, _worker(i));
            vm.assertEq(abi.encode(kept), abi.encode(counts), "own");
        }
        _aggregateAll();
        // A = 720720 for each of the class's samples, and T / g = 1024 / own
        int256 score = -1024 * 1e18;
        for (uint256 q; q < 4; ++q) {
            uint256[2] memory found;
            uint256[] memory labels = _chunkLabels(_worker(0), q);
            for (uint256 s; s < 256; ++s) {
                ++found[labels[s]];
            }
            score += int256(found[0] * 1024e18 / counts[0] + found[1] * 1024e18 / counts[1]);
        }
        vm.assertEq(federation.scoreOf(1, _worker(0)), score, "score");
    }

    function test_PublishesTheGlobalLabels() public {
        _openAggregation();
        (bytes[] memory labels, bytes32[][] memory proofs) = _entries(1);
        vm.recordLogs();
        federation.aggregate(1, labels, proofs);
        (address keeper, bytes memory globalLabels) =
            abi.decode(vm.getRecordedLogs()[0].data, (address, bytes));
        vm.assertEq(keeper, address(this));
        vm.assertEq(federation.globalLabelsHash(1, 1), keccak256(globalLabels));
        vm.assertEq(globalLabels.length, 128);
    }

    function test_RevertGiven_TheChunkIsAggregated() public {
        _openAggregation();
        _aggregate(0);
        (bytes[] memory labels, bytes32[][] memory proofs) = _entries(0);
        vm.expectRevert(abi.encodeWithSelector(IFederation.AlreadyAggregated.selector, 1, 0));
        federation.aggregate(0, labels, proofs);
    }

    function test_RevertWhen_ThereIsNoSuchChunk() public {
        _openAggregation();
        bytes memory reason = abi.encodeWithSelector(IFederation.NoSuchChunk.selector, 2, 2);
        vm.expectRevert(reason);
        federation.aggregate(2, new bytes[](6), new bytes32[][](6));
        vm.expectRevert(reason);
        federation.committeeOf(2);
    }

    function test_RevertWhen_LabelsAreAltered() public {
        _openAggregation();
        (bytes[] memory labels, bytes32[][] memory proofs) = _entries(0);
        address[] memory members = federation.committeeOf(0);
        uint256 i = labels[0].length == 0 ? 1 : 0;
        labels[i][7] ^= 0x01;
        vm.expectRevert(
            abi.encodeWithSelector(
                IFederation.LabelsNotRevealed.selector,
                0,
                members[i],
                federation.labelsRootOf(1, members[i])
            )
        );
        federation.aggregate(0, labels, proofs);
    }

    function test_RevertWhen_TheLabelsAreOfAnotherChunkOrWorker() public {
        _openAggregation();
        (bytes[] memory labels, bytes32[][] memory proofs) = _entries(0);
        vm.expectPartialRevert(IFederation.LabelsNotRevealed.selector);
        federation.aggregate(1, labels, proofs);
        (labels[0], labels[1], labels[2]) = (labels[2], labels[0], labels[1]);
        (proofs[0], proofs[1], proofs[2]) = (proofs[2], proofs[0], proofs[1]);
        vm.expectRevert();
        federation.aggregate(0, labels, proofs);
    }

    function test_RevertWhen_LabelsAreAlteredAfterTheFirstChunk() public {
        task.samplesPerRound = 900;
        _openAggregation();
        _aggregate(2);
        for (uint256 q; q < 2; ++q) {
            (bytes[] memory labels, bytes32[][] memory proofs) = _entries(q);
            for (uint256 i; i < 6; ++i) {
                if (labels[i].length == 0) continue;
                labels[i][7] ^= 0x01;
                vm.expectRevert(
                    abi.encodeWithSelector(
                        IFederation.LabelsNotRevealed.selector,
                        q,
                        federation.committeeOf(q)[i],
                        federation.labelsRootOf(1, federation.committeeOf(q)[i])
                    )
                );
                federation.aggregate(q, labels, proofs);
                labels[i][7] ^= 0x01;
            }
            federation.aggregate(q, labels, proofs);
        }
        _aggregate(3);
        _requirePlainResults();
        federation.settle();
    }

    function test_RevertWhen_AnEntryIsMissingOrTooMuch() public {
        _openAggregation();
        (bytes[] memory labels, bytes32[][] memory proofs) = _entries(0);
        address[] memory members = federation.committeeOf(0);
        for (uint256 i; i < 6; ++i) {
            bytes memory entry = labels[i];
            bool isAbsent = entry.length == 0;
            labels[i] = isAbsent ? bytes(hex"ff") : bytes("");
            vm.expectRevert(
                abi.encodeWithSelector(
                    isAbsent
                        ? IFederation.UnexpectedLabels.selector
                        : IFederation.MissingLabels.selector,
                    0,
                    members[i]
                )
            );
            federation.aggregate(0, labels, proofs);
            labels[i] = entry;
        }
        federation.aggregate(0, labels, proofs);
    }

    function test_RevertWhen_ThereIsNotOneEntryPerMember() public {
        _openAggregation();
        vm.expectRevert(abi.encodeWithSelector(IFederation.WrongEntryCount.selector, 6, 5, 6));
        federation.aggregate(0, new bytes[](5), new bytes32[][](6));
        vm.expectRevert(abi.encodeWithSelector(IFederation.WrongEntryCount.selector, 6, 6, 7));
        federation.aggregate(0, new bytes[](6), new bytes32[][](7));
    }

    function test_RevertGiven_ThirtyDaysHavePassed() public {
        _openAggregation();
        (bytes[] memory labels, bytes32[][] memory proofs) = _entries(0);
        uint256 deadline = federation.deadline();
        vm.warp(deadline);
        vm.expectRevert(
            abi.encodeWithSelector(IFederation.DeadlinePassed.selector, deadline, deadline)
        );
        federation.aggregate(0, labels, proofs);
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
        federation.aggregate(0, new bytes[](6), new bytes32[][](6));
    }

    function test_RevertGiven_NoRoundYet() public {
        _deploy();
        vm.expectRevert(IFederation.NoRound.selector);
        federation.committeeOf(0);
        vm.expectRevert(IFederation.NoRound.selector);
        federation.leagueOf(address(this));
    }

    function test_RevertWhen_AskedForTheLeagueOfAStranger() public {
        _openFirstRound(6);
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotOnRoster.selector, 1, address(this)));
        federation.leagueOf(address(this));
    }
}
