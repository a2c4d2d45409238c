// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BitPlanes} from "../../src/BitPlanes.sol";
import {BitSlicedSerum} from "../../src/BitSlicedSerum.sol";
import {PackedLabels} from "../../src/PackedLabels.sol";
import {PeerTruthSerum} from "../../src/PeerTruthSerum.sol";
import {Recount} from "../../src/Recount.sol";
import {ISerums} from "./ISerums.sol";

/// @dev Compiled with the settings of `src`; the tests deploy it by name.
contract Serums is ISerums {
    function sliced(bytes[] calldata labels, uint256 groups, PeerTruthSerum.Chunk memory chunk)
        external
        pure
        returns (PeerTruthSerum.Outcome memory)
    {
        (bool isUniform, uint256 labelled) =
            BitSlicedSerum.compareLabelled(labels, groups, PackedLabels.labelBits(chunk.classes));
        return isUniform && labels.length <= BitPlanes.SEATS
            ? BitSlicedSerum.score(labels, groups, labelled, chunk)
            : PeerTruthSerum.score(labels, groups, chunk);
    }

    function plain(bytes[] calldata labels, uint256 groups, PeerTruthSerum.Chunk memory chunk)
        external
        pure
        returns (PeerTruthSerum.Outcome memory)
    {
        return PeerTruthSerum.score(labels, groups, chunk);
    }

    function countSliced(bytes calldata labels, uint256 bits, uint256 classes)
        external
        pure
        returns (uint256[] memory counts, uint256 valid)
    {
        return Recount.slice(labels, bits, classes);
    }

    function countTallied(bytes calldata labels, uint256 bits, uint256 classes)
        external
        pure
        returns (uint256[] memory counts, uint256 valid)
    {
        return Recount.tally(labels, bits, classes);
    }
}
