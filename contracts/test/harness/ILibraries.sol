// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice The internal functions of `src`'s libraries, made callable.
interface ILibraries {
    function rosterIndex(bytes32 seed, uint256 n, uint256 position) external pure returns (uint256);
    function ringPosition(bytes32 seed, uint256 n, uint256 index) external pure returns (uint256);
    function members(uint256 chunk, uint256 n, uint256 committee)
        external
        pure
        returns (uint256[] memory);
    function chunksOf(uint256 position, uint256 n, uint256 committee, uint256 chunks)
        external
        pure
        returns (uint256[] memory);
    function labelBits(uint256 classes) external pure returns (uint256);
    function count(bytes calldata labels, uint256 classes)
        external
        pure
        returns (uint256[] memory counts, uint256 valid);
    function transpose(uint256[8] memory words, uint256 width)
        external
        pure
        returns (uint256[8] memory);
    function revealGas(
        uint256 workers,
        uint256 groups,
        uint256 assigned,
        uint256 classes,
        uint256 countWords
    ) external pure returns (uint256);
    function aggregateGas(
        uint256 members_,
        uint256 groups,
        uint256 assigned,
        uint256 classes,
        uint256 countWords,
        bool leagues
    ) external pure returns (uint256);
}
