// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Turning words on their side
/// @notice Eight words with eight lanes in every stretch of a word become eight words in which lane v
/// of word t is what lane t of word v was. Word 0 and the top lane come first.
library Lanes {
    /// @notice Numbers of up to 16 bits that lie in planes become lanes of 16 bits.
    /// @param from 16 words; the last is plane 0
    /// @param to 16 words, the first of which has each sixteenth sample beginning with the first
    /// @param bits how many planes are not empty
    /// @param base is added to each number
    /// @param lanes the lowest bit of each lane; if it were a constant, the compiler would copy it from
    /// the code whenever it is used
    function turn(uint256 from, uint256 to, uint256 bits, uint256 base, uint256 lanes)
        internal
        pure
    {
        unchecked {
            _turnBytes(from + 256, to + 256, lanes);
            if (bits > 8) _turnBytes(from, to, lanes);
            assembly ("memory-safe") {
                let lower := mul(lanes, 0xff)
                base := mul(lanes, base)
                let end := add(to, 256)
                switch gt(bits, 8)
                case 0 {
                    for {} lt(to, end) { to := add(to, 32) } {
                        let low := mload(add(to, 256))
                        mstore(to, add(base, and(shr(8, low), lower)))
                        mstore(add(to, 256), add(base, and(low, lower)))
                    }
                }
                default {
                    for {} lt(to, end) { to := add(to, 64) } {
                        let high := mload(to)
                        let low := mload(add(to, 256))
                        let swap := and(xor(high, shr(8, low)), lower)
                        mstore(to, add(base, xor(high, swap)))
                        mstore(add(to, 256), add(base, xor(low, shl(8, swap))))
                        high := mload(add(to, 32))
                        low := mload(add(to, 288))
                        swap := and(xor(high, shr(8, low)), lower)
                        mstore(add(to, 32), add(base, xor(high, swap)))
                        mstore(add(to, 288), add(base, xor(low, shl(8, swap))))
                    }
                }
            }
        }
    }

    /// @dev Eight planes become words of bytes.
    function _turnBytes(uint256 from, uint256 to, uint256 lanes) private pure {
        assembly ("memory-safe") {
            let a := mload(from)
            let b := mload(add(from, 32))
            let c := mload(add(from, 64))
            let d := mload(add(from, 96))
            let e := mload(add(from, 128))
            let f := mload(add(from, 160))
            let g := mload(add(from, 192))
            let h := mload(add(from, 224))
            let right := mul(lanes, 0xf0f)
            let t := and(xor(a, shr(4, e)), right)
            a := xor(a, t)
            e := xor(e, shl(4, t))
            t := and(xor(b, shr(4, f)), right)
            b := xor(b, t)
            f := xor(f, shl(4, t))
            t := and(xor(c, shr(4, g)), right)
            c := xor(c, t)
            g := xor(g, shl(4, t))
            t := and(xor(d, shr(4, h)), right)
            d := xor(d, t)
            h := xor(h, shl(4, t))
            right := mul(lanes, 0x3333)
            t := and(xor(a, shr(2, c)), right)
            a := xor(a, t)
            c := xor(c, shl(2, t))
            t := and(xor(b, shr(2, d)), right)
            b := xor(b, t)
            d := xor(d, shl(2, t))
            t := and(xor(e, shr(2, g)), right)
            e := xor(e, t)
            g := xor(g, shl(2, t))
            t := and(xor(f, shr(2, h)), right)
            f := xor(f, t)
            h := xor(h, shl(2, t))
            right := mul(lanes, 0x5555)
            t := and(xor(a, shr(1, b)), right)
            mstore(to, xor(a, t))
            mstore(add(to, 32), xor(b, shl(1, t)))
            t := and(xor(c, shr(1, d)), right)
            mstore(add(to, 64), xor(c, t))
            mstore(add(to, 96), xor(d, shl(1, t)))
            t := and(xor(e, shr(1, f)), right)
            mstore(add(to, 128), xor(e, t))
            mstore(add(to, 160), xor(f, shl(1, t)))
            t := and(xor(g, shr(1, h)), right)
            mstore(add(to, 192), xor(g, t))
            mstore(add(to, 224), xor(h, shl(1, t)))
        }
    }

    /// @notice In sixteen words with sixteen lanes, lane v of word t becomes what lane t of word v was.
    function transposeSixteen(uint256 from, uint256 to) internal pure {
        unchecked {
            assembly ("memory-safe") {
                let right := shr(128, not(0))
                for { let end := add(from, 256) } lt(from, end) { from := add(from, 32) } {
                    let a := mload(from)
                    let b := mload(add(from, 256))
                    let t := and(xor(a, shr(128, b)), right)
                    mstore(to, xor(a, t))
                    mstore(add(to, 256), xor(b, shl(128, t)))
                    to := add(to, 32)
                }
            }
            transpose(to - 256, to - 256, 16);
            transpose(to, to, 16);
        }
    }

    /// @notice Exchange rows and columns in each of some words, if their bits are 16 rows of 16.
    /// @param from the first word
    /// @param step to the next
    /// @param to where the first goes; the others go in front of it
    function flip(uint256 from, uint256 step, uint256 to, uint256 words, uint256 lanes)
        internal
        pure
    {
        assembly ("memory-safe") {
            // Bits of the upper right quarter change places with those of the lower left, and so on.
            let eights := mul(div(lanes, add(shl(128, 1), 1)), 0xff00)
            let fours := mul(div(lanes, add(shl(64, 1), 1)), 0xf0f0)
            let twos := mul(div(lanes, add(shl(32, 1), 1)), 0xcccc)
            let ones := mul(div(lanes, add(shl(16, 1), 1)), 0xaaaa)
            for {} words { words := sub(words, 1) } {
                let x := mload(from)
                let t := and(xor(x, shr(120, x)), eights)
                x := xor(x, or(t, shl(120, t)))
                t := and(xor(x, shr(60, x)), fours)
                x := xor(x, or(t, shl(60, t)))
                t := and(xor(x, shr(30, x)), twos)
                x := xor(x, or(t, shl(30, t)))
                t := and(xor(x, shr(15, x)), ones)
                mstore(to, xor(x, or(t, shl(15, t))))
                from := add(from, step)
                to := sub(to, 32)
            }
        }
    }

    /// @notice Eight words with eight lanes in every stretch of a word become eight words in which lane v
    /// of word t is what lane t of word v was. Word 0 and the top lane come first.
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

    /// @notice Four planes, highest first, become words of nibbles: word k has every fourth sample,
    /// beginning with the k-th.
    function transposeFour(uint256 planes, uint256 lanes) internal pure {
        assembly ("memory-safe") {
            let a := mload(planes)
            let b := mload(add(planes, 32))
            let c := mload(add(planes, 64))
            let d := mload(add(planes, 96))
            let right := div(not(mload(0x60)), 5)
            let t := and(xor(a, shr(2, c)), right)
            a := xor(a, t)
            c := xor(c, shl(2, t))
            t := and(xor(b, shr(2, d)), right)
            b := xor(b, t)
            d := xor(d, shl(2, t))
            right := div(not(mload(0x60)), 3)
            t := and(xor(a, shr(1, b)), right)
            mstore(lanes, xor(a, t))
            mstore(add(lanes, 32), xor(b, shl(1, t)))
            t := and(xor(c, shr(1, d)), right)
            mstore(add(lanes, 64), xor(c, t))
            mstore(add(lanes, 96), xor(d, shl(1, t)))
        }
    }
}
