// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Counts in storage, as many to a word as fit
/// @notice A new word of storage costs 22,100 gas. So counts are as wide as the largest possible
/// one, their number, which the task knows, is not stored, and the first word may have a head: bits
/// below the counts for whatever else belongs to them.
library PackedCounts {
    /// @param first the first word: where a mapping would need a hash
    struct Counts {
        uint256 first;
        mapping(uint256 index => uint256) others;
    }

    /// @return words that `n` counts take
    /// @param most the largest count that is possible
    /// @param headBits bits of the first word that are not for counts
    function wordsFor(uint256 n, uint256 most, uint256 headBits)
        internal
        pure
        returns (uint256 words)
    {
        uint256 width = _widthFor(most);
        uint256 inFirst = (256 - headBits) / width;
        uint256 perWord = 256 / width;
        return n <= inFirst ? 1 : 1 + (n - inFirst + perWord - 1) / perWord;
    }

    /// @notice Counts as they are stored, with a head of zeros.
    function pack(uint256[] memory counts, uint256 most, uint256 headBits)
        internal
        pure
        returns (uint256[] memory words)
    {
        unchecked {
            words = new uint256[](wordsFor(counts.length, most, headBits));
            uint256 width = _widthFor(most);
            uint256 shift = headBits;
            uint256 word;
            uint256 index;
            for (uint256 i; i < counts.length; ++i) {
                if (shift + width > 256) {
                    words[index++] = word;
                    word = 0;
                    shift = 0;
                }
                word |= counts[i] << shift;
                shift += width;
            }
            words[index] = word;
        }
    }

    function store(Counts storage self, uint256[] memory words) internal {
        self.first = words[0];
        for (uint256 i = 1; i < words.length; ++i) {
            self.others[i] = words[i];
        }
    }

    /// @notice Add to stored counts; no sum may be larger than the largest possible count.
    function add(Counts storage self, uint256[] memory words) internal {
        self.first += words[0];
        for (uint256 i = 1; i < words.length; ++i) {
            self.others[i] += words[i];
        }
    }

    /// @param n how many counts there are
    /// @param most as they were packed
    function load(Counts storage self, uint256 n, uint256 most, uint256 headBits)
        internal
        view
        returns (uint256[] memory counts)
    {
        unchecked {
            uint256 width = _widthFor(most);
            uint256 mask = (1 << width) - 1;
            uint256 shift = headBits;
            uint256 word = self.first;
            uint256 index;
            counts = new uint256[](n);
            for (uint256 i; i < n; ++i) {
                if (shift + width > 256) {
                    word = self.others[++index];
                    shift = 0;
                }
                counts[i] = (word >> shift) & mask;
                shift += width;
            }
        }
    }

    function _widthFor(uint256 most) private pure returns (uint256) {
        return Math.log2(most) + 1;
    }
}
