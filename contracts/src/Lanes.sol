// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Turning words on their side
/// @notice Eight words with eight lanes in every stretch of a word become eight words in which lane v
/// of word t is what lane t of word v was. Word 0 and the top lane come first.
library Lanes {
    uint256 private constant LOWER_BYTES =
        0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;

    /// @notice Numbers of up to 16 bits that lie in planes become lanes of 16 bits.
    /// @param from 16 words; the last is plane 0
    /// @param to 16 words, the first of which has each sixteenth sample beginning with the first
    /// @param bits how many planes are not empty
    function turn(uint256 from, uint256 to, uint256 bits) internal pure {
        transpose(from + 256, to + 256, 1);
        if (bits > 8) transpose(from, to, 1);
        assembly ("memory-safe") {
            let isLong := gt(bits, 8)
            for { let end := add(to, 256) } lt(to, end) { to := add(to, 32) } {
                let low := mload(add(to, 256))
                let odd := and(shr(8, low), LOWER_BYTES)
                low := and(low, LOWER_BYTES)
                if isLong {
                    let high := mload(to)
                    odd := or(odd, and(high, not(LOWER_BYTES)))
                    low := or(low, shl(8, and(high, LOWER_BYTES)))
                }
                mstore(to, odd)
                mstore(add(to, 256), low)
            }
        }
    }

    /// @param from pointer to eight words
    /// @param to pointer to where the result goes
    /// @param width bits of a lane: 32 for one matrix of lanes, 1 for a matrix of bits in every byte
    function transpose(uint256 from, uint256 to, uint256 width) internal pure {
        assembly ("memory-safe") {
            let a := mload(from)
            let b := mload(add(from, 32))
            let c := mload(add(from, 64))
            let d := mload(add(from, 96))
            let e := mload(add(from, 128))
            let f := mload(add(from, 160))
            let g := mload(add(from, 192))
            let h := mload(add(from, 224))

            // Swap the upper right with the lower left quarter of the matrix, then of each quarter,
            // then of each of theirs. `right` are the right halves, so many lanes wide.
            width := shl(2, width)
            let right := div(not(0), add(shl(width, 1), 1))
            let t := and(xor(a, shr(width, e)), right)
            a := xor(a, t)
            e := xor(e, shl(width, t))
            t := and(xor(b, shr(width, f)), right)
            b := xor(b, t)
            f := xor(f, shl(width, t))
            t := and(xor(c, shr(width, g)), right)
            c := xor(c, t)
            g := xor(g, shl(width, t))
            t := and(xor(d, shr(width, h)), right)
            d := xor(d, t)
            h := xor(h, shl(width, t))

            width := shr(1, width)
            right := div(not(0), add(shl(width, 1), 1))
            t := and(xor(a, shr(width, c)), right)
            a := xor(a, t)
            c := xor(c, shl(width, t))
            t := and(xor(b, shr(width, d)), right)
            b := xor(b, t)
            d := xor(d, shl(width, t))
            t := and(xor(e, shr(width, g)), right)
            e := xor(e, t)
            g := xor(g, shl(width, t))
            t := and(xor(f, shr(width, h)), right)
            f := xor(f, t)
            h := xor(h, shl(width, t))

            width := shr(1, width)
            right := div(not(0), add(shl(width, 1), 1))
            t := and(xor(a, shr(width, b)), right)
            mstore(to, xor(a, t))
            mstore(add(to, 32), xor(b, shl(width, t)))
            t := and(xor(c, shr(width, d)), right)
            mstore(add(to, 64), xor(c, t))
            mstore(add(to, 96), xor(d, shl(width, t)))
            t := and(xor(e, shr(width, f)), right)
            mstore(add(to, 128), xor(e, t))
            mstore(add(to, 160), xor(f, shl(width, t)))
            t := and(xor(g, shr(width, h)), right)
            mstore(add(to, 192), xor(g, t))
            mstore(add(to, 224), xor(h, shl(width, t)))
        }
    }
}
