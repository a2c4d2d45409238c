// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IFederation} from "../src/interfaces/IFederation.sol";
import {FederationTest} from "./FederationTest.sol";
import {Plain} from "./Plain.sol";
import {Vm} from "./Vm.sol";

/// @dev Its ether reaches an account that did not ask for it.
contract Forcer {
    constructor(address payable account) payable {
        selfdestruct(account);
    }
}

/// @title Workers that do as they please, and a watcher
/// @dev What the protocol allows may not revert; what it forbids must.
contract Handler is FederationTest {
    enum Conduct {
        Honest,
        Lying,
        Malformed,
        Withholding,
        Copying,
        Replaying
    }

    /// @dev What is counted, so that a test can ask whether it really happened.
    enum Deed {
        Lie,
        Malformed,
        Withhold,
        CopyRefused,
        ReplayRefused,
        OldCallRefused,
        OtherChunkRefused,
        LastSecond,
        EarlyAdvanceRefused,
        LateRefused,
        PokeRefused,
        Force,
        Leave,
        Fund,
        Slash,
        Reward,
        Settle,
        Void,
        Close,
        Withdraw
    }

    uint256 public constant DEEDS = 20;
    uint256[DEEDS] public counts;

    mapping(uint256 round => mapping(address worker => Conduct)) private _conducts;
    mapping(uint256 round => mapping(address worker => address)) private _victims;
    mapping(uint256 round => mapping(address worker => uint256)) private _settlements;
    mapping(address worker => bytes) private _lastReveal;
    mapping(address worker => uint256) private _balanceAtOpening;
    mapping(address worker => bool) private _hasTaken;
    bytes[] private _aggregateCalls;
    uint256 private _watchedRound;
    uint256 private _progress;
    uint256 private _scaleWad;
    uint256 public forced;
    string public broken;

    /// @dev Every action ends with a look at what it changed.
    modifier watched() {
        vm.recordLogs();
        _;
        _watch();
    }

    constructor(uint8 peering, uint16 committee) {
        task.peering = peering;
        task.committee = committee;
        task.rounds = 3;
        task.minWorkers = 4;
        task.maxWorkers = 8;
        task.classes = 4;
        task.samplesPerRound = committee == 0 ? 40 : 1000;
        _deploy();
        _scaleWad = task.rewardScaleWad;
    }

    function everybody() public view returns (address[] memory workers) {
        workers = new address[](task.maxWorkers);
        for (uint256 i; i < workers.length; ++i) {
            workers[i] = _worker(i);
        }
    }

    // ------------------------------------------------------------------------------- actions

    /// @notice One worker does something that fits the phase.
    function act(uint256 who, uint256 choice) public watched {
        _act(who, choice);
    }

    /// @notice Everybody does it, some of them badly; the way to later rounds.
    function actAll(uint256 choice) public {
        IFederation.Phase phase = federation.phase();
        for (uint256 i; i < task.maxWorkers && federation.phase() == phase; ++i) {
            act(i, uint256(keccak256(abi.encode(choice, i))));
        }
    }

    function fund(uint256 amount) public watched {
        IFederation.Phase phase = federation.phase();
        if (phase == IFederation.Phase.Closed || phase == IFederation.Phase.Registration) return;
        amount %= 2 ether;
        vm.deal(address(this), amount);
        federation.fund{value: amount}();
    }

    /// @notice Ether that no function of the contract takes.
    function forceEther(uint256 amount) public watched {
        amount = 1 + (amount % 1 ether);
        vm.deal(address(this), amount);
        new Forcer{value: amount}(payable(address(federation)));
        forced += amount;
        ++counts[uint256(Deed.Force)];
    }

    function wait_(uint256 length) public {
        if (length % 4 == 0) vm.warp(block.timestamp + (length % 3000));
    }

    function finishPhase(uint256 choice) public watched {
        if (choice % 3 > 0 || federation.phase() == IFederation.Phase.Closed) return;
        _endPhase();
    }

    /// @notice One acts in the last second of a phase, and another one second later.
    function race(uint256 who, uint256 choice) public watched {
        if (choice % 4 > 0 || federation.phase() == IFederation.Phase.Closed) return;
        uint256 deadline = federation.deadline();
        if (block.timestamp < deadline - 1) vm.warp(deadline - 1);
        if (block.timestamp < deadline) {
            _requireRefused(
                address(this), abi.encodeCall(IFederation.advance, ()), Deed.EarlyAdvanceRefused
            );
            _act(who, choice >> 8);
            ++counts[uint256(Deed.LastSecond)];
        }
        if (federation.phase() == IFederation.Phase.Closed || federation.deadline() > deadline) {
            return;
        }
        if (block.timestamp < deadline) vm.warp(deadline);
        for (uint256 i; i < task.maxWorkers; ++i) {
            _requireRefused(_worker(i), _fittingCall(i, choice), Deed.LateRefused);
        }
        if (choice % 8 == 0) federation.advance();
    }

    /// @notice What was right once, sent again.
    function replay(uint256 who, uint256 choice) public watched {
        address worker = _worker(who % task.maxWorkers);
        if (_lastReveal[worker].length > 0) {
            _requireRefused(worker, _lastReveal[worker], Deed.OldCallRefused);
        }
        if (_aggregateCalls.length > 0) {
            bytes memory call = _aggregateCalls[choice % _aggregateCalls.length];
            _requireRefused(address(this), call, Deed.OldCallRefused);
        }
    }

    /// @notice A stranger calls what anyone may call, whatever the phase.
    function poke(uint256 choice) public watched {
        bytes[5] memory calls = [
            abi.encodeCall(IFederation.settle, ()),
            abi.encodeCall(IFederation.advance, ()),
            abi.encodeCall(IFederation.withdraw, ()),
            abi.encodeCall(IFederation.leave, ()),
            abi.encodeCall(
                IFederation.aggregate, (choice % 3, new bytes[](choice % 9), new bytes32[][](8))
            )
        ];
        (bool isDone,) = address(federation).call(calls[choice % 5]);
        if (!isDone) ++counts[uint256(Deed.PokeRefused)];
    }

    /// @notice From wherever it is, time alone closes the federation, and everybody is paid.
    /// @return left what the contract still holds
    function close() external watched returns (uint256 left) {
        for (uint256 steps; federation.phase() != IFederation.Phase.Closed; ++steps) {
            vm.assertLe(steps, 3 * uint256(task.rounds) + 1, "the federation is stuck");
            _endPhase();
            _watch();
        }
        for (uint256 i; i < task.maxWorkers; ++i) {
            _take(_worker(i));
        }
        return address(federation).balance;
    }

    // ------------------------------------------------------------------------- what they do

    function _act(uint256 who, uint256 choice) private {
        address worker = _worker(who % task.maxWorkers);
        IFederation.Phase phase = federation.phase();
        if (phase == IFederation.Phase.Closed) _take(worker);
        else if (block.timestamp >= federation.deadline()) federation.advance();
        else if (phase == IFederation.Phase.Registration) _join(who % task.maxWorkers, choice);
        else if (phase == IFederation.Phase.Commit) _commitOrLeave(worker, choice);
        else if (phase == IFederation.Phase.Reveal) _open(worker);
        else _keep(choice);
    }

    function _join(uint256 i, uint256 choice) private {
        if (federation.balanceOf(_worker(i)) == 0) {
            _register(i);
        } else if (choice % 8 == 0) {
            vm.prank(_worker(i));
            federation.leave();
        }
    }

    function _commitOrLeave(address worker, uint256 choice) private {
        uint256 round = federation.round();
        if (federation.balanceOf(worker) == 0 || federation.commitmentOf(round, worker) != 0) {
            return;
        }
        uint256 dice = choice % 24;
        if (dice == 0) return; // it idles
        if (dice == 1 && round > 1) {
            _hasTaken[worker] = true;
            vm.prank(worker);
            federation.leave();
            return;
        }
        if (dice == 2) _conducts[round][worker] = Conduct.Lying;
        if (dice == 3) _conducts[round][worker] = Conduct.Malformed;
        if (dice == 4) _conducts[round][worker] = Conduct.Withholding;
        bytes32 commitment = _commitment(worker, _conductedOpening(worker));
        if (dice == 5) {
            address victim = _worker((choice >> 8) % task.maxWorkers);
            bytes32 copied = federation.commitmentOf(round, victim);
            if (copied != 0) {
                _conducts[round][worker] = Conduct.Copying;
                _victims[round][worker] = victim;
                commitment = copied;
            }
        }
        if (dice == 6 && _lastReveal[worker].length > 0) {
            _conducts[round][worker] = Conduct.Replaying;
            commitment = federation.commitmentOf(round - 1, worker);
            if (commitment == 0) commitment = keccak256("an older one");
        }
        vm.prank(worker);
        federation.commit(commitment);
    }

    function _conductedOpening(address worker) private returns (Opening memory opening) {
        opening = _opening(worker);
        Conduct conduct = _conducts[federation.round()][worker];
        if (conduct == Conduct.Lying) ++opening.labelCount[0];
        // Of 4 classes: 5 is neither a class nor ABSTAIN, which padding would have to be.
        if (conduct == Conduct.Malformed) Plain.setCode(opening.labels, 3, 255, 5);
    }

    function _open(address worker) private {
        uint256 round = federation.round();
        if (federation.commitmentOf(round, worker) == 0 || federation.isExcluded(worker)) return;
        if (federation.labelsRootOf(round, worker) != 0) return;
        Conduct conduct = _conducts[round][worker];
        if (conduct == Conduct.Withholding) {
            ++counts[uint256(Deed.Withhold)];
        } else if (conduct == Conduct.Malformed) {
            _requireRefused(worker, _revealCall(_conductedOpening(worker)), Deed.Malformed);
        } else if (conduct == Conduct.Copying) {
            bytes memory call = _revealCall(_conductedOpening(_victims[round][worker]));
            _requireRefused(worker, call, Deed.CopyRefused);
        } else if (conduct == Conduct.Replaying) {
            _requireRefused(worker, _lastReveal[worker], Deed.ReplayRefused);
        } else {
            Opening memory opening = _conductedOpening(worker);
            _reveal(worker, opening);
            if (conduct == Conduct.Lying) ++counts[uint256(Deed.Lie)];
            else _lastReveal[worker] = _revealCall(opening);
        }
    }

    function _keep(uint256 choice) private {
        uint256 chunks = federation.chunks();
        for (uint256 i; i < chunks; ++i) {
            uint256 chunk = (choice % chunks + i) % chunks;
            if (federation.globalLabelsHash(federation.round(), chunk) != 0) continue;
            (bytes[] memory labels, bytes32[][] memory proofs) = _entries(chunk);
            bool isEmpty = true;
            for (uint256 k; k < labels.length; ++k) {
                if (labels[k].length > 0) isEmpty = false;
            }
            if (!isEmpty) {
                uint256 other = chunk == 0 ? 1 : chunk - 1;
                _requireRefused(
                    address(this),
                    abi.encodeCall(IFederation.aggregate, (other, labels, proofs)),
                    Deed.OtherChunkRefused
                );
                _aggregateCalls.push(abi.encodeCall(IFederation.aggregate, (chunk, labels, proofs)));
            }
            federation.aggregate(chunk, labels, proofs);
            return;
        }
        federation.settle();
    }

    function _take(address worker) private {
        if (federation.balanceOf(worker) == 0) return;
        _hasTaken[worker] = true;
        vm.prank(worker);
        federation.withdraw();
    }

    function _revealCall(Opening memory opening) private pure returns (bytes memory) {
        return
            abi.encodeCall(IFederation.reveal, (opening.labels, opening.labelCount, opening.salt));
    }

    /// @dev What worker i could do in this phase before its deadline.
    function _fittingCall(uint256 i, uint256 choice) private returns (bytes memory) {
        IFederation.Phase phase = federation.phase();
        bool isOdd = (choice >> i) % 2 == 1;
        if (phase == IFederation.Phase.Registration && isOdd) {
            return abi.encodeCall(IFederation.register, (_memberProof(i)));
        }
        if (phase == IFederation.Phase.Commit && isOdd) {
            return abi.encodeCall(IFederation.commit, (keccak256(abi.encode(choice))));
        }
        if (phase <= IFederation.Phase.Commit) return abi.encodeCall(IFederation.leave, ());
        if (phase == IFederation.Phase.Reveal) {
            // The opening of who is off the roster would have no chunks to be asked for.
            return _revealCall(_conductedOpening(_worker(i)));
        }
        if (isOdd) return abi.encodeCall(IFederation.settle, ());
        (bytes[] memory labels, bytes32[][] memory proofs) = _entries(0);
        return abi.encodeCall(IFederation.aggregate, (0, labels, proofs));
    }

    function _requireRefused(address sender, bytes memory call, Deed deed) private {
        bool isRegister = bytes4(call) == IFederation.register.selector;
        if (isRegister) vm.deal(sender, task.depositWei);
        vm.prank(sender);
        (bool isDone,) = address(federation).call{value: isRegister ? task.depositWei : 0}(call);
        if (isDone) broken = string.concat("not refused: ", vm.toString(uint256(deed)));
        else ++counts[uint256(deed)];
    }

    // ------------------------------------------------------------------------------- watching

    /// @dev Invariants 2, 4 and 6, which compare with what was before.
    function _watch() private {
        _readEvents();
        uint256 round = federation.round();
        uint256 progress = 4 * round + uint256(federation.phase());
        if (federation.phase() == IFederation.Phase.Closed) progress = type(uint256).max;
        if (progress < _progress) broken = "a phase went back";
        _progress = progress;

        uint256 cap = (_scaleWad * task.depositWei) / WAD;
        for (uint256 i; i < task.maxWorkers; ++i) {
            address worker = _worker(i);
            uint256 balance = federation.balanceOf(worker);
            bool isJudged =
                _watchedRound > 0 && !_hasTaken[worker] && !federation.isExcluded(worker);
            if (isJudged && balance + cap < _balanceAtOpening[worker]) {
                broken = "somebody lost more than the stake";
            }
            if (round > _watchedRound) _balanceAtOpening[worker] = balance;
        }
        if (round > _watchedRound && _watchedRound > 0) {
            _scaleWad = (_scaleWad * task.rewardDecayWad) / WAD;
        }
        _watchedRound = round;
    }

    /// @dev A worker is rewarded or slashed in a round, never both or twice.
    function _readEvents() private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            bytes32 kind = logs[i].topics[0];
            bool isReward = kind == IFederation.Rewarded.selector;
            if (isReward || kind == IFederation.Slashed.selector) {
                ++counts[uint256(isReward ? Deed.Reward : Deed.Slash)];
                address worker = address(uint160(uint256(logs[i].topics[2])));
                if (++_settlements[uint256(logs[i].topics[1])][worker] > 1) {
                    broken = "rewarded or slashed twice in a round";
                }
            }
            if (kind == IFederation.Left.selector) ++counts[uint256(Deed.Leave)];
            if (kind == IFederation.Funded.selector) ++counts[uint256(Deed.Fund)];
            if (kind == IFederation.RoundSettled.selector) ++counts[uint256(Deed.Settle)];
            if (kind == IFederation.RoundVoided.selector) ++counts[uint256(Deed.Void)];
            if (kind == IFederation.Closed.selector) ++counts[uint256(Deed.Close)];
            if (kind == IFederation.Withdrawn.selector) ++counts[uint256(Deed.Withdraw)];
        }
    }

    function contractUnderTest() external view returns (IFederation) {
        return federation;
    }
}

