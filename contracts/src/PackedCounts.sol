// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Counts in storage, as many to a word as fit
/// @notice A new word of storage costs 22,100 gas. So counts are as wide as the largest possible
/// one, and their number, which the task knows, is not stored.
library PackedCounts {
    struct Counts {
        mapping(uint256 index => uint256) words;
    }

    /// @return words that `n` counts take
    function wordsFor(uint256 n, uint256 most) internal pure returns (uint256 words) {
        uint256 perWord = 256 / (Math.log2(most) + 1);
        return (n + perWord - 1) / perWord;
    }

    /// @param most the largest count that is possible
    function store(Counts storage self, uint256[] memory counts, uint256 most) internal {
        unchecked {
            uint256 width = Math.log2(most) + 1;
            uint256 word;
            uint256 index;
            uint256 shift;
            for (uint256 i; i < counts.length; ++i) {
                word |= counts[i] << shift;
                shift += width;
                if (shift + width > 256 || i + 1 == counts.length) {
                    self.words[index++] = word;
                    word = 0;
                    shift = 0;
                }
            }
        }
    }

    /// @param n how many counts there are
    /// @param most as they were stored
    function load(Counts storage self, uint256 n, uint256 most)
        internal
        view
        returns (uint256[] memory counts)
    {
        unchecked {
            uint256 width = Math.log2(most) + 1;
            uint256 word;
            uint256 left;
            uint256 index;
            counts = new uint256[](n);
            for (uint256 i; i < n; ++i) {
                if (left == 0) {
                    word = self.words[index++];
                    left = 256 / width;
                }
                counts[i] = word & ((1 << width) - 1);
                word >>= width;
                --left;
            }
        }
    }
}
