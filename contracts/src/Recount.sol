// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BitPlanes} from "./BitPlanes.sol";
import {Lanes} from "./Lanes.sol";
import {PackedLabels} from "./PackedLabels.sol";

/// @title How many labels of every class there are
/// @notice Two ways to the same counts. `slice` counts the bits of a mask per class: the fewer
/// classes, the cheaper. `tally` makes a histogram, mostly of two labels at a time; its cost
/// hardly depends on the number of classes. docs/kernel.md explains both.
/// @dev Masks are divided out of `not(mload(0x60))`, all ones, for 0x60 always holds 0. Masks that
/// the compiler knows it copies from the code, each time anew, for ten times the gas.
library Recount {
    uint256 private constant WORD = 32;
    /// @dev Groups that are worked on together when bits are counted.
    uint256 private constant BLOCK = 16;
    /// @dev Bytes of what belongs to one value: a group's words, or a label's counters beside every
    /// other label.
    uint256 private constant ROW = 256;
    uint256 private constant LANE = 0xffff;
    /// @dev Counters have two bytes. A group adds 256 at most, in pairs 128.
    uint256 private constant MOST_GROUPS = 255;
    /// @dev Groups from which on it pays to go through a table of pairs.
    uint256 private constant FEWEST_PAIRED = 16;

    /// @notice Count the labels of every class, and how many codes are valid at all.
    /// @param labels whole groups
    /// @param bits bit length of `classes`, 2 to 10
    /// @return counts per class, how many samples carry it
    /// @return valid how many codes are a class or ABSTAIN
    function count(bytes calldata labels, uint256 bits, uint256 classes)
        internal
        pure
        returns (uint256[] memory counts, uint256 valid)
    {
        return isCheaperToSlice(labels.length / (bits * WORD), classes)
            ? slice(labels, bits, classes)
            : tally(labels, bits, classes);
    }

    /// @notice Whether it costs less to count bits than to make a histogram.
    /// @dev With many groups, 0.35 gas a class and label stand against 22 gas a label. `slice` fills
    /// up its last block, so few groups cost it as much as sixteen.
    function isCheaperToSlice(uint256 groups, uint256 classes) internal pure returns (bool) {
        return classes < 64 && classes < 8 + 6 * groups;
    }

    // ------------------------------------------------------------------------------ counting bits

    /// @notice See `count`; up to 63 classes.
    function slice(bytes calldata labels, uint256 bits, uint256 classes)
        internal
        pure
        returns (uint256[] memory counts, uint256 valid)
    {
        unchecked {
            counts = new uint256[](classes);
            uint256 stride = bits * WORD;
            uint256 groups = labels.length / stride;
            assert(bits < 7 && groups < 4096); // two digits; and sums of sixteens fit a lane
            uint256 size = ((groups + BLOCK - 1) / BLOCK) * BLOCK * ROW;
            uint256 lowBits = bits == 4 ? 2 : bits < 3 ? bits : 3;
            uint256 source;
            assembly ("memory-safe") {
                source := add(labels.offset, sub(stride, 32))
            }
            uint256 low = _allocate(groups, size);
            _readDigits(source, stride, groups, lowBits, low);
            uint256 high = low; // codes of up to three bits are one digit
            if (bits > 3) {
                // two digits of two bits share a row
                high = bits > 4 ? _allocate(groups, size) : low + ROW / 2;
                _readDigits(source - lowBits * WORD, stride, groups, bits - lowBits, high);
            }
            for (uint256 class; class < classes; ++class) {
                uint256 found = _countCode(class, lowBits, low, high, size);
                BitPlanes.store(_counterOf(counts, class), found);
                valid += found;
            }
            valid += _countCode(PackedLabels.abstain(bits), lowBits, low, high, size);
        }
    }

    /// @param low pointer to the words of the low digit, `high` to those of the other one
    /// @param size bytes of all rows
    function _countCode(uint256 code, uint256 lowBits, uint256 low, uint256 high, uint256 size)
        private
        pure
        returns (uint256)
    {
        unchecked {
            uint256 a = low + (code & ((1 << lowBits) - 1)) * WORD;
            return _countBoth(a, high == low ? a : high + (code >> lowBits) * WORD, size);
        }
    }

    /// @dev Room for a row per group. The rows that fill up the last block are 0.
    function _allocate(uint256 groups, uint256 size) private pure returns (uint256 rows) {
        assembly ("memory-safe") {
            rows := mload(0x40)
            mstore(0x40, add(rows, size))
            let used := shl(8, groups)
            calldatacopy(add(rows, used), calldatasize(), sub(size, used))
        }
    }

    /// @dev For every group, a word per value of a digit: the samples that have it.
    /// @param source calldata offset of the digit's lowest plane in the first group
    /// @param stride bytes from one group to the next
    /// @param bits two or three
    /// @param row where the first group's words go
    function _readDigits(uint256 source, uint256 stride, uint256 groups, uint256 bits, uint256 row)
        private
        pure
    {
        assembly ("memory-safe") {
            let end := add(row, shl(8, groups))
            switch bits
            case 2 {
                for {} lt(row, end) { row := add(row, 256) } {
                    let high := calldataload(sub(source, 32))
                    let low := calldataload(source)
                    let both := and(high, low)
                    mstore(row, not(or(high, low)))
                    mstore(add(row, 32), xor(low, both))
                    mstore(add(row, 64), xor(high, both))
                    mstore(add(row, 96), both)
                    source := add(source, stride)
                }
            }
            default {
                for {} lt(row, end) { row := add(row, 256) } {
                    let high := calldataload(sub(source, 64))
                    let mid := calldataload(sub(source, 32))
                    let low := calldataload(source)
                    let both := and(high, mid)
                    let upper := not(or(high, mid))
                    let odd := and(upper, low)
                    mstore(row, xor(upper, odd))
                    mstore(add(row, 32), odd)
                    upper := xor(mid, both)
                    odd := and(upper, low)
                    mstore(add(row, 64), xor(upper, odd))
                    mstore(add(row, 96), odd)
                    upper := xor(high, both)
                    odd := and(upper, low)
                    mstore(add(row, 128), xor(upper, odd))
                    mstore(add(row, 160), odd)
                    odd := and(both, low)
                    mstore(add(row, 192), xor(both, odd))
                    mstore(add(row, 224), odd)
                    source := add(source, stride)
                }
            }
        }
    }

    /// @dev Number of set bits in a & b, a word in every row each. Fifteen full adders put sixteen
    /// words into running words of ones, twos, fours and eights; what carries out of them, sixteens,
    /// is counted at once.
    /// @param size bytes of all rows
    function _countBoth(uint256 a, uint256 b, uint256 size) private pure returns (uint256 total) {
        assembly ("memory-safe") {
            function carryOf(differ, x, sum) -> carry {
                carry := xor(x, and(differ, xor(x, sum)))
            }
            mstore(0, 0) // sixteens, in 16-bit lanes
            let ones := 0
            let twos := 0
            let fours := 0
            let eights := 0
            for { let end := add(a, size) } lt(a, end) {} {
                let s
                let t
                let f
                let e
                {
                    let x := and(mload(a), mload(b))
                    let q := xor(x, and(mload(add(a, 256)), mload(add(b, 256))))
                    s := carryOf(q, x, ones)
                    ones := xor(ones, q)
                }
                {
                    let x := and(mload(add(a, 512)), mload(add(b, 512)))
                    let q := xor(x, and(mload(add(a, 768)), mload(add(b, 768))))
                    t := carryOf(q, x, ones)
                    ones := xor(ones, q)
                }
                {
                    let q := xor(s, t)
                    f := carryOf(q, s, twos)
                    twos := xor(twos, q)
                }
                {
                    let x := and(mload(add(a, 1024)), mload(add(b, 1024)))
                    let q := xor(x, and(mload(add(a, 1280)), mload(add(b, 1280))))
                    s := carryOf(q, x, ones)
                    ones := xor(ones, q)
                }
                {
                    let x := and(mload(add(a, 1536)), mload(add(b, 1536)))
                    let q := xor(x, and(mload(add(a, 1792)), mload(add(b, 1792))))
                    t := carryOf(q, x, ones)
                    ones := xor(ones, q)
                }
                {
                    let q := xor(s, t)
                    s := carryOf(q, s, twos)
                    twos := xor(twos, q)
                }
                {
                    let q := xor(f, s)
                    e := carryOf(q, f, fours)
                    fours := xor(fours, q)
                }
                {
                    let x := and(mload(add(a, 2048)), mload(add(b, 2048)))
                    let q := xor(x, and(mload(add(a, 2304)), mload(add(b, 2304))))
                    s := carryOf(q, x, ones)
                    ones := xor(ones, q)
                }
                {
                    let x := and(mload(add(a, 2560)), mload(add(b, 2560)))
                    let q := xor(x, and(mload(add(a, 2816)), mload(add(b, 2816))))
                    t := carryOf(q, x, ones)
                    ones := xor(ones, q)
                }
                {
                    let q := xor(s, t)
                    f := carryOf(q, s, twos)
                    twos := xor(twos, q)
                }
                {
                    let x := and(mload(add(a, 3072)), mload(add(b, 3072)))
                    let q := xor(x, and(mload(add(a, 3328)), mload(add(b, 3328))))
                    s := carryOf(q, x, ones)
                    ones := xor(ones, q)
                }
                {
                    let x := and(mload(add(a, 3584)), mload(add(b, 3584)))
                    let q := xor(x, and(mload(add(a, 3840)), mload(add(b, 3840))))
                    t := carryOf(q, x, ones)
                    ones := xor(ones, q)
                }
                {
                    let q := xor(s, t)
                    s := carryOf(q, s, twos)
                    twos := xor(twos, q)
                }
                {
                    let q := xor(f, s)
                    f := carryOf(q, f, fours)
                    fours := xor(fours, q)
                }
                {
                    let q := xor(e, f)
                    e := carryOf(q, e, eights)
                    eights := xor(eights, q)
                }
                // 2-bit, 4-bit, byte and 16-bit lanes
                let all := not(mload(0x60))
                let pairs := div(all, 0x3)
                let nibbles := div(all, 0x5)
                let octets := div(all, 0x11)
                let lower := div(all, 0x101)
                e := sub(e, and(shr(1, e), pairs))
                e := add(and(e, nibbles), and(shr(2, e), nibbles))
                e := and(add(e, shr(4, e)), octets)
                mstore(0, add(mload(0), and(add(e, shr(8, e)), lower)))
                a := add(a, 4096)
                b := add(b, 4096)
            }
            let all := not(mload(0x60))
            let pairs := div(all, 0x3)
            let nibbles := div(all, 0x5)
            let octets := div(all, 0x11)
            let lower := div(all, 0x101)
            // the running words together: nibbles of ones + 2 · twos and of fours + 2 · eights, at
            // most 12; then bytes of all four, at most 120
            ones := sub(ones, and(shr(1, ones), pairs))
            twos := sub(twos, and(shr(1, twos), pairs))
            fours := sub(fours, and(shr(1, fours), pairs))
            eights := sub(eights, and(shr(1, eights), pairs))
            ones := add(and(ones, nibbles), and(shr(2, ones), nibbles))
            twos := add(and(twos, nibbles), and(shr(2, twos), nibbles))
            fours := add(and(fours, nibbles), and(shr(2, fours), nibbles))
            eights := add(and(eights, nibbles), and(shr(2, eights), nibbles))
            ones := add(ones, shl(1, twos))
            fours := add(fours, shl(1, eights))
            ones := add(and(ones, octets), and(shr(4, ones), octets))
            fours := add(and(fours, octets), and(shr(4, fours), octets))
            ones := add(ones, shl(2, fours))
            ones := and(add(ones, shr(8, ones)), lower)
            // the remainder is the sum of the lanes
            total := add(mod(ones, 0xffff), shl(4, mod(mload(0), 0xffff)))
        }
    }

    // -------------------------------------------------------------------------------- histogram

    /// @notice See `count`.
    /// @dev A table has a counter per code; or else, for pairs, a row of counters.
    function tally(bytes calldata labels, uint256 bits, uint256 classes)
        internal
        pure
        returns (uint256[] memory counts, uint256 valid)
    {
        unchecked {
            counts = new uint256[](1 << bits); // of every code, for now
            uint256 stride = bits * WORD;
            // the table for two codes of eight bits is too large, and that for seven has its price
            bool paired = bits < 8 && labels.length >= FEWEST_PAIRED * stride;
            uint256 size = paired ? ROW << bits : 2 << bits;
            uint256 buffer = BitPlanes.allocate(33 + size / WORD);
            uint256 table = buffer + 33 * WORD;
            assert(table + size <= LANE); // pointers fit lanes
            BitPlanes.store(table - WORD, (table - 30) * (type(uint256).max / LANE));
            uint256 source;
            assembly ("memory-safe") {
                source := labels.offset
            }
            uint256 end = source + labels.length;
            for (uint256 until; source < end; source = until) {
                until = source + (paired ? 2 : 1) * MOST_GROUPS * stride;
                if (until > end) until = end;
                assembly ("memory-safe") {
                    calldatacopy(table, calldatasize(), size)
                }
                _tally(source, until, stride, paired, buffer);
                if (paired) _fold(table, size, counts);
                _addTo(counts, table);
            }
            for (uint256 class; class < classes; ++class) {
                valid += BitPlanes.load(_counterOf(counts, class));
            }
            valid += counts[PackedLabels.abstain(bits)];
            assembly ("memory-safe") {
                mstore(counts, classes)
            }
        }
    }

    /// @dev Turn planes into lanes of 16 bits, two codes of a byte or one of two, and count these.
    /// @param until calldata offset of the end
    /// @param buffer 16 words that take the planes, behind zeros, and 16 that take the lanes; then a
    /// word that makes pointers of lanes, and the counters
    function _tally(uint256 source, uint256 until, uint256 stride, bool paired, uint256 buffer)
        private
        pure
    {
        unchecked {
            uint256 low = buffer + 8 * WORD;
            uint256 turned = low + 8 * WORD;
            for (; source < until; source += stride) {
                assembly ("memory-safe") {
                    calldatacopy(sub(turned, stride), source, stride)
                }
                if (paired) {
                    Lanes.transpose(low, turned, 1);
                    _increment(turned, 8 * WORD, type(uint256).max / 0x101);
                } else {
                    Lanes.transpose(buffer, turned, 1);
                    Lanes.transpose(low, turned + 8 * WORD, 1);
                    _join(turned);
                    _increment(turned, 16 * WORD, type(uint256).max);
                }
            }
        }
    }

    /// @dev Eight words of upper and eight of lower bytes become 16 words of both.
    function _join(uint256 words) private pure {
        assembly ("memory-safe") {
            let lower := div(not(mload(0x60)), 0x101)
            for { let end := add(words, 256) } lt(words, end) { words := add(words, 32) } {
                let high := mload(words)
                let low := mload(add(words, 256))
                let t := and(xor(high, shr(8, low)), lower)
                mstore(words, xor(high, t))
                mstore(add(words, 256), xor(low, shl(8, t)))
            }
        }
    }

    /// @dev Add one to the counter of every lane. A counter is the lowest two bytes of the word that
    /// its pointer points to.
    /// @param lanes pointer to 16 words, of which the first ones are counted, and a word behind them
    /// that makes pointers of lanes when it is added
    /// @param size bytes of the words that are counted
    /// @param index what is the index in a lane: a lower byte is counted twice, and so is a label
    function _increment(uint256 lanes, uint256 size, uint256 index) private pure {
        assembly ("memory-safe") {
            function increment(pointer) {
                mstore(pointer, add(mload(pointer), 1))
            }
            let first := mload(add(lanes, 512))
            for { let end := add(lanes, size) } lt(lanes, end) { lanes := add(lanes, 64) } {
                let word := mload(lanes)
                mstore(0, add(first, add(word, and(word, index))))
                word := mload(add(lanes, 32))
                mstore(32, add(first, add(word, and(word, index))))
                increment(shr(240, mload(0)))
                increment(shr(240, mload(2)))
                increment(shr(240, mload(4)))
                increment(shr(240, mload(6)))
                increment(shr(240, mload(8)))
                increment(shr(240, mload(10)))
                increment(shr(240, mload(12)))
                increment(shr(240, mload(14)))
                increment(shr(240, mload(16)))
                increment(shr(240, mload(18)))
                increment(shr(240, mload(20)))
                increment(shr(240, mload(22)))
                increment(shr(240, mload(24)))
                increment(shr(240, mload(26)))
                increment(shr(240, mload(28)))
                increment(shr(240, mload(30)))
                increment(shr(240, mload(32)))
                increment(shr(240, mload(34)))
                increment(shr(240, mload(36)))
                increment(shr(240, mload(38)))
                increment(shr(240, mload(40)))
                increment(shr(240, mload(42)))
                increment(shr(240, mload(44)))
                increment(shr(240, mload(46)))
                increment(shr(240, mload(48)))
                increment(shr(240, mload(50)))
                increment(shr(240, mload(52)))
                increment(shr(240, mload(54)))
                increment(shr(240, mload(56)))
                increment(shr(240, mload(58)))
                increment(shr(240, mload(60)))
                increment(shr(240, mload(62)))
            }
        }
    }

    /// @dev A row has the counters of a first label, a column those of a second one. Add the rows'
    /// sums to the counts, and let the first row be those of the columns.
    function _fold(uint256 table, uint256 size, uint256[] memory counts) private pure {
        assembly ("memory-safe") {
            let lanes := div(not(mload(0x60)), 0xffff)
            let into := add(counts, 32)
            let end := add(table, size)
            for { let row := table } lt(row, end) { row := add(row, 256) } {
                let sum := add(mload(row), mload(add(row, 32)))
                sum := add(sum, add(mload(add(row, 64)), mload(add(row, 96))))
                sum := add(sum, add(mload(add(row, 128)), mload(add(row, 160))))
                sum := add(sum, add(mload(add(row, 192)), mload(add(row, 224))))
                mstore(into, add(mload(into), shr(240, mul(sum, lanes))))
                into := add(into, 32)
            }
            for { let last := add(table, 256) } lt(table, last) { table := add(table, 32) } {
                let sum := 0
                for { let at := table } lt(at, end) { at := add(at, 1024) } {
                    let two := add(mload(at), mload(add(at, 256)))
                    sum := add(sum, add(two, add(mload(add(at, 512)), mload(add(at, 768)))))
                }
                mstore(table, sum)
            }
        }
    }

    /// @dev counts += counters.
    function _addTo(uint256[] memory counts, uint256 counters) private pure {
        assembly ("memory-safe") {
            let into := add(counts, 32)
            for { let end := add(into, shl(5, mload(counts))) } lt(into, end) {
                into := add(into, 32)
            } {
                mstore(into, add(mload(into), shr(240, mload(counters))))
                counters := add(counters, 2)
            }
        }
    }

    /// @return pointer to a code's count
    function _counterOf(uint256[] memory counts, uint256 code)
        private
        pure
        returns (uint256 pointer)
    {
        unchecked {
            return BitPlanes.pointerTo(counts) + code * WORD;
        }
    }
}
