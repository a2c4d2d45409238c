// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {DynamicArrayLib} from "solady/utils/DynamicArrayLib.sol";
import {IFederation} from "./interfaces/IFederation.sol";

/// @title Labels as bit planes
/// @notice A group is 256 samples in B words: word 0 holds the most significant bit of every label,
/// word B−1 the least; sample s of the group is bit 255 − s of each word. ABSTAIN is 2^B − 1.
library PackedLabels {
    using DynamicArrayLib for uint256[];

    uint256 internal constant GROUP_SAMPLES = 256;
    uint256 internal constant WORD_BYTES = 32;

    /// @return bits bit length of `classes`, B
    function labelBits(uint256 classes) internal pure returns (uint256 bits) {
        for (; classes > 0; classes >>= 1) {
            ++bits;
        }
    }

    /// @return the code that says "no label", 2^B − 1
    function abstain(uint256 bits) internal pure returns (uint256) {
        return (1 << bits) - 1;
    }

    /// @return number of groups that hold `samples` samples
    function groupsFor(uint256 samples) internal pure returns (uint256) {
        return (samples + GROUP_SAMPLES - 1) / GROUP_SAMPLES;
    }

    /// @return size of `samples` packed samples, in bytes
    function packedBytes(uint256 samples, uint256 bits) internal pure returns (uint256) {
        return groupsFor(samples) * bits * WORD_BYTES;
    }

    /// @notice The B words of one group.
    /// @param planes B words to write to
    function readPlanes(bytes calldata labels, uint256 group, uint256[] memory planes)
        internal
        pure
    {
        unchecked {
            uint256 offset = group * planes.length * WORD_BYTES;
            for (uint256 b; b < planes.length; ++b) {
                planes[b] = uint256(bytes32(labels[offset + b * WORD_BYTES:]));
            }
        }
    }

    /// @notice The samples of a group that carry `code`, one bit each.
    function maskOf(uint256[] memory planes, uint256 code) internal pure returns (uint256 mask) {
        unchecked {
            mask = type(uint256).max;
            for (uint256 b = planes.length; b > 0; code >>= 1) {
                --b;
                mask &= planes.get(b) ^ ((code & 1) - 1); // the plane, or its complement for a 0
            }
        }
    }

    /// @notice Reverts unless ABSTAIN pads the last group.
    /// @param samples how many samples the labels hold
    function requirePadded(bytes calldata labels, uint256 samples, uint256 bits) internal pure {
        uint256 padding = type(uint256).max >> (samples % GROUP_SAMPLES);
        uint256[] memory planes = new uint256[](bits);
        readPlanes(labels, groupsFor(samples) - 1, planes);
        uint256 actual = maskOf(planes, abstain(bits)) & padding;
        if (actual != padding) revert IFederation.PaddingNotAbstain(padding, actual);
    }
}
