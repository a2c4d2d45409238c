// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BitSlicedSerum} from "./BitSlicedSerum.sol";
import {MaskedVotes} from "./MaskedVotes.sol";
import {PackedLabels} from "./PackedLabels.sol";
import {PeerTruthSerum} from "./PeerTruthSerum.sol";
import {Poll, Polls} from "./Poll.sol";
import {Recount} from "./Recount.sol";

/// @title The federation's arithmetic
/// @notice Counts and scores labels; keeps nothing. A contract of its own, created by the federation
/// it serves, because the two together would pass the size that a contract may have (EIP-170).
contract Kernel {
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

    /// @notice See `Recount.count`.
    function count(bytes calldata labels, uint256 bits, uint256 classes)
        external
        pure
        returns (uint256[] memory counts, uint256 valid)
    {
        return Recount.count(labels, bits, classes);
    }
}
