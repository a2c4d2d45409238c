// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BitPlanes} from "./BitPlanes.sol";

/// @title Matches of many voters
/// @notice Sixteen voters of a league after the other. In one sample, which of eight gave the class at
/// hand is a byte, and a table makes of it a word with a one in the lane of each. That, times what
/// a match is worth, is added to the eight's row for the class. docs/kernel.md, "Many classes".
library Sixteens {
    /// @dev A sample adds at most r · ⌊720720 / r⌋ to a lane: 23 · 256 · 720720 < 2^32.
    uint256 internal constant MOST_GROUPS = 23;
    uint256 private constant LANE_BITS = 32;
    uint256 private constant ROW_LANE = 0xffffffff;

    uint256 private constant LANES =
        0x0001000100010001000100010001000100010001000100010001000100010001;
    uint256 private constant LANE = 0xffff;
    uint256 private constant POINTER = 0x1fffe0;
    uint256 private constant ROW_POINTER = 0x3fffc0;
    uint256 private constant BYTE_POINTER = 0x1fe0;
    /// @dev Of 16 samples, with so many it is cheaper to take in all.
    uint256 private constant MANY = 12;

    /// @param rows of the sixteen: two words per class
    /// @param ones per byte, its bits in lanes, the highest on top
    /// @param weights what a vote is worth, per number of peers who are missing
    /// @param classes pointer to lanes: per sample, the class at hand
    /// @param votes pointer to lanes: per sample, how many peers gave it
    /// @param missing pointer to lanes: per sample, how many of the possible peers did not label it
    /// @param voters pointer to lanes: per sample, who of the sixteen gave it
    struct Account {
        uint256 rows;
        uint256 ones;
        uint256 weights;
        uint256 classes;
        uint256 votes;
        uint256 missing;
        uint256 voters;
    }

    function newOnes() internal pure returns (uint256 ones) {
        unchecked {
            ones = BitPlanes.allocate(256);
            for (uint256 b; b < 8; ++b) {
                for (uint256 byte_; byte_ < 1 << b; ++byte_) {
                    uint256 more = 1 << (LANE_BITS * b);
                    BitPlanes.store(
                        ones + (32 << b) + 32 * byte_, BitPlanes.load(ones + 32 * byte_) + more
                    );
                }
            }
        }
    }

    /// @notice Add the matches for the class at hand.
    /// @param samples where there are any
    /// @param lanes the lowest bit of each lane
    function add(uint256 samples, Account memory account, uint256 lanes) internal pure {
        unchecked {
            uint256 at;
            for (uint256 place = 16; place > 0; at += 32) {
                --place;
                uint256 some = (samples >> place) & lanes;
                if (some == 0 || BitPlanes.load(account.voters + at) == 0) continue;
                if (some % LANE >= MANY) some = 0;
                _add(
                    some,
                    BitPlanes.load(account.classes + at),
                    BitPlanes.load(account.votes + at),
                    BitPlanes.load(account.missing + at),
                    BitPlanes.load(account.voters + at),
                    account.rows,
                    account.ones,
                    account.weights
                );
            }
        }
    }

    /// @param some lowest bits of the lanes to take in, or 0 for all: nobody gave the class where there
    /// is no match
    function _add(
        uint256 some,
        uint256 classes,
        uint256 votes,
        uint256 missing,
        uint256 voters,
        uint256 rows,
        uint256 ones,
        uint256 weights
    ) private pure {
        assembly ("memory-safe") {
            if iszero(some) {
                let at
                let worth
                for { let round := 2 } round { round := sub(round, 1) } {
                    at := add(rows, and(shr(106, classes), ROW_POINTER))
                    worth := mul(
                        and(shr(112, votes), LANE),
                        mload(add(weights, and(shr(107, missing), POINTER)))
                    )
                    mstore(
                        at,
                        add(
                            mload(at),
                            mul(worth, mload(add(ones, and(shr(115, voters), BYTE_POINTER))))
                        )
                    )
                    at := add(at, 32)
                    mstore(
                        at,
                        add(
                            mload(at),
                            mul(worth, mload(add(ones, and(shr(107, voters), BYTE_POINTER))))
                        )
                    )
                    at := add(rows, and(shr(90, classes), ROW_POINTER))
                    worth := mul(
                        and(shr(96, votes), LANE),
                        mload(add(weights, and(shr(91, missing), POINTER)))
                    )
                    mstore(
                        at,
                        add(
                            mload(at),
                            mul(worth, mload(add(ones, and(shr(99, voters), BYTE_POINTER))))
                        )
                    )
                    at := add(at, 32)
                    mstore(
                        at,
                        add(
                            mload(at),
                            mul(worth, mload(add(ones, and(shr(91, voters), BYTE_POINTER))))
                        )
                    )
                    at := add(rows, and(shr(74, classes), ROW_POINTER))
                    worth := mul(
                        and(shr(80, votes), LANE),
                        mload(add(weights, and(shr(75, missing), POINTER)))
                    )
                    mstore(
                        at,
                        add(
                            mload(at),
                            mul(worth, mload(add(ones, and(shr(83, voters), BYTE_POINTER))))
                        )
                    )
                    at := add(at, 32)
                    mstore(
                        at,
                        add(
                            mload(at),
                            mul(worth, mload(add(ones, and(shr(75, voters), BYTE_POINTER))))
                        )
                    )
                    at := add(rows, and(shr(58, classes), ROW_POINTER))
                    worth := mul(
                        and(shr(64, votes), LANE),
                        mload(add(weights, and(shr(59, missing), POINTER)))
                    )
                    mstore(
                        at,
                        add(
                            mload(at),
                            mul(worth, mload(add(ones, and(shr(67, voters), BYTE_POINTER))))
                        )
                    )
                    at := add(at, 32)
                    mstore(
                        at,
                        add(
                            mload(at),
                            mul(worth, mload(add(ones, and(shr(59, voters), BYTE_POINTER))))
                        )
                    )
                    at := add(rows, and(shr(42, classes), ROW_POINTER))
                    worth := mul(
                        and(shr(48, votes), LANE),
                        mload(add(weights, and(shr(43, missing), POINTER)))
                    )
                    mstore(
                        at,
                        add(
                            mload(at),
                            mul(worth, mload(add(ones, and(shr(51, voters), BYTE_POINTER))))
                        )
                    )
                    at := add(at, 32)
                    mstore(
                        at,
                        add(
                            mload(at),
                            mul(worth, mload(add(ones, and(shr(43, voters), BYTE_POINTER))))
                        )
                    )
                    at := add(rows, and(shr(26, classes), ROW_POINTER))
                    worth := mul(
                        and(shr(32, votes), LANE),
                        mload(add(weights, and(shr(27, missing), POINTER)))
                    )
                    mstore(
                        at,
                        add(
                            mload(at),
                            mul(worth, mload(add(ones, and(shr(35, voters), BYTE_POINTER))))
                        )
                    )
                    at := add(at, 32)
                    mstore(
                        at,
                        add(
                            mload(at),
                            mul(worth, mload(add(ones, and(shr(27, voters), BYTE_POINTER))))
                        )
                    )
                    at := add(rows, and(shr(10, classes), ROW_POINTER))
                    worth := mul(
                        and(shr(16, votes), LANE),
                        mload(add(weights, and(shr(11, missing), POINTER)))
                    )
                    mstore(
                        at,
                        add(
                            mload(at),
                            mul(worth, mload(add(ones, and(shr(19, voters), BYTE_POINTER))))
                        )
                    )
                    at := add(at, 32)
                    mstore(
                        at,
                        add(
                            mload(at),
                            mul(worth, mload(add(ones, and(shr(11, voters), BYTE_POINTER))))
                        )
                    )
                    at := add(rows, and(shl(6, classes), ROW_POINTER))
                    worth := mul(
                        and(votes, LANE),
                        mload(add(weights, and(shl(5, missing), POINTER)))
                    )
                    mstore(
                        at,
                        add(
                            mload(at),
                            mul(worth, mload(add(ones, and(shr(3, voters), BYTE_POINTER))))
                        )
                    )
                    at := add(at, 32)
                    mstore(
                        at,
                        add(
                            mload(at),
                            mul(worth, mload(add(ones, and(shl(5, voters), BYTE_POINTER))))
                        )
                    )
                    classes := shr(128, classes)
                    votes := shr(128, votes)
                    missing := shr(128, missing)
                    voters := shr(128, voters)
                }
            }
            for {} some {} {
                let sample := and(some, sub(0, some))
                some := xor(some, sample)
                let eights := shl(5, div(voters, sample))
                let worth := mload(add(weights, and(shl(5, div(missing, sample)), POINTER)))
                worth := mul(worth, and(div(votes, sample), LANE))
                let at := add(rows, and(shl(6, div(classes, sample)), ROW_POINTER))
                let more := mul(worth, mload(add(ones, and(shr(8, eights), BYTE_POINTER))))
                mstore(at, add(mload(at), more))
                at := add(at, 32)
                more := mul(worth, mload(add(ones, and(eights, BYTE_POINTER))))
                mstore(at, add(mload(at), more))
            }
        }
    }

    /// @notice Move what a sixteen's rows hold to its voters' accounts.
    /// @param accounts of the first voter, a word per class; those of the next follow
    /// @param voters of the sixteen
    function collect(uint256 rows, uint256 accounts, uint256 classes, uint256 voters)
        internal
        pure
    {
        assembly ("memory-safe") {
            let size := shl(5, classes)
            for { let end := add(accounts, size) } lt(accounts, end) {
                accounts := add(accounts, 32)
            } {
                let row := mload(rows)
                mstore(rows, 0)
                let at := accounts
                for { let voter := 0 } lt(voter, voters) { voter := add(voter, 1) } {
                    if eq(voter, 8) {
                        row := mload(add(rows, 32))
                        mstore(add(rows, 32), 0)
                    }
                    mstore(at, add(mload(at), shr(224, row)))
                    row := shl(LANE_BITS, row)
                    at := add(at, size)
                }
                rows := add(rows, 64)
            }
        }
    }
}
