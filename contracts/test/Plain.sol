// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title The protocol page once more, written for reading
/// @notice Computes what the contract should, with loops over samples, workers and peers; shares
/// nothing with `src`. A label is a class, or C for no label.
library Plain {
    uint256 internal constant WAD = 1e18;

    // ------------------------------------------------------------------------ labels (section 2)

    function bits(uint256 classes) internal pure returns (uint256 width) {
        while (2 ** width <= classes) ++width;
    }

    /// @return packed the labels of one chunk as bit planes
    function pack(uint256[] memory labels, uint256 classes)
        internal
        pure
        returns (bytes memory packed)
    {
        uint256 width = bits(classes);
        uint256 groups = (labels.length + 255) / 256;
        packed = new bytes(groups * width * 32);
        for (uint256 s; s < groups * 256; ++s) {
            bool isLabel = s < labels.length && labels[s] < classes;
            setCode(packed, width, s, isLabel ? labels[s] : 2 ** width - 1);
        }
    }

    /// @notice Give sample `s` another code.
    function setCode(bytes memory packed, uint256 width, uint256 s, uint256 code) internal pure {
        uint256 place = (s / 256) * width * 32 + (s % 256) / 8;
        uint8 bit = uint8(0x80 >> (s % 8));
        for (uint256 b; b < width; ++b) {
            uint8 old = uint8(packed[place + b * 32]);
            bool isSet = (code >> (width - 1 - b)) % 2 == 1;
            packed[place + b * 32] = bytes1(isSet ? old | bit : old & ~bit);
        }
    }

    // --------------------------------------------------------------------- scores (section 4)

    /// @param labels per worker, per sample of the chunk; a worker without labels has none of them
    /// @param peers whether worker k is a peer of worker i
    /// @param counts per worker, its label count for the round
    /// @return score of worker i
    function score(
        uint256 i,
        uint256[][] memory labels,
        bool[] memory peers,
        uint256[][] memory counts,
        uint256 penaltyWad
    ) internal pure returns (int256) {
        uint256 classes = counts[i].length;
        uint256[] memory matches = new uint256[](classes);
        uint256 compared;
        for (uint256 s; s < labels[i].length; ++s) {
            uint256 own = labels[i][s];
            uint256 voters;
            uint256 agreeing;
            for (uint256 k; k < labels.length; ++k) {
                if (!peers[k] || labels[k].length == 0 || labels[k][s] == classes) continue;
                ++voters;
                if (labels[k][s] == own) ++agreeing;
            }
            if (own == classes || voters == 0) continue;
            ++compared;
            matches[own] += agreeing * (720720 / voters);
        }
        uint256[] memory seen = new uint256[](classes);
        uint256 total;
        for (uint256 k; k < counts.length; ++k) {
            if (!peers[k]) continue;
            for (uint256 x; x < classes; ++x) {
                seen[x] += counts[k][x];
                total += counts[k][x];
            }
        }
        uint256 earned;
        for (uint256 x; x < classes; ++x) {
            if (matches[x] > 0) earned += (WAD * matches[x] * total) / (720720 * seen[x]);
        }
        return int256(earned) - int256(penaltyWad * compared);
    }

    /// @return winners the majority label of every sample; C without votes
    /// @return winning votes for them
    /// @return all votes
    function majority(uint256[][] memory labels, uint256 samples, uint256 classes)
        internal
        pure
        returns (uint256[] memory winners, uint256 winning, uint256 all)
    {
        winners = new uint256[](samples);
        for (uint256 s; s < samples; ++s) {
            uint256[] memory votes = new uint256[](classes + 1);
            for (uint256 k; k < labels.length; ++k) {
                if (labels[k].length > 0) ++votes[labels[k][s]];
            }
            winners[s] = classes;
            uint256 most;
            for (uint256 x; x < classes; ++x) {
                all += votes[x];
                if (votes[x] <= most) continue;
                most = votes[x];
                winners[s] = x;
            }
            winning += most;
        }
    }

    // --------------------------------------------------------------------------- Merkle trees

    function parent(bytes32 a, bytes32 b) internal pure returns (bytes32) {
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
    }

    /// @notice The tree of section 3: level by level, an odd last node moves up unchanged.
    function rootAndProof(bytes32[] memory leaves, uint256 place)
        internal
        pure
        returns (bytes32, bytes32[] memory proof)
    {
        bytes32[] memory path = new bytes32[](32);
        uint256 steps;
        while (leaves.length > 1) {
            bytes32[] memory next = new bytes32[]((leaves.length + 1) / 2);
            for (uint256 i; i < next.length; ++i) {
                bool isPair = 2 * i + 1 < leaves.length;
                next[i] = isPair ? parent(leaves[2 * i], leaves[2 * i + 1]) : leaves[2 * i];
            }
            uint256 sibling = place % 2 == 0 ? place + 1 : place - 1;
            if (sibling < leaves.length) path[steps++] = leaves[sibling];
            place /= 2;
            leaves = next;
        }
        proof = new bytes32[](steps);
        for (uint256 i; i < steps; ++i) {
            proof[i] = path[i];
        }
        return (leaves[0], proof);
    }

    /// @notice OpenZeppelin's standard tree: node i above 2i + 1 and 2i + 2, leaves last.
    function heap(bytes32[] memory leaves) internal pure returns (bytes32[] memory tree) {
        tree = new bytes32[](2 * leaves.length - 1);
        for (uint256 i = tree.length; i > 0;) {
            --i;
            tree[i] = i >= leaves.length - 1
                ? leaves[tree.length - 1 - i]
                : parent(tree[2 * i + 1], tree[2 * i + 2]);
        }
    }

    function heapProof(bytes32[] storage tree, uint256 node)
        internal
        view
        returns (bytes32[] memory proof)
    {
        uint256 depth;
        for (uint256 i = node; i > 0; i = (i - 1) / 2) {
            ++depth;
        }
        proof = new bytes32[](depth);
        for (uint256 i; i < depth; ++i) {
            proof[i] = tree[node % 2 == 1 ? node + 1 : node - 1];
            node = (node - 1) / 2;
        }
    }
}
