// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {DynamicArrayLib} from "solady/utils/DynamicArrayLib.sol";
import {LibBit} from "solady/utils/LibBit.sol";
import {IFederation} from "./interfaces/IFederation.sol";

/// @title Labels as bit planes
/// @notice A group is 256 samples in B words: word 0 holds the most significant bit of every label,
/// word B−1 the least; sample s of the group is bit 255 − s of each word. ABSTAIN is 2^B − 1.
/// @dev To look at single samples, a block of 16 is turned into one word of lanes: 16 codes of 16
/// bits, the first sample on top.
library PackedLabels {
    using DynamicArrayLib for uint256[];

    uint256 internal constant GROUP_SAMPLES = 256;
    uint256 internal constant BLOCK_SAMPLES = 16;
    uint256 internal constant GROUP_BLOCKS = 16;
    uint256 internal constant LANE_BITS = 16;
    uint256 internal constant LANE = 0xffff;
    uint256 internal constant WORD_BYTES = 32;

    /// @dev On the way from 16 bits to 16 lanes: pieces of 8, 4, 2 and 1 bits, evenly spread.
    uint256 private constant EIGHTS =
        0x000000000000000000000000000000ff000000000000000000000000000000ff;
    uint256 private constant FOURS =
        0x000000000000000f000000000000000f000000000000000f000000000000000f;
    uint256 private constant TWOS =
        0x0000000300000003000000030000000300000003000000030000000300000003;
    uint256 private constant ONES =
        0x0001000100010001000100010001000100010001000100010001000100010001;

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

    /// @notice Count the labels of every class, and how many codes are valid at all.
    /// @param labels whole groups
    /// @return counts per class, how many samples carry it
    /// @return valid how many codes are a class or ABSTAIN
    function count(bytes calldata labels, uint256 bits, uint256 classes)
        internal
        pure
        returns (uint256[] memory counts, uint256 valid)
    {
        unchecked {
            counts = new uint256[](classes);
            uint256[] memory planes = new uint256[](bits);
            uint256 groups = labels.length / (bits * WORD_BYTES);
            for (uint256 group; group < groups; ++group) {
                readPlanes(labels, group, planes);
                for (uint256 class; class < classes; ++class) {
                    uint256 found = LibBit.popCount(maskOf(planes, class));
                    counts[class] += found;
                    valid += found;
                }
                valid += LibBit.popCount(maskOf(planes, abstain(bits)));
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

    /// @notice The codes of one block of a group, as lanes.
    function lanesOf(uint256[] memory planes, uint256 block_)
        internal
        pure
        returns (uint256 lanes)
    {
        unchecked {
            uint256 shift = (GROUP_BLOCKS - 1 - block_) * BLOCK_SAMPLES;
            for (uint256 b; b < planes.length; ++b) {
                uint256 x = (planes.get(b) >> shift) & LANE;
                x = (x | (x << 120)) & EIGHTS;
                x = (x | (x << 60)) & FOURS;
                x = (x | (x << 30)) & TWOS;
                x = (x | (x << 15)) & ONES;
                lanes = (lanes << 1) | x;
            }
        }
    }

    /// @notice Write the lanes of one block to where it goes in the planes.
    /// @param planes the planes of all groups, all bits 0 where this block goes
    function writeLanes(
        uint256 lanes,
        uint256[] memory planes,
        uint256 group,
        uint256 block_,
        uint256 bits
    ) internal pure {
        unchecked {
            uint256 shift = (GROUP_BLOCKS - 1 - block_) * BLOCK_SAMPLES;
            for (uint256 b = bits; b > 0; lanes >>= 1) {
                --b;
                uint256 x = lanes & ONES;
                x = (x | (x >> 15)) & TWOS;
                x = (x | (x >> 30)) & FOURS;
                x = (x | (x >> 60)) & EIGHTS;
                x = (x | (x >> 120)) & LANE;
                planes[group * bits + b] |= x << shift;
            }
        }
    }
}
