// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BitSlicedSerum} from "./BitSlicedSerum.sol";
import {PackedLabels} from "./PackedLabels.sol";
import {PeerTruthSerum} from "./PeerTruthSerum.sol";

/// @title Scores and majority of a chunk
/// @notice Keeps nothing. One of the two contracts that all federations of a chain share: its address
/// follows from its code (`Kernels.sol`).
contract ScoreKernel {
    /// @notice See `PeerTruthSerum.score`.
    function score(bytes[] calldata labels, uint256 groups, PeerTruthSerum.Chunk memory chunk)
        external
        pure
        returns (PeerTruthSerum.Outcome memory)
    {
        if (BitSlicedSerum.isCheaper(labels.length, chunk.classes)) {
            (bool isUniform, uint256 labelled) = BitSlicedSerum.compareLabelled(
                labels, groups, PackedLabels.labelBits(chunk.classes)
            );
            if (isUniform) return BitSlicedSerum.score(labels, groups, labelled, chunk);
        }
        return PeerTruthSerum.score(labels, groups, chunk);
    }
}
