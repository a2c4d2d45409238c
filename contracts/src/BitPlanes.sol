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

    /// @notice into = a & b, for `size` bytes of whole rows.
    function andRows(uint256 into, uint256 a, uint256 b, uint256 size) internal pure {
        assembly ("memory-safe") {
            for { let end := add(into, size) } lt(into, end) {} {
                mstore(into, and(mload(a), mload(b)))
                mstore(add(into, 32), and(mload(add(a, 32)), mload(add(b, 32))))
                mstore(add(into, 64), and(mload(add(a, 64)), mload(add(b, 64))))
                mstore(add(into, 96), and(mload(add(a, 96)), mload(add(b, 96))))
                mstore(add(into, 128), and(mload(add(a, 128)), mload(add(b, 128))))
                mstore(add(into, 160), and(mload(add(a, 160)), mload(add(b, 160))))
                mstore(add(into, 192), and(mload(add(a, 192)), mload(add(b, 192))))
                mstore(add(into, 224), and(mload(add(a, 224)), mload(add(b, 224))))
                into := add(into, 256)
                a := add(a, 256)
                b := add(b, 256)
            }
        }
    }

    /// @notice rows = ~rows, for `size` bytes.
    function invertRows(uint256 rows, uint256 size) internal pure {
        assembly ("memory-safe") {
            for { let end := add(rows, size) } lt(rows, end) { rows := add(rows, 32) } {
                mstore(rows, not(mload(rows)))
            }
        }
    }

    /// @notice Set the bits of some samples to `bit`, which is all ones or none.
    function assignRow(uint256 row, uint256 samples, uint256 bit) internal pure {
        assembly ("memory-safe") {
            for { let end := add(row, 256) } lt(row, end) { row := add(row, 64) } {
                let word := mload(row)
                mstore(row, xor(word, and(mload(samples), xor(word, bit))))
                word := mload(add(row, 32))
                mstore(add(row, 32), xor(word, and(mload(add(samples, 32)), xor(word, bit))))
                samples := add(samples, 64)
            }
        }
    }

    /// @notice Add up single rows: how many of them have each sample's bit.
    /// @param nRows how many, a multiple of 7, at least 7
    /// @param planes where the sum goes: at least 3 planes, and enough for it
    /// @param nPlanes how many planes there are
    function sumRows(uint256 rows, uint256 nRows, uint256 planes, uint256 nPlanes) internal pure {
        unchecked {
            _sumSeven(rows, planes, false);
            if (nRows == 7) return;
            for (uint256 at = planes + 3 * ROW; at < planes + nPlanes * ROW; at += 32) {
                store(at, 0);
            }
            for (uint256 end = rows + nRows * ROW; (rows += 7 * ROW) < end;) {
                _sumSeven(rows, planes, true);
            }
        }
    }

    /// @dev Four full adders make three planes of seven rows. `isMore`: add them to the planes.
    function _sumSeven(uint256 rows, uint256 planes, bool isMore) private pure {
        assembly ("memory-safe") {
            for { let end := add(rows, 256) } lt(rows, end) { rows := add(rows, 32) } {
                let ones := mload(rows)
                let x
                let y
                let z
                {
                    let b := mload(add(rows, 256))
                    let c := mload(add(rows, 512))
                    let u := xor(ones, b)
                    x := xor(b, and(u, xor(b, c)))
                    ones := xor(u, c)
                }
                {
                    let b := mload(add(rows, 768))
                    let c := mload(add(rows, 1024))
                    let u := xor(ones, b)
                    y := xor(b, and(u, xor(b, c)))
                    ones := xor(u, c)
                }
                {
                    let b := mload(add(rows, 1280))
                    let c := mload(add(rows, 1536))
                    let u := xor(ones, b)
                    z := xor(b, and(u, xor(b, c)))
                    ones := xor(u, c)
                }
                // y becomes the twos, x the fours
                {
                    let u := xor(x, y)
                    x := xor(y, and(u, xor(y, z)))
                    y := xor(u, z)
                }
                switch isMore
                case 0 {
                    mstore(planes, ones)
                    mstore(add(planes, 256), y)
                    mstore(add(planes, 512), x)
                }
                default {
                    let old := mload(planes)
                    mstore(planes, xor(old, ones))
                    let carry := and(old, ones)
                    let at := add(planes, 256)
                    old := mload(at)
                    let u := xor(old, y)
                    mstore(at, xor(u, carry))
                    carry := xor(y, and(u, xor(y, carry)))
                    at := add(planes, 512)
                    old := mload(at)
                    u := xor(old, x)
                    mstore(at, xor(u, carry))
                    carry := xor(x, and(u, xor(x, carry)))
                    for {} carry {} {
                        at := add(at, 256)
                        old := mload(at)
                        mstore(at, xor(old, carry))
                        carry := and(old, carry)
                    }
                }
                planes := add(planes, 32)
            }
        }
    }

    /// @notice Add two numbers, and make the sum the best where it is greater.
    /// @param a planes of the first; the second's follow them
    /// @param nPlanes planes of each
    /// @param best one plane more
    /// @param into row of the samples where it was greater
    /// @param scratch one row more than `nPlanes`
    function takeGreater(uint256 a, uint256 nPlanes, uint256 best, uint256 into, uint256 scratch)
        internal
        pure
    {
        unchecked {
            for (uint256 end = into + ROW; into < end; into += 32) {
                store(into, _takeGreater(a, nPlanes * ROW, best, scratch));
                a += 32;
                best += 32;
            }
        }
    }

    /// @dev For one word. From the lowest plane up, the highest that differs decides.
    function _takeGreater(uint256 a, uint256 size, uint256 best, uint256 scratch)
        private
        pure
        returns (uint256 greater)
    {
        assembly ("memory-safe") {
            let carry := 0
            let sums := scratch
            let top := best
            for { let end := add(a, size) } lt(a, end) { a := add(a, 256) } {
                let b := mload(add(a, size))
                let u := xor(mload(a), b)
                let sum := xor(u, carry)
                carry := xor(b, and(u, xor(b, carry)))
                mstore(sums, sum)
                sums := add(sums, 32)
                greater := xor(greater, and(xor(sum, mload(top)), xor(greater, sum)))
                top := add(top, 256)
            }
            greater := xor(greater, and(xor(carry, mload(top)), xor(greater, carry)))
            if greater {
                mstore(sums, carry)
                for {} iszero(gt(best, top)) { best := add(best, 256) } {
                    let old := mload(best)
                    mstore(best, xor(old, and(greater, xor(old, mload(scratch)))))
                    scratch := add(scratch, 32)
                }
            }
        }
    }

    /// @notice `takeGreater` for numbers of three planes, which stay on the stack.
    function takeGreaterOfThree(uint256 a, uint256 best, uint256 into) internal pure {
        assembly ("memory-safe") {
            for { let end := add(a, 256) } lt(a, end) { a := add(a, 32) } {
                let s0 := mload(a)
                let s3 := mload(add(a, 768))
                let s1 := and(s0, s3)
                s0 := xor(s0, s3)
                let s2
                {
                    let b := mload(add(a, 256))
                    let c := mload(add(a, 1024))
                    let u := xor(b, c)
                    s2 := xor(c, and(u, xor(c, s1)))
                    s1 := xor(u, s1)
                }
                {
                    let b := mload(add(a, 512))
                    let c := mload(add(a, 1280))
                    let u := xor(b, c)
                    s3 := xor(c, and(u, xor(c, s2)))
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
                    mstore(best, xor(s0, and(d0, not(greater))))
                    mstore(add(best, 256), xor(s1, and(d1, not(greater))))
                    mstore(add(best, 512), xor(s2, and(d2, not(greater))))
                    mstore(add(best, 768), xor(s3, and(d3, not(greater))))
                }
                into := add(into, 32)
                best := add(best, 32)
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

    /// @notice Which samples of one word have a number above 0, and whether it is the same for all.
    /// @param numbers the word in the lowest plane
    /// @return any the samples
    /// @return value their number; 0 if they differ or there are none
    function common(uint256 numbers, uint256 nPlanes)
        internal
        pure
        returns (uint256 any, uint256 value)
    {
        unchecked {
            for (uint256 p; p < nPlanes; ++p) {
                any |= load(numbers + p * ROW);
            }
            for (uint256 p; p < nPlanes; ++p) {
                uint256 plane = load(numbers + p * ROW);
                if (plane == 0) continue;
                if (plane != any) return (any, 0);
                value |= 1 << p;
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

    /// @notice product = a · b, modulo 2^nB: shifted sums of b, one for every plane of a.
    function multiply(uint256 a, uint256 nA, uint256 b, uint256 nB, uint256 product) internal pure {
        unchecked {
            for (uint256 end = a + ROW; a < end; a += 32) {
                _multiply(a, nA, b, product, product + nB * ROW);
                b += 32;
                product += 32;
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

    /// @return bytes of a record that counts numbers of so many planes: the eights counted so far,
    /// then per plane three words that hold the rest per bit: ones, twos, fours
    function recordBytes(uint256 nPlanes) internal pure returns (uint256) {
        return (1 + 3 * nPlanes) * 32;
    }

    /// @notice Add Σ number over the samples of a mask, a row each, to a record.
    /// @dev Seven full adders put the eight words of a row into ones, twos and fours; what carries
    /// out of them, eights, is counted at once.
    function count(uint256 mask, uint256 numbers, uint256 nPlanes, uint256 record) internal pure {
        assembly ("memory-safe") {
            let end := add(numbers, shl(8, nPlanes))
            let counter := add(record, 32)
            let shift := 0
            let total := mload(record)
            for {} lt(numbers, end) { numbers := add(numbers, 256) } {
                let ones := mload(counter)
                let twos, x
                {
                    let b := and(mload(mask), mload(numbers))
                    let c := and(mload(add(mask, 32)), mload(add(numbers, 32)))
                    let u := xor(ones, b)
                    twos := xor(b, and(u, xor(b, c)))
                    ones := xor(u, c)
                }
                {
                    let b := and(mload(add(mask, 64)), mload(add(numbers, 64)))
                    let c := and(mload(add(mask, 96)), mload(add(numbers, 96)))
                    let u := xor(ones, b)
                    let carry := xor(b, and(u, xor(b, c)))
                    ones := xor(u, c)
                    u := xor(mload(add(counter, 32)), twos)
                    x := xor(twos, and(u, xor(twos, carry)))
                    twos := xor(u, carry)
                }
                {
                    let b := and(mload(add(mask, 128)), mload(add(numbers, 128)))
                    let c := and(mload(add(mask, 160)), mload(add(numbers, 160)))
                    let u := xor(ones, b)
                    let first := xor(b, and(u, xor(b, c)))
                    ones := xor(u, c)
                    b := and(mload(add(mask, 192)), mload(add(numbers, 192)))
                    c := and(mload(add(mask, 224)), mload(add(numbers, 224)))
                    u := xor(ones, b)
                    mstore(counter, xor(u, c))
                    c := xor(b, and(u, xor(b, c)))
                    u := xor(twos, first)
                    mstore(add(counter, 32), xor(u, c))
                    c := xor(first, and(u, xor(first, c)))
                    u := xor(mload(add(counter, 64)), x)
                    mstore(add(counter, 64), xor(u, c))
                    x := xor(x, and(u, xor(x, c)))
                }
                if x {
                    // 2-bit, 4-bit, byte and 16-bit lanes: 256 would not fit a byte
                    let half := 0x5555555555555555555555555555555555555555555555555555555555555555
                    x := sub(x, and(shr(1, x), half))
                    half := 0x3333333333333333333333333333333333333333333333333333333333333333
                    x := add(and(x, half), and(shr(2, x), half))
                    half := 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f
                    x := and(add(x, shr(4, x)), half)
                    half := 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
                    x := add(and(x, half), and(shr(8, x), half))
                    half := 0x0001000100010001000100010001000100010001000100010001000100010001
                    total := add(total, shl(shift, shr(240, mul(x, half))))
                }
                counter := add(counter, 96)
                shift := add(shift, 1)
            }
            mstore(record, total)
        }
    }

    /// @notice What a record has counted; it starts anew at 0.
    function takeCount(uint256 record, uint256 nPlanes) internal pure returns (uint256 total) {
        unchecked {
            total = load(record) << 3;
            store(record, 0);
            for (uint256 p; p < nPlanes; ++p) {
                for (uint256 k; k < 3; ++k) {
                    record += 32;
                    uint256 word = load(record);
                    if (word == 0) continue;
                    total += popCount(word) << (p + k);
                    store(record, 0);
                }
            }
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
