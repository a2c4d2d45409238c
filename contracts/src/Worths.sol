// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BitPlanes} from "./BitPlanes.sol";
import {Lanes} from "./Lanes.sol";
import {PeerTruthSerum} from "./PeerTruthSerum.sol";
import {Poll, Polls} from "./Poll.sol";

/// @title What a label is worth, looked up
/// @notice For chunks in which some voters abstain: of every sample of a group, a table says what each
/// label is worth to a voter of one league, its peers' votes times w(r), and every voter looks
/// its labels up and adds. That costs the same whoever abstains. docs/kernel.md explains the steps.
/// @dev An entry has a lane of 24 bits for each of ten classes, of which its own is not 0. A lane takes
/// 16 samples, for 16 · 720720 < 2^24. Sums go to two accounts of a voter, which have the even and the
/// odd classes in lanes of 48 bits. Entries are ordered as `_lookUp` wants them: sixteen stretches, each
/// with every sixteenth sample; those that begin with samples 12, 8, 4, 0, 13, 9, … of the group.
library Worths {
    uint256 private constant WORD = BitPlanes.WORD;
    uint256 private constant MOST_CLASSES = 10;
    uint256 private constant LEAST_MEMBERS = 64;
    /// @dev A sample's entries: a word for every code that four bits have.
    uint256 private constant SAMPLE = 512;

    /// @param entries per sample and code, a word
    /// @param weights per league and sample, a word: w(r) of its members' peers
    /// @param byAbsent per league and number of peers who did not label a sample, a word: w(r)
    /// @param lanes per class and league, eight words of bytes: the league's votes
    /// @param codes a voter's labels of a group: four words of nibbles
    /// @param accounts per voter, two words
    struct Table {
        uint256 entries;
        uint256 weights;
        uint256 byAbsent;
        uint256 lanes;
        uint256 codes;
        uint256 accounts;
    }

    /// @notice Whether this is cheaper than `PeerTruthSerum`, or about as cheap, with less to fear from
    /// odd labels.
    function isCheaper(uint256 members, uint256 classes) internal pure returns (bool) {
        return members >= LEAST_MEMBERS && classes <= MOST_CLASSES;
    }

    function create(Poll memory poll) internal pure returns (Table memory table) {
        unchecked {
            table.entries = BitPlanes.allocate(256 * SAMPLE / WORD);
            table.weights = BitPlanes.allocate(2 * 256);
            table.byAbsent = BitPlanes.allocate(2 * 256);
            for (uint256 league; league < 2; ++league) {
                uint256 peers = Polls.peersOf(poll, league);
                uint256 last = table.byAbsent + (league * 256 + peers) * WORD;
                for (uint256 r = 1; r <= peers; ++r) {
                    BitPlanes.store(last - r * WORD, PeerTruthSerum.WEIGHT_ONE / r);
                }
            }
            table.lanes = BitPlanes.allocate(poll.classes * 16);
            table.codes = BitPlanes.allocate(4);
            table.accounts = BitPlanes.allocate(2 * poll.voters);
        }
    }

    /// @notice Set what a peer's vote is worth to a league in each sample.
    /// @param absent eight planes: how many of the peers did not label the sample
    function weigh(Table memory table, uint256 league, uint256 absent) internal pure {
        unchecked {
            uint256 lanes = table.lanes; // of the votes, which come later
            Lanes.transpose(absent, lanes, 1);
            uint256 byAbsent = table.byAbsent + league * 256 * WORD;
            uint256 weights = table.weights + league * 256 * WORD;
            assembly ("memory-safe") {
                for { let end := add(lanes, 256) } lt(lanes, end) { lanes := add(lanes, 32) } {
                    let numbers := mload(lanes)
                    for { let j := 0 } lt(j, 32) { j := add(j, 1) } {
                        mstore(weights, mload(add(byAbsent, shl(5, byte(j, numbers)))))
                        weights := add(weights, 32)
                    }
                }
            }
        }
    }

    /// @notice Add what the labels of a group are worth.
    function add(Table memory table, Poll memory poll, uint256 group) internal pure {
        unchecked {
            uint256 v;
            uint256 account = table.accounts;
            for (uint256 league; v < poll.voters; ++league) {
                _fill(table, poll, league);
                for (uint256 end = v + poll.inLeague[league]; v < end; ++v) {
                    _readCodes(poll, group, v, table.codes);
                    _lookUp(table.codes, table.entries, account);
                    account += 2 * WORD;
                }
            }
        }
    }

    /// @dev Set what labels are worth to a league's voters.
    function _fill(Table memory table, Poll memory poll, uint256 league) private pure {
        unchecked {
            uint256 weights = table.weights + league * 256 * WORD;
            uint256 votes = table.lanes + (poll.leagues ? 1 - league : 0) * 8 * WORD;
            for (uint256 class; class < poll.classes; ++class) {
                _set(votes, weights, 1 << (24 * class), table.entries + class * WORD);
                votes += 16 * WORD;
            }
        }
    }

    /// @dev Set what a class's label is worth in each sample.
    /// @param votes eight words of bytes: word t has every eighth sample, from the t-th on
    /// @param unit 1 in the class's lane
    /// @param entries pointer to the class's entry of the first sample
    function _set(uint256 votes, uint256 weights, uint256 unit, uint256 entries) private pure {
        assembly ("memory-safe") {
            mstore(0x00, unit)
            for { let t := 0 } lt(t, 8) { t := add(t, 1) } {
                // every other sample's stretch is two before that of the sample in front of it
                let entry := add(entries, shl(13, sub(add(3, shl(2, and(t, 3))), shr(2, t))))
                let left := mload(add(votes, shl(5, t)))
                for { let last := add(weights, 1024) } lt(weights, last) {} {
                    let weight := mul(mload(weights), mload(0x00))
                    mstore(entry, mul(byte(0, left), weight))
                    weight := mul(mload(add(weights, 32)), mload(0x00))
                    mstore(sub(entry, 16384), mul(byte(1, left), weight))
                    weight := mul(mload(add(weights, 64)), mload(0x00))
                    mstore(add(entry, 512), mul(byte(2, left), weight))
                    weight := mul(mload(add(weights, 96)), mload(0x00))
                    mstore(sub(entry, 15872), mul(byte(3, left), weight))
                    left := shl(32, left)
                    weights := add(weights, 128)
                    entry := add(entry, 1024)
                }
            }
        }
    }

    /// @dev A voter's labels, four to 16 bits: in word k every fourth, from the k-th on.
    function _readCodes(Poll memory poll, uint256 group, uint256 v, uint256 codes) private pure {
        unchecked {
            uint256 bits = poll.bits;
            uint256 source = BitPlanes.load(poll.sources + v * WORD) + group * bits * WORD;
            assembly ("memory-safe") {
                let gap := shl(5, sub(4, bits))
                calldatacopy(codes, calldatasize(), gap) // zeros
                calldatacopy(add(codes, gap), source, shl(5, bits))
            }
            Lanes.transposeFour(codes, codes);
        }
    }

    /// @dev Look up 256 labels, a stretch of sixteen samples at a time.
    /// @param account pointer to two words
    function _lookUp(uint256 codes, uint256 entries, uint256 account) private pure {
        assembly ("memory-safe") {
            // What stays the same is kept in memory, or the compiler makes it anew each time: the lanes
            // of even classes, and the way to each of the sixteen samples of a stretch.
            mstore(0x00, mul(div(shr(16, not(mload(0x60))), 0xffffffffffff), 0xffffff))
            let unit := div(not(mload(0x60)), 0xffff)
            mstore(0x20, shl(9, sub(shl(4, unit), mul(unit, unit))))
            unit := mul(unit, 15)
            for { let end := add(codes, 128) } lt(codes, end) { codes := add(codes, 32) } {
                let left := mload(codes)
                for { let last := add(entries, 32768) } lt(entries, last) {} {
                    let at := add(shl(5, and(left, unit)), mload(0x20))
                    let sum := mload(add(entries, shr(240, at)))
                    sum := add(sum, mload(add(entries, and(shr(224, at), 0xffff))))
                    sum := add(sum, mload(add(entries, and(shr(208, at), 0xffff))))
                    sum := add(sum, mload(add(entries, and(shr(192, at), 0xffff))))
                    sum := add(sum, mload(add(entries, and(shr(176, at), 0xffff))))
                    sum := add(sum, mload(add(entries, and(shr(160, at), 0xffff))))
                    sum := add(sum, mload(add(entries, and(shr(144, at), 0xffff))))
                    sum := add(sum, mload(add(entries, and(shr(128, at), 0xffff))))
                    sum := add(sum, mload(add(entries, and(shr(112, at), 0xffff))))
                    sum := add(sum, mload(add(entries, and(shr(96, at), 0xffff))))
                    sum := add(sum, mload(add(entries, and(shr(80, at), 0xffff))))
                    sum := add(sum, mload(add(entries, and(shr(64, at), 0xffff))))
                    sum := add(sum, mload(add(entries, and(shr(48, at), 0xffff))))
                    sum := add(sum, mload(add(entries, and(shr(32, at), 0xffff))))
                    sum := add(sum, mload(add(entries, and(shr(16, at), 0xffff))))
                    sum := add(sum, mload(add(entries, and(at, 0xffff))))
                    mstore(account, add(mload(account), and(sum, mload(0x00))))
                    sum := and(shr(24, sum), mload(0x00))
                    mstore(add(account, 32), add(mload(add(account, 32)), sum))
                    left := shr(4, left)
                    entries := add(entries, 8192)
                }
            }
        }
    }

    /// @notice Give the matches to the poll.
    function close(Table memory table, Poll memory poll) internal pure {
        unchecked {
            uint256 matches = poll.matches;
            for (uint256 class; class < poll.classes; ++class) {
                uint256 account = table.accounts + class % 2 * WORD;
                for (uint256 v; v < poll.voters; ++v) {
                    uint256 sum = BitPlanes.load(account) >> (class / 2 * 48);
                    BitPlanes.store(matches, sum & type(uint48).max);
                    matches += WORD;
                    account += 2 * WORD;
                }
            }
        }
    }
}
