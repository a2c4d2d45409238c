// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {DynamicArrayLib} from "solady/utils/DynamicArrayLib.sol";
import {BitPlanes} from "./BitPlanes.sol";
import {Lanes} from "./Lanes.sol";
import {IFederation} from "./interfaces/IFederation.sol";

/// @title Labels as bit planes
/// @notice A group is 256 samples in B words: word 0 holds the most significant bit of every label,
/// word B−1 the least; sample s of the group is bit 255 − s of each word. ABSTAIN is 2^B − 1.
library PackedLabels {
    using DynamicArrayLib for uint256[];

    uint256 internal constant GROUP_SAMPLES = 256;
    uint256 internal constant WORD_BYTES = 32;
    /// @dev To count, codes become lanes of 16 bits.
    uint256 private constant LANE = 0xffff;
    uint256 private constant LOWER_BYTES =
        0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
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

    /// @notice Count the labels of every class, and how many codes are valid at all. The cost does
    /// not depend on the number of classes.
    /// @param labels whole groups
    /// @return counts per class, how many samples carry it
    /// @return valid how many codes are a class or ABSTAIN
    function count(bytes calldata labels, uint256 bits, uint256 classes)
        internal
        pure
        returns (uint256[] memory counts, uint256 valid)
    {
        unchecked {
            counts = new uint256[](1 << bits); // of every code, for now
            uint256 buffer = BitPlanes.allocate(32);
            uint256 counters = BitPlanes.pointerTo(counts);
            assert(counters + (WORD_BYTES << bits) <= LANE); // pointers fit lanes
            counters *= ONES;
            uint256 size = bits * WORD_BYTES;
            uint256 source;
            assembly ("memory-safe") {
                source := labels.offset
            }
            for (uint256 end = source + labels.length; source < end; source += size) {
                _countGroup(source, size, buffer, counters);
            }
            for (uint256 class; class < classes; ++class) {
                valid += counts.get(class);
            }
            valid += counts.get(abstain(bits));
            assembly ("memory-safe") {
                mstore(counts, classes)
            }
        }
    }

    /// @dev Turn the planes into bytes, these into pointers to counters, and count.
    /// @param size bytes of the planes
    /// @param buffer 32 words, of which the first 16 take the planes, behind zeros
    /// @param counters 16 lanes, each a pointer to the counters
    function _countGroup(uint256 source, uint256 size, uint256 buffer, uint256 counters)
        private
        pure
    {
        unchecked {
            uint256 low = buffer + 16 * WORD_BYTES;
            uint256 high = buffer + 24 * WORD_BYTES;
            bool isLong = size > 8 * WORD_BYTES; // codes of more than a byte
            assembly ("memory-safe") {
                calldatacopy(sub(low, size), source, size)
            }
            Lanes.transpose(buffer + 8 * WORD_BYTES, low, 1);
            if (isLong) Lanes.transpose(buffer, high, 1);
            for (uint256 end = high; low < end; low += WORD_BYTES) {
                uint256 codes = BitPlanes.load(low);
                uint256 even = (codes >> 8) & LOWER_BYTES;
                uint256 odd = codes & LOWER_BYTES;
                if (isLong) {
                    codes = BitPlanes.load(high);
                    even |= codes & ~LOWER_BYTES;
                    odd |= (codes & LOWER_BYTES) << 8;
                    high += WORD_BYTES;
                }
                _countLanes(counters + (even << 5));
                _countLanes(counters + (odd << 5));
            }
        }
    }

    /// @dev Add one to the words that 16 lanes of 16 bits point to.
    function _countLanes(uint256 lanes) private pure {
        assembly ("memory-safe") {
            let at := shr(240, lanes)
            mstore(at, add(mload(at), 1))
            at := and(shr(224, lanes), LANE)
            mstore(at, add(mload(at), 1))
            at := and(shr(208, lanes), LANE)
            mstore(at, add(mload(at), 1))
            at := and(shr(192, lanes), LANE)
            mstore(at, add(mload(at), 1))
            at := and(shr(176, lanes), LANE)
            mstore(at, add(mload(at), 1))
            at := and(shr(160, lanes), LANE)
            mstore(at, add(mload(at), 1))
            at := and(shr(144, lanes), LANE)
            mstore(at, add(mload(at), 1))
            at := and(shr(128, lanes), LANE)
            mstore(at, add(mload(at), 1))
            at := and(shr(112, lanes), LANE)
            mstore(at, add(mload(at), 1))
            at := and(shr(96, lanes), LANE)
            mstore(at, add(mload(at), 1))
            at := and(shr(80, lanes), LANE)
            mstore(at, add(mload(at), 1))
            at := and(shr(64, lanes), LANE)
            mstore(at, add(mload(at), 1))
            at := and(shr(48, lanes), LANE)
            mstore(at, add(mload(at), 1))
            at := and(shr(32, lanes), LANE)
            mstore(at, add(mload(at), 1))
            at := and(shr(16, lanes), LANE)
            mstore(at, add(mload(at), 1))
            at := and(lanes, LANE)
            mstore(at, add(mload(at), 1))
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
