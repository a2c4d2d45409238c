// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {COUNT_KERNEL, SCORE_KERNEL} from "../src/Kernels.sol";
import {IFederation} from "../src/interfaces/IFederation.sol";
import {Vm} from "../test/Vm.sol";
import {AnyFederation} from "./AnyFederation.sol";

/// @title What holds for one call from any state, shown by symbolic execution: `make halmos`
/// @dev Three workers and a fourth that may register, of whom at least three are needed. Phase,
/// deadline, time, who has committed and revealed, how many of either were counted, and who calls
/// with how much ether are arbitrary, and where no stake is taken pot and balances, too. The round is
/// one of 0, 1 and the last. `reveal` and `aggregate` are not here: their labels are too much for
/// a solver. Loops run over four workers at most.
abstract contract FederationChecks {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint64 private constant DEPOSIT = 1e9;

    AnyFederation internal federation;
    address[4] private _workers =
        [address(0x1001), address(0x1002), address(0x1003), address(0x1004)];
    address private constant STRANGER = address(0x1005);

    /// @dev What was before the call.
    struct Before {
        IFederation.Phase phase;
        uint256 round;
        uint256 deadline;
        uint256[4] balances;
        uint256[4] wallets;
    }

    function _round() internal pure virtual returns (uint16);

    function setUp() public {
        IFederation.Task memory task;
        task.membersRoot = keccak256(bytes.concat(keccak256(abi.encode(_workers[3]))));
        task.samplesPerRound = 1;
        task.chunkSamples = 256;
        task.classes = 2;
        task.minWorkers = 3;
        task.maxWorkers = 4;
        task.rounds = 2;
        task.depositWei = DEPOSIT;
        task.rewardScaleWad = 0.5e18;
        task.rewardDecayWad = 0.5e18;
        task.registrationSeconds = 10;
        task.commitSeconds = 20;
        task.revealSeconds = 30;
        vm.etch(SCORE_KERNEL, hex"00"); // no check calls them
        vm.etch(COUNT_KERNEL, hex"00");
        federation = new AnyFederation(task);
    }

    // --------------------------------------------------------------------------------- checks

    function check_Register(
        AnyFederation.State calldata state,
        uint8 phase,
        uint64 time,
        uint8 who,
        uint96 value
    ) external {
        _arrange(state, phase, time);
        Before memory before = _look();
        bytes32[] memory noProof;
        bool isDone = _send(who, value, abi.encodeCall(IFederation.register, (noProof)));
        _requireSound(before);
        if (!isDone) return;
        assert(before.phase == IFederation.Phase.Registration);
        assert(time < before.deadline && value == DEPOSIT && who == 3);
    }

    function check_Leave(AnyFederation.State calldata state, uint8 phase, uint64 time, uint8 who)
        external
    {
        _arrange(_withFixedMoney(state), phase, time);
        Before memory before = _look();
        bool isDone = _send(who, 0, abi.encodeCall(IFederation.leave, ()));
        _requireSound(before);
        if (!isDone) return;
        assert(time < before.deadline && who < 4 && before.round != 1);
        for (uint256 i; i < 4; ++i) {
            if (i != who) continue;
            assert(_workers[i].balance == before.wallets[i] + before.balances[i]);
            assert(before.balances[i] > 0);
        }
    }

    function check_Commit(
        AnyFederation.State calldata state,
        uint8 phase,
        uint64 time,
        uint8 who,
        bytes32 commitment
    ) external {
        _arrange(_withFixedMoney(state), phase, time);
        Before memory before = _look();
        bool isDone = _send(who, 0, abi.encodeCall(IFederation.commit, (commitment)));
        _requireSound(before);
        if (!isDone) return;
        assert(before.phase == IFederation.Phase.Commit && time < before.deadline);
        for (uint256 i; i < 4; ++i) {
            if (i != who) continue;
            assert(federation.commitmentOf(before.round, _workers[i]) == commitment);
        }
    }

    function check_Fund(
        AnyFederation.State calldata state,
        uint8 phase,
        uint64 time,
        uint8 who,
        uint96 value
    ) external {
        _arrange(state, phase, time);
        Before memory before = _look();
        _send(who, value, abi.encodeCall(IFederation.fund, ()));
        _requireSound(before);
        assert(federation.phase() == before.phase && federation.round() == before.round);
    }

    function check_Withdraw(AnyFederation.State calldata state, uint8 phase, uint64 time, uint8 who)
        external
    {
        _arrange(state, phase, time);
        Before memory before = _look();
        bool isDone = _send(who, 0, abi.encodeCall(IFederation.withdraw, ()));
        _requireSound(before);
        assert(federation.phase() == before.phase && federation.round() == before.round);
        for (uint256 i; i < 4; ++i) {
            bool isPaid = isDone && i == who;
            uint256 paid = isPaid ? before.balances[i] : 0;
            assert(_workers[i].balance == before.wallets[i] + paid);
            assert(federation.balanceOf(_workers[i]) == before.balances[i] - paid);
        }
    }

    /// @dev After the deadline it always gets on, before it never.
    function check_Advance(AnyFederation.State calldata state, uint8 phase, uint64 time) external {
        _arrange(_withFixedMoney(state), phase, time);
        Before memory before = _look();
        bool isDone = _send(4, 0, abi.encodeCall(IFederation.advance, ()));
        _requireSound(before);
        assert(isDone == (before.phase != IFederation.Phase.Closed && time >= before.deadline));
        if (!isDone) return;
        assert(federation.phase() != before.phase || federation.round() == before.round + 1);
    }

    function check_Settle(AnyFederation.State calldata state, uint8 phase, uint64 time) external {
        _arrange(_withFixedMoney(state), phase, time);
        Before memory before = _look();
        bool isDone = _send(4, 0, abi.encodeCall(IFederation.settle, ()));
        _requireSound(before);
        if (!isDone) return;
        assert(before.phase == IFederation.Phase.Aggregate && time < before.deadline);
        assert(federation.phase() != before.phase);
    }

    // -------------------------------------------------------------------------------- arrange

    /// @dev Balances above the deposit, below the stake and between: quotients of unknown amounts
    /// overtax the solver.
    function _withFixedMoney(AnyFederation.State memory state)
        private
        pure
        returns (AnyFederation.State memory)
    {
        state.pot = 7;
        state.balances = [uint96(2 * DEPOSIT), DEPOSIT / 4, DEPOSIT];
        return state;
    }

    function _arrange(AnyFederation.State memory state, uint8 phase, uint64 time) private {
        vm.assume(time < 2 ** 40 && phase <= 4);
        IFederation.Phase chosen = IFederation.Phase.Closed; // a branch of its own for every phase
        if (phase == 0) chosen = IFederation.Phase.Registration;
        if (phase == 1) chosen = IFederation.Phase.Commit;
        if (phase == 2) chosen = IFederation.Phase.Reveal;
        if (phase == 3) chosen = IFederation.Phase.Aggregate;
        vm.assume((phase == 0) == (_round() == 0) || phase == 4);
        address[3] memory workers = [_workers[0], _workers[1], _workers[2]];
        federation.put(chosen, _round(), state, workers);
        vm.warp(time);
        vm.deal(address(federation), _owed());
        for (uint256 i; i < 4; ++i) {
            vm.deal(_workers[i], 2 ** 96);
        }
        vm.deal(STRANGER, 2 ** 96);
    }

    function _owed() private view returns (uint256 owed) {
        owed = federation.pot();
        for (uint256 i; i < 4; ++i) {
            owed += federation.balanceOf(_workers[i]);
        }
    }

    function _look() private view returns (Before memory before) {
        before.phase = federation.phase();
        before.round = federation.round();
        before.deadline = federation.deadline();
        for (uint256 i; i < 4; ++i) {
            before.balances[i] = federation.balanceOf(_workers[i]);
            before.wallets[i] = _workers[i].balance;
        }
    }

    function _send(uint8 who, uint256 value, bytes memory data) private returns (bool isDone) {
        vm.assume(who <= 4);
        address sender = STRANGER;
        for (uint256 i; i < 4; ++i) {
            if (who == i) sender = _workers[i];
        }
        vm.prank(sender);
        (isDone,) = address(federation).call{value: value}(data);
    }

    // -------------------------------------------------------------------------------- require

    /// @dev Money is conserved, and the phase is one that section 7 of the protocol lets follow.
    function _requireSound(Before memory before) private view {
        assert(address(federation).balance == _owed());

        IFederation.Phase next = federation.phase();
        uint256 round = federation.round();
        bool isSame = next == before.phase && round == before.round;
        bool isClosing = before.phase != IFederation.Phase.Closed
            && next == IFederation.Phase.Closed && round == before.round;
        bool isNextRound = before.phase != IFederation.Phase.Closed
            && next == IFederation.Phase.Commit && round == before.round + 1 && round <= 2;
        bool isNextPhase = round == before.round
            && ((before.phase == IFederation.Phase.Commit && next == IFederation.Phase.Reveal)
                || (before.phase == IFederation.Phase.Reveal
                    && next == IFederation.Phase.Aggregate));
        assert(isSame || isClosing || isNextRound || isNextPhase);
        if (isSame) assert(federation.deadline() == before.deadline);
        else assert((federation.deadline() == 0) == isClosing);
    }
}

contract RegistrationChecks is FederationChecks {
    function _round() internal pure override returns (uint16) {
        return 0;
    }
}

contract FirstRoundChecks is FederationChecks {
    function _round() internal pure override returns (uint16) {
        return 1;
    }
}

contract LastRoundChecks is FederationChecks {
    function _round() internal pure override returns (uint16) {
        return 2;
    }
}
