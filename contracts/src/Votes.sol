// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BitPlanes} from "./BitPlanes.sol";

/// @title Who gave the same label, and how many did
/// @notice For 256 samples at a time. A label is four or eight words or more, one for each of its bits
/// and others in front that are the same in all labels; votes are a word per bit, the lowest first.
library Votes {
    uint256 private constant FOUR = 128;
    uint256 private constant EIGHT = 256;
    /// @dev Bytes of votes, at most.
    uint256 private constant MOST = 320;

    /// @notice Where others have the label `own`, which may be ABSTAIN, but they then do not.
    /// @param planes the others' labels
    /// @param stride bytes of a label
    /// @param labelled per other, the samples that it labelled
    /// @param end of these
    /// @param same per other, the result
    function find(
        uint256 own,
        uint256 planes,
        uint256 stride,
        uint256 labelled,
        uint256 end,
        uint256 same
    ) internal pure {
        unchecked {
            if (labelled == end) return;
            if (stride == EIGHT) {
                _findEight(own, planes, labelled, end, same - labelled);
                return;
            }
            _findFour(own, planes, stride, labelled, end, same - labelled);
            for (uint256 at = FOUR; at < stride; at += FOUR) {
                _findFour(own + at, planes + at, stride, same, same + end - labelled, 0);
            }
        }
    }

    /// @param from per other, the samples to look at
    /// @param ahead how far from these the result is
    function _findFour(
        uint256 own,
        uint256 planes,
        uint256 stride,
        uint256 from,
        uint256 end,
        uint256 ahead
    ) private pure {
        assembly ("memory-safe") {
            let a := mload(own)
            let b := mload(add(own, 32))
            let c := mload(add(own, 64))
            let d := mload(add(own, 96))
            for {} lt(from, end) { from := add(from, 32) } {
                let differ :=
                    or(
                        or(xor(mload(planes), a), xor(mload(add(planes, 32)), b)),
                        or(xor(mload(add(planes, 64)), c), xor(mload(add(planes, 96)), d))
                    )
                mstore(add(from, ahead), and(mload(from), not(differ)))
                planes := add(planes, stride)
            }
        }
    }

    function _findEight(uint256 own, uint256 planes, uint256 from, uint256 end, uint256 ahead)
        private
        pure
    {
        assembly ("memory-safe") {
            let a := mload(own)
            let b := mload(add(own, 32))
            let c := mload(add(own, 64))
            let d := mload(add(own, 96))
            let e := mload(add(own, 128))
            let f := mload(add(own, 160))
            let g := mload(add(own, 192))
            let h := mload(add(own, 224))
            for {} lt(from, end) { from := add(from, 32) } {
                let differ := or(xor(mload(planes), a), xor(mload(add(planes, 32)), b))
                differ := or(
                    or(xor(mload(add(planes, 64)), c), differ),
                    xor(mload(add(planes, 96)), d)
                )
                differ := or(
                    or(xor(mload(add(planes, 128)), e), differ),
                    xor(mload(add(planes, 160)), f)
                )
                differ := or(
                    or(xor(mload(add(planes, 192)), g), differ),
                    xor(mload(add(planes, 224)), h)
                )
                mstore(add(from, ahead), and(mload(from), not(differ)))
                planes := add(planes, EIGHT)
            }
        }
    }

    /// @notice Count votes: one for each of some samples, and the bits of words, two by two.
    /// @param end of the words; a word that may be overwritten follows
    function count(uint256 samples, uint256 words, uint256 end, uint256 votes) internal pure {
        assembly ("memory-safe") {
            mstore(end, 0)
            calldatacopy(votes, calldatasize(), MOST)
            let ones := samples
            let twos := 0
            let fours := 0
            for {} lt(words, end) { words := add(words, 64) } {
                let a := mload(words)
                let b := mload(add(words, 32))
                let carry := xor(ones, a)
                a := or(and(ones, a), and(carry, b))
                ones := xor(carry, b)
                carry := and(twos, a)
                twos := xor(twos, a)
                a := and(fours, carry)
                fours := xor(fours, carry)
                for { let at := add(votes, 96) } a { at := add(at, 32) } {
                    let old := mload(at)
                    mstore(at, xor(old, a))
                    a := and(old, a)
                }
            }
            mstore(votes, ones)
            mstore(add(votes, 32), twos)
            mstore(add(votes, 64), fours)
        }
    }

    /// @notice The same for `masks[i] & quads[i]`.
    /// @param quads four words apart
    function addBoth(uint256 masks, uint256 end, uint256 quads, uint256 votes)
        internal
        pure
        returns (uint256 any)
    {
        assembly ("memory-safe") {
            let ones := mload(votes)
            let twos := mload(add(votes, 32))
            let fours := mload(add(votes, 64))
            for {} lt(masks, end) { masks := add(masks, 64) } {
                let a := and(mload(masks), mload(quads))
                let b := and(mload(add(masks, 32)), mload(add(quads, FOUR)))
                quads := add(quads, EIGHT)
                any := or(any, or(a, b))
                let carry := xor(ones, a)
                a := or(and(ones, a), and(carry, b))
                ones := xor(carry, b)
                carry := and(twos, a)
                twos := xor(twos, a)
                a := and(fours, carry)
                fours := xor(fours, carry)
                for { let at := add(votes, 96) } a { at := add(at, 32) } {
                    let old := mload(at)
                    mstore(at, xor(old, a))
                    a := and(old, a)
                }
            }
            mstore(votes, ones)
            mstore(add(votes, 32), twos)
            mstore(add(votes, 64), fours)
        }
    }

    /// @notice Raise the best so far to the votes, where these are more.
    /// @param size bytes of either, at least four words
    /// @return more the samples where they are
    /// @return differ those where they are more or less
    function raise(uint256 votes, uint256 best, uint256 size)
        internal
        pure
        returns (uint256 more, uint256 differ)
    {
        assembly ("memory-safe") {
            // The highest bit that differs decides.
            let vote := mload(votes)
            differ := xor(vote, mload(best))
            more := and(differ, vote)
            vote := mload(add(votes, 32))
            let other := xor(vote, mload(add(best, 32)))
            differ := or(differ, other)
            more := xor(more, and(other, xor(more, vote)))
            vote := mload(add(votes, 64))
            other := xor(vote, mload(add(best, 64)))
            differ := or(differ, other)
            more := xor(more, and(other, xor(more, vote)))
            vote := mload(add(votes, 96))
            other := xor(vote, mload(add(best, 96)))
            differ := or(differ, other)
            more := xor(more, and(other, xor(more, vote)))
            for { let at := FOUR } lt(at, size) { at := add(at, 32) } {
                vote := mload(add(votes, at))
                other := xor(vote, mload(add(best, at)))
                differ := or(differ, other)
                more := xor(more, and(other, xor(more, vote)))
            }
            if more {
                let old := mload(best)
                mstore(best, xor(old, and(more, xor(old, mload(votes)))))
                old := mload(add(best, 32))
                mstore(add(best, 32), xor(old, and(more, xor(old, mload(add(votes, 32))))))
                old := mload(add(best, 64))
                mstore(add(best, 64), xor(old, and(more, xor(old, mload(add(votes, 64))))))
                old := mload(add(best, 96))
                mstore(add(best, 96), xor(old, and(more, xor(old, mload(add(votes, 96))))))
                for { let at := FOUR } lt(at, size) { at := add(at, 32) } {
                    old := mload(add(best, at))
                    mstore(add(best, at), xor(old, and(more, xor(old, mload(add(votes, at))))))
                }
            }
        }
    }

    /// @notice Whether the votes are more than `limit` in every sample.
    function areAbove(uint256 votes, uint256 limit, uint256 size) internal pure returns (bool yes) {
        assembly ("memory-safe") {
            let more := 0
            for { let end := add(votes, size) } lt(votes, end) { votes := add(votes, 32) } {
                // Where the bits are the same, those before decide.
                switch and(limit, 1)
                case 0 { more := or(more, mload(votes)) }
                default { more := and(more, mload(votes)) }
                limit := shr(1, limit)
            }
            yes := iszero(not(more))
        }
    }

    /// @return lower the samples where a class is lower than another
    /// @param size bytes of either, whole fours of words
    function compare(uint256 class, uint256 other, uint256 size)
        internal
        pure
        returns (uint256 lower)
    {
        assembly ("memory-safe") {
            for { let at := size } at {} {
                at := sub(at, 64)
                let word := mload(add(other, add(at, 32)))
                let differ := xor(word, mload(add(class, add(at, 32))))
                lower := xor(lower, and(differ, xor(lower, word)))
                word := mload(add(other, at))
                differ := xor(word, mload(add(class, at)))
                lower := xor(lower, and(differ, xor(lower, word)))
            }
        }
    }

    /// @notice Replace a class in some samples.
    function replace(uint256 class, uint256 other, uint256 size, uint256 samples) internal pure {
        assembly ("memory-safe") {
            for { let end := add(class, size) } lt(class, end) { class := add(class, 64) } {
                let old := mload(class)
                mstore(class, xor(old, and(samples, xor(old, mload(other)))))
                old := mload(add(class, 32))
                mstore(add(class, 32), xor(old, and(samples, xor(old, mload(add(other, 32))))))
                other := add(other, 64)
            }
        }
    }

    /// @notice What two bits of the labels are, in four words per voter: 00, 01, 10, 11.
    /// @param planes the lower bit's word in the first label; the higher is in front
    function splitQuads(uint256 planes, uint256 stride, uint256 into, uint256 end) internal pure {
        assembly ("memory-safe") {
            for {} lt(into, end) { into := add(into, FOUR) } {
                let high := mload(sub(planes, 32))
                let low := mload(planes)
                let both := and(high, low)
                mstore(into, not(or(high, low)))
                mstore(add(into, 32), xor(low, both))
                mstore(add(into, 64), xor(high, both))
                mstore(add(into, 96), both)
                planes := add(planes, stride)
            }
        }
    }

    /// @notice Which samples have a class's upper bits, a word per voter.
    /// @param planes where the lowest of them are in the first label; those above are in front
    function mask(
        uint256 upper,
        uint256 planes,
        uint256 nBits,
        uint256 stride,
        uint256 into,
        uint256 end
    ) internal pure {
        assembly ("memory-safe") {
            let size := shl(5, nBits)
            for {} lt(into, end) { into := add(into, 32) } {
                let all := not(0)
                let bits := upper
                let plane := planes
                for { let last := sub(planes, size) } gt(plane, last) { plane := sub(plane, 32) } {
                    all := and(all, xor(mload(plane), sub(and(bits, 1), 1)))
                    bits := shr(1, bits)
                }
                mstore(into, all)
                planes := add(planes, stride)
            }
        }
    }
}
