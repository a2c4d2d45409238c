// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title A federation of workers that label a public data set in rounds
/// @notice Every struct, event, error and function of the contract; the interface is the
/// specification. Amounts are wei, times unix seconds, lengths of time seconds; what ends in `Wad`
/// is fixed point with 1e18 = 1. Rounds are numbered from 1, chunks from 0.
interface IFederation {
    // -------------------------------------------------------------------------------- structs

    enum Phase {
        Registration,
        Commit,
        Reveal,
        Aggregate,
        Closed
    }

    enum SlashReason {
        Withheld,
        WrongLabelCount
    }

    /// @notice What a federation does, fixed at deployment.
    /// @param membersRoot root of the OpenZeppelin standard Merkle tree over (address)
    /// @param datasetHash SHA-256 of the public set's canonical bytes
    /// @param samplesPerRound samples that a round labels, m
    /// @param chunkSamples samples that one `aggregate` call handles, a multiple of 256
    /// @param classes number of classes C, 2..1023
    /// @param committee workers per chunk: 0 for everyone, else even and at most `maxWorkers`
    /// @param peering whom a worker is compared with: 0 everyone else, 1 the other league
    /// @param minWorkers fewest workers of a round that pays: at least 3, with leagues 4
    /// @param maxWorkers most workers that can register, at most `MAX_WORKERS`
    /// @param rounds rounds after which the federation closes
    /// @param depositWei what a worker deposits once, in wei
    /// @param penaltyWad penalty β per labelled sample
    /// @param rewardScaleWad λ of round 1: the share of the deposit that a round puts at stake
    /// @param rewardDecayWad factor on λ after every round
    /// @param stopAgreementWad agreement at which the federation closes early; 0: never
    /// @param registrationSeconds length of the registration window, in seconds
    /// @param commitSeconds length of a commit window, in seconds
    /// @param revealSeconds length of a reveal window, in seconds
    /// @param uri where the task's description is
    struct Task {
        bytes32 membersRoot;
        bytes32 datasetHash;
        uint32 samplesPerRound;
        uint32 chunkSamples;
        uint16 classes;
        uint16 committee;
        uint8 peering;
        uint16 minWorkers;
        uint16 maxWorkers;
        uint16 rounds;
        uint96 depositWei;
        uint64 penaltyWad;
        uint64 rewardScaleWad;
        uint64 rewardDecayWad;
        uint64 stopAgreementWad;
        uint32 registrationSeconds;
        uint32 commitSeconds;
        uint32 revealSeconds;
        string uri;
    }

    // --------------------------------------------------------------------------------- events

    event Registered(address indexed worker, uint256 deposit);
    event Left(address indexed worker, uint256 refund);
    event RoundOpened(uint256 indexed round, uint256 workers, bytes32 seed, uint256 commitDeadline);
    event Committed(uint256 indexed round, address indexed worker, bytes32 commitment);
    event RevealOpened(uint256 indexed round, uint256 revealDeadline);
    event Revealed(
        uint256 indexed round, address indexed worker, uint32[] labelCount, bytes labels
    );
    event Slashed(
        uint256 indexed round, address indexed worker, uint256 amount, SlashReason reason
    );
    event AggregationOpened(uint256 indexed round, uint256 chunks);
    event ChunkAggregated(
        uint256 indexed round, uint256 indexed chunk, address keeper, bytes globalLabels
    );
    event Rewarded(uint256 indexed round, address indexed worker, int256 score, uint256 reward);
    event RoundSettled(uint256 indexed round, uint256 pool, uint256 agreementWad);
    event RoundVoided(uint256 indexed round);
    event Closed();
    event Withdrawn(address indexed worker, uint256 amount);
    event Funded(address indexed from, uint256 amount);

    // --------------------------------------------------------------------------------- errors

