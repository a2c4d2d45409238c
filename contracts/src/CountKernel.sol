// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Recount} from "./Recount.sol";

/// @title How many labels of every class there are
/// @notice Keeps nothing. One of the two contracts that all federations of a chain share: its address
/// follows from its code (`Kernels.sol`).
contract CountKernel {
    /// @notice See `Recount.count`.
    function count(bytes calldata labels, uint256 bits, uint256 classes)
        external
        pure
        returns (uint256[] memory counts, uint256 valid)
    {
        return Recount.count(labels, bits, classes);
    }
}
