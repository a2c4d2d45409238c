// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {COUNT_KERNEL, SCORE_KERNEL} from "../src/Kernels.sol";
import {IFederation} from "../src/interfaces/IFederation.sol";
import {Plain} from "./Plain.sol";
import {Vm} from "./Vm.sol";

/// @title What every test of the federation starts from
/// @notice Deploys the built artefact and plays any number of workers through its rounds. Workers'
/// labels are a function of (round, worker, sample), so that every test can compute them again.
abstract contract FederationTest {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 internal constant WAD = 1e18;
    /// @dev The deterministic deployment proxy, and the code that it has on every chain.
    address private constant PROXY = 0x4e59b44847b379578588920cA78FbF26c0B4956C;
    bytes private constant PROXY_CODE = hex"7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0"
        hex"3601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3";

    /// @dev What a worker commits to and opens.
    struct Opening {
        bytes labels;
        uint32[] labelCount;
        bytes32 salt;
    }

    IFederation internal federation;
    /// @dev Change it before `_deploy`.
    IFederation.Task internal task;
    /// @dev Of 100 labels, how many are left out, and how many of the others are drawn at random.
    uint256 internal abstainPercent = 10;
    uint256 internal noisePercent = 40;

    bytes32[] private _membersTree;
    mapping(uint256 round => bool) private _isStudied;
    mapping(uint256 round => mapping(address worker => uint256[])) private _assigned;

    constructor() {
        vm.etch(PROXY, PROXY_CODE);
        _putKernel(SCORE_KERNEL, "ScoreKernel.sol:ScoreKernel");
        _putKernel(COUNT_KERNEL, "CountKernel.sol:CountKernel");
        task.datasetHash = keccak256("public set");
        task.samplesPerRound = 300;
        task.chunkSamples = 256;
        task.classes = 10;
        task.peering = 1;
        task.minWorkers = 4;
        task.maxWorkers = 6;
        task.rounds = 2;
        task.depositWei = 1 ether;
        task.penaltyWad = 1e18;
        task.rewardScaleWad = 0.5e18;
        task.rewardDecayWad = 0.9e18;
        task.registrationSeconds = 1000;
        task.commitSeconds = 2000;
        task.revealSeconds = 3000;
        task.uri = "data:,";
    }

    /// @dev As it is done on any chain, once for all.
    function _putKernel(address kernel, string memory artefact) private {
        if (kernel.code.length > 0) return;
        (bool isDone,) = PROXY.call(bytes.concat(bytes32(0), vm.getCode(artefact)));
        vm.assertTrue(isDone && kernel.code.length > 0, artefact);
    }

    // -------------------------------------------------------------------------------- members

    /// @dev Members are more than can register: `maxWorkers` and 2 that come too late.
    function _deploy() internal {
        uint256 members = uint256(task.maxWorkers) + 2;
        bytes32[] memory leaves = new bytes32[](members);
        for (uint256 i; i < members; ++i) {
            leaves[i] = keccak256(bytes.concat(keccak256(abi.encode(_worker(i)))));
        }
        _membersTree = Plain.heap(leaves);
        task.membersRoot = _membersTree[0];
        federation = _create();
    }

    /// @dev Not by `vm.deployCode`: where that one fails as expected, the test ends and passes.
    function _create() internal returns (IFederation created) {
        bytes memory code = bytes.concat(vm.getCode("Federation.sol:Federation"), abi.encode(task));
        assembly {
            created := create(0, add(code, 0x20), mload(code))
            if iszero(created) {
                returndatacopy(0, 0, returndatasize())
                revert(0, returndatasize())
            }
        }
    }

    function _worker(uint256 i) internal pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode("worker", i)))));
    }

    function _memberProof(uint256 i) internal view returns (bytes32[] memory) {
        uint256 members = uint256(task.maxWorkers) + 2;
        return Plain.heapProof(_membersTree, 2 * members - 2 - i);
    }

    // ----------------------------------------------------------------------------- the phases

    function _register(uint256 i) internal {
        bytes32[] memory proof = _memberProof(i);
        vm.deal(_worker(i), task.depositWei);
        vm.prank(_worker(i));
        federation.register{value: task.depositWei}(proof);
    }

    function _registerAll(uint256 n) internal {
        for (uint256 i; i < n; ++i) {
            _register(i);
        }
    }

    /// @dev n workers in round 1.
    function _openFirstRound(uint256 n) internal {
        _deploy();
        _registerAll(n);
        if (n < task.maxWorkers) _endPhase();
    }

    function _commit(address worker) internal {
        bytes32 commitment = _commitment(worker, _opening(worker));
        vm.prank(worker);
        federation.commit(commitment);
    }

    function _commitAll() internal {
        address[] memory workers = federation.roster();
        for (uint256 i; i < workers.length; ++i) {
            _commit(workers[i]);
        }
    }

    function _reveal(address worker) internal {
        _reveal(worker, _opening(worker));
    }

    function _reveal(address worker, Opening memory opening) internal {
        vm.prank(worker);
        federation.reveal(opening.labels, opening.labelCount, opening.salt);
    }

    function _revealAll() internal {
        address[] memory workers = federation.roster();
        for (uint256 i; i < workers.length; ++i) {
            _reveal(workers[i]);
        }
    }

    function _aggregate(uint256 chunk) internal {
        (bytes[] memory labels, bytes32[][] memory proofs) = _entries(chunk);
        federation.aggregate(chunk, labels, proofs);
    }

    function _aggregateAll() internal {
        uint256 chunks = federation.chunks();
        for (uint256 chunk; chunk < chunks; ++chunk) {
            _aggregate(chunk);
        }
    }

    /// @dev Everybody does what is asked, up to the last chunk.
    function _playRound() internal {
        _commitAll();
        _revealAll();
        _aggregateAll();
    }

    function _endPhase() internal {
        vm.warp(federation.deadline());
        federation.advance();
    }

    // --------------------------------------------------------------------------------- labels

    /// @return a class, or C for no label
    function _label(uint256 round, address worker, uint256 sample)
        internal
        view
        virtual
        returns (uint256)
    {
        uint256 dice = uint256(keccak256(abi.encode(round, worker, sample)));
        if (dice % 100 < abstainPercent) return task.classes;
        if ((dice >> 64) % 100 < noisePercent) return (dice >> 128) % task.classes;
        return uint256(keccak256(abi.encode(round, sample))) % task.classes;
    }

    function _chunkLabels(address worker, uint256 chunk)
        internal
        view
        returns (uint256[] memory labels)
    {
        uint256 first = chunk * task.chunkSamples;
        uint256 end = first + task.chunkSamples;
        if (end > task.samplesPerRound) end = task.samplesPerRound;
        labels = new uint256[](end - first);
        uint256 round = federation.round();
        for (uint256 s; s < labels.length; ++s) {
            labels[s] = _label(round, worker, first + s);
        }
    }

    function _packedChunk(address worker, uint256 chunk)
        internal
        view
        virtual
        returns (bytes memory)
    {
        return Plain.pack(_chunkLabels(worker, chunk), task.classes);
    }

    /// @dev The chunks that a worker labels, read from the committees.
    function _chunksOf(address worker) internal returns (uint256[] memory) {
        uint256 round = federation.round();
        if (!_isStudied[round]) {
            uint256 chunks = federation.chunks();
            for (uint256 chunk; chunk < chunks; ++chunk) {
                address[] memory members = federation.committeeOf(chunk);
                for (uint256 i; i < members.length; ++i) {
                    _assigned[round][members[i]].push(chunk);
                }
            }
            _isStudied[round] = true;
        }
        return _assigned[round][worker];
    }

    function _opening(address worker) internal virtual returns (Opening memory opening) {
        uint256[] memory assigned = _chunksOf(worker);
        opening.labelCount = new uint32[](task.classes);
        opening.salt = keccak256(abi.encode("salt", federation.round(), worker));
        for (uint256 i; i < assigned.length; ++i) {
            uint256[] memory labels = _chunkLabels(worker, assigned[i]);
            opening.labels = bytes.concat(opening.labels, Plain.pack(labels, task.classes));
            for (uint256 s; s < labels.length; ++s) {
                if (labels[s] < task.classes) ++opening.labelCount[labels[s]];
            }
        }
    }

    function _commitment(address worker, Opening memory opening) internal view returns (bytes32) {
        uint256[] memory wide = new uint256[](opening.labelCount.length);
        for (uint256 class; class < wide.length; ++class) {
            wide[class] = opening.labelCount[class];
        }
        return keccak256(
            abi.encode(
                block.chainid,
                federation,
                federation.round(),
                worker,
                keccak256(opening.labels),
                keccak256(abi.encodePacked(wide)),
                opening.salt
            )
        );
    }

    /// @dev What `aggregate` takes: labels and proofs of the members that revealed.
    function _entries(uint256 chunk)
        internal
        returns (bytes[] memory labels, bytes32[][] memory proofs)
    {
        address[] memory members = federation.committeeOf(chunk);
        labels = new bytes[](members.length);
        proofs = new bytes32[][](members.length);
        for (uint256 i; i < members.length; ++i) {
            if (federation.labelsRootOf(federation.round(), members[i]) == 0) continue;
            uint256[] memory assigned = _chunksOf(members[i]);
            bytes32[] memory leaves = new bytes32[](assigned.length);
            uint256 place;
            for (uint256 c; c < assigned.length; ++c) {
                bytes memory packed = _packedChunk(members[i], assigned[c]);
                leaves[c] = keccak256(abi.encode(assigned[c], keccak256(packed)));
                if (assigned[c] != chunk) continue;
                place = c;
                labels[i] = packed;
            }
            (, proofs[i]) = Plain.rootAndProof(leaves, place);
        }
    }
}
