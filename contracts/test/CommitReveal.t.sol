// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IFederation} from "../src/interfaces/IFederation.sol";
import {FederationTest} from "./FederationTest.sol";
import {Plain} from "./Plain.sol";

contract CommitTest is FederationTest {
    bytes32 private constant COMMITMENT = keccak256("commitment");

    function _send(address worker, bytes32 commitment) private {
        vm.prank(worker);
        federation.commit(commitment);
    }

    function test_KeepsTheCommitment() public {
        _openFirstRound(6);
        vm.expectEmit(address(federation));
        emit IFederation.Committed(1, _worker(0), COMMITMENT);
        _send(_worker(0), COMMITMENT);
        vm.assertEq(federation.commitmentOf(1, _worker(0)), COMMITMENT);
        vm.assertEq(federation.commitmentOf(1, _worker(1)), 0);
    }

    function test_TheLastOneOpensReveal() public {
        _openFirstRound(6);
        for (uint256 i; i < 5; ++i) {
            _send(_worker(i), COMMITMENT);
        }
        vm.expectEmit(address(federation));
        emit IFederation.RevealOpened(1, block.timestamp + 3000);
        _send(_worker(5), COMMITMENT);
        vm.assertTrue(federation.phase() == IFederation.Phase.Reveal);
    }

    function test_RevertWhen_TheCommitmentIsZero() public {
        _openFirstRound(6);
        vm.expectRevert(IFederation.EmptyCommitment.selector);
        _send(_worker(0), 0);
    }

    function test_RevertWhen_NotOnTheRoster() public {
        _openFirstRound(5);
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotOnRoster.selector, 1, _worker(5)));
        _send(_worker(5), COMMITMENT);
    }

    function test_RevertGiven_CommittedAlready() public {
        _openFirstRound(6);
        _send(_worker(0), COMMITMENT);
        vm.expectRevert(
            abi.encodeWithSelector(IFederation.AlreadyCommitted.selector, 1, _worker(0), COMMITMENT)
        );
        _send(_worker(0), keccak256("other"));
    }

    function test_RevertGiven_TheWindowIsOver() public {
        _openFirstRound(6);
        uint256 deadline = federation.deadline();
        vm.warp(deadline);
        vm.expectRevert(
            abi.encodeWithSelector(IFederation.DeadlinePassed.selector, deadline, deadline)
        );
        _send(_worker(0), COMMITMENT);
    }

    function test_RevertGiven_AnotherPhase() public {
        _deploy();
        _register(0);
        vm.expectRevert(
            abi.encodeWithSelector(
                IFederation.WrongPhase.selector,
                IFederation.Phase.Commit,
                IFederation.Phase.Registration
            )
        );
        _send(_worker(0), COMMITMENT);
    }
}

