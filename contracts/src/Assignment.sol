// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {EfficientHashLib} from "solady/utils/EfficientHashLib.sol";

/// @title Who labels what
/// @notice The round's seed orders the roster on a ring; even positions are side E (league 0), odd
/// ones side O (league 1). A committee takes half its members from each side.
/// @dev Unchecked throughout: chunks, workers and committees have 32 bits at most.
library Assignment {
    uint256 private constant FEISTEL_ROUNDS = 8;

    /// @notice The roster index at a ring position: a permutation of [0, n).
    function rosterIndex(bytes32 seed, uint256 n, uint256 position)
        internal
        pure
        returns (uint256 x)
    {
        unchecked {
            uint256 half = _halfWidth(n);
            uint256 lowBits = (1 << half) - 1;
            x = position;
            do {
                uint256 left = x >> half;
                uint256 right = x & lowBits;
                for (uint256 i; i < FEISTEL_ROUNDS; ++i) {
                    (left, right) = (right, left ^ (_mix(seed, i, right) & lowBits));
                }
                x = (left << half) | right;
            } while (x >= n); // cycle walking
        }
    }

    /// @notice The ring position of a roster index: the inverse of `rosterIndex`.
    function ringPosition(bytes32 seed, uint256 n, uint256 index)
        internal
        pure
        returns (uint256 x)
    {
        unchecked {
            uint256 half = _halfWidth(n);
            uint256 lowBits = (1 << half) - 1;
            x = index;
            do {
                uint256 left = x >> half;
                uint256 right = x & lowBits;
                for (uint256 i = FEISTEL_ROUNDS; i > 0; --i) {
                    (left, right) = (right ^ (_mix(seed, i - 1, left) & lowBits), left);
                }
                x = (left << half) | right;
            } while (x >= n);
        }
    }

    /// @return whether every worker labels every chunk
    function isEveryone(uint256 n, uint256 committee) internal pure returns (bool) {
        return committee == 0 || 2 * committee > n;
    }

    /// @return positions ring positions of the chunk's members, in committee order: E, O, E, O, …
    function members(uint256 chunk, uint256 n, uint256 committee)
        internal
        pure
        returns (uint256[] memory positions)
    {
        unchecked {
            if (isEveryone(n, committee)) {
                positions = new uint256[](n);
                for (uint256 p; p < n; ++p) {
                    positions[p] = p;
                }
                return positions;
            }
            positions = new uint256[](committee);
            uint256 evens = (n + 1) / 2;
            uint256 odds = n / 2;
            for (uint256 t; t < committee / 2; ++t) {
                uint256 seat = (chunk * committee) / 2 + t;
                positions[2 * t] = 2 * (seat % evens);
                positions[2 * t + 1] = 2 * ((seat + seat / odds) % odds) + 1;
            }
        }
    }

    /// @return assigned chunks that a ring position labels, ascending
    function chunksOf(uint256 position, uint256 n, uint256 committee, uint256 chunks)
        internal
        pure
        returns (uint256[] memory assigned)
    {
        unchecked {
            if (isEveryone(n, committee)) {
                assigned = new uint256[](chunks);
                for (uint256 q; q < chunks; ++q) {
                    assigned[q] = q;
                }
                return assigned;
            }
            // A side hands out its seats in blocks: each of its workers has one seat a block.
            uint256 perChunk = committee / 2;
            uint256 seats = chunks * perChunk;
            uint256 side = position % 2 == 0 ? (n + 1) / 2 : n / 2;
            uint256 blocks = (seats + side - 1) / side;
            assigned = new uint256[](blocks);
            uint256 found;
            for (uint256 b; b < blocks; ++b) {
                // Side O turns by one place a block, so that neighbours do not stay together.
                uint256 turn = position % 2 == 0 ? 0 : b % side;
                uint256 seat = b * side + (position / 2 + side - turn) % side;
                if (seat < seats) assigned[found++] = seat / perChunk;
            }
            if (found < blocks) {
                uint256[] memory shorter = new uint256[](found);
                for (uint256 i; i < found; ++i) {
                    shorter[i] = assigned[i];
                }
                assigned = shorter;
            }
        }
    }

    /// @dev Half of the smallest even number of bits, at least 2, that holds n − 1.
    function _halfWidth(uint256 n) private pure returns (uint256 half) {
        unchecked {
            half = 1;
            while ((n - 1) >> (2 * half) > 0) ++half;
        }
    }

    /// @dev keccak256(abi.encode(seed, i, value)), which would take fresh memory every time.
    function _mix(bytes32 seed, uint256 i, uint256 value) private pure returns (uint256) {
        return uint256(EfficientHashLib.hash(seed, bytes32(i), bytes32(value)));
    }
}
