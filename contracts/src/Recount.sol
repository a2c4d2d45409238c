// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BitPlanes} from "./BitPlanes.sol";
import {Lanes} from "./Lanes.sol";
import {PackedLabels} from "./PackedLabels.sol";

library Recount {
    uint256 private constant WORD = 32;
    uint256 private constant BLOCK = 16;
    uint256 private constant ROW = 256;

    function sliced(bytes calldata labels, uint256 bits, uint256 classes)
        internal
        pure
        returns (uint256[] memory counts, uint256 valid)
    {
        unchecked {
            counts = new uint256[](classes);
            uint256 stride = bits * WORD;
            uint256 groups = labels.length / stride;
            uint256 size = (groups + BLOCK - 1) / BLOCK * BLOCK * 256;
            uint256 lowBits = bits == 4 ? 2 : bits < 3 ? bits : 3;
            uint256 low = _allocate(groups, size);
            uint256 high = low + 128;
            uint256 source;
            assembly ("memory-safe") {
                source := add(labels.offset, sub(stride, 32))
            }
            _rowsOf(source, stride, groups, lowBits, low);
            if (bits > 4) high = _allocate(groups, size);
            if (bits > 3) {
                _rowsOf(source - lowBits * WORD, stride, groups, bits - lowBits, high);
            }
            uint256 last = PackedLabels.abstain(bits);
            for (uint256 code; code <= last; ++code) {
                if (code == classes) code = last;
                uint256 a = low + (code & ((1 << lowBits) - 1)) * WORD;
                uint256 b = bits > 3 ? high + (code >> lowBits) * WORD : a;
                uint256 found = _countBoth(a, b, size);
                valid += found;
                if (code < classes) BitPlanes.store(BitPlanes.pointerTo(counts) + code * WORD, found);
            }
        }
    }

    function _allocate(uint256 groups, uint256 size) private pure returns (uint256 rows) {
        assembly ("memory-safe") {
            rows := mload(0x40)
            mstore(0x40, add(rows, size))
            let used := shl(8, groups)
            calldatacopy(add(rows, used), calldatasize(), sub(size, used))
        }
    }

    function _rowsOf(uint256 source, uint256 stride, uint256 groups, uint256 digits, uint256 row)
        private
        pure
    {
        assembly ("memory-safe") {
            let end := add(row, shl(8, groups))
            switch digits
            case 2 {
                for { } lt(row, end) { row := add(row, 256) } {
                    let q := calldataload(sub(source, 32))
                    let r := calldataload(source)
                    let both := and(q, r)
                    mstore(row, not(or(q, r)))
                    mstore(add(row, 32), xor(r, both))
                    mstore(add(row, 64), xor(q, both))
                    mstore(add(row, 96), both)
                    source := add(source, stride)
                }
            }
            default {
                for { } lt(row, end) { row := add(row, 256) } {
                    let p := calldataload(sub(source, 64))
                    let q := calldataload(sub(source, 32))
                    let r := calldataload(source)
                    let both := and(p, q)
                    {
                        let x := not(or(p, q))
                        let y := and(x, r)
                        mstore(row, xor(x, y))
                        mstore(add(row, 32), y)
                    }
                    {
                        let x := xor(q, both)
                        let y := and(x, r)
                        mstore(add(row, 64), xor(x, y))
                        mstore(add(row, 96), y)
                    }
                    {
                        let x := xor(p, both)
                        let y := and(x, r)
                        mstore(add(row, 128), xor(x, y))
                        mstore(add(row, 160), y)
                    }
                    {
                        let y := and(both, r)
                        mstore(add(row, 192), xor(both, y))
                        mstore(add(row, 224), y)
                    }
                    source := add(source, stride)
                }
            }
        }
    }

    function _countBoth(uint256 a, uint256 b, uint256 size) private pure returns (uint256 total) {
        assembly ("memory-safe") {
            function carryOf(u, x, y) -> carry {
                carry := xor(x, and(u, xor(x, y)))
            }
            let zero := mload(0x60)
            let m1 := div(not(zero), 3)
            let m2 := div(not(zero), 5)
            let m4 := div(not(zero), 17)
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
                    let y := and(mload(add(a, 256)), mload(add(b, 256)))
                    let u := xor(ones, x)
                    s := carryOf(u, x, y)
                    ones := xor(u, y)
                }
                {
                    let x := and(mload(add(a, 512)), mload(add(b, 512)))
                    let y := and(mload(add(a, 768)), mload(add(b, 768)))
                    let u := xor(ones, x)
                    t := carryOf(u, x, y)
                    ones := xor(u, y)
                }
                {
                    let u := xor(twos, s)
                    f := carryOf(u, s, t)
                    twos := xor(u, t)
                }
                {
                    let x := and(mload(add(a, 1024)), mload(add(b, 1024)))
                    let y := and(mload(add(a, 1280)), mload(add(b, 1280)))
                    let u := xor(ones, x)
                    s := carryOf(u, x, y)
                    ones := xor(u, y)
                }
                {
                    let x := and(mload(add(a, 1536)), mload(add(b, 1536)))
                    let y := and(mload(add(a, 1792)), mload(add(b, 1792)))
                    let u := xor(ones, x)
                    t := carryOf(u, x, y)
                    ones := xor(u, y)
                }
                {
                    let u := xor(twos, s)
                    s := carryOf(u, s, t)
                    twos := xor(u, t)
                }
                {
                    let u := xor(fours, f)
                    e := carryOf(u, f, s)
                    fours := xor(u, s)
                }
                {
                    let x := and(mload(add(a, 2048)), mload(add(b, 2048)))
                    let y := and(mload(add(a, 2304)), mload(add(b, 2304)))
                    let u := xor(ones, x)
                    s := carryOf(u, x, y)
                    ones := xor(u, y)
                }
                {
                    let x := and(mload(add(a, 2560)), mload(add(b, 2560)))
                    let y := and(mload(add(a, 2816)), mload(add(b, 2816)))
                    let u := xor(ones, x)
                    t := carryOf(u, x, y)
                    ones := xor(u, y)
                }
                {
                    let u := xor(twos, s)
                    f := carryOf(u, s, t)
                    twos := xor(u, t)
                }
                {
                    let x := and(mload(add(a, 3072)), mload(add(b, 3072)))
                    let y := and(mload(add(a, 3328)), mload(add(b, 3328)))
                    let u := xor(ones, x)
                    s := carryOf(u, x, y)
                    ones := xor(u, y)
                }
                {
                    let x := and(mload(add(a, 3584)), mload(add(b, 3584)))
                    let y := and(mload(add(a, 3840)), mload(add(b, 3840)))
                    let u := xor(ones, x)
                    t := carryOf(u, x, y)
                    ones := xor(u, y)
                }
                {
                    let u := xor(twos, s)
                    s := carryOf(u, s, t)
                    twos := xor(u, t)
                }
                {
                    let u := xor(fours, f)
                    f := carryOf(u, f, s)
                    fours := xor(u, s)
                }
                {
                    let u := xor(eights, e)
                    e := carryOf(u, e, f)
                    eights := xor(u, f)
                }
                e := sub(e, and(shr(1, e), m1))
                e := add(and(e, m2), and(shr(2, e), m2))
                e := and(add(e, shr(4, e)), m4)
                let m := 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
                total := add(total, and(add(e, shr(8, e)), m))
                a := add(a, 4096)
                b := add(b, 4096)
            }
            ones := sub(ones, and(shr(1, ones), m1))
            twos := sub(twos, and(shr(1, twos), m1))
            fours := sub(fours, and(shr(1, fours), m1))
            eights := sub(eights, and(shr(1, eights), m1))
            ones := add(and(ones, m2), and(shr(2, ones), m2))
            twos := add(and(twos, m2), and(shr(2, twos), m2))
            fours := add(and(fours, m2), and(shr(2, fours), m2))
            eights := add(and(eights, m2), and(shr(2, eights), m2))
            // nibbles of at most 12
            ones := add(ones, shl(1, twos))
            fours := add(fours, shl(1, eights))
            ones := add(and(ones, m4), and(shr(4, ones), m4))
            fours := add(and(fours, m4), and(shr(4, fours), m4))
            ones := add(ones, shl(2, fours)) // bytes of at most 120
            let m := 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
            ones := and(add(ones, shr(8, ones)), m)
            // the lanes' sum may need more than 16 bits
            total := add(mod(ones, 0xffff), shl(4, mod(total, 0xffff)))
        }
    }

    function histogram(bytes calldata labels, uint256 bits, uint256 classes)
        internal
        pure
        returns (uint256[] memory counts, uint256 valid)
    {
        unchecked {
            counts = new uint256[](1 << bits); // of every code, for now
            uint256 stride = bits * WORD;
            bool paired = bits < 8;
            uint256 table = paired ? ROW << bits : 2 << bits; // its size, for now
            uint256 buffer = BitPlanes.allocate(32 + table / WORD);
            table = buffer + 32 * WORD;
            uint256 source;
            assembly ("memory-safe") {
                source := labels.offset
            }
            for (uint256 end = source + labels.length; source < end;) {
                uint256 until = source + (paired ? 510 : 255) * stride;
                if (until > end) until = end;
                _clear(table, paired ? ROW << bits : 2 << bits);
                source = _tally(source, until, stride, buffer, table);
                if (paired) _fold(table, bits, counts);
                for (uint256 code; code < counts.length; ++code) {
                    uint256 at = BitPlanes.pointerTo(counts) + code * WORD;
                    BitPlanes.store(at, BitPlanes.load(at) + (BitPlanes.load(table + 2 * code) >> 240));
                }
            }
            for (uint256 class; class < classes; ++class) {
                valid += BitPlanes.load(BitPlanes.pointerTo(counts) + class * WORD);
            }
            if (paired && (labels.length / stride) % 2 > 0) {
                counts[0] -= 256;
                valid -= 256;
            }
            valid += counts[PackedLabels.abstain(bits)];
            assembly ("memory-safe") {
                mstore(counts, classes)
            }
        }
    }

    function _clear(uint256 table, uint256 size) private pure {
        assembly ("memory-safe") {
            calldatacopy(table, calldatasize(), size)
        }
    }

    function _tally(uint256 source, uint256 until, uint256 stride, uint256 buffer, uint256 table)
        private
        pure
        returns (uint256)
    {
        unchecked {
            bool paired = stride < 8 * WORD;
            uint256 second = buffer + 8 * WORD;
            uint256 pointers = (table - 30) * (type(uint256).max / 0xffff);
            while (source < until) {
                if (paired) {
                    assembly ("memory-safe") {
                        calldatacopy(sub(second, stride), source, stride)
                        source := add(source, stride)
                        let at := sub(add(second, 224), stride)
                        switch lt(source, until)
                        case 0 { calldatacopy(at, calldatasize(), stride) }
                        default { calldatacopy(at, source, stride) }
                    }
                } else {
                    assembly ("memory-safe") {
                        calldatacopy(sub(add(second, 224), stride), source, stride)
                    }
                }
                source += stride;
                Lanes.transpose(buffer, second + 8 * WORD, 1);
                Lanes.transpose(second, second + 16 * WORD, 1);
                assembly ("memory-safe") {
                    function tally(lanes) {
                        mstore(0, lanes)
                        let at := shr(240, lanes)
                        mstore(at, add(mload(at), 1))
                        at := shr(240, mload(2))
                        mstore(at, add(mload(at), 1))
                        at := shr(240, mload(4))
                        mstore(at, add(mload(at), 1))
                        at := shr(240, mload(6))
                        mstore(at, add(mload(at), 1))
                        at := shr(240, mload(8))
                        mstore(at, add(mload(at), 1))
                        at := shr(240, mload(10))
                        mstore(at, add(mload(at), 1))
                        at := shr(240, mload(12))
                        mstore(at, add(mload(at), 1))
                        at := shr(240, mload(14))
                        mstore(at, add(mload(at), 1))
                        at := shr(240, mload(16))
                        mstore(at, add(mload(at), 1))
                        at := shr(240, mload(18))
                        mstore(at, add(mload(at), 1))
                        at := shr(240, mload(20))
                        mstore(at, add(mload(at), 1))
                        at := shr(240, mload(22))
                        mstore(at, add(mload(at), 1))
                        at := shr(240, mload(24))
                        mstore(at, add(mload(at), 1))
                        at := shr(240, mload(26))
                        mstore(at, add(mload(at), 1))
                        at := shr(240, mload(28))
                        mstore(at, add(mload(at), 1))
                        at := shr(240, mload(30))
                        mstore(at, add(mload(at), 1))
                    }
                    let mask := div(not(mload(0x60)), 0x101)
                    for { let at := add(second, 256) } lt(at, add(second, 512)) { at := add(at, 32) } {
                        let a := mload(at)
                        let b := mload(add(at, 256))
                        let t := and(xor(a, shr(8, b)), mask)
                        tally(add(pointers, xor(a, t)))
                        tally(add(pointers, xor(b, shl(8, t))))
                    }
                }
            }
            return source;
        }
    }

    function _fold(uint256 table, uint256 bits, uint256[] memory counts) private pure {
        assembly ("memory-safe") {
            let ones := div(not(mload(0x60)), 0xffff)
            let size := shl(add(bits, 8), 1)
            let into := add(counts, 32)
            for { let row := table } lt(row, add(table, size)) { row := add(row, 256) } {
                let sum := add(mload(row), mload(add(row, 32)))
                sum := add(sum, add(mload(add(row, 64)), mload(add(row, 96))))
                sum := add(sum, add(mload(add(row, 128)), mload(add(row, 160))))
                sum := add(sum, add(mload(add(row, 192)), mload(add(row, 224))))
                mstore(into, add(mload(into), shr(240, mul(sum, ones))))
                into := add(into, 32)
            }
            for { let column := table } lt(column, add(table, 256)) { column := add(column, 32) } {
                let sum := 0
                for { let at := column } lt(at, add(table, size)) { at := add(at, 1024) } {
                    sum := add(sum, add(mload(at), mload(add(at, 256))))
                    sum := add(sum, add(mload(add(at, 512)), mload(add(at, 768))))
                }
                mstore(column, sum)
            }
        }
    }
}
