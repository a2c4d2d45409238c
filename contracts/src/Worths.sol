// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {LibBit} from "solady/utils/LibBit.sol";
import {BitPlanes} from "./BitPlanes.sol";
import {Lanes} from "./Lanes.sol";

/// @title What a label is worth, looked up
/// @notice For one group of 256 samples, a table says what each label of each sample is worth to who
/// gives it; every voter looks its labels up and adds. The cost of a label is always the same,
/// whoever abstains. docs/kernel.md explains the steps.
/// @dev Up to ten classes: an entry has a lane of 24 bits for each class, of which one is not 0. A
/// lane takes 16 samples, for 16 · 720720 < 2^24. What they add up to goes to two accounts, which
/// have the even and the odd classes in lanes of 48 bits.
library Worths {
    uint256 internal constant MOST_CLASSES = 10;
    uint256 private constant WORD = 32;
    /// @dev Numbers of 256 samples, turned on their side: sixteen words of sixteen lanes.
    uint256 private constant SIXTEEN = 16;
    /// @dev A sample's entries: a word for every code that four bits have.
    uint256 private constant SAMPLE = 512;
    uint256 private constant ONES =
        0x0001000100010001000100010001000100010001000100010001000100010001;

    /// @param table per sample and code, a word: what the label is worth
    /// @param weights per sample, a word: what a peer's vote is worth
    /// @param planes sixteen words, to put a number together
    /// @param lanes sixteen words of lanes
    /// @param byPeers per number of peers r, a word: w(r)
    struct Table {
        uint256 table;
        uint256 weights;
        uint256 planes;
        uint256 lanes;
        uint256 byPeers;
    }

    function newTable(uint256 peers, uint256 one) internal pure returns (Table memory worths) {
        unchecked {
            worths.table = BitPlanes.allocate(256 * SAMPLE / WORD);
            worths.weights = BitPlanes.allocate(256);
            worths.planes = BitPlanes.allocate(SIXTEEN);
            worths.lanes = BitPlanes.allocate(SIXTEEN);
            worths.byPeers = BitPlanes.allocate(peers + 2);
            for (uint256 r = 1; r <= peers; ++r) {
                BitPlanes.store(worths.byPeers + r * WORD, one / r);
            }
        }
    }

    /// @dev Turn a number's planes on their side.
    /// @param plane pointer to the word of the lowest plane
    /// @param step bytes from one plane to the next, which may be less than nothing
    function _turn(Table memory worths, uint256 plane, uint256 nPlanes, uint256 step) private pure {
        unchecked {
            uint256 into = worths.planes + (SIXTEEN - 1) * WORD;
            for (uint256 p; p < SIXTEEN; ++p) {
                BitPlanes.store(into, p < nPlanes ? BitPlanes.load(plane) : 0);
                plane += step;
                into -= WORD;
            }
            Lanes.turn(worths.planes, worths.lanes, nPlanes, 0, ONES);
        }
    }

    /// @notice Set what a peer's vote is worth in each sample.
    /// @param plane the lowest plane of how many labelled the sample
    /// @param own 1 if the voter is among them, else 0
    function weigh(Table memory worths, uint256 plane, uint256 nPlanes, uint256 own)
        internal
        pure
    {
        unchecked {
            _turn(worths, plane, nPlanes, BitPlanes.ROW);
            (uint256 lanes, uint256 weights) = (worths.lanes, worths.weights);
            uint256 byPeers = worths.byPeers - own * WORD;
            assembly ("memory-safe") {
                for { let end := add(lanes, 512) } lt(lanes, end) { lanes := add(lanes, 32) } {
                    let numbers := mload(lanes)
                    for { let shift := 256 } shift {} {
                        shift := sub(shift, 16)
                        let r := and(shr(shift, numbers), 0xffff)
                        // nobody: what is found before the table must not matter
                        let weight := 0
                        if gt(r, own) { weight := mload(add(byPeers, shl(5, r))) }
                        mstore(weights, weight)
                        weights := add(weights, 32)
                    }
                }
            }
        }
    }

    /// @notice Set what a class's label is worth in each sample.
    /// @param plane the lowest plane of the class's votes
    /// @param own 1 if the voter's own is among them, else 0
    function set(
        Table memory worths,
        uint256 class,
        uint256 plane,
        uint256 nPlanes,
        uint256 own
    ) internal pure {
        unchecked {
            _turn(worths, plane, nPlanes, BitPlanes.ROW);
            uint256 lanes = worths.lanes;
            uint256 weights = worths.weights;
            uint256 into = worths.table + class * WORD;
            uint256 lane = 24 * class;
            assembly ("memory-safe") {
                for { let end := add(lanes, 512) } lt(lanes, end) { lanes := add(lanes, 32) } {
                    let numbers := mload(lanes)
                    for { let shift := 256 } shift {} {
                        shift := sub(shift, 16)
                        let votes := sub(and(shr(shift, numbers), 0xffff), own)
                        mstore(into, shl(lane, mul(votes, mload(weights))))
                        weights := add(weights, 32)
                        into := add(into, 512)
                    }
                }
            }
        }
    }

    /// @notice Add up what a voter's labels are worth.
    /// @param source pointer into the calldata: its planes of the group, the top bit first
    /// @param account two words: sums of the even and of the odd classes
    function lookUp(Table memory worths, uint256 source, uint256 bits, uint256 account)
        internal
        pure
    {
        unchecked {
            uint256 into = worths.planes + (SIXTEEN - bits) * WORD;
            assembly ("memory-safe") {
                calldatacopy(into, source, shl(5, bits))
            }
            Lanes.turn(worths.planes, worths.lanes, bits, 0, ONES);
            _lookUp(worths.lanes, worths.table, account);
        }
    }

    function _lookUp(uint256 lanes, uint256 table, uint256 account) private pure {
        assembly ("memory-safe") {
            // samples of a word are neighbours in the table: their offsets, and their labels', in lanes
            let offsets := 0x000002000400060008000a000c000e0010001200140016001800_1a001c001e00
            for { let end := add(lanes, 512) } lt(lanes, end) { lanes := add(lanes, 32) } {
                let at := add(shl(5, mload(lanes)), offsets)
                let sum := mload(add(table, shr(240, at)))
                sum := add(sum, mload(add(table, and(shr(224, at), 0xffff))))
                sum := add(sum, mload(add(table, and(shr(208, at), 0xffff))))
                sum := add(sum, mload(add(table, and(shr(192, at), 0xffff))))
                sum := add(sum, mload(add(table, and(shr(176, at), 0xffff))))
                sum := add(sum, mload(add(table, and(shr(160, at), 0xffff))))
                sum := add(sum, mload(add(table, and(shr(144, at), 0xffff))))
                sum := add(sum, mload(add(table, and(shr(128, at), 0xffff))))
                sum := add(sum, mload(add(table, and(shr(112, at), 0xffff))))
                sum := add(sum, mload(add(table, and(shr(96, at), 0xffff))))
                sum := add(sum, mload(add(table, and(shr(80, at), 0xffff))))
                sum := add(sum, mload(add(table, and(shr(64, at), 0xffff))))
                sum := add(sum, mload(add(table, and(shr(48, at), 0xffff))))
                sum := add(sum, mload(add(table, and(shr(32, at), 0xffff))))
                sum := add(sum, mload(add(table, and(shr(16, at), 0xffff))))
                sum := add(sum, mload(add(table, and(at, 0xffff))))
                table := add(table, 8192)
                let even := 0x0000000000000000ffffff000000ffffff000000ffffff000000ffffff000000ffffff
                mstore(account, add(mload(account), and(sum, even)))
                let odd := add(account, 32)
                mstore(odd, add(mload(odd), and(shr(24, sum), even)))
            }
        }
    }
}
