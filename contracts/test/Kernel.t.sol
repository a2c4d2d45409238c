// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {PackedLabels} from "../src/PackedLabels.sol";
import {PeerTruthSerum} from "../src/PeerTruthSerum.sol";
import {Plain} from "./Plain.sol";
import {Vm} from "./Vm.sol";
import {ISerums} from "./harness/ISerums.sol";

/// @dev Bit slicing gives what the walk through single samples gives, to the last bit.
contract KernelTest {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 private constant PENALTY_WAD = 1e18 + 7;
    ISerums private serums = ISerums(vm.deployCode("Serums.sol:Serums", ""));

    /// @param agreePercent of 100 labels, how many are the sample's own class, the rest drawn; 101:
    /// neighbours in the committee agree, and nobody else; 102: nobody agrees, as far as classes go
    /// @param silent bit i: member i did not reveal
    struct Case {
        uint256 seed;
        uint256 members;
        uint256 classes;
        uint256 groups;
        uint256 abstainPercent;
        uint256 agreePercent;
        uint256 silent;
        bool leagues;
    }

    function _dice(Case memory c, uint256 i, uint256 j) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(c.seed, i, j)));
    }

    /// @dev One member's labels, C where it has none, and its label count. The last are padding.
    function _labels(Case memory c, uint256 i)
        private
        pure
        returns (uint256[] memory labels, uint256[] memory counts)
    {
        labels = new uint256[](c.groups * 256);
        counts = new uint256[](c.classes);
        uint256 samples = labels.length - (c.seed % 256);
        for (uint256 j; j < labels.length; ++j) {
            uint256 dice = _dice(c, i, j);
            uint256 class = c.classes;
            if (j < samples && dice % 100 >= c.abstainPercent) {
                if (c.agreePercent > 100) {
                    class = (i / (103 - c.agreePercent) + 7 * j) % c.classes;
                } else if ((dice >> 32) % 100 < c.agreePercent) {
                    class = _dice(c, ~uint256(0), j) % c.classes;
                } else {
                    class = (dice >> 64) % c.classes;
                }
                ++counts[class];
            }
            labels[j] = class;
        }
    }

    function _requireEqual(Case memory c) private view {
        bytes[] memory packed = new bytes[](c.members);
        uint256[][] memory labels = new uint256[][](c.members);
        uint256[][] memory counts = new uint256[][](c.members);
        for (uint256 i; i < c.members; ++i) {
            counts[i] = new uint256[](c.classes);
            if ((c.silent >> i) & 1 == 1) continue;
            (labels[i], counts[i]) = _labels(c, i);
            packed[i] = Plain.pack(labels[i], c.classes);
        }
        PeerTruthSerum.Chunk memory chunk = _chunkOf(c, counts);
        PeerTruthSerum.Outcome memory outcome = serums.plain(packed, c.groups, chunk);
        bytes memory sliced = abi.encode(serums.sliced(packed, c.groups, chunk));
        vm.assertEq(sliced, abi.encode(outcome));
        (uint256[] memory winners, uint256 winning, uint256 all) =
            Plain.majority(labels, c.groups * 256, c.classes);
        vm.assertEq(outcome.globalLabels, Plain.pack(winners, c.classes));
        vm.assertEq(outcome.majorityVotes, winning);
        vm.assertEq(outcome.votes, all);
        _requireScore(c, outcome, 0, labels, counts);
        _requireScore(c, outcome, c.members - 1, labels, counts);
    }

    function _chunkOf(Case memory c, uint256[][] memory counts)
        private
        pure
        returns (PeerTruthSerum.Chunk memory chunk)
    {
        chunk.classes = c.classes;
        chunk.penaltyWad = PENALTY_WAD;
        chunk.leagues = c.leagues;
        uint256 rows = c.leagues ? 2 : c.members;
        chunk.peerCounts = new uint256[][](rows);
        for (uint256 i; i < rows; ++i) {
            chunk.peerCounts[i] = new uint256[](c.classes);
            for (uint256 k; k < c.members; ++k) {
                if (k == i || (c.leagues && (k + i) % 2 == 0)) continue;
                for (uint256 x; x < c.classes; ++x) {
                    chunk.peerCounts[i][x] += counts[k][x];
                }
            }
        }
    }

    function _requireScore(
        Case memory c,
        PeerTruthSerum.Outcome memory outcome,
        uint256 i,
        uint256[][] memory labels,
        uint256[][] memory counts
    ) private pure {
        bool[] memory peers = new bool[](c.members);
        for (uint256 k; k < c.members; ++k) {
            peers[k] = k != i && (!c.leagues || (k + i) % 2 == 1);
        }
        int256 score = Plain.score(i, labels, peers, counts, PENALTY_WAD);
        vm.assertEq(outcome.scores[i], score);
    }

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_ScoresAndMajorityAreThoseOfThePlainWay(Case memory c) public view {
        c.members = 1 + (c.members % 12);
        c.classes = 2 + (c.classes % 40);
        c.groups = 1 + (c.groups % 2);
        _requireEqualInBounds(c);
    }

    function _requireEqualInBounds(Case memory c) private view {
        c.abstainPercent = c.abstainPercent % 3 == 0 ? 0 : c.abstainPercent % 101;
        c.agreePercent %= 103;
        if (c.silent % 4 > 0) c.silent = 0;
        _requireEqual(c);
    }

    /// @dev Around every number of voters where lanes need one more word.
    /// forge-config: default.fuzz.runs = 32
    function testFuzz_AlsoForManyMembersAndClasses(Case memory c) public view {
        c.members = 13 + (c.members % 22);
        c.classes = 2 + (c.classes % 60);
        c.groups = 1;
        _requireEqualInBounds(c);
    }

    function test_AlsoForSeveralBlocksOfGroups() public view {
        _requireEqual(Case(1, 5, 10, 9, 0, 80, 0, true));
        _requireEqual(Case(2, 4, 6, 17, 20, 60, 0, false));
    }

    function test_AlsoForMoreThanSixteenPeers() public view {
        _requireEqual(Case(3, 19, 4, 1, 10, 70, 0, false));
        _requireEqual(Case(4, 40, 3, 1, 10, 70, 0, true));
    }

    /// @dev Up to twelve voters are dealt with at once, if there are groups enough.
    function test_AlsoWhereAllVotersAreDealtWithAtOnce() public view {
        _requireEqual(Case(15, 10, 10, 4, 20, 70, 0, true));
        _requireEqual(Case(16, 11, 7, 8, 0, 70, 0, false));
        _requireEqual(Case(17, 12, 12, 16, 5, 40, 0, true));
        _requireEqual(Case(18, 13, 9, 32, 5, 40, 0, true));
        _requireEqual(Case(19, 12, 3, 16, 30, 40, 1 << 4, false));
    }

    /// @dev Votes are masked where more than ten vote, all or none for each sample: up to fifteen of a
    /// league's in nibbles, up to 63 in bytes.
    /// forge-config: default.fuzz.runs = 32
    function testFuzz_AlsoForManyVotersThatAllVote(Case memory c) public view {
        c.members = 11 + (c.members % 30);
        c.classes = 2 + (c.classes % (c.seed % 4 == 0 ? 62 : 15));
        c.groups = 1 + (c.groups % 2);
        c.abstainPercent = c.abstainPercent % 4 == 0 ? 100 : 0;
        c.agreePercent %= 103;
        if (c.silent % 4 > 0) c.silent = 0;
        _requireEqual(c);
    }

    function test_AlsoWhereMaskedVotesFillTheirLanes() public view {
        _requireEqual(Case(28, 15, 3, 1, 0, 100, 0, false));
        _requireEqual(Case(29, 30, 10, 1, 0, 100, 0, true));
        _requireEqual(Case(30, 31, 10, 1, 0, 100, 0, true));
        _requireEqual(Case(31, 31, 10, 1, 0, 100, 1, true));
        _requireEqual(Case(32, 63, 4, 1, 0, 100, 0, false));
        _requireEqual(Case(33, 126, 4, 1, 0, 100, 0, true));
        _requireEqual(Case(34, 127, 4, 1, 0, 100, 0, true));
    }

    function test_AlsoWhereALeagueOfManyIsSilent() public view {
        _requireEqual(Case(35, 24, 10, 1, 0, 70, 0x555555, true));
        _requireEqual(Case(36, 24, 10, 1, 0, 70, 0xaaaaaa, true));
        _requireEqual(Case(37, 24, 10, 1, 0, 70, 0xffffff, false));
        _requireEqual(Case(38, 24, 10, 1, 0, 70, 0xfffffe, false));
    }

    /// @dev Around the number of classes and numbers of missing voters that rows are kept for.
    function test_AlsoWhereRowsAreMany() public view {
        _requireEqual(Case(20, 9, 255, 2, 10, 80, 0, true));
        _requireEqual(Case(21, 9, 256, 2, 10, 80, 0, true));
        _requireEqual(Case(22, 40, 255, 1, 10, 80, 0, true));
        _requireEqual(Case(23, 40, 256, 1, 10, 80, 0, true));
    }

    /// @dev More voters than the lanes of a row can count in a group.
    function test_AlsoForMoreVotersThanLanesCount() public view {
        _requireEqual(Case(24, 257, 2, 1, 2, 90, 0, false));
        _requireEqual(Case(25, 514, 2, 1, 2, 100, 0, true));
    }

    function test_AlsoForHundredsOfMembers() public view {
        _requireEqual(Case(9, 100, 3, 1, 10, 70, 0, true));
        _requireEqual(Case(10, 70, 5, 1, 10, 70, 0, false));
    }

    function test_AlsoForHundredsOfClasses() public view {
        _requireEqual(Case(5, 4, 300, 1, 15, 90, 0, true));
        _requireEqual(Case(11, 3, 1023, 1, 15, 60, 0, false));
        _requireEqual(Case(12, 9, 600, 1, 0, 101, 0, true));
    }

    /// @dev More groups than the lanes of one table take.
    function test_AlsoWhereLanesFillUp() public view {
        _requireEqual(Case(13, 4, 2, 24, 0, 100, 0, true));
        _requireEqual(Case(14, 3, 2, 25, 0, 100, 0, false));
    }

    /// @dev More groups than the rows of so many voters take.
    function test_AlsoWhereRowsFillUp() public view {
        _requireEqual(Case(27, 17, 2, 17, 5, 100, 0, false));
    }

    function test_AlsoWhereALeagueOrEverybodyIsSilent() public view {
        _requireEqual(Case(6, 6, 10, 1, 10, 70, 21, true));
        _requireEqual(Case(7, 6, 10, 1, 10, 70, 42, true));
        _requireEqual(Case(8, 6, 10, 1, 10, 70, 63, false));
    }

    /// @dev One member's labels, or any codes at all, malformed ones among them.
    function _toCount(uint256 seed, uint256 classes, uint256 groups)
        private
        pure
        returns (bytes memory)
    {
        if (seed % 2 == 0) {
            Case memory c = Case(seed, 1, classes, groups, 10, 50, 0, false);
            (uint256[] memory labels,) = _labels(c, 0);
            return Plain.pack(labels, classes);
        }
        uint256[] memory words = new uint256[](groups * PackedLabels.labelBits(classes));
        for (uint256 w; w < words.length; ++w) {
            words[w] = uint256(keccak256(abi.encode(seed, w)));
        }
        return abi.encodePacked(words);
    }

    /// @dev Up to 63 classes; up to 15 groups the histogram takes single labels.
    /// forge-config: default.fuzz.runs = 64
    function testFuzz_BitsAndHistogramsGiveTheSameCounts(
        uint256 seed,
        uint256 classes,
        uint256 groups
    ) public view {
        classes = 2 + (classes % 62);
        groups = 1 + (groups % 40);
        uint256 bits = PackedLabels.labelBits(classes);
        bytes memory labels = _toCount(seed, classes, groups);
        (uint256[] memory sliced, uint256 validSliced) = serums.countSliced(labels, bits, classes);
        (uint256[] memory tallied, uint256 valid) = serums.countTallied(labels, bits, classes);
        vm.assertEq(abi.encode(sliced), abi.encode(tallied));
        vm.assertEq(validSliced, valid);
    }

    /// forge-config: default.fuzz.runs = 24
    function testFuzz_HistogramsCountEveryCode(uint256 seed, uint256 classes, uint256 groups)
        public
        view
    {
        classes = 64 + (classes % (seed % 3 == 0 ? 960 : 64));
        groups = 1 + (groups % 20);
        uint256 bits = PackedLabels.labelBits(classes);
        bytes memory labels = _toCount(seed, classes, groups);
        uint256[] memory expected = new uint256[](1 << bits);
        for (uint256 j; j < groups * 256; ++j) {
            uint256 code;
            for (uint256 b; b < bits; ++b) {
                uint8 octet = uint8(labels[(j / 256 * bits + b) * 32 + (j % 256) / 8]);
                code = 2 * code + ((octet >> (7 - (j % 8))) & 1);
            }
            ++expected[code];
        }
        (uint256[] memory counts, uint256 valid) = serums.countTallied(labels, bits, classes);
        uint256 expectedValid = expected[expected.length - 1];
        vm.assertEq(counts.length, classes);
        for (uint256 class; class < classes; ++class) {
            vm.assertEq(counts[class], expected[class]);
            expectedValid += expected[class];
        }
        vm.assertEq(valid, expectedValid);
    }

    /// @dev More of one class than a counter of two bytes takes.
    function test_CountsWhereAllLabelsAreOfOneClass() public view {
        uint256[3] memory codes = [uint256(0), 99, 127];
        for (uint256 i; i < 3; ++i) {
            uint256[] memory words = new uint256[](521 * 7);
            for (uint256 w; w < words.length; ++w) {
                if ((codes[i] >> (6 - (w % 7))) % 2 == 1) words[w] = type(uint256).max;
            }
            (uint256[] memory counts, uint256 valid) =
                serums.countTallied(abi.encodePacked(words), 7, 100);
            vm.assertEq(valid, 521 * 256);
            for (uint256 class; class < 100; ++class) {
                vm.assertEq(counts[class], class == codes[i] ? 521 * 256 : 0);
            }
        }
    }
}
