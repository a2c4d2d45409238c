// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Numbers as planes
/// @notice A number per sample, one bit a word: plane p holds bit p of the numbers of 256 samples.
/// Adding, comparing and counting such numbers takes a few word operations for 256 samples.
/// @dev Words live in rows: ROW bytes in memory, one word for each of BLOCK groups of 256 samples.
/// The planes of a number are consecutive rows, least significant first. Pointers are byte
/// addresses. A full adder makes of a, b, c the sum a^b^c and the carry b^((a^b)&(b^c)).
library BitPlanes {
    uint256 internal constant BLOCK = 8;
    uint256 internal constant ROW = 256;
    uint256 internal constant WORD = 32;

    /// @return pointer to that many fresh rows, all 0
    function allocateRows(uint256 rows) internal pure returns (uint256 pointer) {
        return allocate(rows * BLOCK);
    }

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

    /// @notice into = a & b, for whole rows.
    function bothOf(uint256 a, uint256 b, uint256 into, uint256 rows) internal pure {
        assembly ("memory-safe") {
            for { let end := add(a, shl(8, rows)) } lt(a, end) {} {
                mstore(into, and(mload(a), mload(b)))
                mstore(add(into, 32), and(mload(add(a, 32)), mload(add(b, 32))))
                a := add(a, 64)
                b := add(b, 64)
                into := add(into, 64)
            }
        }
    }

    /// @notice rows = ~rows.
    function invert(uint256 from, uint256 rows) internal pure {
        assembly ("memory-safe") {
            for { let end := add(from, shl(8, rows)) } lt(from, end) { from := add(from, 32) } {
                mstore(from, not(mload(from)))
            }
        }
    }

    /// @notice Which samples are in any, and which in all of some rows ANDed with others.
    /// @param nRows how many, at least one
    /// @return any the bits of one word of the rows that are set anywhere
    /// @return all those that are set everywhere
    function anyAndAllOf(uint256 a, uint256 b, uint256 nRows)
        internal
        pure
        returns (uint256 any, uint256 all)
    {
        assembly ("memory-safe") {
            all := not(0)
            for { let end := add(a, shl(8, nRows)) } lt(a, end) { a := add(a, 256) } {
                let both := and(mload(a), mload(b))
                any := or(any, both)
                all := and(all, both)
                b := add(b, 256)
            }
        }
    }

    /// @notice Set masks to a & b, row by row, and add them up: how many have each sample's bit.
    /// @param nRows how many masks, an odd number
    /// @param sum where the sum goes: at least 3 planes
    /// @param nPlanes how many planes there are, enough for it
    function sumBothOf(
        uint256 a,
        uint256 b,
        uint256 masks,
        uint256 nRows,
        uint256 sum,
        uint256 nPlanes
    ) internal pure {
        unchecked {
            uint256 first = (nRows - 1) % 6 + 1;
            _sumFirst(a, b, masks, first, sum);
            if (first == nRows) return;
            for (uint256 at = sum + 3 * ROW; at < sum + nPlanes * ROW; at += WORD) {
                store(at, 0);
            }
            for (uint256 at = first * ROW; at < nRows * ROW; at += 6 * ROW) {
                _sumSix(a + at, b + at, masks + at, sum);
            }
        }
    }

    /// @dev One, three or five rows: at most two full adders and a half one.
    function _sumFirst(uint256 a, uint256 b, uint256 masks, uint256 nRows, uint256 sum)
        private
        pure
    {
        assembly ("memory-safe") {
            for { let end := add(a, 256) } lt(a, end) { a := add(a, 32) } {
                let ones := and(mload(a), mload(b))
                let twos := 0
                let fours := 0
                mstore(masks, ones)
                if gt(nRows, 1) {
                    let y := and(mload(add(a, 256)), mload(add(b, 256)))
                    mstore(add(masks, 256), y)
                    let z := and(mload(add(a, 512)), mload(add(b, 512)))
                    mstore(add(masks, 512), z)
                    let u := xor(ones, y)
                    twos := xor(y, and(u, xor(y, z)))
                    ones := xor(u, z)
                    if gt(nRows, 3) {
                        y := and(mload(add(a, 768)), mload(add(b, 768)))
                        mstore(add(masks, 768), y)
                        z := and(mload(add(a, 1024)), mload(add(b, 1024)))
                        mstore(add(masks, 1024), z)
                        u := xor(ones, y)
                        ones := xor(u, z)
                        u := xor(y, and(u, xor(y, z)))
                        fours := and(twos, u)
                        twos := xor(twos, u)
                    }
                }
                mstore(sum, ones)
                mstore(add(sum, 256), twos)
                mstore(add(sum, 512), fours)
                b := add(b, 32)
                masks := add(masks, 32)
                sum := add(sum, 32)
            }
        }
    }

    /// @dev Six rows more: three full adders, whose carries go up the planes.
    function _sumSix(uint256 a, uint256 b, uint256 masks, uint256 sum) private pure {
        assembly ("memory-safe") {
            for { let end := add(a, 256) } lt(a, end) { a := add(a, 32) } {
                let ones := mload(sum)
                let s
                let t
                {
                    let y := and(mload(a), mload(b))
                    mstore(masks, y)
                    let z := and(mload(add(a, 256)), mload(add(b, 256)))
                    mstore(add(masks, 256), z)
                    let u := xor(ones, y)
                    s := xor(y, and(u, xor(y, z)))
                    ones := xor(u, z)
                }
                {
                    let y := and(mload(add(a, 512)), mload(add(b, 512)))
                    mstore(add(masks, 512), y)
                    let z := and(mload(add(a, 768)), mload(add(b, 768)))
                    mstore(add(masks, 768), z)
                    let u := xor(ones, y)
                    t := xor(y, and(u, xor(y, z)))
                    ones := xor(u, z)
                }
                {
                    let y := and(mload(add(a, 1024)), mload(add(b, 1024)))
                    mstore(add(masks, 1024), y)
                    let z := and(mload(add(a, 1280)), mload(add(b, 1280)))
                    mstore(add(masks, 1280), z)
                    let u := xor(ones, y)
                    mstore(sum, xor(u, z))
                    ones := xor(y, and(u, xor(y, z)))
                }
                // the twos: those before and three carries make two fours
                let at := add(sum, 256)
                {
                    let twos := mload(at)
                    let u := xor(twos, s)
                    s := xor(s, and(u, xor(s, t)))
                    t := xor(u, t)
                    mstore(at, xor(t, ones))
                    t := and(t, ones)
                }
                at := add(at, 256)
                {
                    let u := xor(mload(at), s)
                    mstore(at, xor(u, t))
                    s := xor(s, and(u, xor(s, t)))
                }
                for {} s {} {
                    at := add(at, 256)
                    let plane := mload(at)
                    mstore(at, xor(plane, s))
                    s := and(plane, s)
                }
                b := add(b, 32)
                masks := add(masks, 32)
                sum := add(sum, 32)
            }
        }
    }

    /// @notice sum = a + b.
    /// @param a planes of the first; the second's follow them
    /// @param sum one plane more
    function add(uint256 a, uint256 nPlanes, uint256 sum) internal pure {
        assembly ("memory-safe") {
            let size := shl(8, nPlanes)
            for { let end := add(a, 256) } lt(a, end) { a := add(a, 32) } {
                let carry := 0
                for { let at := 0 } lt(at, size) { at := add(at, 256) } {
                    let from := add(a, at)
                    let y := mload(add(from, size))
                    let u := xor(mload(from), y)
                    mstore(add(sum, at), xor(u, carry))
                    carry := xor(y, and(u, xor(y, carry)))
                }
                mstore(add(sum, size), carry)
                sum := add(sum, 32)
            }
        }
    }

    /// @notice Where a number is greater than the best, it becomes the best.
    /// @param into row of the samples where it was greater
    function takeGreater(uint256 numbers, uint256 nPlanes, uint256 best, uint256 into)
        internal
        pure
    {
        assembly ("memory-safe") {
            let size := shl(8, nPlanes)
            for { let end := add(into, 256) } lt(into, end) { into := add(into, 32) } {
                // from the lowest plane up, the highest that differs decides
                let greater := 0
                for { let at := 0 } lt(at, size) { at := add(at, 256) } {
                    let plane := mload(add(numbers, at))
                    let differs := xor(plane, mload(add(best, at)))
                    greater := xor(greater, and(differs, xor(greater, plane)))
                }
                mstore(into, greater)
                if greater {
                    for { let at := 0 } lt(at, size) { at := add(at, 256) } {
                        let to := add(best, at)
                        let old := mload(to)
                        mstore(to, xor(old, and(greater, xor(old, mload(add(numbers, at))))))
                    }
                }
                numbers := add(numbers, 32)
                best := add(best, 32)
            }
        }
    }

    /// @notice `add` and `takeGreater` for sums of two numbers of three planes, on the stack.
    function takeGreaterOfThree(uint256 a, uint256 best, uint256 into) internal pure {
        assembly ("memory-safe") {
            for { let end := add(a, 256) } lt(a, end) { a := add(a, 32) } {
                let s0 := mload(a)
                let s3 := mload(add(a, 768))
                let s1 := and(s0, s3)
                s0 := xor(s0, s3)
                let s2
                {
                    let y := mload(add(a, 256))
                    let z := mload(add(a, 1024))
                    let u := xor(y, z)
                    s2 := xor(z, and(u, xor(z, s1)))
                    s1 := xor(u, s1)
                }
                {
                    let y := mload(add(a, 512))
                    let z := mload(add(a, 1280))
                    let u := xor(y, z)
                    s3 := xor(z, and(u, xor(z, s2)))
                    s2 := xor(u, s2)
                }
                let d0 := xor(s0, mload(best))
                let d1 := xor(s1, mload(add(best, 256)))
                let d2 := xor(s2, mload(add(best, 512)))
                let d3 := xor(s3, mload(add(best, 768)))
                let greater := and(d0, s0)
                greater := xor(greater, and(d1, xor(greater, s1)))
                greater := xor(greater, and(d2, xor(greater, s2)))
                greater := xor(greater, and(d3, xor(greater, s3)))
                mstore(into, greater)
                if greater {
                    greater := not(greater)
                    mstore(best, xor(s0, and(d0, greater)))
                    mstore(add(best, 256), xor(s1, and(d1, greater)))
                    mstore(add(best, 512), xor(s2, and(d2, greater)))
                    mstore(add(best, 768), xor(s3, and(d3, greater)))
                }
                into := add(into, 32)
                best := add(best, 32)
            }
        }
    }

    /// @notice `sumBothOf` for two leagues of five seats, and `takeGreaterOfThree` of the sums, in
    /// one go, which is the usual case and two thirds the cost.
    /// @param masks the ten masks; the sums' six planes follow, then the four of the best
    function tallyFives(uint256 lower, uint256 upper, uint256 masks, uint256 into) internal pure {
        assembly ("memory-safe") {
            for { let end := add(into, 256) } lt(into, end) { into := add(into, 32) } {
                let a0 := and(mload(lower), mload(upper))
                mstore(masks, a0)
                let a1
                let a2
                {
                    let p := and(mload(add(lower, 256)), mload(add(upper, 256)))
                    mstore(add(masks, 256), p)
                    let q := and(mload(add(lower, 512)), mload(add(upper, 512)))
                    mstore(add(masks, 512), q)
                    let u := xor(a0, p)
                    a1 := xor(p, and(u, xor(p, q)))
                    a0 := xor(u, q)
                }
                {
                    let p := and(mload(add(lower, 768)), mload(add(upper, 768)))
                    mstore(add(masks, 768), p)
                    let q := and(mload(add(lower, 1024)), mload(add(upper, 1024)))
                    mstore(add(masks, 1024), q)
                    let u := xor(a0, p)
                    a0 := xor(u, q)
                    q := xor(p, and(u, xor(p, q)))
                    a2 := and(a1, q)
                    a1 := xor(a1, q)
                }
                mstore(add(masks, 2560), a0)
                mstore(add(masks, 2816), a1)
                mstore(add(masks, 3072), a2)
                let b0 := and(mload(add(lower, 1280)), mload(add(upper, 1280)))
                mstore(add(masks, 1280), b0)
                let b1
                let b2
                {
                    let p := and(mload(add(lower, 1536)), mload(add(upper, 1536)))
                    mstore(add(masks, 1536), p)
                    let q := and(mload(add(lower, 1792)), mload(add(upper, 1792)))
                    mstore(add(masks, 1792), q)
                    let u := xor(b0, p)
                    b1 := xor(p, and(u, xor(p, q)))
                    b0 := xor(u, q)
                }
                {
                    let p := and(mload(add(lower, 2048)), mload(add(upper, 2048)))
                    mstore(add(masks, 2048), p)
                    let q := and(mload(add(lower, 2304)), mload(add(upper, 2304)))
                    mstore(add(masks, 2304), q)
                    let u := xor(b0, p)
                    b0 := xor(u, q)
                    q := xor(p, and(u, xor(p, q)))
                    b2 := and(b1, q)
                    b1 := xor(b1, q)
                }
                mstore(add(masks, 3328), b0)
                mstore(add(masks, 3584), b1)
                mstore(add(masks, 3840), b2)
                // b is now the sum of both
                {
                    let c := and(a0, b0)
                    b0 := xor(a0, b0)
                    let u := xor(a1, b1)
                    a1 := xor(b1, and(u, xor(b1, c)))
                    b1 := xor(u, c)
                    u := xor(a2, b2)
                    a2 := xor(b2, and(u, xor(b2, a1)))
                    b2 := xor(u, a1)
                }
                let best := add(masks, 4096)
                a0 := xor(b0, mload(best))
                a1 := and(a0, b0)
                {
                    let d1 := xor(b1, mload(add(best, 256)))
                    a1 := xor(a1, and(d1, xor(a1, b1)))
                    let d2 := xor(b2, mload(add(best, 512)))
                    a1 := xor(a1, and(d2, xor(a1, b2)))
                    let d3 := xor(a2, mload(add(best, 768)))
                    a1 := xor(a1, and(d3, xor(a1, a2)))
                    mstore(into, a1)
                    if a1 {
                        a1 := not(a1)
                        mstore(best, xor(b0, and(a0, a1)))
                        mstore(add(best, 256), xor(b1, and(d1, a1)))
                        mstore(add(best, 512), xor(b2, and(d2, a1)))
                        mstore(add(best, 768), xor(a2, and(d3, a1)))
                    }
                }
                lower := add(lower, 32)
                upper := add(upper, 32)
                masks := add(masks, 32)
            }
        }
    }

    /// @notice less = numbers − 1 where they are not 0, else 0.
    function decrement(uint256 numbers, uint256 nPlanes, uint256 less) internal pure {
        assembly ("memory-safe") {
            let size := shl(8, nPlanes)
            for { let last := add(numbers, 256) } lt(numbers, last) { numbers := add(numbers, 32) }
            {
                let borrow := 0
                for { let at := 0 } lt(at, size) { at := add(at, 256) } {
                    borrow := or(borrow, mload(add(numbers, at)))
                }
                for { let at := 0 } lt(at, size) { at := add(at, 256) } {
                    let plane := mload(add(numbers, at))
                    mstore(add(less, at), xor(plane, borrow))
                    borrow := and(borrow, not(plane))
                }
                less := add(less, 32)
            }
        }
    }

    /// @notice The samples of one word whose number is `value`.
    function samplesWith(uint256 numbers, uint256 nPlanes, uint256 value)
        internal
        pure
        returns (uint256 samples)
    {
        assembly ("memory-safe") {
            samples := not(0)
            for { let end := add(numbers, shl(8, nPlanes)) } lt(numbers, end) {} {
                // xor with all ones where the bit is 0
                samples := and(samples, xor(mload(numbers), sub(and(value, 1), 1)))
                value := shr(1, value)
                numbers := add(numbers, 256)
            }
        }
    }

    /// @notice Where a number is which part of the total that each sample has: rows for 1, 1/2, 1/3,
    /// 2/3, 1/4, 1/5, 2/5, 4/5, 1/6, 1/7, 2/7 and 4/7, whose sum is number / total.
    /// @dev Plane p of a number out of 2^e · o, with o odd, adds 2^(p−e) / o. So twelve rows are
    /// enough for all totals up to 7, and those up to r have the first few.
    /// @param numbers three planes
    /// @param totals seven rows: the samples whose total is 1, 2, … 7
    /// @param into nRows rows
    function spread(uint256 numbers, uint256 totals, uint256 into, uint256 nRows) internal pure {
        assembly ("memory-safe") {
            for { let end := add(numbers, 256) } lt(numbers, end) { numbers := add(numbers, 32) } {
                let ones := mload(numbers)
                let twos := mload(add(numbers, 256))
                let fours := mload(add(numbers, 512))
                let four := mload(add(totals, 768))
                let two := mload(add(totals, 256))
                mstore(into, or(or(and(ones, mload(totals)), and(twos, two)), and(fours, four)))
                mstore(add(into, 256), or(and(ones, two), and(twos, four)))
                if gt(nRows, 2) {
                    let three := mload(add(totals, 512))
                    mstore(add(into, 512), and(ones, three))
                    mstore(add(into, 768), and(twos, three))
                }
                if gt(nRows, 4) { mstore(add(into, 1024), and(ones, four)) }
                if gt(nRows, 5) {
                    let five := mload(add(totals, 1024))
                    mstore(add(into, 1280), and(ones, five))
                    mstore(add(into, 1536), and(twos, five))
                    mstore(add(into, 1792), and(fours, five))
                }
                if gt(nRows, 8) {
                    let six := mload(add(totals, 1280))
                    mstore(add(into, 2048), and(ones, six))
                    let at := add(into, 512)
                    mstore(at, or(mload(at), and(twos, six)))
                    at := add(into, 768)
                    mstore(at, or(mload(at), and(fours, six)))
                }
                if gt(nRows, 9) {
                    let seven := mload(add(totals, 1536))
                    mstore(add(into, 2304), and(ones, seven))
                    mstore(add(into, 2560), and(twos, seven))
                    mstore(add(into, 2816), and(fours, seven))
                }
                totals := add(totals, 32)
                into := add(into, 32)
            }
        }
    }

    /// @notice product = a · b, modulo 2^nB: shifted sums of b, one for every plane of a.
    function multiply(uint256 a, uint256 nA, uint256 b, uint256 nB, uint256 product) internal pure {
        unchecked {
            for (uint256 end = a + ROW; a < end; a += WORD) {
                _multiply(a, nA, b, product, product + nB * ROW);
                b += WORD;
                product += WORD;
            }
        }
    }

    /// @dev For one word.
    function _multiply(uint256 a, uint256 nA, uint256 b, uint256 product, uint256 end)
        private
        pure
    {
        assembly ("memory-safe") {
            let factor := mload(a)
            let from := b
            for { let at := product } lt(at, end) { at := add(at, 256) } {
                mstore(at, and(factor, mload(from)))
                from := add(from, 256)
            }
            for { let last := add(a, shl(8, sub(nA, 1))) } lt(a, last) {} {
                a := add(a, 256)
                product := add(product, 256)
                factor := mload(a)
                if factor {
                    let carry := 0
                    from := b
                    for { let at := product } lt(at, end) { at := add(at, 256) } {
                        let x := mload(at)
                        let y := and(factor, mload(from))
                        let u := xor(x, y)
                        mstore(at, xor(u, carry))
                        carry := xor(y, and(u, xor(y, carry)))
                        from := add(from, 256)
                    }
                }
            }
        }
    }

    /// @notice Number of set bits in a & b, a row in every block each.
    /// @param step from one block to the next, in bytes
    /// @dev Seven full adders put the eight words into running words of ones, twos and fours; what
    /// carries out of them, eights, is counted at once.
    function countBothOf(uint256 a, uint256 b, uint256 blocks, uint256 step)
        internal
        pure
        returns (uint256 total)
    {
        assembly ("memory-safe") {
            let ones := 0
            let twos := 0
            let fours := 0
            for {} blocks { blocks := sub(blocks, 1) } {
                let s
                let t
                let f
                {
                    let x := and(mload(a), mload(b))
                    let y := and(mload(add(a, 32)), mload(add(b, 32)))
                    let u := xor(ones, x)
                    s := xor(x, and(u, xor(x, y)))
                    ones := xor(u, y)
                }
                {
                    let x := and(mload(add(a, 64)), mload(add(b, 64)))
                    let y := and(mload(add(a, 96)), mload(add(b, 96)))
                    let u := xor(ones, x)
                    t := xor(x, and(u, xor(x, y)))
                    ones := xor(u, y)
                }
                {
                    let u := xor(twos, s)
                    f := xor(s, and(u, xor(s, t)))
                    twos := xor(u, t)
                }
                {
                    let x := and(mload(add(a, 128)), mload(add(b, 128)))
                    let y := and(mload(add(a, 160)), mload(add(b, 160)))
                    let u := xor(ones, x)
                    s := xor(x, and(u, xor(x, y)))
                    ones := xor(u, y)
                }
                {
                    let x := and(mload(add(a, 192)), mload(add(b, 192)))
                    let y := and(mload(add(a, 224)), mload(add(b, 224)))
                    let u := xor(ones, x)
                    t := xor(x, and(u, xor(x, y)))
                    ones := xor(u, y)
                }
                {
                    let u := xor(twos, s)
                    s := xor(s, and(u, xor(s, t)))
                    twos := xor(u, t)
                }
                {
                    let u := xor(fours, f)
                    f := xor(f, and(u, xor(f, s)))
                    fours := xor(u, s)
                }
                if f {
                    // 2-bit, 4-bit, byte and 16-bit lanes: 256 would not fit a byte
                    t := 0x5555555555555555555555555555555555555555555555555555555555555555
                    f := sub(f, and(shr(1, f), t))
                    t := 0x3333333333333333333333333333333333333333333333333333333333333333
                    f := add(and(f, t), and(shr(2, f), t))
                    t := 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f
                    f := and(add(f, shr(4, f)), t)
                    t := 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
                    f := add(and(f, t), and(shr(8, f), t))
                    t := 0x0001000100010001000100010001000100010001000100010001000100010001
                    total := add(total, shr(240, mul(f, t)))
                }
                a := add(a, step)
                b := add(b, step)
            }
            total := shl(3, total)
            // the running words together: nibbles of ones + 2 · twos, at most 12; then bytes of all
            // three, at most 56
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
            lanes := 0x0001000100010001000100010001000100010001000100010001000100010001
            total := add(total, shr(240, mul(ones, lanes)))
        }
    }

    /// @notice How many bits are set.
    function popCount(uint256 x) internal pure returns (uint256 bits) {
        assembly ("memory-safe") {
            let isFull := iszero(not(x)) // 256 would not fit the byte that the sum ends in
            let half := 0x5555555555555555555555555555555555555555555555555555555555555555
            x := sub(x, and(shr(1, x), half))
            half := 0x3333333333333333333333333333333333333333333333333333333333333333
            x := add(and(x, half), and(shr(2, x), half))
            half := 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f
            x := and(add(x, shr(4, x)), half)
            half := 0x0101010101010101010101010101010101010101010101010101010101010101
            bits := add(shr(248, mul(x, half)), shl(8, isFull))
        }
    }
}