    /// @notice A field of the task is outside its bounds.
    error TaskOutOfBounds(string field, uint256 least, uint256 most, uint256 actual);
    /// @notice A chunk must be whole groups of 256 samples.
    error ChunkSamplesNotMultipleOf256(uint256 actual);
    /// @notice Half of a committee comes from each side of the ring.
    error CommitteeNotEven(uint256 actual);
    /// @notice Some of `maxWorkers` workers would have nothing to label.
    error TooFewSeats(uint256 maxWorkers, uint256 seats);
    /// @notice With that many workers a transaction would need more gas than one may have.
    error TransactionTooCostly(string name, uint256 workers, uint256 gasLimit, uint256 gasNeeded);
    /// @notice With that many workers a transaction would need more bytes than one may have.
    error TransactionTooLarge(string name, uint256 workers, uint256 mostBytes, uint256 bytesNeeded);

    /// @notice A contract that counts or scores for all federations of a chain is not on this one yet.
    /// @param kernel where the deterministic deployment proxy would put it
    error KernelMissing(address kernel);

    /// @notice The call belongs to another phase.
    error WrongPhase(Phase expected, Phase actual);
    /// @notice The window of the phase is over; `advance` ends the phase.
    error DeadlinePassed(uint256 deadline, uint256 timestamp);
    /// @notice The window of the phase is still open.
    error DeadlineNotReached(uint256 deadline, uint256 timestamp);
    /// @notice Nothing happens any more; workers may withdraw.
    error FederationClosed();
    /// @notice There is no round yet.
    error NoRound();

    /// @notice The proof does not lead from the sender to `membersRoot`.
    error NotMember(address sender);
    /// @notice Registration takes exactly the deposit.
    error WrongDeposit(uint256 expected, uint256 actual);
    /// @notice The sender has registered already.
    error AlreadyRegistered(address worker);
    /// @notice The sender is not registered, or has left.
    error NotRegistered(address sender);
    /// @notice The address is not on the round's roster, or has left or been slashed since.
    error NotOnRoster(uint256 round, address worker);
    /// @notice In round 1 it is too late: leave in Registration or from round 2 on.
    error CannotLeaveRoundOne();

    /// @notice A commitment of zero means none.
    error EmptyCommitment();
    /// @notice One commitment per worker and round.
    error AlreadyCommitted(uint256 round, address worker, bytes32 commitment);
    /// @notice The sender did not commit in this round.
    error NotCommitted(uint256 round, address worker);
    /// @notice The sender has revealed in this round.
    error AlreadyRevealed(uint256 round, address worker);
    /// @notice The sender was slashed.
    error WorkerExcluded(address worker);
    /// @notice What is revealed is not what was committed.
    error CommitmentMismatch(bytes32 expected, bytes32 actual);
    /// @notice One label count per class.
    error WrongLabelCountLength(uint256 expected, uint256 actual);
    /// @notice The labels are not those of the chunks assigned to the sender.
    error WrongLabelsLength(uint256 expectedBytes, uint256 actualBytes);
    /// @notice Some codes are neither a class nor ABSTAIN.
    error MalformedLabels(uint256 expectedValid, uint256 actualValid);
    /// @notice What pads the last group is not ABSTAIN throughout.
    error PaddingNotAbstain(uint256 expectedMask, uint256 actualMask);

    /// @notice There is no such chunk.
    error NoSuchChunk(uint256 chunk, uint256 chunks);
    /// @notice A chunk is aggregated once.
    error AlreadyAggregated(uint256 round, uint256 chunk);
    /// @notice One entry per committee member.
    error WrongEntryCount(uint256 expected, uint256 actualLabels, uint256 actualProofs);
    /// @notice The member revealed, so its labels are needed.
    error MissingLabels(uint256 chunk, address worker);
    /// @notice The member did not reveal, so its entry must be empty.
    error UnexpectedLabels(uint256 chunk, address worker);
    /// @notice These are not the labels that the member revealed.
    error LabelsNotRevealed(uint256 chunk, address worker, bytes32 labelsRoot);
    /// @notice Settlement comes after the last chunk.
    error ChunksMissing(uint256 expected, uint256 actual);

