// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {DynamicArrayLib} from "solady/utils/DynamicArrayLib.sol";

/// @title Counts in storage, as many to a word as fit
/// @notice A new word of storage costs 22,100 gas. So counts are as wide as the largest possible
/// one, their number, which the task knows, is not stored, and in front of them there may be a head:
/// 64 bits for whatever else belongs to them.
library PackedCounts {
    using DynamicArrayLib for uint256[];

    uint256 internal constant HEAD_BITS = 64;

    /// @param first the first word: where a mapping would need a hash
    struct Counts {
        uint256 first;
        mapping(uint256 index => uint256) others;
    }

    /// @return words that `n` counts take; with a head it may be one more
    /// @param most the largest count that is possible
    function wordsFor(uint256 n, uint256 most) internal pure returns (uint256 words) {
        uint256 perWord = 256 / (Math.log2(most) + 1);
        return (n + perWord - 1) / perWord;
    }

    /// @notice Add to what is stored, which may be nothing yet.
    /// @param most the largest sum that is possible
    /// @param head what goes in front, once; 0 where there is no head
    function add(Counts storage self, uint256[] memory counts, uint256 most, uint256 head)
        internal
    {
        unchecked {
            uint256 width = Math.log2(most) + 1;
            uint256 shift = head == 0 ? 0 : HEAD_BITS;
            uint256 word = head;
            uint256 index;
            for (uint256 i; i < counts.length; ++i) {
                if (shift + width > 256) {
                    _addWord(self, index++, word);
                    word = 0;
                    shift = 0;
                }
                word |= counts.get(i) << shift;
                shift += width;
            }
            _addWord(self, index, word);
        }
    }

    /// @param n how many counts there are
    /// @param most as they were added
    function load(Counts storage self, uint256 n, uint256 most, bool hasHead)
        internal
        view
        returns (uint256[] memory counts)
    {
        unchecked {
            uint256 width = Math.log2(most) + 1;
            uint256 mask = (1 << width) - 1;
            uint256 shift = hasHead ? HEAD_BITS : 0;
            uint256 word = self.first;
            uint256 index;
            counts = new uint256[](n);
            for (uint256 i; i < n; ++i) {
                if (shift + width > 256) {
                    word = self.others[++index];
                    shift = 0;
                }
                counts = counts.set(i, (word >> shift) & mask);
                shift += width;
            }
        }
    }

    function _addWord(Counts storage self, uint256 index, uint256 word) private {
        if (index == 0) self.first += word;
        else self.others[index] += word;
    }
}
