// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BitPlanes} from "../../src/BitPlanes.sol";
import {BitSlicedSerum} from "../../src/BitSlicedSerum.sol";
import {MaskedVotes} from "../../src/MaskedVotes.sol";
import {PackedLabels} from "../../src/PackedLabels.sol";
import {PeerTruthSerum} from "../../src/PeerTruthSerum.sol";
import {Poll, Polls} from "../../src/Poll.sol";
import {Recount} from "../../src/Recount.sol";
import {ISerums} from "./ISerums.sol";

/// @dev Compiled with the settings of `src`; the tests deploy it by name.
contract Serums is ISerums {
    function sliced(bytes[] calldata labels, uint256 groups, PeerTruthSerum.Chunk memory chunk)
        external
        pure
        returns (PeerTruthSerum.Outcome memory)
    {
        (bool isUniform, uint256 labelled) =
            Polls.compareLabelled(labels, groups, PackedLabels.labelBits(chunk.classes));
        bool isFew = labels.length <= BitPlanes.SEATS;
        bool isPossible = isFew || MaskedVotes.isPossible(labels.length, chunk.leagues);
        if (!isUniform || !isPossible || chunk.classes > Polls.MOST_CLASSES) {
            return PeerTruthSerum.score(labels, groups, chunk);
        }
        Poll memory poll = Polls.create(labels, groups, chunk);
        if (isFew) BitSlicedSerum.tally(poll, groups);
        else MaskedVotes.tally(poll, groups);
        return Polls.close(poll, labels.length, labelled, chunk);
    }

    function plain(bytes[] calldata labels, uint256 groups, PeerTruthSerum.Chunk memory chunk)
        external
        pure
        returns (PeerTruthSerum.Outcome memory)
    {
        return PeerTruthSerum.score(labels, groups, chunk);
    }

    function countSliced(bytes calldata labels, uint256 bits, uint256 classes)
        external
        pure
        returns (uint256[] memory counts, uint256 valid)
    {
        return Recount.slice(labels, bits, classes);
    }

    function countTallied(bytes calldata labels, uint256 bits, uint256 classes)
        external
        pure
        returns (uint256[] memory counts, uint256 valid)
    {
        return Recount.tally(labels, bits, classes);
    }
}