/// @dev 1. The contract's ether is the sum of all balances and the pot, and what was forced in.
/// 2. In one round nobody but the slashed loses more than ⌊λ · D⌋.
/// 3. Who was excluded has a balance of 0 and keeps it.
/// 4. Phases and rounds never go back.
/// 5. From every state, time and `advance` close the federation; then everybody can withdraw, and
/// what remains is the pot, and what was forced in.
/// 6. In one round a worker is rewarded or slashed at most once.
/// 7. What is copied, replayed, late or for another chunk is refused.
abstract contract InvariantTest is FederationTest {
    Handler internal handler;

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0].addr = address(handler);
        targets[0].selectors = new bytes4[](9);
        targets[0].selectors[0] = Handler.act.selector;
        targets[0].selectors[1] = Handler.actAll.selector;
        targets[0].selectors[2] = Handler.fund.selector;
        targets[0].selectors[3] = Handler.wait_.selector;
        targets[0].selectors[4] = Handler.finishPhase.selector;
        targets[0].selectors[5] = Handler.race.selector;
        targets[0].selectors[6] = Handler.replay.selector;
        targets[0].selectors[7] = Handler.poke.selector;
        targets[0].selectors[8] = Handler.forceEther.selector;
    }

    function invariant_MoneyIsConserved() public view {
        IFederation played = handler.contractUnderTest();
        address[] memory workers = handler.everybody();
        uint256 owed = played.pot() + handler.forced();
        for (uint256 i; i < workers.length; ++i) {
            uint256 balance = played.balanceOf(workers[i]);
            owed += balance;
            if (played.isExcluded(workers[i])) vm.assertEq(balance, 0, "excluded");
        }
        vm.assertEq(address(played).balance, owed, "conserved");
    }

    function invariant_NothingForbiddenHappens() public view {
        vm.assertEq(handler.broken(), "");
    }

    function invariant_NoPhaseCanGetStuck() public {
        uint256 state = vm.snapshotState();
        uint256 left = handler.close();
        uint256 kept = handler.contractUnderTest().pot() + handler.forced();
        vm.assertEq(left, kept, "all but the pot is paid");
        vm.assertEq(handler.broken(), "");
        vm.revertToState(state);
    }
}

