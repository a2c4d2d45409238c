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
    /// @notice `sumBoth` adds up so many masks at once.
    uint256 internal constant MOST_AT_ONCE = 15;

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
    /// many masks has each sample its bit?
    /// @param a pointer to n words
    /// @param b pointer to n words
    /// @param mask pointer into the row of the first mask
    /// @param n 1 to 15
    /// @return ones the number's planes, lowest first
    function sumBoth(uint256 a, uint256 b, uint256 mask, uint256 n)
        internal
        pure
        returns (uint256 ones, uint256 twos, uint256 fours, uint256 eights)
    {
        assembly ("memory-safe") {
            let end := add(a, shl(5, n))
            if and(n, 1) {
                ones := and(mload(a), mload(b))
                mstore(mask, ones)
                a := add(a, 32)
                b := add(b, 32)
                mask := add(mask, 256)
            }
            if and(n, 2) {
                let x := and(mload(a), mload(b))
                mstore(mask, x)
                let y := and(mload(add(a, 32)), mload(add(b, 32)))
                mstore(add(mask, 256), y)
                let u := xor(ones, x)
                twos := xor(x, and(u, xor(x, y)))
                ones := xor(u, y)
                a := add(a, 64)
                b := add(b, 64)
                mask := add(mask, 512)
            }
            for {} lt(a, end) {} {
                let s
                {
                    let x := and(mload(a), mload(b))
                    mstore(mask, x)
                    let y := and(mload(add(a, 32)), mload(add(b, 32)))
                    mstore(add(mask, 256), y)
                    let u := xor(ones, x)
                    s := xor(x, and(u, xor(x, y)))
                    ones := xor(u, y)
                }
                let t
                {
                    let x := and(mload(add(a, 64)), mload(add(b, 64)))
                    mstore(add(mask, 512), x)
                    let y := and(mload(add(a, 96)), mload(add(b, 96)))
                    mstore(add(mask, 768), y)
                    let u := xor(ones, x)
                    t := xor(x, and(u, xor(x, y)))
                    ones := xor(u, y)
                }
                {
                    let u := xor(twos, s)
                    s := xor(s, and(u, xor(s, t)))
                    twos := xor(u, t)
                }
                eights := xor(eights, and(fours, s))
                fours := xor(fours, s)
                a := add(a, 128)
                b := add(b, 128)
                mask := add(mask, 1024)
            }
        }
    }

    /// @notice `sumBoth` for ten masks without loops; and where their number is greater than the best,
    /// it becomes the best.
    /// @param a pointer to ten words
    /// @param b pointer to ten words
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
                let x := and(mload(add(a, 32)), mload(add(b, 32)))
                mstore(add(mask, 256), x)
                let y := and(mload(add(a, 64)), mload(add(b, 64)))
                mstore(add(mask, 512), y)
                let u := xor(s0, x)
                s1 := xor(x, and(u, xor(x, y)))
                s0 := xor(u, y)
            }
            let c
            {
                let x := and(mload(add(a, 96)), mload(add(b, 96)))
                mstore(add(mask, 768), x)
                let y := and(mload(add(a, 128)), mload(add(b, 128)))
                mstore(add(mask, 1024), y)
                let u := xor(s0, x)
                c := xor(x, and(u, xor(x, y)))
                s0 := xor(u, y)
            }
            let d
            {
                let x := and(mload(add(a, 160)), mload(add(b, 160)))
                mstore(add(mask, 1280), x)
                let y := and(mload(add(a, 192)), mload(add(b, 192)))
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
                let x := and(mload(add(a, 224)), mload(add(b, 224)))
                mstore(add(mask, 1792), x)
                let y := and(mload(add(a, 256)), mload(add(b, 256)))
                mstore(add(mask, 2048), y)
                let u := xor(s0, x)
                c := xor(x, and(u, xor(x, y)))
                s0 := xor(u, y)
            }
            {
                let x := and(mload(add(a, 288)), mload(add(b, 288)))
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

    /// @notice The same for four masks.
    /// @param best pointer into the row of the lowest of three planes
    function takeGreaterOfFour(uint256 a, uint256 b, uint256 mask, uint256 best)
        internal
        pure
        returns (uint256 greater)
    {
        assembly ("memory-safe") {
            let s0
            let s1
            {
                let w := and(mload(a), mload(b))
                mstore(mask, w)
                let x := and(mload(add(a, 32)), mload(add(b, 32)))
                mstore(add(mask, 256), x)
                s1 := and(w, x)
                s0 := xor(w, x)
            }
            let s2
            {
                let x := and(mload(add(a, 64)), mload(add(b, 64)))
                mstore(add(mask, 512), x)
                let y := and(mload(add(a, 96)), mload(add(b, 96)))
                mstore(add(mask, 768), y)
                let u := xor(s0, x)
                x := xor(x, and(u, xor(x, y)))
                s0 := xor(u, y)
                s2 := and(s1, x)
                s1 := xor(s1, x)
            }
            let d0 := xor(s0, mload(best))
            greater := and(d0, s0)
            let d1 := xor(s1, mload(add(best, 256)))
            greater := xor(greater, and(d1, xor(greater, s1)))
            let d2 := xor(s2, mload(add(best, 512)))
            greater := xor(greater, and(d2, xor(greater, s2)))
            let less := not(greater)
            mstore(best, xor(s0, and(d0, less)))
            mstore(add(best, 256), xor(s1, and(d1, less)))
            mstore(add(best, 512), xor(s2, and(d2, less)))
        }
    }

    /// @notice Keep a number of four planes.
    /// @param plane pointer into the row of the lowest
    function storeNumber(
        uint256 ones,
        uint256 twos,
        uint256 fours,
        uint256 eights,
        uint256 plane
    ) internal pure {
        assembly ("memory-safe") {
            mstore(plane, ones)
            mstore(add(plane, 256), twos)
            mstore(add(plane, 512), fours)
            mstore(add(plane, 768), eights)
        }
    }

    /// @notice number += addend, of four planes.
    /// @param plane pointer into the row of the number's lowest plane
    function increase(uint256 ones, uint256 twos, uint256 fours, uint256 eights, uint256 plane)
        internal
        pure
    {
        assembly ("memory-safe") {
            let carry
            {
                let x := mload(plane)
                mstore(plane, xor(x, ones))
                carry := and(x, ones)
            }
            {
                let at := add(plane, 256)
                let x := mload(at)
                let u := xor(x, twos)
                mstore(at, xor(u, carry))
                carry := xor(x, and(u, xor(x, carry)))
            }
            {
                let at := add(plane, 512)
                let x := mload(at)
                let u := xor(x, fours)
                mstore(at, xor(u, carry))
                carry := xor(x, and(u, xor(x, carry)))
            }
            {
                let at := add(plane, 768)
                let x := mload(at)
                let u := xor(x, eights)
                mstore(at, xor(u, carry))
                carry := xor(x, and(u, xor(x, carry)))
            }
            for { plane := add(plane, 1024) } carry { plane := add(plane, 256) } {
                let x := mload(plane)
                mstore(plane, xor(x, carry))
                carry := and(x, carry)
            }
        }
    }

    /// @notice Where the sum of two numbers is greater than the best, it becomes the best.
    /// @param a pointer into the row of the first number's lowest plane; the second's planes follow
    /// @param nPlanes planes of either, four at least; the sum and the best have one more
    /// @param sum pointer into the row of the sum's lowest plane
    /// @param best the same of the best
    /// @return greater the samples where it was greater
    function takeGreaterSum(uint256 a, uint256 nPlanes, uint256 sum, uint256 best)
        internal
        pure
        returns (uint256 greater)
    {
        assembly ("memory-safe") {
            let size := shl(8, nPlanes)
            let b := add(a, size)
            let carry := mload(b)
            let s0 := mload(a)
            {
                let x := xor(s0, carry)
                carry := and(s0, carry)
                s0 := x
                // from the lowest plane up, the highest that differs decides
                greater := and(s0, xor(s0, mload(best)))
            }
            let s1
            {
                let x := mload(add(a, 256))
                let y := mload(add(b, 256))
                let u := xor(x, y)
                s1 := xor(u, carry)
                carry := xor(y, and(u, xor(y, carry)))
                greater := xor(greater, and(xor(s1, mload(add(best, 256))), xor(greater, s1)))
            }
            let s2
            {
                let x := mload(add(a, 512))
                let y := mload(add(b, 512))
                let u := xor(x, y)
                s2 := xor(u, carry)
                carry := xor(y, and(u, xor(y, carry)))
                greater := xor(greater, and(xor(s2, mload(add(best, 512))), xor(greater, s2)))
            }
            let s3
            {
                let x := mload(add(a, 768))
                let y := mload(add(b, 768))
                let u := xor(x, y)
                s3 := xor(u, carry)
                carry := xor(y, and(u, xor(y, carry)))
                greater := xor(greater, and(xor(s3, mload(add(best, 768))), xor(greater, s3)))
            }
            let at := 1024
            for {} lt(at, size) { at := add(at, 256) } {
                let y := mload(add(b, at))
                let u := xor(mload(add(a, at)), y)
                let s := xor(u, carry)
                mstore(add(sum, at), s)
                carry := xor(y, and(u, xor(y, carry)))
                greater := xor(greater, and(xor(s, mload(add(best, at))), xor(greater, s)))
            }
            mstore(add(sum, at), carry)
            greater := xor(greater, and(xor(carry, mload(add(best, at))), xor(greater, carry)))
            if greater {
                b := mload(best)
                mstore(best, xor(b, and(greater, xor(b, s0))))
                a := add(best, 256)
                b := mload(a)
                mstore(a, xor(b, and(greater, xor(b, s1))))
                a := add(best, 512)
                b := mload(a)
                mstore(a, xor(b, and(greater, xor(b, s2))))
                a := add(best, 768)
                b := mload(a)
                mstore(a, xor(b, and(greater, xor(b, s3))))
                for {} gt(at, 768) { at := sub(at, 256) } {
                    a := add(best, at)
                    b := mload(a)
                    mstore(a, xor(b, and(greater, xor(b, mload(add(sum, at))))))
                }
            }
        }
    }

    /// @notice Sum of a number over the samples of a mask, in one block.
    /// @param mask a row
    /// @param plane the number's lowest plane, a row; the others follow
    /// @param nPlanes at least one
    /// @dev As in `countBoth`, but what is left of a plane as twos, fours and eights are ones, twos and
    /// fours to the next plane. So only the ones of each are counted, and the rest at last.
    function sumWithin(uint256 mask, uint256 plane, uint256 nPlanes)
        internal
        pure
        returns (uint256 total)
    {
        assembly ("memory-safe") {
            let ones := 0
            let twos := 0
            let fours := 0
            // The mask's distance from the plane changes, so that the compiler does not load the mask
            // before the loop and run out of stack. The sum is halved for every plane, and the word's
            // lower half takes what is shifted out; its lowest bit says that this was the last.
            mask := sub(mask, plane)
            for { total := shl(nPlanes, 1) } iszero(and(total, 1)) {
                plane := add(plane, 256)
                mask := sub(mask, 256)
            } {
                let at := add(plane, mask)
                let s
                let t
                {
                    let x := and(mload(at), mload(plane))
                    let y := and(mload(add(at, 32)), mload(add(plane, 32)))
                    let u := xor(ones, x)
                    s := xor(x, and(u, xor(x, y)))
                    ones := xor(u, y)
                }
                {
                    let x := and(mload(add(at, 64)), mload(add(plane, 64)))
                    let y := and(mload(add(at, 96)), mload(add(plane, 96)))
                    let u := xor(ones, x)
                    t := xor(x, and(u, xor(x, y)))
                    ones := xor(u, y)
                }
                {
                    let u := xor(twos, s)
                    let carry := xor(s, and(u, xor(s, t)))
                    twos := xor(u, t)
                    s := carry
                }
                let f := s
                {
                    let x := and(mload(add(at, 128)), mload(add(plane, 128)))
                    let y := and(mload(add(at, 160)), mload(add(plane, 160)))
                    let u := xor(ones, x)
                    s := xor(x, and(u, xor(x, y)))
                    ones := xor(u, y)
                }
                {
                    let x := and(mload(add(at, 192)), mload(add(plane, 192)))
                    let y := and(mload(add(at, 224)), mload(add(plane, 224)))
                    let u := xor(ones, x)
                    t := xor(x, and(u, xor(x, y)))
                    ones := xor(u, y)
                }
                {
                    let u := xor(twos, s)
                    let carry := xor(s, and(u, xor(s, t)))
                    twos := xor(u, t)
                    s := carry
                }
                {
                    let u := xor(fours, f)
                    let carry := xor(f, and(u, xor(f, s)))
                    fours := xor(u, s)
                    s := carry
                }
                // 2-bit, 4-bit, byte and 16-bit lanes
                t := 0x5555555555555555555555555555555555555555555555555555555555555555
                ones := sub(ones, and(shr(1, ones), t))
                t := 0x3333333333333333333333333333333333333333333333333333333333333333
                ones := add(and(ones, t), and(shr(2, ones), t))
                t := 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f
                ones := and(add(ones, shr(4, ones)), t)
                t := 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
                ones := mod(add(and(ones, t), and(shr(8, ones), t)), 0xffff)
                total := add(shr(1, total), shl(128, ones))
                ones := twos
                twos := fours
                fours := s
            }
            total := shr(sub(129, nPlanes), total)
            // bytes of ones + 2 · twos + 4 · fours, at most 56
            let lanes := 0x5555555555555555555555555555555555555555555555555555555555555555
            ones := sub(ones, and(shr(1, ones), lanes))
            twos := sub(twos, and(shr(1, twos), lanes))
            fours := sub(fours, and(shr(1, fours), lanes))
            lanes := 0x3333333333333333333333333333333333333333333333333333333333333333
            ones := add(and(ones, lanes), and(shr(2, ones), lanes))
            twos := add(and(twos, lanes), and(shr(2, twos), lanes))
            fours := add(and(fours, lanes), and(shr(2, fours), lanes))
            ones := add(ones, shl(1, twos))
            lanes := 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f
            ones := add(and(ones, lanes), and(shr(4, ones), lanes))
            fours := and(add(fours, shr(4, fours)), lanes)
            ones := add(ones, shl(2, fours))
            lanes := 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
            ones := mod(add(and(ones, lanes), and(shr(8, ones), lanes)), 0xffff)
            total := add(total, shl(nPlanes, ones))
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
                s := 0x5555555555555555555555555555555555555555555555555555555555555555
                t := sub(t, and(shr(1, t), s))
                s := 0x3333333333333333333333333333333333333333333333333333333333333333
                t := add(and(t, s), and(shr(2, t), s))
                s := 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f
                total := add(total, and(add(t, shr(4, t)), s))
                b := add(b, step)
            }
            // the running words: nibbles of ones + 2 · twos, at most 12, then bytes with the fours,
            // at most 56; and 16-bit lanes of all, at most 2 · 56 + 8 · 496
            let lanes := 0x5555555555555555555555555555555555555555555555555555555555555555
            ones := sub(ones, and(shr(1, ones), lanes))
            twos := sub(twos, and(shr(1, twos), lanes))
            fours := sub(fours, and(shr(1, fours), lanes))
            lanes := 0x3333333333333333333333333333333333333333333333333333333333333333
            ones := add(and(ones, lanes), and(shr(2, ones), lanes))
            twos := add(and(twos, lanes), and(shr(2, twos), lanes))
            fours := add(and(fours, lanes), and(shr(2, fours), lanes))
            ones := add(ones, shl(1, twos))
            lanes := 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f
            ones := add(and(ones, lanes), and(shr(4, ones), lanes))
            fours := and(add(fours, shr(4, fours)), lanes)
            ones := add(ones, shl(2, fours))
            lanes := 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
            ones := add(and(ones, lanes), and(shr(8, ones), lanes))
            total := add(and(total, lanes), and(shr(8, total), lanes))
            total := mod(add(ones, shl(3, total)), 0xffff)
        }
    }
}
