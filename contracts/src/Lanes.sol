// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Turning words on their side
/// @notice Eight words with eight lanes in every stretch of a word become eight words in which lane v
/// of word t is what lane t of word v was. Word 0 and the top lane come first.
library Lanes {
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
            // All ones, for 0x60 always holds 0. Masks that the compiler knows it copies from the
            // code, each time anew, for ten times the gas.
            let all := not(mload(0x60))
            let right := div(all, add(shl(width, 1), 1))
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
            right := div(all, add(shl(width, 1), 1))
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
            right := div(all, add(shl(width, 1), 1))
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
