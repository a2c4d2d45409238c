// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {PeerTruthSerum} from "../../src/PeerTruthSerum.sol";

/// @notice The ways of counting and scoring, side by side.
interface ISerums {
    /// @dev By pairs or by masked votes where they may be used; elsewhere the same as `plain`.
    function sliced(bytes[] calldata labels, uint256 groups, PeerTruthSerum.Chunk memory chunk)
        external
        pure
        returns (PeerTruthSerum.Outcome memory);
    function plain(bytes[] calldata labels, uint256 groups, PeerTruthSerum.Chunk memory chunk)
        external
        pure
        returns (PeerTruthSerum.Outcome memory);
    function countSliced(bytes calldata labels, uint256 bits, uint256 classes)
        external
        pure
        returns (uint256[] memory counts, uint256 valid);
    function countTallied(bytes calldata labels, uint256 bits, uint256 classes)
        external
        pure
        returns (uint256[] memory counts, uint256 valid);
}
