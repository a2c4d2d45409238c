// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BitPlanes} from "./BitPlanes.sol";
import {PackedLabels} from "./PackedLabels.sol";
import {PeerTruthSerum} from "./PeerTruthSerum.sol";

/// @title PTSFD, 256 samples at a time
/// @notice The same majority and scores as `PeerTruthSerum` and the same counts as `PackedLabels`, to
/// the last bit, from word operations on bit planes. docs/kernel.md explains the steps.
/// @dev Voters are the members that revealed, league 0 first; without leagues all are in league 0.
library BitSlicedSerum {
    uint256 private constant BLOCK = BitPlanes.BLOCK;
    uint256 private constant ROW = BitPlanes.ROW;
    uint256 private constant ALL = type(uint256).max;

    /// @dev Where everything is. Pointers are to rows; what is per block comes once for each.
    /// @param blocks blocks of 8 groups in the chunk
    /// @param inLeague voters per league
    /// @param seats the same, up to a multiple of seven: rows of 0 fill up
    /// @param planes planes of a vote count
    /// @param worth planes of a weighted vote count
    /// @param unit what all weights are multiples of
    /// @param quads per block, pair of label bits, value of the pair and voter: who has that value
    /// @param masks per seat: the samples to which the voter gave the class at hand
    /// @param votes per league, a number: the votes for the class at hand
    /// @param peers a number: votes less the voter's own
    /// @param product a number: peers times weights
    /// @param labelled per block and league, a number: how many labelled the sample
    /// @param weights per block and league, a number: w(peers who labelled the sample) / unit
    /// @param common per league, how many peers labelled the samples: 0 if that differs
    /// @param best per block, a number: the most votes so far
    /// @param winners per block and label bit, a row: who has them
    /// @param records per voter, a count of matches of the class at hand
    /// @param matches per class and voter, a word: Σ (peers' votes) · w(peers), A
    /// @param compared per voter, a count of its labels that some peer voted beside: N
    struct Bench {
        uint256 classes;
        uint256 bits;
        bool leagues;
        uint256 blocks;
        uint256 voters;
        uint256[2] inLeague;
        uint256[2] seats;
        uint256 planes;
        uint256 worth;
        uint256 unit;
        uint256 quads;
        uint256 masks;
        uint256 votes;
        uint256 peers;
        uint256 product;
        uint256 labelled;
        uint256 weights;
        uint256[2] common;
        uint256 best;
        uint256 winners;
        uint256 greater;
        uint256 records;
        uint256 matches;
        uint256 compared;
        uint256 scratch;
    }

    /// @notice Whether this is the cheaper way: it goes through every class, for a whole block of
    /// groups at a time, however few there are, and the weights of many peers have many planes.
    function isCheaper(uint256 members, uint256 classes, uint256 groups)
        internal
        pure
        returns (bool)
    {
        return members <= 48 && classes <= 32 * (groups < BLOCK ? groups : BLOCK);
    }

    /// @notice Score and aggregate one chunk; see `PeerTruthSerum.score`.
    function score(bytes[] calldata labels, uint256 groups, PeerTruthSerum.Chunk memory chunk)
        internal
        pure
        returns (PeerTruthSerum.Outcome memory outcome)
    {
        unchecked {
            uint256[] memory members = _voters(labels, chunk.leagues);
            Bench memory bench = _newBench(members, groups, chunk);
            for (uint256 v; v < members.length; ++v) {
                _readQuads(labels[members[v]], bench, v, groups);
            }
            for (uint256 block_; block_ < bench.blocks; ++block_) {
                outcome.votes += _countLabelled(bench, block_);
            }
            _weigh(bench, 0);
            _weigh(bench, 1);
            for (uint256 class; class < bench.classes; ++class) {
                _countClass(bench, class);
            }
            for (uint256 block_; block_ < bench.blocks; ++block_) {
                uint256 best = bench.best + block_ * (bench.planes + 1) * ROW;
                outcome.majorityVotes += _total(best, bench.planes + 1);
            }
            outcome.globalLabels = _globalLabels(bench, groups);
            outcome.scores = _scores(bench, members, chunk);
        }
    }

    /// @notice Count the labels of every class, and how many codes are valid at all; see
    /// `PackedLabels.count`.
    function count(bytes calldata labels, uint256 bits, uint256 classes)
        internal
        pure
        returns (uint256[] memory counts, uint256 valid)
    {
        unchecked {
            Bench memory bench;
            uint256 groups = labels.length / (bits * 32);
            bench.bits = bits;
            bench.voters = 1;
            bench.inLeague[0] = 1;
            bench.blocks = (groups + BLOCK - 1) / BLOCK;
            bench.quads = BitPlanes.allocateRows(bench.blocks * ((bits + 1) / 2) * 4);
            bench.masks = BitPlanes.allocateRows(1);
            uint256 everything = BitPlanes.allocateRows(1);
            BitPlanes.invertRows(everything, ROW);
            uint256 record = BitPlanes.allocate(4);
            counts = new uint256[](classes);
            _readQuads(labels, bench, 0, groups);
            for (uint256 class; class <= classes; ++class) {
                uint256 code = class < classes ? class : PackedLabels.abstain(bits);
                for (uint256 block_; block_ < bench.blocks; ++block_) {
                    _select(bench, block_, code);
                    BitPlanes.count(bench.masks, everything, 1, record);
                }
                uint256 found = BitPlanes.takeCount(record, 1);
                if (class < classes) counts[class] = found;
                valid += found;
            }
            valid -= bench.blocks * BLOCK * 256 - groups * 256; // what fills up the last block
        }
    }

    // ------------------------------------------------------------------------------- workbench

    /// @dev The members that revealed, league 0 first.
    function _voters(bytes[] calldata labels, bool leagues)
        private
        pure
        returns (uint256[] memory members)
    {
        unchecked {
            uint256 n;
            for (uint256 i; i < labels.length; ++i) {
                if (labels[i].length > 0) ++n;
            }
            members = new uint256[](n);
            uint256 v;
            for (uint256 league; league < 2; ++league) {
                for (uint256 i; i < labels.length; ++i) {
                    if (labels[i].length > 0 && (leagues ? i % 2 : 0) == league) members[v++] = i;
                }
            }
        }
    }

    function _newBench(uint256[] memory members, uint256 groups, PeerTruthSerum.Chunk memory chunk)
        private
        pure
        returns (Bench memory bench)
    {
        unchecked {
            uint256 n = members.length;
            bench.classes = chunk.classes;
            bench.bits = PackedLabels.labelBits(chunk.classes);
            bench.leagues = chunk.leagues;
            bench.blocks = (groups + BLOCK - 1) / BLOCK;
            bench.voters = n;
            for (uint256 v; v < n; ++v) {
                ++bench.inLeague[chunk.leagues ? members[v] % 2 : 0];
            }
            bench.seats[0] = (bench.inLeague[0] + 6) / 7 * 7;
            bench.seats[1] = (bench.inLeague[1] + 6) / 7 * 7;
            uint256 larger = bench.inLeague[0];
            if (bench.inLeague[1] > larger) larger = bench.inLeague[1];
            bench.planes = larger < 4 ? 3 : PackedLabels.labelBits(larger);
            bench.unit = _unit(larger);
            bench.worth = PackedLabels.labelBits(PeerTruthSerum.WEIGHT_ONE / bench.unit);
            if (bench.worth < bench.planes) bench.worth = bench.planes;

            bench.quads = BitPlanes.allocateRows(bench.blocks * ((bench.bits + 1) / 2) * 4 * n);
            bench.masks = BitPlanes.allocateRows(bench.seats[0] + bench.seats[1]);
            bench.votes = BitPlanes.allocateRows(2 * bench.planes);
            bench.peers = BitPlanes.allocateRows(bench.planes);
            bench.product = BitPlanes.allocateRows(bench.worth);
            bench.labelled = BitPlanes.allocateRows(bench.blocks * 2 * bench.planes);
            bench.best = BitPlanes.allocateRows(bench.blocks * (bench.planes + 1));
            bench.winners = BitPlanes.allocateRows(bench.blocks * bench.bits);
            BitPlanes.invertRows(bench.winners, bench.blocks * bench.bits * ROW);
            bench.greater = BitPlanes.allocateRows(1);
            bench.records = BitPlanes.allocate(n * BitPlanes.recordBytes(bench.worth) / 32);
            bench.matches = BitPlanes.allocate(chunk.classes * n);
            bench.compared = BitPlanes.allocate(n * BitPlanes.recordBytes(1) / 32);
            bench.scratch = BitPlanes.allocate(bench.planes + 1);
        }
    }

    /// @dev What all weights of up to `peers` peers are multiples of: 720720 / lcm(1..peers).
    function _unit(uint256 peers) private pure returns (uint256) {
        unchecked {
            if (peers > 16) return 1;
            uint256 lcm = 1;
            for (uint256 r = 2; r <= peers; ++r) {
                (uint256 a, uint256 b) = (lcm, r);
                while (b != 0) (a, b) = (b, a % b);
                lcm *= r / a;
            }
            return PeerTruthSerum.WEIGHT_ONE / lcm;
        }
    }

    // ---------------------------------------------------------------------------------- masks

    /// @dev For every pair of label bits, the samples that have each of its four values.
    function _readQuads(bytes calldata labels, Bench memory bench, uint256 voter, uint256 groups)
        private
        pure
    {
        unchecked {
            uint256 bits = bench.bits;
            uint256 value = bench.voters * ROW;
            uint256 quad = bench.quads + voter * ROW;
            uint256 source;
            assembly ("memory-safe") {
                source := labels.offset
            }
            for (uint256 left = groups; left > 0; left -= left < BLOCK ? left : BLOCK) {
                for (uint256 bit = bits; bit > 0; bit -= bit == 1 ? 1 : 2) {
                    uint256 low = source + (bit - 1) * 32;
                    _readPair(low, bit == 1 ? low : low - 32, bits * 32, left, quad, value);
                    quad += 4 * value;
                }
                source += BLOCK * bits * 32;
            }
        }
    }

    /// @dev One pair of planes in every group of a block. Missing groups are all ABSTAIN. An odd
    /// number's top bit stands alone: then `low` is `high`, and the values are 0 and 3.
    function _readPair(
        uint256 low,
        uint256 high,
        uint256 stride,
        uint256 groups,
        uint256 quad,
        uint256 value
    ) private pure {
        assembly ("memory-safe") {
            for { let end := add(quad, 256) } lt(quad, end) { quad := add(quad, 32) } {
                let a := not(0)
                let b := a
                if groups {
                    a := calldataload(low)
                    b := calldataload(high)
                    groups := sub(groups, 1)
                }
                let both := and(a, b)
                mstore(quad, not(or(a, b)))
                let at := add(quad, value)
                mstore(at, xor(a, both))
                at := add(at, value)
                mstore(at, xor(b, both))
                mstore(add(at, value), both)
                low := add(low, stride)
                high := add(high, stride)
            }
        }
    }

    /// @dev Set every voter's mask to the samples that it gave the code.
    function _select(Bench memory bench, uint256 block_, uint256 code) private pure {
        unchecked {
            uint256 quads = bench.quads + block_ * ((bench.bits + 1) / 2) * 4 * bench.voters * ROW;
            uint256 masks = bench.masks;
            for (uint256 league; league < 2; ++league) {
                uint256 size = bench.inLeague[league] * ROW;
                if (size > 0) _selectRows(bench.bits, bench.voters, code, quads, masks, size);
                quads += size;
                masks += bench.seats[league] * ROW;
            }
        }
    }

    function _selectRows(
        uint256 bits,
        uint256 voters,
        uint256 code,
        uint256 quads,
        uint256 masks,
        uint256 size
    ) private pure {
        unchecked {
            uint256 value = voters * ROW;
            uint256 a = quads + (code & 3) * value;
            if (bits == 2) {
                BitPlanes.andRows(masks, a, a, size);
                return;
            }
            for (uint256 bit = 2; bit < bits; bit += 2) {
                code >>= 2;
                quads += 4 * value;
                uint256 pair = bit + 1 == bits ? 3 * (code & 1) : code & 3;
                BitPlanes.andRows(masks, a, quads + pair * value, size);
                a = masks;
            }
        }
    }

    // ---------------------------------------------------------------------------------- votes

    /// @dev Add up the masks of each league.
    function _sumVotes(Bench memory bench, uint256 votes) private pure {
        unchecked {
            uint256 masks = bench.masks;
            for (uint256 league; league < 2; ++league) {
                uint256 seats = bench.seats[league];
                if (seats > 0) BitPlanes.sumRows(masks, seats, votes, bench.planes);
                masks += seats * ROW;
                votes += bench.planes * ROW;
            }
        }
    }

    /// @dev The votes as the league's voters see them in their peers: those of the other league, or
    /// all less one's own.
    function _peersOf(Bench memory bench, uint256 votes, uint256 league)
        private
        pure
        returns (uint256)
    {
        unchecked {
            if (bench.leagues) return votes + (1 - league) * bench.planes * ROW;
            BitPlanes.decrement(votes, bench.planes, bench.peers);
            return bench.peers;
        }
    }

    /// @dev Sum of a number over the samples of a block.
    function _total(uint256 numbers, uint256 planes) private pure returns (uint256 total) {
        unchecked {
            for (uint256 p; p < planes; ++p) {
                for (uint256 end = numbers + ROW; numbers < end; numbers += 32) {
                    uint256 word = BitPlanes.load(numbers);
                    if (word > 0) total += BitPlanes.popCount(word) << p;
                }
            }
        }
    }

    // -------------------------------------------------------------------------------- weights

    /// @dev How many labelled each sample of a block, and how many of each voter's labels have
    /// company.
    /// @return votes how many labels there are in the block
    function _countLabelled(Bench memory bench, uint256 block_)
        private
        pure
        returns (uint256 votes)
    {
        unchecked {
            uint256 labelled = bench.labelled + block_ * 2 * bench.planes * ROW;
            _select(bench, block_, PackedLabels.abstain(bench.bits));
            BitPlanes.invertRows(bench.masks, bench.inLeague[0] * ROW);
            uint256 masks = bench.masks + bench.seats[0] * ROW;
            BitPlanes.invertRows(masks, bench.inLeague[1] * ROW);
            _sumVotes(bench, labelled);
            votes = _total(labelled, bench.planes)
                + _total(labelled + bench.planes * ROW, bench.planes);

            masks = bench.masks;
            uint256 record = bench.compared;
            for (uint256 league; league < 2; ++league) {
                if (bench.inLeague[league] == 0) continue;
                _anyOf(_peersOf(bench, labelled, league), bench.planes, bench.greater);
                for (uint256 v; v < bench.inLeague[league]; ++v) {
                    BitPlanes.count(masks + v * ROW, bench.greater, 1, record);
                    record += BitPlanes.recordBytes(1);
                }
                masks += bench.seats[0] * ROW;
            }
        }
    }

    /// @dev Where a number is above 0, as a row.
    function _anyOf(uint256 numbers, uint256 planes, uint256 into) private pure {
        unchecked {
            for (uint256 end = into + ROW; into < end; into += 32) {
                (uint256 any,) = BitPlanes.common(numbers, planes);
                BitPlanes.store(into, any);
                numbers += 32;
            }
        }
    }

    /// @dev What a matching vote is worth to a league's voters: the same for all samples if equally
    /// many peers labelled each, else a weight per sample.
    function _weigh(Bench memory bench, uint256 league) private pure {
        unchecked {
            if (bench.inLeague[league] == 0) return;
            uint256 common = ALL; // none yet
            uint256 size = 2 * bench.planes * ROW;
            for (uint256 block_; block_ < bench.blocks; ++block_) {
                uint256 peers = _peersOf(bench, bench.labelled + block_ * size, league);
                for (uint256 end = peers + ROW; peers < end; peers += 32) {
                    (uint256 any, uint256 r) = BitPlanes.common(peers, bench.planes);
                    if (any == 0 || r == common) continue;
                    common = common == ALL ? r : 0;
                }
            }
            bench.common[league] = common;
            if (common > 0) return;

            uint256 weightRows = bench.worth * ROW;
            if (bench.weights == 0) {
                bench.weights = BitPlanes.allocateRows(bench.blocks * 2 * bench.worth);
            }
            uint256 weights = bench.weights + league * weightRows;
            for (uint256 block_; block_ < bench.blocks; ++block_) {
                uint256 peers = _peersOf(bench, bench.labelled + block_ * size, league);
                for (uint256 at; at < ROW; at += 32) {
                    _writeWeights(bench, peers + at, weights + at);
                }
                weights += 2 * weightRows;
            }
        }
    }

    /// @dev w(r) / unit for the samples of one word.
    function _writeWeights(Bench memory bench, uint256 peers, uint256 weights) private pure {
        unchecked {
            for (uint256 r = 1; r >> bench.planes == 0; ++r) {
                uint256 samples = BitPlanes.samplesWith(peers, bench.planes, r);
                if (samples == 0) continue;
                uint256 at = weights;
                for (uint256 w = PeerTruthSerum.WEIGHT_ONE / r / bench.unit; w > 0; w >>= 1) {
                    if (w & 1 == 1) BitPlanes.store(at, BitPlanes.load(at) | samples);
                    at += ROW;
                }
            }
        }
    }

    // --------------------------------------------------------------------- majority and matches

    function _countClass(Bench memory bench, uint256 class) private pure {
        unchecked {
            for (uint256 block_; block_ < bench.blocks; ++block_) {
                _select(bench, block_, class);
                _sumVotes(bench, bench.votes);
                _majority(bench, block_, class);
                _match(bench, block_, 0);
                _match(bench, block_, 1);
            }
            _takeMatches(bench, class, 0);
            _takeMatches(bench, class, 1);
        }
    }

    /// @dev Where the class has more votes than any before it, it is the winner so far.
    function _majority(Bench memory bench, uint256 block_, uint256 class) private pure {
        unchecked {
            uint256 planes = bench.planes;
            uint256 best = bench.best + block_ * (planes + 1) * ROW;
            if (planes == 3) BitPlanes.takeGreaterOfThree(bench.votes, best, bench.greater);
            else BitPlanes.takeGreater(bench.votes, planes, best, bench.greater, bench.scratch);
            uint256 winner = bench.winners + (block_ + 1) * bench.bits * ROW;
            for (uint256 b; b < bench.bits; ++b) {
                winner -= ROW;
                BitPlanes.assignRow(winner, bench.greater, 0 - ((class >> b) & 1));
            }
        }
    }

    /// @dev Count, for the voters of a league, the peers' votes on the samples of their masks.
    function _match(Bench memory bench, uint256 block_, uint256 league) private pure {
        unchecked {
            if (bench.inLeague[league] == 0) return;
            uint256 peers = _peersOf(bench, bench.votes, league);
            uint256 planes = bench.planes;
            if (bench.common[league] == 0) {
                uint256 weights = bench.weights + (2 * block_ + league) * bench.worth * ROW;
                uint256 product = bench.product;
                BitPlanes.multiply(peers, planes, weights, bench.worth, product);
                peers = product;
                planes = bench.worth;
            }
            uint256 size = BitPlanes.recordBytes(bench.worth);
            uint256 record = bench.records + league * bench.inLeague[0] * size;
            uint256 mask = bench.masks + league * bench.seats[0] * ROW;
            for (uint256 end = mask + bench.inLeague[league] * ROW; mask < end; mask += ROW) {
                BitPlanes.count(mask, peers, planes, record);
                record += size;
            }
        }
    }

    /// @dev Put what was counted for a class into A.
    function _takeMatches(Bench memory bench, uint256 class, uint256 league) private pure {
        unchecked {
            uint256 common = bench.common[league];
            uint256 unit = common == 0 ? bench.unit : PeerTruthSerum.WEIGHT_ONE / common;
            uint256 planes = common == 0 ? bench.worth : bench.planes;
            uint256 size = BitPlanes.recordBytes(bench.worth);
            uint256 v = league * bench.inLeague[0];
            for (uint256 end = v + bench.inLeague[league]; v < end; ++v) {
                uint256 found = BitPlanes.takeCount(bench.records + v * size, planes);
                BitPlanes.store(bench.matches + (class * bench.voters + v) * 32, found * unit);
            }
        }
    }

    // -------------------------------------------------------------------------------- outcome

    /// @dev The winners, group by group as labels travel.
    function _globalLabels(Bench memory bench, uint256 groups) private pure returns (bytes memory) {
        unchecked {
            uint256 bits = bench.bits;
            uint256[] memory words = new uint256[](groups * bits);
            uint256 into = BitPlanes.pointerTo(words);
            for (uint256 g; g < groups; ++g) {
                uint256 from = bench.winners + (g / BLOCK) * bits * ROW + (g % BLOCK) * 32;
                for (uint256 b; b < bits; ++b) {
                    BitPlanes.store(into, BitPlanes.load(from + b * ROW));
                    into += 32;
                }
            }
            return abi.encodePacked(words);
        }
    }

    /// @dev Σ_x ⌊1e18 · A[x] · T / (720720 · g[x])⌋ − β · N, per member that revealed.
    function _scores(
        Bench memory bench,
        uint256[] memory members,
        PeerTruthSerum.Chunk memory chunk
    ) private pure returns (int256[] memory scores) {
        unchecked {
            scores = new int256[](chunk.peerCounts.length);
            for (uint256 v; v < members.length; ++v) {
                uint256[] memory counts = chunk.peerCounts[members[v]];
                uint256 total;
                for (uint256 class; class < counts.length; ++class) {
                    total += counts[class];
                }
                uint256 earned;
                for (uint256 class; class < counts.length; ++class) {
                    uint256 sum = BitPlanes.load(bench.matches + (class * bench.voters + v) * 32);
                    if (sum == 0) continue;
                    earned += (PeerTruthSerum.WAD * sum * total)
                        / (PeerTruthSerum.WEIGHT_ONE * counts[class]);
                }
                uint256 record = bench.compared + v * BitPlanes.recordBytes(1);
                uint256 penalty = chunk.penaltyWad * BitPlanes.takeCount(record, 1);
                scores[members[v]] = int256(earned) - int256(penalty);
            }
        }
    }
}