contract InvariantsWithLeaguesTest is InvariantTest {
    function setUp() public {
        handler = new Handler(1, 0);
    }

    /// @dev Else the invariants would say little.
    function test_TheActorsReachEveryOutcome() public {
        uint256 deeds = handler.DEEDS();
        uint256[] memory seen = new uint256[](deeds);
        for (uint256 run; run < 16; ++run) {
            handler = new Handler(1, 0);
            for (uint256 step; step < 60; ++step) {
                uint256 choice = uint256(keccak256(abi.encode(run, step)));
                if (step % (4 + (run % 4)) == 0) handler.finishPhase(choice);
                else if (step % 9 == 1) handler.fund(choice);
                else if (step % 9 == 2) handler.race(choice >> 16, choice);
                else if (step % 9 == 3) handler.replay(choice >> 16, choice);
                else if (step % 9 == 4) handler.poke(choice);
                else if (step % 9 == 5) handler.forceEther(choice);
                else handler.actAll(choice);
            }
            vm.assertEq(handler.broken(), "");
            for (uint256 deed; deed < deeds; ++deed) {
                seen[deed] += handler.counts(deed);
            }
        }
        for (uint256 deed; deed < deeds; ++deed) {
            vm.assertTrue(seen[deed] > 1, vm.toString(deed));
        }
    }
}

contract InvariantsWithoutLeaguesTest is InvariantTest {
    function setUp() public {
        handler = new Handler(0, 0);
    }
}

contract InvariantsWithCommitteesTest is InvariantTest {
    function setUp() public {
        handler = new Handler(1, 2);
    }
}
