// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Numbers as planes
/// @notice A number per sample, one bit a word: plane p holds bit p of the numbers of 256 samples.
/// Adding, comparing and counting such numbers takes a few word operations for 256 samples.
/// @dev Pointers are byte addresses. A full adder makes of a, b, c the sum a^b^c and the carry
/// b^((a^b)&(b^c)).
library BitPlanes {
    uint256 internal constant WORD = 32;
    /// @notice Bytes of a row: a word for each of eight groups of samples, which are a block.
    uint256 internal constant ROW = 256;
    /// @notice `takeGreaterOfTen` takes so many.
    uint256 internal constant SEATS = 10;

    /// @return pointer to that many fresh words, all 0
    function allocate(uint256 words) internal pure returns (uint256 pointer) {
        return pointerTo(new uint256[](words));
    }

    /// @return pointer to the first word of an array
    function pointerTo(uint256[] memory words) internal pure returns (uint256 pointer) {
        assembly ("memory-safe") {
            pointer := add(words, 32)
        }
    }

    /// @notice The same memory as bytes; the array is gone.
    function toBytes(uint256[] memory words) internal pure returns (bytes memory data) {
        assembly ("memory-safe") {
            data := words
            mstore(data, shl(5, mload(data)))
        }
    }

    function load(uint256 pointer) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(pointer)
        }
    }

    function store(uint256 pointer, uint256 word) internal pure {
        assembly ("memory-safe") {
            mstore(pointer, word)
        }
    }

    /// @notice AND words of a with words of b, keep the results as masks, and add them up: in how
    /// many masks has each sample its bit? Where the number is greater than the best, it becomes that.
    /// @param a pointer to the first of ten words, a ballot apart
    /// @param b the same
    /// @param mask pointer into the row of the first mask
    /// @param best pointer into the row of the lowest of four planes
    /// @return greater the samples where it was greater
    function takeGreaterOfTen(uint256 a, uint256 b, uint256 mask, uint256 best)
        internal
        pure
        returns (uint256 greater)
    {
        assembly ("memory-safe") {
            let s0 := and(mload(a), mload(b))
            mstore(mask, s0)
            let s1
            let s2
            let s3
            {
                let x := and(mload(add(a, 256)), mload(add(b, 256)))
                mstore(add(mask, 256), x)
                let y := and(mload(add(a, 512)), mload(add(b, 512)))
                mstore(add(mask, 512), y)
                let u := xor(s0, x)
                s1 := xor(x, and(u, xor(x, y)))
                s0 := xor(u, y)
            }
            let c
            {
                let x := and(mload(add(a, 768)), mload(add(b, 768)))
                mstore(add(mask, 768), x)
                let y := and(mload(add(a, 1024)), mload(add(b, 1024)))
                mstore(add(mask, 1024), y)
                let u := xor(s0, x)
                c := xor(x, and(u, xor(x, y)))
                s0 := xor(u, y)
            }
            let d
            {
                let x := and(mload(add(a, 1280)), mload(add(b, 1280)))
                mstore(add(mask, 1280), x)
                let y := and(mload(add(a, 1536)), mload(add(b, 1536)))
                mstore(add(mask, 1536), y)
                let u := xor(s0, x)
                d := xor(x, and(u, xor(x, y)))
                s0 := xor(u, y)
            }
            {
                let u := xor(s1, c)
                s2 := xor(c, and(u, xor(c, d)))
                s1 := xor(u, d)
            }
            {
                let x := and(mload(add(a, 1792)), mload(add(b, 1792)))
                mstore(add(mask, 1792), x)
                let y := and(mload(add(a, 2048)), mload(add(b, 2048)))
                mstore(add(mask, 2048), y)
                let u := xor(s0, x)
                c := xor(x, and(u, xor(x, y)))
                s0 := xor(u, y)
            }
            {
                let x := and(mload(add(a, 2304)), mload(add(b, 2304)))
                mstore(add(mask, 2304), x)
                d := and(s0, x)
                s0 := xor(s0, x)
                let u := xor(s1, c)
                x := xor(c, and(u, xor(c, d)))
                s1 := xor(u, d)
                s3 := and(s2, x)
                s2 := xor(s2, x)
            }
            // from the lowest plane up, the highest that differs decides
            let d0 := xor(s0, mload(best))
            greater := and(d0, s0)
            let d1 := xor(s1, mload(add(best, 256)))
            greater := xor(greater, and(d1, xor(greater, s1)))
            let d2 := xor(s2, mload(add(best, 512)))
            greater := xor(greater, and(d2, xor(greater, s2)))
            let d3 := xor(s3, mload(add(best, 768)))
            greater := xor(greater, and(d3, xor(greater, s3)))
            let less := not(greater)
            mstore(best, xor(s0, and(d0, less)))
            mstore(add(best, 256), xor(s1, and(d1, less)))
            mstore(add(best, 512), xor(s2, and(d2, less)))
            mstore(add(best, 768), xor(s3, and(d3, less)))
        }
    }

    /// @notice The same for four masks each of some classes, one after the other.
    /// @param a pointer to the first of four words, a ballot apart; the next class's are behind them
    /// @param b the same, one for all
    /// @param mask pointer into the row of the first mask; every class has four rows
    /// @param best pointer into the row of the lowest of three planes
    /// @param into pointer to a word for each class: where it was greater
    /// @param end behind the last of them
    function takeGreatersOfFour(
        uint256 a,
        uint256 b,
        uint256 mask,
        uint256 best,
        uint256 into,
        uint256 end
    ) internal pure {
        assembly ("memory-safe") {
            for {} lt(into, end) { into := add(into, 32) } {
                let s0
                let s1
                {
                    let x := and(mload(a), mload(b))
                    mstore(mask, x)
                    let y := and(mload(add(a, 256)), mload(add(b, 256)))
                    mstore(add(mask, 256), y)
                    s1 := and(x, y)
                    s0 := xor(x, y)
                }
                let s2
                {
                    let x := and(mload(add(a, 512)), mload(add(b, 512)))
                    mstore(add(mask, 512), x)
                    let y := and(mload(add(a, 768)), mload(add(b, 768)))
                    mstore(add(mask, 768), y)
                    let u := xor(s0, x)
                    x := xor(x, and(u, xor(x, y)))
                    s0 := xor(u, y)
                    s2 := and(s1, x)
                    s1 := xor(s1, x)
                }
                let d0 := xor(s0, mload(best))
                let greater := and(d0, s0)
                let d1 := xor(s1, mload(add(best, 256)))
                greater := xor(greater, and(d1, xor(greater, s1)))
                let d2 := xor(s2, mload(add(best, 512)))
                greater := xor(greater, and(d2, xor(greater, s2)))
                mstore(into, greater)
                greater := not(greater)
                mstore(best, xor(s0, and(d0, greater)))
                mstore(add(best, 256), xor(s1, and(d1, greater)))
                mstore(add(best, 512), xor(s2, and(d2, greater)))
                a := add(a, 32)
                mask := add(mask, 1024)
            }
        }
    }

    /// @notice Number of bits that are set in both of two rows, in all blocks.
    /// @param blocks how many, at most 31
    /// @param step bytes from one block to the next
    /// @dev Seven full adders put the eight words of a block into running words of ones, twos and
    /// fours; what carries out of them, eights, is counted byte by byte at once.
    function countBoth(uint256 a, uint256 b, uint256 blocks, uint256 step)
        internal
        pure
        returns (uint256 total)
    {
        assembly ("memory-safe") {
            let ones := 0
            let twos := 0
            let fours := 0
            for { blocks := add(a, mul(blocks, step)) } lt(a, blocks) { a := add(a, step) } {
                let s
                let t
                let f
                {
                    let x := and(mload(a), mload(b))
                    let y := and(mload(add(a, 32)), mload(add(b, 32)))
                    let both := and(x, y)
                    x := xor(x, y)
                    s := or(both, and(ones, x))
                    ones := xor(ones, x)
                }
                {
                    let x := and(mload(add(a, 64)), mload(add(b, 64)))
                    let y := and(mload(add(a, 96)), mload(add(b, 96)))
                    let both := and(x, y)
                    x := xor(x, y)
                    t := or(both, and(ones, x))
                    ones := xor(ones, x)
                }
                {
                    let both := and(s, t)
                    s := xor(s, t)
                    f := or(both, and(twos, s))
                    twos := xor(twos, s)
                }
                {
                    let x := and(mload(add(a, 128)), mload(add(b, 128)))
                    let y := and(mload(add(a, 160)), mload(add(b, 160)))
                    let both := and(x, y)
                    x := xor(x, y)
                    s := or(both, and(ones, x))
                    ones := xor(ones, x)
                }
                {
                    let x := and(mload(add(a, 192)), mload(add(b, 192)))
                    let y := and(mload(add(a, 224)), mload(add(b, 224)))
                    let both := and(x, y)
                    x := xor(x, y)
                    t := or(both, and(ones, x))
                    ones := xor(ones, x)
                }
                {
                    let both := and(s, t)
                    s := xor(s, t)
                    t := or(both, and(twos, s))
                    twos := xor(twos, s)
                }
                {
                    let both := and(f, t)
                    f := xor(f, t)
                    t := or(both, and(fours, f))
                    fours := xor(fours, f)
                }
                s := div(not(mload(0x60)), 3)
                t := sub(t, and(shr(1, t), s))
                s := div(not(mload(0x60)), 5)
                t := add(and(t, s), and(shr(2, t), s))
                s := div(not(mload(0x60)), 17)
                total := add(total, and(add(t, shr(4, t)), s))
                b := add(b, step)
            }
            // the running words: nibbles of ones + 2 · twos, at most 12, then bytes with the fours,
            // at most 56; and 16-bit lanes of all, at most 2 · 56 + 8 · 496
            let lanes := div(not(mload(0x60)), 3)
            ones := sub(ones, and(shr(1, ones), lanes))
            twos := sub(twos, and(shr(1, twos), lanes))
            fours := sub(fours, and(shr(1, fours), lanes))
            lanes := div(not(mload(0x60)), 5)
            ones := add(and(ones, lanes), and(shr(2, ones), lanes))
            twos := add(and(twos, lanes), and(shr(2, twos), lanes))
            fours := add(and(fours, lanes), and(shr(2, fours), lanes))
            ones := add(ones, shl(1, twos))
            lanes := div(not(mload(0x60)), 17)
            ones := add(and(ones, lanes), and(shr(4, ones), lanes))
            fours := and(add(fours, shr(4, fours)), lanes)
            ones := add(ones, shl(2, fours))
            lanes := div(not(mload(0x60)), 257)
            ones := add(and(ones, lanes), and(shr(8, ones), lanes))
            total := add(and(total, lanes), and(shr(8, total), lanes))
            total := mod(add(ones, shl(3, total)), 0xffff)
        }
    }
}
