// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {LibBit} from "solady/utils/LibBit.sol";
import {BitPlanes} from "./BitPlanes.sol";
import {Lanes} from "./Lanes.sol";
import {Poll, Polls} from "./Poll.sol";

/// @title PTSFD for many voters, 256 samples at a time
/// @notice For chunks in which every sample was labelled by all voters or by none, like
/// `BitSlicedSerum`, but without going through all pairs of voters: the votes for a class are
/// counted, league by league, and every voter adds up its peers' where it gave the class itself.
/// docs/kernel.md explains the steps.
library MaskedVotes {
    uint256 private constant WORD = BitPlanes.WORD;
    /// @dev A number, and what it is in bytes.
    uint256 private constant PLANES = 8;
    uint256 private constant NUMBER = 256;
    /// @dev So many votes fit the lanes of `_matchInNibbles` and of `_matchInBytes`.
    uint256 private constant NIBBLE = 15;
    uint256 private constant BYTE = 63;

    /// @param masks per voter, a word: the samples to which it gave the class at hand
    /// @param planes how many of a number's planes a league's votes may need: four, or six
    /// @param numbers four numbers of eight planes, highest first, one behind the other: the votes of
    /// either league for the class at hand, their sum, and the most votes for a class so far
    /// @param lanes a league's votes, a lane for each sample: four words of nibbles or eight of bytes
    struct Desk {
        uint256 masks;
        uint256 planes;
        uint256 numbers;
        uint256 lanes;
    }

    /// @notice Whether this is the cheaper way to score, as long as every sample was labelled by all
    /// voters or by none. It goes through every class, however few labels it has.
    function isCheaper(uint256 members, bool leagues, uint256 classes)
        internal
        pure
        returns (bool)
    {
        return classes <= 16 && isPossible(members, leagues);
    }

    /// @notice Whether the lanes can hold the votes of so many members' peers.
    function isPossible(uint256 members, bool leagues) internal pure returns (bool) {
        return (leagues ? (members + 1) / 2 : members) <= BYTE;
    }

    /// @notice Find the winners and the matches.
    function tally(Poll memory poll, uint256 groups) internal pure {
        unchecked {
            uint256 most = poll.inLeague[poll.inLeague[1] > poll.inLeague[0] ? 1 : 0];
            Desk memory desk;
            desk.masks = BitPlanes.allocate(poll.voters);
            desk.planes = most <= NIBBLE ? 4 : 6;
            desk.numbers = BitPlanes.allocate(4 * PLANES);
            desk.lanes = BitPlanes.allocate(PLANES);
            for (uint256 group; group < groups; ++group) {
                Polls.read(poll, group);
                _tally(poll, desk);
                Polls.writeWinners(poll, group);
            }
        }
    }

    /// @dev Go through the classes of one group.
    function _tally(Poll memory poll, Desk memory desk) private pure {
        unchecked {
            uint256 matches = poll.matches;
            uint256 greater = poll.greater;
            uint256 end = greater + poll.classes * WORD;
            uint256 best = desk.numbers + 3 * NUMBER;
            for (uint256 p; p < PLANES; ++p) {
                BitPlanes.store(best + p * WORD, 0);
            }
            for (uint256 quad; greater < end; ++quad) {
                uint256 upper = Polls.uppersOf(poll, quad);
                uint256 lower = poll.ballots;
                for (uint256 four = greater + 4 * WORD; greater < four && greater < end;) {
                    _countVotes(poll, desk, lower, upper);
                    BitPlanes.store(greater, _takeGreater(desk.numbers, desk.planes));
                    _match(poll, desk, matches);
                    matches += poll.voters * WORD;
                    greater += WORD;
                    lower += WORD;
                }
            }
            for (uint256 p; p < PLANES; ++p) {
                uint256 plane = BitPlanes.load(best + p * WORD);
                if (plane > 0) poll.majorityVotes += LibBit.popCount(plane) << (PLANES - 1 - p);
            }
        }
    }

    // ------------------------------------------------------------------------------- majority

    /// @dev Who votes for a class, and how many in either league.
    function _countVotes(Poll memory poll, Desk memory desk, uint256 lower, uint256 upper)
        private
        pure
    {
        unchecked {
            uint256 mask = desk.masks;
            uint256 n = poll.inLeague[0];
            _sum(lower, upper, mask, n, desk.numbers);
            lower += n * Polls.BALLOT;
            upper += n * Polls.BALLOT;
            _sum(lower, upper, mask + n * WORD, poll.inLeague[1], desk.numbers + NUMBER);
        }
    }

    /// @dev AND words of two ballots, keep the results as masks, and add them up: in how many masks
    /// has each sample its bit?
    /// @param a pointer to the first of n words, a ballot apart
    /// @param b the same
    /// @param mask pointer to the first mask
    /// @param n how many
    /// @param into pointer to the number's planes
    function _sum(uint256 a, uint256 b, uint256 mask, uint256 n, uint256 into) private pure {
        assembly ("memory-safe") {
            let ones := 0
            let twos := 0
            let fours := 0
            let eights := 0
            let end := add(mask, shl(5, n))
            mstore(add(into, 64), 0)
            mstore(add(into, 96), 0)
            if and(n, 1) {
                ones := and(mload(a), mload(b))
                mstore(mask, ones)
                a := add(a, 256)
                b := add(b, 256)
                mask := add(mask, 32)
            }
            if and(n, 2) {
                let x := and(mload(a), mload(b))
                mstore(mask, x)
                let y := and(mload(add(a, 256)), mload(add(b, 256)))
                mstore(add(mask, 32), y)
                let u := xor(ones, x)
                twos := xor(x, and(u, xor(x, y)))
                ones := xor(u, y)
                a := add(a, 512)
                b := add(b, 512)
                mask := add(mask, 64)
            }
            for {} lt(mask, end) {} {
                let s
                {
                    let x := and(mload(a), mload(b))
                    mstore(mask, x)
                    let y := and(mload(add(a, 256)), mload(add(b, 256)))
                    mstore(add(mask, 32), y)
                    let u := xor(ones, x)
                    s := xor(x, and(u, xor(x, y)))
                    ones := xor(u, y)
                }
                let t
                {
                    let x := and(mload(add(a, 512)), mload(add(b, 512)))
                    mstore(add(mask, 64), x)
                    let y := and(mload(add(a, 768)), mload(add(b, 768)))
                    mstore(add(mask, 96), y)
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
                    let x := and(fours, s)
                    fours := xor(fours, s)
                    s := and(eights, x)
                    eights := xor(eights, x)
                }
                for { let at := add(into, 96) } s { at := sub(at, 32) } {
                    let x := mload(at)
                    mstore(at, xor(x, s))
                    s := and(x, s)
                }
                a := add(a, 1024)
                b := add(b, 1024)
                mask := add(mask, 128)
            }
            mstore(add(into, 128), eights)
            mstore(add(into, 160), fours)
            mstore(add(into, 192), twos)
            mstore(add(into, 224), ones)
        }
    }

    /// @dev Where the sum of the votes of both leagues is greater than the best, it becomes the best.
    /// @return greater the samples where it was greater
    function _takeGreater(uint256 numbers, uint256 planes) private pure returns (uint256 greater) {
        assembly ("memory-safe") {
            let at := add(numbers, 224)
            let end := sub(at, shl(5, planes))
            let carry := 0
            // from the lowest plane up, the highest that differs decides
            for {} gt(at, end) { at := sub(at, 32) } {
                let y := mload(add(at, 256))
                let u := xor(mload(at), y)
                let s := xor(u, carry)
                mstore(add(at, 512), s)
                greater := xor(greater, and(xor(s, mload(add(at, 768))), xor(greater, s)))
                carry := xor(y, and(u, xor(y, carry)))
            }
            mstore(add(at, 512), carry)
            greater := xor(greater, and(xor(carry, mload(add(at, 768))), xor(greater, carry)))
            if greater {
                for { end := add(numbers, 256) } lt(at, end) { at := add(at, 32) } {
                    let old := mload(add(at, 768))
                    let change := and(greater, xor(old, mload(add(at, 512))))
                    mstore(add(at, 768), xor(old, change))
                }
            }
        }
    }

    // -------------------------------------------------------------------------------- matches

    /// @dev Add every voter's matches with its peers in the class at hand.
    /// @param matches pointer to the first voter's
    function _match(Poll memory poll, Desk memory desk, uint256 matches) private pure {
        unchecked {
            uint256 masks = desk.masks;
            uint256 votes = desk.numbers;
            uint256 middle = masks + poll.inLeague[0] * WORD;
            if (poll.leagues) {
                _matchWith(desk, votes + NUMBER, masks, middle, matches);
                matches += middle - masks;
                masks += poll.voters * WORD;
                _matchWith(desk, votes, middle, masks, matches);
            } else {
                _leaveOwn(votes);
                _matchWith(desk, votes, masks, middle, matches);
            }
        }
    }

    /// @dev Without leagues a voter's own vote is among those counted: votes −= 1 where it is not 0.
    function _leaveOwn(uint256 votes) private pure {
        assembly ("memory-safe") {
            let borrow := 0
            for { let at := 224 } at { at := sub(at, 32) } {
                borrow := or(borrow, mload(add(votes, at)))
            }
            for { let at := 224 } at { at := sub(at, 32) } {
                let x := mload(add(votes, at))
                mstore(add(votes, at), xor(x, borrow))
                borrow := and(borrow, not(x))
            }
        }
    }

    /// @param votes the peers'
    /// @param mask pointer to the first voter's mask
    /// @param end behind the last one's
    /// @param matches pointer to the first voter's sum
    function _matchWith(Desk memory desk, uint256 votes, uint256 mask, uint256 end, uint256 matches)
        private
        pure
    {
        unchecked {
            uint256 lanes = desk.lanes;
            if (desk.planes == 4) {
                Lanes.transposeFour(votes + 4 * WORD, lanes);
                _matchInNibbles(lanes, mask, end, matches);
            } else {
                Lanes.transpose(votes, lanes, 1);
                _matchInBytes(lanes, mask, end, matches);
            }
        }
    }

    /// @dev A voter's bits of the mask become lanes of ones, which let through its peers' votes. The
    /// upper of two lanes counts sixteen times as much in their byte, so 15/16 of it are taken away.
    /// @param lanes the peers' votes
    /// @param mask pointer to the first voter's mask
    /// @param end behind the last one's
    /// @param matches pointer to the first voter's sum
    function _matchInNibbles(uint256 lanes, uint256 mask, uint256 end, uint256 matches)
        private
        pure
    {
        assembly ("memory-safe") {
            let a := mload(lanes)
            let b := mload(add(lanes, 32))
            let c := mload(add(lanes, 64))
            let d := mload(add(lanes, 96))
            let unit := div(not(mload(0x60)), 15)
            let low := div(not(mload(0x60)), 17)
            mstore(0x00, div(not(mload(0x60)), 257)) // no room on the stack
            for {} lt(mask, end) { mask := add(mask, 32) } {
                let own := mload(mask)
                let sum := and(mul(and(own, unit), 15), d)
                let upper := and(shr(4, sum), low)
                {
                    let x := and(mul(and(shr(1, own), unit), 15), c)
                    upper := add(upper, and(shr(4, x), low))
                    sum := add(sum, x)
                }
                {
                    let x := and(mul(and(shr(2, own), unit), 15), b)
                    upper := add(upper, and(shr(4, x), low))
                    sum := add(sum, x)
                }
                {
                    let x := and(mul(and(shr(3, own), unit), 15), a)
                    upper := add(upper, and(shr(4, x), low))
                    sum := add(sum, x)
                }
                sum := sub(sum, mul(15, upper))
                sum := and(add(sum, shr(8, sum)), mload(0x00))
                mstore(matches, add(mload(matches), mod(sum, 0xffff)))
                matches := add(matches, 32)
            }
        }
    }

    /// @dev The same with bytes.
    function _matchInBytes(uint256 lanes, uint256 mask, uint256 end, uint256 matches) private pure {
        assembly ("memory-safe") {
            let unit := div(not(mload(0x60)), 255)
            mstore(0x00, div(not(mload(0x60)), 257)) // no room on the stack
            for {} lt(mask, end) { mask := add(mask, 32) } {
                let own := mload(mask)
                let sum := and(mul(and(own, unit), 255), mload(add(lanes, 224)))
                sum := add(sum, and(mul(and(shr(1, own), unit), 255), mload(add(lanes, 192))))
                sum := add(sum, and(mul(and(shr(2, own), unit), 255), mload(add(lanes, 160))))
                sum := add(sum, and(mul(and(shr(3, own), unit), 255), mload(add(lanes, 128))))
                let more := and(mul(and(shr(4, own), unit), 255), mload(add(lanes, 96)))
                more := add(more, and(mul(and(shr(5, own), unit), 255), mload(add(lanes, 64))))
                more := add(more, and(mul(and(shr(6, own), unit), 255), mload(add(lanes, 32))))
                more := add(more, and(mul(and(shr(7, own), unit), 255), mload(lanes)))
                sum := add(and(sum, mload(0x00)), and(shr(8, sum), mload(0x00)))
                more := add(and(more, mload(0x00)), and(shr(8, more), mload(0x00)))
                mstore(matches, add(mload(matches), mod(add(sum, more), 0xffff)))
                matches := add(matches, 32)
            }
        }
    }
}
