// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BitSlicedSerum} from "./BitSlicedSerum.sol";
import {MaskedVotes} from "./MaskedVotes.sol";
import {PackedLabels} from "./PackedLabels.sol";
import {PeerTruthSerum} from "./PeerTruthSerum.sol";
import {Poll, Polls} from "./Poll.sol";

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
        bool isFew = BitSlicedSerum.isCheaper(labels.length, chunk.classes);
        if (isFew || MaskedVotes.isCheaper(labels.length, chunk.leagues, chunk.classes)) {
            (bool isUniform, uint256 labelled) =
                Polls.compareLabelled(labels, groups, PackedLabels.labelBits(chunk.classes));
            if (isUniform) {
                Poll memory poll = Polls.create(labels, groups, chunk);
                if (isFew) BitSlicedSerum.tally(poll, groups);
                else MaskedVotes.tally(poll, groups);
                return Polls.close(poll, labels.length, labelled, chunk);
            }
        }
        return PeerTruthSerum.score(labels, groups, chunk);
    }
}