contract RevealTest is FederationTest {
    /// @dev Everybody commits honestly, except worker 0, who commits to `opening`.
    function _commitWith(Opening memory opening) private {
        bytes32 commitment = _commitment(_worker(0), opening);
        vm.prank(_worker(0));
        federation.commit(commitment);
        for (uint256 i = 1; i < 6; ++i) {
            _commit(_worker(i));
        }
    }

    function _requireRevert(Opening memory opening, bytes memory reason) private {
        vm.expectRevert(reason);
        _reveal(_worker(0), opening);
    }

    function test_PublishesTheLabelsAndKeepsTheirRoot() public {
        _openFirstRound(6);
        Opening memory opening = _opening(_worker(0));
        _commitWith(opening);
        vm.assertEq(
            federation.hashCommitment(
                1, _worker(0), opening.labels, opening.labelCount, opening.salt
            ),
            federation.commitmentOf(1, _worker(0))
        );
        vm.expectEmit(address(federation));
        emit IFederation.Revealed(1, _worker(0), opening.labelCount, opening.labels);
        _reveal(_worker(0), opening);

        bytes32[] memory leaves = new bytes32[](2);
        for (uint256 q; q < 2; ++q) {
            leaves[q] = keccak256(abi.encode(q, keccak256(_packedChunk(_worker(0), q))));
        }
        (bytes32 root,) = Plain.rootAndProof(leaves, 0);
        vm.assertEq(federation.labelsRootOf(1, _worker(0)), root);
        vm.assertEq(
            abi.encode(federation.labelCountOf(1, _worker(0))), abi.encode(opening.labelCount)
        );
    }

    function test_TheRootOfFiveChunksLeavesTheOddOnesToTheTop() public {
        task.samplesPerRound = 1280;
        _openFirstRound(6);
        _commitAll();
        _reveal(_worker(0));
        bytes32[] memory leaves = new bytes32[](5);
        for (uint256 q; q < 5; ++q) {
            leaves[q] = keccak256(abi.encode(q, keccak256(_packedChunk(_worker(0), q))));
        }
        (bytes32 root,) = Plain.rootAndProof(leaves, 0);
        vm.assertEq(federation.labelsRootOf(1, _worker(0)), root);
    }

    function test_TheLastOneOpensAggregation() public {
        _openFirstRound(6);
        _commitAll();
        for (uint256 i; i < 5; ++i) {
            _reveal(_worker(i));
        }
        Opening memory last = _opening(_worker(5));
        vm.expectEmit(address(federation));
        emit IFederation.AggregationOpened(1, 2);
        _reveal(_worker(5), last);
        vm.assertEq(federation.deadline(), block.timestamp + 30 days);
    }

    function test_AWrongLabelCountSlashesAndPublishesNothing() public {
        _openFirstRound(6);
        Opening memory opening = _opening(_worker(0));
        ++opening.labelCount[3];
        _commitWith(opening);
        vm.expectEmit(address(federation));
        emit IFederation.Slashed(1, _worker(0), 1 ether, IFederation.SlashReason.WrongLabelCount);
        _reveal(_worker(0), opening);
        vm.assertEq(federation.balanceOf(_worker(0)), 0);
        vm.assertEq(federation.pot(), 1 ether);
        vm.assertTrue(federation.isExcluded(_worker(0)));
        vm.assertEq(federation.labelsRootOf(1, _worker(0)), 0);
        vm.assertEq(federation.labelCountOf(1, _worker(0)).length, 0);
        _requireRevert(
            opening, abi.encodeWithSelector(IFederation.WorkerExcluded.selector, _worker(0))
        );
    }

    function test_RevertWhen_TheCommitmentIsCopied() public {
        _openFirstRound(6);
        Opening memory victims = _opening(_worker(1));
        bytes32 copied = _commitment(_worker(1), victims);
        vm.prank(_worker(0));
        federation.commit(copied);
        for (uint256 i = 1; i < 6; ++i) {
            _commit(_worker(i));
        }
        _reveal(_worker(1), victims);
        _requireRevert(
            victims,
            abi.encodeWithSelector(
                IFederation.CommitmentMismatch.selector, copied, _commitment(_worker(0), victims)
            )
        );
    }

    function test_RevertWhen_AnyPartOfTheOpeningIsAnother() public {
        _openFirstRound(6);
        Opening memory opening = _opening(_worker(0));
        _commitWith(opening);
        bytes32 commitment = federation.commitmentOf(1, _worker(0));
        for (uint256 part; part < 3; ++part) {
            Opening memory other = _opening(_worker(0));
            if (part == 0) other.labels[0] = ~other.labels[0];
            if (part == 1) ++other.labelCount[0];
            if (part == 2) other.salt = 0;
            bytes32 actual = _commitment(_worker(0), other);
            _requireRevert(
                other,
                abi.encodeWithSelector(IFederation.CommitmentMismatch.selector, commitment, actual)
            );
        }
    }

    function test_RevertWhen_CodesAreMalformed() public {
        _openFirstRound(6);
        Opening memory opening = _opening(_worker(0));
        // Of 10 classes: 10 to 14 are neither a class nor ABSTAIN.
        Plain.setCode(opening.labels, 4, 5, 10);
        Plain.setCode(opening.labels, 4, 280, 14);
        _commitWith(opening);
        _requireRevert(
            opening, abi.encodeWithSelector(IFederation.MalformedLabels.selector, 512, 510)
        );
    }

    function test_RevertWhen_PaddingIsNotAbstain() public {
        _openFirstRound(6);
        Opening memory opening = _opening(_worker(0));
        Plain.setCode(opening.labels, 4, 300, 2); // the first one past the 300 samples
        ++opening.labelCount[2];
        _commitWith(opening);
        uint256 padding = type(uint256).max >> 44;
        _requireRevert(
            opening,
            abi.encodeWithSelector(IFederation.PaddingNotAbstain.selector, padding, padding >> 1)
        );
    }

    function test_RevertWhen_TheLabelsAreTooLongOrTooShort() public {
        _openFirstRound(6);
        Opening memory opening = _opening(_worker(0));
        opening.labels = bytes.concat(opening.labels, hex"ff");
        _commitWith(opening);
        _requireRevert(
            opening, abi.encodeWithSelector(IFederation.WrongLabelsLength.selector, 256, 257)
        );
    }

    function test_RevertWhen_TheLabelCountHasAnotherLength() public {
        _openFirstRound(6);
        Opening memory opening = _opening(_worker(0));
        opening.labelCount = new uint32[](9);
        _commitWith(opening);
        _requireRevert(
            opening, abi.encodeWithSelector(IFederation.WrongLabelCountLength.selector, 10, 9)
        );
    }

    function test_RevertGiven_NotCommitted() public {
        _openFirstRound(6);
        for (uint256 i = 1; i < 6; ++i) {
            _commit(_worker(i));
        }
        _endPhase();
        _requireRevert(
            _opening(_worker(0)),
            abi.encodeWithSelector(IFederation.NotCommitted.selector, 1, _worker(0))
        );
    }

    function test_RevertGiven_RevealedAlready() public {
        _openFirstRound(6);
        _commitAll();
        Opening memory opening = _opening(_worker(0));
        _reveal(_worker(0), opening);
        _requireRevert(
            opening, abi.encodeWithSelector(IFederation.AlreadyRevealed.selector, 1, _worker(0))
        );
    }

    function test_RevertWhen_Early() public {
        _openFirstRound(6);
        Opening memory opening = _opening(_worker(0));
        _commit(_worker(0));
        _requireRevert(
            opening,
            abi.encodeWithSelector(
                IFederation.WrongPhase.selector, IFederation.Phase.Reveal, IFederation.Phase.Commit
            )
        );
    }

    function test_RevertWhen_Late() public {
        _openFirstRound(6);
        _commitAll();
        Opening memory opening = _opening(_worker(0));
        uint256 deadline = federation.deadline();
        vm.warp(deadline);
        _requireRevert(
            opening, abi.encodeWithSelector(IFederation.DeadlinePassed.selector, deadline, deadline)
        );
    }
}