    /// @notice The sender has nothing here.
    error NothingToWithdraw(address sender);
    /// @notice The payment was refused by its receiver.
    error PaymentFailed(address receiver, uint256 amount);

    // ------------------------------------------------------------------------------- workers

    /// @notice Take part: a member pays exactly the deposit. Opens round 1 when `maxWorkers` are in.
    /// @param proof Merkle proof of the sender under `membersRoot`
    function register(bytes32[] calldata proof) external payable;

    /// @notice Stop taking part and take the whole balance along: in Registration, or in Commit of
    /// round 2 or later before committing.
    function leave() external;

    /// @notice Bind to labels without showing them. See `hashCommitment`.
    function commit(bytes32 commitment) external;

    /// @notice Show the committed labels. A wrong label count slashes the sender.
    /// @param labels the sender's chunks in ascending order, as bit planes
    /// @param labelCount per class, how many samples have that label
    /// @param salt the 32 random bytes of the commitment
    function reveal(bytes calldata labels, uint32[] calldata labelCount, bytes32 salt) external;

    /// @notice Pay the sender's whole balance once the federation is closed.
    function withdraw() external;

    // ------------------------------------------------------------------------------- anybody

    /// @notice End a phase whose deadline has passed.
    function advance() external;

    /// @notice Score and aggregate one chunk from the revealed labels.
    /// @param chunk the chunk
    /// @param labels one entry per committee member, in committee order; empty without reveal
    /// @param proofs Merkle proofs of the entries under the members' `labelsRootOf`
    function aggregate(uint256 chunk, bytes[] calldata labels, bytes32[][] calldata proofs) external;

    /// @notice Pay the round after its last chunk; opens the next round or closes.
    function settle() external;

    /// @notice Add to the pot that the next settlement shares out.
    function fund() external payable;

    // --------------------------------------------------------------------------------- views

    function MAX_WORKERS() external view returns (uint256);
    function task() external view returns (Task memory);
    function phase() external view returns (Phase);
    function round() external view returns (uint256);
    /// @return unix seconds at which the phase's window ends; 0 once closed
    function deadline() external view returns (uint256);
    /// @return workers of this round; in Registration those registered; once closed the last round's
    function roster() external view returns (address[] memory);
    /// @return members of the chunk's committee, in the order that `aggregate` takes
    function committeeOf(uint256 chunk) external view returns (address[] memory);
    /// @return 0 or 1: the worker's ring position mod 2, whatever `peering` is
    function leagueOf(address worker) external view returns (uint256);
    function chunks() external view returns (uint256);
    function balanceOf(address worker) external view returns (uint256);
    function pot() external view returns (uint256);
    function isExcluded(address worker) external view returns (bool);
    function commitmentOf(uint256 round, address worker) external view returns (bytes32);
    function labelCountOf(uint256 round, address worker) external view returns (uint32[] memory);
    /// @return fixed point, 1e18 = 1; final once the round is settled
    function scoreOf(uint256 round, address worker) external view returns (int256);
    /// @return wei from the round's pool; 0 where stakes went back
    function rewardOf(uint256 round, address worker) external view returns (uint256);
    function labelsRootOf(uint256 round, address worker) external view returns (bytes32);
    /// @return keccak256 of the chunk's packed global labels; 0 before `aggregate`
    function globalLabelsHash(uint256 round, uint256 chunk) external view returns (bytes32);
    /// @notice What `commit` expects; for comparison in tests. Never send unrevealed labels or salts
    /// to a node that you do not own.
    function hashCommitment(
        uint256 round,
        address worker,
        bytes calldata labels,
        uint32[] calldata labelCount,
        bytes32 salt
    ) external view returns (bytes32);
}
