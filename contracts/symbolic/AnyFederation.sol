// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Federation} from "../src/Federation.sol";

/// @title A federation in any state
/// @notice The real contract, and a way of putting its storage into a state that a check chooses.
contract AnyFederation is Federation {
    struct State {
        uint40 deadline;
        uint96 pot;
        uint96[3] balances;
        bool[3] committed;
        bool[3] revealed;
        uint16 awaited;
        uint16 takers;
        uint8 leaguesRevealed;
    }

    constructor(Task memory task_) Federation(task_) {}

    /// @notice Three workers in that state, in a round whose only chunk is aggregated. Fields need
    /// not fit one another: more states than can be reached, and no branches to reach them.
    function put(Phase phase_, uint16 round_, State calldata state, address[3] calldata workers)
        external
    {
        _phase = phase_;
        _round = round_;
        _deadline = state.deadline;
        _pot = state.pot;
        _rosterLength = 3;
        Round storage current = _rounds[round_];
        _seed = keccak256("seed");
        _scaleWad = _task.rewardScaleWad;
        _aggregatedChunks = 1;
        _awaited = state.awaited;
        _takers = state.takers;
        _leaguesRevealed = state.leaguesRevealed;
        for (uint16 i; i < 3; ++i) {
            _roster[i] = workers[i];
            Worker storage worker = _workers[workers[i]];
            worker.balance = state.balances[i];
            worker.index = i;
            Submission storage submission = current.submissions[workers[i]];
            submission.commitment = state.committed[i] ? bytes32("commitment") : bytes32(0);
            if (state.revealed[i]) submission.labelCount.first = _headOf(1, i);
            current.tallies[i] = 2 * int128(uint128(i)) + 1;
        }
    }
}
