// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Assignment} from "../../src/Assignment.sol";
import {Lanes} from "../../src/Lanes.sol";
import {Limits} from "../../src/Limits.sol";
import {PackedLabels} from "../../src/PackedLabels.sol";
import {Recount} from "../../src/Recount.sol";
import {ILibraries} from "./ILibraries.sol";

/// @dev Compiled with the settings of `src`; the tests deploy it by name.
contract Libraries is ILibraries {
    function rosterIndex(bytes32 seed, uint256 n, uint256 position)
        external
        pure
        returns (uint256)
    {
        return Assignment.rosterIndex(seed, n, position);
    }

    function ringPosition(bytes32 seed, uint256 n, uint256 index) external pure returns (uint256) {
        return Assignment.ringPosition(seed, n, index);
    }

    function members(uint256 chunk, uint256 n, uint256 committee)
        external
        pure
        returns (uint256[] memory)
    {
        return Assignment.members(chunk, n, committee);
    }

    function chunksOf(uint256 position, uint256 n, uint256 committee, uint256 chunks)
        external
        pure
        returns (uint256[] memory)
    {
        return Assignment.chunksOf(position, n, committee, chunks);
    }

    function labelBits(uint256 classes) external pure returns (uint256) {
        return PackedLabels.labelBits(classes);
    }

    function count(bytes calldata labels, uint256 classes)
        external
        pure
        returns (uint256[] memory, uint256)
    {
        return Recount.count(labels, PackedLabels.labelBits(classes), classes);
    }

    function transpose(uint256[8] memory words, uint256 width)
        external
        pure
        returns (uint256[8] memory turned)
    {
        uint256 from;
        uint256 to;
        assembly ("memory-safe") {
            from := words
            to := turned
        }
        Lanes.transpose(from, to, width);
    }

    function revealGas(
        uint256 workers,
        uint256 groups,
        uint256 assigned,
        uint256 classes,
        uint256 countWords
    ) external pure returns (uint256) {
        return Limits.revealGas(workers, groups, assigned, classes, countWords);
    }

    function aggregateGas(
        uint256 members_,
        uint256 groups,
        uint256 assigned,
        uint256 classes,
        uint256 countWords,
        bool leagues
    ) external pure returns (uint256) {
        return Limits.aggregateGas(members_, groups, assigned, classes, countWords, leagues);
    }
}
