// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BitPlanes} from "./BitPlanes.sol";

/// @title Matches of many voters
/// @notice Sixteen voters of a league after the other. In one sample, who of them gave the class at
/// hand is a word with a one in the lane of each. That, times the votes of their peers, is added to
/// the row of the class. docs/kernel.md, "Many classes".
/// @dev Where some abstain, a class has a row for every number of peers who are missing, so that
/// what a match is worth can be multiplied in later.
library Sixteens {
    uint256 private constant LANE = 0xffff;
    uint256 private constant POINTER = 0x1fffe0;
    /// @dev Of 16 samples, with so many it is cheaper to take in all.
    uint256 private constant MANY = 8;
    /// @dev A sample adds at most r · ⌊720720 / r⌋ to 32 bits: 23 · 256 · 720720 < 2^32.
    uint256 private constant MOST_GROUPS = 23;

    /// @param lanes the lowest bit of each lane of 16 bits
    /// @param rows the 32nd part of where the sixteen's rows are
    /// @param classes pointer to lanes: per sample, the class at hand
    /// @param missing pointer to lanes: per sample, how many peers did not label it
    /// @param shift by which this counts more than the class
    /// @param votes pointer to lanes: per sample, how many peers gave the class
    /// @param voters pointer to lanes: per voter of the sixteen, the samples where it did
    struct Sixteen {
        uint256 lanes;
        uint256 rows;
        uint256 classes;
        uint256 missing;
        uint256 shift;
        uint256 votes;
        uint256 voters;
    }

    /// @param voters the most that a match can bring votes of
    /// @return groups of how many groups rows can hold the matches, at least one
    function groupsFor(uint256 voters) internal pure returns (uint256 groups) {
        groups = LANE / (256 * (voters + 1));
        if (groups > MOST_GROUPS) groups = MOST_GROUPS;
        if (groups == 0) groups = 1;
    }

    /// @notice Add the matches for the class at hand.
    /// @param samples where there are any, rows and columns of 16 exchanged
    function add(uint256 samples, Sixteen memory sixteen) internal pure {
        unchecked {
            uint256 lanes = sixteen.lanes;
            uint256 base = lanes * sixteen.rows;
            uint256 at;
            for (uint256 place = 16; place > 0; at += 32) {
                --place;
                uint256 some = (samples >> place) & lanes;
                uint256 voters = BitPlanes.load(sixteen.voters + at);
                if (some == 0 || voters == 0) continue;
                uint256 numbers = base + BitPlanes.load(sixteen.classes + at)
                    + (BitPlanes.load(sixteen.missing + at) << sixteen.shift);
                uint256 votes = BitPlanes.load(sixteen.votes + at);
                if (some % LANE >= MANY) _addAll(numbers, votes, voters, lanes);
                else _addSome(some, numbers, votes, voters, lanes);
            }
        }
    }

    function _addSome(uint256 some, uint256 numbers, uint256 votes, uint256 voters, uint256 lanes)
        private
        pure
    {
        assembly ("memory-safe") {
            for {} some {} {
                let sample := and(some, sub(0, some))
                some := xor(some, sample)
                let at := and(shl(5, div(numbers, sample)), POINTER)
                // 2^16 leaves 2, and so 2^(16 n) leaves 2^n.
                let ones := and(div(voters, mod(sample, 0xfffe)), lanes)
                mstore(at, add(mload(at), mul(ones, and(div(votes, sample), LANE))))
            }
        }
    }

    /// @dev All 16 samples of a word; the votes are 0 where there is no match.
    function _addAll(uint256 numbers, uint256 votes, uint256 voters, uint256 lanes) private pure {
        assembly ("memory-safe") {
            let at
            at := and(shr(235, numbers), POINTER)
            mstore(at, add(mload(at), mul(and(shr(15, voters), lanes), and(shr(240, votes), LANE))))
            at := and(shr(219, numbers), POINTER)
            mstore(at, add(mload(at), mul(and(shr(14, voters), lanes), and(shr(224, votes), LANE))))
            at := and(shr(203, numbers), POINTER)
            mstore(at, add(mload(at), mul(and(shr(13, voters), lanes), and(shr(208, votes), LANE))))
            at := and(shr(187, numbers), POINTER)
            mstore(at, add(mload(at), mul(and(shr(12, voters), lanes), and(shr(192, votes), LANE))))
            at := and(shr(171, numbers), POINTER)
            mstore(at, add(mload(at), mul(and(shr(11, voters), lanes), and(shr(176, votes), LANE))))
            at := and(shr(155, numbers), POINTER)
            mstore(at, add(mload(at), mul(and(shr(10, voters), lanes), and(shr(160, votes), LANE))))
            at := and(shr(139, numbers), POINTER)
            mstore(at, add(mload(at), mul(and(shr(9, voters), lanes), and(shr(144, votes), LANE))))
            at := and(shr(123, numbers), POINTER)
            mstore(at, add(mload(at), mul(and(shr(8, voters), lanes), and(shr(128, votes), LANE))))
            at := and(shr(107, numbers), POINTER)
            mstore(at, add(mload(at), mul(and(shr(7, voters), lanes), and(shr(112, votes), LANE))))
            at := and(shr(91, numbers), POINTER)
            mstore(at, add(mload(at), mul(and(shr(6, voters), lanes), and(shr(96, votes), LANE))))
            at := and(shr(75, numbers), POINTER)
            mstore(at, add(mload(at), mul(and(shr(5, voters), lanes), and(shr(80, votes), LANE))))
            at := and(shr(59, numbers), POINTER)
            mstore(at, add(mload(at), mul(and(shr(4, voters), lanes), and(shr(64, votes), LANE))))
            at := and(shr(43, numbers), POINTER)
            mstore(at, add(mload(at), mul(and(shr(3, voters), lanes), and(shr(48, votes), LANE))))
            at := and(shr(27, numbers), POINTER)
            mstore(at, add(mload(at), mul(and(shr(2, voters), lanes), and(shr(32, votes), LANE))))
            at := and(shr(11, numbers), POINTER)
            mstore(at, add(mload(at), mul(and(shr(1, voters), lanes), and(shr(16, votes), LANE))))
            at := and(shl(5, numbers), POINTER)
            mstore(at, add(mload(at), mul(and(voters, lanes), and(votes, LANE))))
        }
    }

    /// @notice Empty a class's rows into its voters' accounts.
    /// @param rows those for nobody missing
    /// @param nSets how many rows
    /// @param step bytes from one to the next
    /// @param weights what a vote is worth, for each
    /// @param account of the first voter
    /// @param size bytes to the account of the next
    /// @param voters how many
    function collect(
        uint256 rows,
        uint256 nSets,
        uint256 step,
        uint256 weights,
        uint256 account,
        uint256 size,
        uint256 voters,
        uint256 lanes
    ) internal pure {
        assembly ("memory-safe") {
            // Two lanes make a wide one, for every other voter's sum.
            let wide := mul(div(lanes, 0x10001), LANE)
            let next := 0
            let other := 0
            for {} nSets { nSets := sub(nSets, 1) } {
                let row := mload(rows)
                if row {
                    mstore(rows, 0)
                    let weight := mload(weights)
                    next := add(next, mul(and(shr(16, row), wide), weight))
                    other := add(other, mul(and(row, wide), weight))
                }
                rows := add(rows, step)
                weights := add(weights, 32)
            }
            if or(next, other) {
                for {} voters { voters := sub(voters, 1) } {
                    mstore(account, add(mload(account), shr(224, next)))
                    account := add(account, size)
                    let rest := shl(32, next)
                    next := other
                    other := rest
                }
            }
        }
    }
}
