// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Plain} from "./Plain.sol";
import {Vm} from "./Vm.sol";
import {ILibraries} from "./harness/ILibraries.sol";

abstract contract LibraryTest {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    ILibraries internal libraries = ILibraries(vm.deployCode("Libraries.sol:Libraries", ""));
}

contract AssignmentTest is LibraryTest {
    /// @dev Section 6 as it reads: cycle walking over an 8-round Feistel network.
    function _plainIndex(bytes32 seed, uint256 n, uint256 x) private pure returns (uint256) {
        uint256 half = 1;
        while (4 ** half < n) ++half;
        uint256 size = 2 ** half;
        do {
            (uint256 left, uint256 right) = (x / size, x % size);
            for (uint256 i; i < 8; ++i) {
                uint256 mixed = uint256(keccak256(abi.encode(seed, i, right))) % size;
                (left, right) = (right, left ^ mixed);
            }
            x = left * size + right;
        } while (x >= n);
        return x;
    }

    function testFuzz_TheRingIsAPermutationAndRingPositionItsInverse(bytes32 seed, uint256 n)
        public
        view
    {
        n = 3 + (n % 120);
        bool[] memory isTaken = new bool[](n);
        for (uint256 p; p < n; ++p) {
            uint256 index = libraries.rosterIndex(seed, n, p);
            vm.assertEq(index, _plainIndex(seed, n, p));
            vm.assertFalse(isTaken[index]);
            isTaken[index] = true;
            vm.assertEq(libraries.ringPosition(seed, n, index), p);
        }
    }

    function testFuzz_ACommitteeIsDistinctAndHalfFromEachSide(uint256 n, uint256 k, uint256 chunk)
        public
        view
    {
        n = 4 + (n % 200);
        k = 2 * (1 + (k % (n / 4)));
        chunk %= 5000;
        uint256[] memory members = libraries.members(chunk, n, k);
        vm.assertEq(members.length, k);
        bool[] memory isTaken = new bool[](n);
        for (uint256 i; i < k; ++i) {
            vm.assertEq(members[i] % 2, i % 2);
            vm.assertFalse(isTaken[members[i]]);
            isTaken[members[i]] = true;
            uint256 u = (chunk * k) / 2 + i / 2;
            uint256 odds = n / 2;
            uint256 place = i % 2 == 0 ? u % ((n + 1) / 2) : (u + u / odds) % odds;
            vm.assertEq(members[i], 2 * place + (i % 2));
        }
    }

    function test_EveryoneLabelsEverythingInSmallRounds() public view {
        vm.assertEq(libraries.members(3, 7, 0).length, 7);
        vm.assertEq(libraries.members(3, 7, 4).length, 7);
        vm.assertEq(libraries.members(3, 8, 4).length, 4);
        vm.assertEq(libraries.members(3, 7, 4)[5], 5);
    }

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_ChunksOfAgreesWithMembers(uint256 n, uint256 k, uint256 chunks) public view {
        n = 3 + (n % 40);
        k = 2 * (k % 8);
        chunks = 1 + (chunks % 40);
        uint256[] memory seats = new uint256[](n);
        for (uint256 q; q < chunks; ++q) {
            uint256[] memory members = libraries.members(q, n, k);
            for (uint256 i; i < members.length; ++i) {
                uint256 seat = seats[members[i]]++;
                vm.assertEq(libraries.chunksOf(members[i], n, k, chunks)[seat], q);
            }
        }
        for (uint256 p; p < n; ++p) {
            vm.assertEq(libraries.chunksOf(p, n, k, chunks).length, seats[p]);
        }
    }
}

contract PackedLabelsTest is LibraryTest {
    function _draw(uint256 seed, uint256 samples, uint256 codes)
        private
        pure
        returns (uint256[] memory labels)
    {
        labels = new uint256[](samples);
        for (uint256 s; s < samples; ++s) {
            labels[s] = uint256(keccak256(abi.encode(seed, s))) % codes;
        }
    }

    function test_LabelBitsAreTheBitLengthOfTheClasses() public view {
        uint256[5] memory classes = [uint256(2), 10, 47, 100, 1000];
        uint256[5] memory bits = [uint256(2), 4, 6, 7, 10];
        for (uint256 i; i < 5; ++i) {
            vm.assertEq(libraries.labelBits(classes[i]), bits[i]);
            vm.assertEq(Plain.bits(classes[i]), bits[i]);
        }
    }

    /// forge-config: default.fuzz.runs = 32
    function testFuzz_CountsEveryClassAndEveryValidCode(
        uint256 seed,
        uint256 classes,
        uint256 samples,
        uint256 malformed
    ) public view {
        classes = 2 + (classes % 60);
        samples = 1 + (samples % 520);
        malformed %= samples;
        uint256[] memory labels = _draw(seed, samples, classes + 1);
        bytes memory packed = Plain.pack(labels, classes);
        uint256[] memory expected = new uint256[](classes + 1);
        for (uint256 s; s < samples; ++s) {
            ++expected[labels[s]];
        }
        uint256 codes = ((samples + 255) / 256) * 256;
        uint256 width = Plain.bits(classes);
        uint256 isBad;
        if (classes < 2 ** width - 1) {
            // else every code is well-formed
            Plain.setCode(packed, width, malformed, classes);
            --expected[labels[malformed]];
            isBad = 1;
        }
        (uint256[] memory counts, uint256 valid) = libraries.count(packed, classes);
        vm.assertEq(valid, codes - isBad);
        for (uint256 x; x < classes; ++x) {
            vm.assertEq(counts[x], expected[x]);
        }
    }

    /// forge-config: default.fuzz.runs = 16
    function testFuzz_CountsEveryCodeOfUpToTenBits(uint256 seed, uint256 classes) public view {
        classes = 2 + (classes % 1022);
        uint256[] memory labels = _draw(seed, 512, classes + 1);
        uint256[] memory expected = new uint256[](classes + 1);
        for (uint256 s; s < 512; ++s) {
            ++expected[labels[s]];
        }
        (uint256[] memory counts, uint256 valid) =
            libraries.count(Plain.pack(labels, classes), classes);
        vm.assertEq(valid, 512);
        vm.assertEq(counts.length, classes);
        for (uint256 x; x < classes; ++x) {
            vm.assertEq(counts[x], expected[x]);
        }
    }
}

contract LanesTest is LibraryTest {
    function _lane(uint256 word, uint256 place, uint256 width) private pure returns (uint256) {
        return (word >> (256 - width * (place + 1))) & ((1 << width) - 1);
    }

    function testFuzz_LanesOfWordsBecomeWordsOfLanes(uint256[8] memory words) public view {
        uint256[8] memory turned = libraries.transpose(words, 32);
        for (uint256 i; i < 64; ++i) {
            (uint256 word, uint256 lane) = (i / 8, i % 8);
            vm.assertEq(_lane(turned[lane], word, 32), _lane(words[word], lane, 32));
        }
    }

    function testFuzz_BitsOfWordsBecomeWordsOfBytes(uint256[8] memory words) public view {
        uint256[8] memory turned = libraries.transpose(words, 1);
        for (uint256 i; i < 2048; ++i) {
            (uint256 word, uint256 sample) = (i / 256, i % 256);
            uint256 place = sample / 8 * 8 + word;
            vm.assertEq(_lane(turned[sample % 8], place, 1), _lane(words[word], sample, 1));
        }
    }
}
