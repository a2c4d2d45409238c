// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BitPlanes} from "./BitPlanes.sol";

/// @title Matches of up to twelve voters
/// @notice In one sample, which voters gave the class at hand is a pattern of a few bits. A table says
/// for each pattern how many peers agree with each of them: a word with a lane per voter, which is
/// added to the row of the class. docs/kernel.md, "Many classes".
/// @dev Where some abstain, a class has a row for every number of voters who are missing, so that
/// what a match is worth can be multiplied in at the end.
library Patterns {
    uint256 internal constant MOST_VOTERS = 12;
    /// @dev A lane is never full: 744 · 256 · 11 < 2^21.
    uint256 internal constant MOST_GROUPS = 744;
    uint256 internal constant LANE_BITS = 21;
    uint256 internal constant LANE = (1 << 21) - 1;

    uint256 private constant LANES =
        0x0001000100010001000100010001000100010001000100010001000100010001;
    uint256 private constant POINTER = 0x1fffe0;
    /// @dev Of 16 samples, with so many it is cheaper to take in all.
    uint256 private constant MANY = 8;

    /// @notice Per pattern, the votes of each voter's peers. League 1 has the lower bits.
    /// @param voters0 of league 0, or without leagues all
    /// @param voters1 of league 1, else 0
    function newTable(uint256 voters0, uint256 voters1, bool leagues)
        internal
        pure
        returns (uint256 table)
    {
        unchecked {
            table = BitPlanes.allocate(1 << (voters0 + voters1));
            if (!leagues) {
                for (uint256 b; b < voters0; ++b) {
                    _double(table, 32 << b, 1 << (LANE_BITS * b));
                }
                _countPeers(table, 32 << voters0);
                return table;
            }
            for (uint256 pattern; pattern < 1 << voters0; ++pattern) {
                uint256 votes;
                uint256 ones;
                for (uint256 b; b < voters0; ++b) {
                    if ((pattern >> b) & 1 == 0) continue;
                    ++votes;
                    ones |= 1 << (LANE_BITS * (voters1 + b));
                }
                uint256 part = table + (pattern << (voters1 + 5));
                for (uint256 b; b < voters1; ++b) {
                    _double(part, 32 << b, ones + (votes << (LANE_BITS * b)));
                }
            }
        }
    }

    /// @notice Words at the end of memory, all 0, which cost nothing until they are used.
    function reserve(uint256 words) internal pure returns (uint256 pointer) {
        assembly ("memory-safe") {
            pointer := mload(0x40)
            mstore(0x40, add(pointer, shl(5, words)))
        }
    }

    /// @notice Give back what was reserved, and all memory since.
    function release(uint256 pointer) internal pure {
        assembly ("memory-safe") {
            mstore(0x40, pointer)
        }
    }

    /// @dev Append the words once more, each `more` than it was.
    function _double(uint256 from, uint256 size, uint256 more) private pure {
        assembly ("memory-safe") {
            let to := add(from, size)
            for { let end := add(to, and(size, not(127))) } lt(to, end) { to := add(to, 128) } {
                mstore(to, add(mload(from), more))
                mstore(add(to, 32), add(mload(add(from, 32)), more))
                mstore(add(to, 64), add(mload(add(from, 64)), more))
                mstore(add(to, 96), add(mload(add(from, 96)), more))
                from := add(from, 128)
            }
            for { let end := add(to, and(size, 127)) } lt(to, end) { to := add(to, 32) } {
                mstore(to, add(mload(from), more))
                from := add(from, 32)
            }
        }
    }

    /// @dev Lanes of 1 become lanes of the number of others.
    function _countPeers(uint256 from, uint256 size) private pure {
        assembly ("memory-safe") {
            for { let end := add(from, size) } lt(from, end) { from := add(from, 32) } {
                let ones := mload(from)
                mstore(from, mul(ones, sub(mod(ones, LANE), 1)))
            }
        }
    }

    /// @notice Add the matches for the class at hand.
    /// @param samples where there are any
    /// @param numbers per sample the row's address, in lanes of 16 bits: its 32nd part
    /// @param voters the address in the table for those who gave the class, likewise
    /// @param lanes the lowest bit of each lane
    function add(uint256 samples, uint256 numbers, uint256 voters, uint256 lanes) internal pure {
        unchecked {
            for (uint256 place = 16; place > 0;) {
                --place;
                uint256 some = (samples >> place) & lanes;
                if (some % 0xffff >= MANY) {
                    _addAll(BitPlanes.load(numbers), BitPlanes.load(voters));
                } else {
                    _addSome(some, BitPlanes.load(numbers), BitPlanes.load(voters));
                }
                numbers += 32;
                voters += 32;
            }
        }
    }

    function _addSome(uint256 some, uint256 numbers, uint256 voters) private pure {
        assembly ("memory-safe") {
            for {} some {} {
                let sample := and(some, sub(0, some))
                some := xor(some, sample)
                let at := and(shl(5, div(numbers, sample)), POINTER)
                let earned := mload(and(shl(5, div(voters, sample)), POINTER))
                mstore(at, add(mload(at), earned))
            }
        }
    }

    /// @dev All 16 samples of a word; who did not match has the pattern 0.
    function _addAll(uint256 numbers, uint256 voters) private pure {
        assembly ("memory-safe") {
            let at
            at := and(shr(235, numbers), POINTER)
            mstore(at, add(mload(at), mload(and(shr(235, voters), POINTER))))
            at := and(shr(219, numbers), POINTER)
            mstore(at, add(mload(at), mload(and(shr(219, voters), POINTER))))
            at := and(shr(203, numbers), POINTER)
            mstore(at, add(mload(at), mload(and(shr(203, voters), POINTER))))
            at := and(shr(187, numbers), POINTER)
            mstore(at, add(mload(at), mload(and(shr(187, voters), POINTER))))
            at := and(shr(171, numbers), POINTER)
            mstore(at, add(mload(at), mload(and(shr(171, voters), POINTER))))
            at := and(shr(155, numbers), POINTER)
            mstore(at, add(mload(at), mload(and(shr(155, voters), POINTER))))
            at := and(shr(139, numbers), POINTER)
            mstore(at, add(mload(at), mload(and(shr(139, voters), POINTER))))
            at := and(shr(123, numbers), POINTER)
            mstore(at, add(mload(at), mload(and(shr(123, voters), POINTER))))
            at := and(shr(107, numbers), POINTER)
            mstore(at, add(mload(at), mload(and(shr(107, voters), POINTER))))
            at := and(shr(91, numbers), POINTER)
            mstore(at, add(mload(at), mload(and(shr(91, voters), POINTER))))
            at := and(shr(75, numbers), POINTER)
            mstore(at, add(mload(at), mload(and(shr(75, voters), POINTER))))
            at := and(shr(59, numbers), POINTER)
            mstore(at, add(mload(at), mload(and(shr(59, voters), POINTER))))
            at := and(shr(43, numbers), POINTER)
            mstore(at, add(mload(at), mload(and(shr(43, voters), POINTER))))
            at := and(shr(27, numbers), POINTER)
            mstore(at, add(mload(at), mload(and(shr(27, voters), POINTER))))
            at := and(shr(11, numbers), POINTER)
            mstore(at, add(mload(at), mload(and(shr(11, voters), POINTER))))
            at := and(shl(5, numbers), POINTER)
            mstore(at, add(mload(at), mload(and(shl(5, voters), POINTER))))
        }
    }

    /// @notice Add to a league's accounts what one weight applies to.
    /// @param rows of the first class, in the first of the sets of rows
    /// @param nSets how many there are
    /// @param step bytes from one set to the next
    /// @param behind how many voters come after the league's last
    /// @param accounts after the last voter's, which are a word per class
    /// @param voters of the league
    function collect(
        uint256 rows,
        uint256 nSets,
        uint256 step,
        uint256 behind,
        uint256 weight,
        uint256 accounts,
        uint256 classes,
        uint256 voters
    ) internal pure {
        unchecked {
            if (weight == 0) return; // no peer is left
            accounts -= classes * 32;
            for (uint256 class; class < classes; ++class) {
                uint256 row;
                for (uint256 set; set < nSets; ++set) {
                    row += BitPlanes.load(rows + set * step);
                }
                row >>= LANE_BITS * behind;
                if (row > 0) _credit(row, weight, accounts, classes * 32, voters);
                rows += 32;
                accounts += 32;
            }
        }
    }

    function _credit(uint256 row, uint256 weight, uint256 at, uint256 size, uint256 voters)
        private
        pure
    {
        assembly ("memory-safe") {
            for {} voters { voters := sub(voters, 1) } {
                mstore(at, add(mload(at), mul(and(row, LANE), weight)))
                row := shr(LANE_BITS, row)
                at := sub(at, size)
            }
        }
    }
}
