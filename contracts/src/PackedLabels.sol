// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {LibBit} from "solady/utils/LibBit.sol";
import {IFederation} from "./interfaces/IFederation.sol";

/// @title Labels as bit planes
/// @notice A group is 256 samples in B words: word 0 holds the most significant bit of every label,
/// word B−1 the least; sample s of the group is bit 255 − s of each word. ABSTAIN is 2^B − 1.
library PackedLabels {
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
    function planesOf(bytes calldata labels, uint256 group, uint256 bits)
        internal
        pure
        returns (uint256[] memory planes)
    {
        unchecked {
            planes = new uint256[](bits);
            uint256 offset = group * bits * WORD_BYTES;
            for (uint256 b; b < bits; ++b) {
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
                mask &= code & 1 == 1 ? planes[b] : ~planes[b];
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
            uint256 groups = labels.length / (bits * WORD_BYTES);
            for (uint256 group; group < groups; ++group) {
                uint256[] memory planes = planesOf(labels, group, bits);
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
        uint256[] memory planes = planesOf(labels, groupsFor(samples) - 1, bits);
        uint256 actual = maskOf(planes, abstain(bits)) & padding;
        if (actual != padding) revert IFederation.PaddingNotAbstain(padding, actual);
    }

    /// @notice The codes of one group, one a sample.
    /// @param codes 256 words to write to
    function unpack(uint256[] memory planes, uint256[] memory codes) internal pure {
        unchecked {
            for (uint256 s; s < GROUP_SAMPLES; ++s) {
                uint256 code;
                for (uint256 b; b < planes.length; ++b) {
                    code = (code << 1) | ((planes[b] >> (255 - s)) & 1);
                }
                codes[s] = code;
            }
        }
    }

    /// @notice Write up to 256 codes as the planes of one group, padded with ABSTAIN.
    /// @param planes the planes of all groups, all bits 0 where this group goes
    function pack(
        uint256[] memory codes,
        uint256 samples,
        uint256[] memory planes,
        uint256 group,
        uint256 bits
    ) internal pure {
        unchecked {
            for (uint256 s; s < GROUP_SAMPLES; ++s) {
                uint256 code = s < samples ? codes[s] : abstain(bits);
                for (uint256 b = bits; b > 0; code >>= 1) {
                    --b;
                    planes[group * bits + b] |= (code & 1) << (255 - s);
                }
            }
        }
    }
}
