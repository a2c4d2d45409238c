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
    uint256 private constant WORD = BitPlanes.WORD;
    uint256 private constant ROW = BitPlanes.ROW;
    uint256 private constant BLOCK = BitPlanes.BLOCK;

    /// @dev Every block of groups has a record of the same layout. Pointers are into the first one.
    /// @param step size of a record, in bytes
    /// @param inLeague voters per league
    /// @param seats the same, or one more where it is even: an empty seat's rows stay 0
    /// @param planes planes of a vote count
    /// @param nWorths rows of what a match is worth, where weights differ
    /// @param quads per pair of label bits, lowest pair first, value of the pair and seat, a row: the
    /// samples that have the value there
    /// @param uppers per seat, a row: the samples that have a class's values in all pairs but the
    /// lowest
    /// @param masks per seat, a row: the samples to which the voter gave the class at hand
    /// @param votes per league, a number: the votes for the class at hand
    /// @param labelled per league, a number: how many labelled the sample
    /// @param sum a number: the votes of both leagues
    /// @param best a number: the most votes so far
    /// @param peers a number: votes less the voter's own
    /// @param worths rows: the samples where a match is worth that row's factor
    /// @param greater per class, a row: where it had more votes than all classes before it
    /// @param isUniform whether every sample was labelled by all voters or by none
    /// @param factors per row of worths, or else per plane of peers, a word
    /// @param weights per league and block, and not in the records, up to seven peers: rows of the
    /// samples that 1 to 7 peers labelled; for more, a number: w(peers who labelled the sample)
    /// @param matches per class and voter, a word: Σ (peers' votes) · w(peers), A
    /// @param compared per voter, how many of its labels some peer voted beside: N
    struct Bench {
        uint256 groups;
        uint256 blocks;
        uint256 step;
        uint256 classes;
        uint256 bits;
        bool leagues;
        uint256 voters;
        uint256[2] inLeague;
        uint256[2] seats;
        uint256 planes;
        uint256 nWorths;
        uint256 quads;
        uint256 uppers;
        uint256 masks;
        uint256 votes;
        uint256 labelled;
        uint256 sum;
        uint256 best;
        uint256 peers;
        uint256 worths;
        uint256 greater;
        bool isUniform;
        uint256 factors;
        uint256[2] weights;
        uint256 matches;
        uint256 compared;
    }

    /// @notice Whether this is the cheaper way to score: it goes through every class however few
    /// labels it has, and the weights of many peers have many planes.
    function isCheaper(uint256 members, uint256 classes) internal pure returns (bool) {
        return members <= 48 && classes <= 32;
    }

    /// @notice Whether this is the cheaper way to count.
    function isCheaperToCount(uint256 classes) internal pure returns (bool) {
        return classes <= 64;
    }

    /// @return planes that a count of so many voters is given, at least three
    function planesOf(uint256 voters) internal pure returns (uint256) {
        return voters < 4 ? 3 : PackedLabels.labelBits(voters);
    }

    /// @return rows that tell what a match is worth with up to so many peers: fractions of the sort
    /// that `BitPlanes.spread` makes, or the planes of a weighted count
    function worthsOf(uint256 peers) internal pure returns (uint256) {
        if (peers > 7) return PackedLabels.labelBits(PeerTruthSerum.WEIGHT_ONE);
        return (0x0c09080504020202 >> (8 * peers)) & 0xff;
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
                uint256 seat = v < bench.inLeague[0] ? v : bench.seats[0] + v - bench.inLeague[0];
                _readQuads(labels[members[v]], bench, seat);
            }
            outcome.votes = _countLabelled(bench);
            for (uint256 class; class < bench.classes; ++class) {
                _countClass(bench, class);
            }
            outcome.majorityVotes = _total(bench, bench.best, bench.planes + 1);
            outcome.globalLabels = _globalLabels(bench);
            outcome.scores = _scores(bench, members, labels.length, chunk);
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
            bench.groups = labels.length / (bits * WORD);
            bench.bits = bits;
            bench.seats[0] = 1;
            _layOut(bench);
            _readQuads(labels, bench, 0);
            counts = new uint256[](classes);
            for (uint256 class; class < classes; ++class) {
                counts[class] = _countCode(bench, class);
                valid += counts[class];
            }
            valid += _countCode(bench, PackedLabels.abstain(bits));
            valid -= bench.blocks * BLOCK * 256 - bench.groups * 256; // fills up the last block
        }
    }

    function _countCode(Bench memory bench, uint256 code) private pure returns (uint256) {
        unchecked {
            (uint256 lower, uint256 upper) = _halvesOf(bench, code);
            return BitPlanes.countBothOf(lower, upper, bench.blocks, bench.step);
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
            bench.groups = groups;
            bench.classes = chunk.classes;
            bench.bits = PackedLabels.labelBits(chunk.classes);
            bench.leagues = chunk.leagues;
            bench.voters = n;
            for (uint256 v; v < n; ++v) {
                ++bench.inLeague[chunk.leagues ? members[v] % 2 : 0];
            }
            uint256 larger = bench.inLeague[0];
            if (bench.inLeague[1] > larger) larger = bench.inLeague[1];
            for (uint256 league; league < 2; ++league) {
                uint256 voters = bench.inLeague[league];
                if (voters > 0) bench.seats[league] = voters | 1;
            }
            bench.planes = planesOf(larger);
            bench.nWorths = worthsOf(larger);
            _layOut(bench);
            bench.matches = BitPlanes.allocate(chunk.classes * n);
            bench.compared = BitPlanes.allocate(n);
        }
    }

    /// @dev Set the pointers, and make room for the records. `BitPlanes.tallyFives` counts on masks,
    /// votes and best in this order.
    function _layOut(Bench memory bench) private pure {
        unchecked {
            uint256 seats = (bench.seats[0] + bench.seats[1]) * ROW;
            uint256 number = bench.planes * ROW;
            uint256 pairs = (bench.bits + 1) / 2;
            uint256 at = pairs * 4 * seats;
            bench.uppers = at;
            bench.masks = at += pairs > 2 ? seats : 0;
            bench.votes = at += seats;
            bench.best = at += 2 * number;
            bench.sum = at += number + ROW;
            bench.labelled = at += number + ROW;
            bench.peers = at += 2 * number;
            bench.worths = at += bench.leagues ? 0 : number;
            bench.greater = at += bench.nWorths * ROW;
            bench.step = at += bench.classes * ROW;
            bench.blocks = (bench.groups + BLOCK - 1) / BLOCK;
            uint256 records = BitPlanes.allocate(bench.blocks * at / WORD);
            bench.quads = records;
            bench.uppers += records;
            bench.masks += records;
            bench.votes += records;
            bench.labelled += records;
            bench.sum += records;
            bench.best += records;
            bench.peers += records;
            bench.worths += records;
            bench.greater += records;
        }
    }

    // ---------------------------------------------------------------------------------- masks

    /// @dev For every pair of label bits, the samples that have each of its four values.
    function _readQuads(bytes calldata labels, Bench memory bench, uint256 seat) private pure {
        unchecked {
            uint256 value = (bench.seats[0] + bench.seats[1]) * ROW;
            uint256 stride = bench.bits * WORD;
            uint256 record = bench.quads + seat * ROW;
            uint256 source;
            assembly ("memory-safe") {
                source := labels.offset
            }
            for (uint256 left = bench.groups; left > 0;) {
                uint256 groups = left < BLOCK ? left : BLOCK;
                uint256 quad = record;
                for (uint256 bit = bench.bits; bit > 0; bit -= bit == 1 ? 1 : 2) {
                    uint256 low = source + (bit - 1) * WORD;
                    _readPair(low, bit == 1 ? low : low - WORD, stride, groups, quad, value);
                    quad += 4 * value;
                }
                source += groups * stride;
                record += bench.step;
                left -= groups;
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
            let end := add(quad, 256)
            for { let last := add(quad, shl(5, groups)) } lt(quad, last) {
                quad := add(quad, 32)
            } {
                let a := calldataload(low)
                let b := calldataload(high)
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
            for { value := mul(3, value) } lt(quad, end) { quad := add(quad, 32) } {
                mstore(add(quad, value), not(0))
            }
        }
    }

    /// @dev A voter's samples of a class are those in both rows of its seat: it has the class's
    /// value in the lowest pair of bits, and its values in all pairs above.
    function _halvesOf(Bench memory bench, uint256 code)
        private
        pure
        returns (uint256 lower, uint256 upper)
    {
        unchecked {
            uint256 bits = bench.bits;
            uint256 seats = bench.seats[0] + bench.seats[1];
            uint256 value = seats * ROW;
            uint256 quads = bench.quads;
            lower = quads + (code & 3) * value;
            if (bits == 2) return (lower, lower);
            upper = quads + 4 * value + _valueOf(code, 2, bits) * value;
            if (bits <= 4) return (lower, upper);
            // codes come in ascending order, so this changes with every fourth only
            if (code & 3 == 0 || code == PackedLabels.abstain(bits)) {
                for (uint256 bit = 4; bit < bits; bit += 2) {
                    uint256 row = quads + (2 * bit + _valueOf(code, bit, bits)) * value;
                    for (uint256 at; at < bench.blocks * bench.step; at += bench.step) {
                        BitPlanes.bothOf(upper + at, row + at, bench.uppers + at, seats);
                    }
                    upper = bench.uppers;
                }
            }
            upper = bench.uppers;
        }
    }

    /// @dev The value of the pair of bits that starts there; a bit that stands alone makes 0 or 3.
    function _valueOf(uint256 code, uint256 bit, uint256 bits) private pure returns (uint256) {
        return bit + 1 == bits ? 3 * (code >> bit) : (code >> bit) & 3;
    }

    // -------------------------------------------------------------------------------- weights

    /// @dev How many labelled each sample, what that makes a match worth, and how many of each
    /// voter's labels have company.
    /// @return votes how many labels there are
    function _countLabelled(Bench memory bench) private pure returns (uint256 votes) {
        unchecked {
            (uint256 lower, uint256 upper) = _halvesOf(bench, PackedLabels.abstain(bench.bits));
            uint256 samples;
            (bench.isUniform, samples) = _compareLabelled(bench, lower, upper);
            bench.factors = _factors(bench);
            if (bench.isUniform) {
                for (uint256 v; v < bench.voters; ++v) {
                    bool hasPeers = _peersIn(bench, v < bench.inLeague[0] ? 0 : 1) > 0;
                    if (hasPeers) BitPlanes.store(bench.compared + v * WORD, samples);
                }
                return samples * bench.voters;
            }
            for (uint256 league; league < 2; ++league) {
                uint256 n = bench.inLeague[league];
                if (n == 0) continue;
                uint256 at = league * bench.seats[0] * ROW;
                uint256 masks = bench.masks + at;
                uint256 number = bench.labelled + league * bench.planes * ROW;
                for (uint256 b; b < bench.blocks; ++b) {
                    BitPlanes.bothOf(lower + at, upper + at, masks, n);
                    BitPlanes.invert(masks, n);
                    BitPlanes.sumBothOf(
                        masks, masks, masks, bench.seats[league], number, bench.planes
                    );
                    at += bench.step;
                    masks += bench.step;
                    number += bench.step;
                }
                votes += _total(bench, bench.labelled + league * bench.planes * ROW, bench.planes);
            }
            _weigh(bench, 0);
            _weigh(bench, 1);
        }
    }

    /// @return isUniform whether every sample is labelled by all voters or by none
    /// @return samples if so, how many by all
    function _compareLabelled(Bench memory bench, uint256 lower, uint256 upper)
        private
        pure
        returns (bool isUniform, uint256 samples)
    {
        unchecked {
            uint256 league1 = bench.seats[0] * ROW;
            for (uint256 g; g < bench.groups; ++g) {
                uint256 at = g / BLOCK * bench.step + g % BLOCK * WORD;
                (uint256 any, uint256 all) =
                    BitPlanes.anyAndAllOf(lower + at, upper + at, bench.inLeague[0]);
                if (bench.inLeague[1] > 0) {
                    at += league1;
                    (uint256 any1, uint256 all1) =
                        BitPlanes.anyAndAllOf(lower + at, upper + at, bench.inLeague[1]);
                    any |= any1;
                    all &= all1;
                }
                if (any & ~all > 0) return (false, 0);
                samples += BitPlanes.popCount(~any);
            }
            return (true, samples);
        }
    }

    /// @dev What a match in a row of worths counts; without weights, in a plane of peers.
    function _factors(Bench memory bench) private pure returns (uint256 factors) {
        unchecked {
            uint256 one = PeerTruthSerum.WEIGHT_ONE;
            factors = BitPlanes.allocate(bench.nWorths + bench.planes);
            for (uint256 p; p < bench.nWorths + bench.planes; ++p) {
                BitPlanes.store(factors + p * WORD, 1 << p);
            }
            if (bench.isUniform || bench.planes > 3) return factors;
            uint256 at = factors;
            // odd parts of 1 to 7 peers: their fractions by planes of votes
            uint8[12] memory votes = [1, 1, 1, 2, 1, 1, 2, 4, 1, 1, 2, 4];
            uint8[12] memory peers = [1, 2, 3, 3, 4, 5, 5, 5, 6, 7, 7, 7];
            for (uint256 k; k < bench.nWorths; ++k) {
                BitPlanes.store(at, votes[k] * one / peers[k]);
                at += WORD;
            }
        }
    }

    /// @dev How many peers a voter of the league has.
    function _peersIn(Bench memory bench, uint256 league) private pure returns (uint256) {
        unchecked {
            return bench.leagues ? bench.inLeague[1 - league] : bench.voters - 1;
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
            uint256 peers = bench.peers;
            for (uint256 b; b < bench.blocks; ++b) {
                BitPlanes.decrement(votes, bench.planes, peers);
                votes += bench.step;
                peers += bench.step;
            }
            return bench.peers;
        }
    }

    /// @dev Sum of a number over all samples.
    function _total(Bench memory bench, uint256 number, uint256 planes)
        private
        pure
        returns (uint256 total)
    {
        unchecked {
            for (uint256 p; p < planes; ++p) {
                total += BitPlanes.countBothOf(number, number, bench.blocks, bench.step) << p;
                number += ROW;
            }
        }
    }

    /// @dev Set a league's weights, and N for its voters.
    function _weigh(Bench memory bench, uint256 league) private pure {
        unchecked {
            if (bench.inLeague[league] == 0) return;
            uint256 peers = _peersOf(bench, bench.labelled, league);
            uint256 rows = bench.planes == 3 ? 7 : bench.nWorths;
            uint256 weights = BitPlanes.allocateRows(rows * bench.blocks);
            bench.weights[league] = weights;
            for (uint256 b; b < bench.blocks; ++b) {
                for (uint256 at; at < ROW; at += WORD) {
                    uint256 any = _writeWeights(bench, peers + b * bench.step + at, weights + at);
                    BitPlanes.store(bench.sum + b * bench.step + at, any);
                }
                weights += rows * ROW;
            }
            uint256 mask = bench.masks + league * bench.seats[0] * ROW;
            uint256 compared = bench.compared + league * bench.inLeague[0] * WORD;
            for (uint256 v; v < bench.inLeague[league]; ++v) {
                uint256 found = BitPlanes.countBothOf(mask, bench.sum, bench.blocks, bench.step);
                BitPlanes.store(compared, found);
                mask += ROW;
                compared += WORD;
            }
        }
    }

    /// @dev The weights of the samples of one word.
    /// @return any the samples that some peer labelled
    function _writeWeights(Bench memory bench, uint256 peers, uint256 weights)
        private
        pure
        returns (uint256 any)
    {
        unchecked {
            for (uint256 r = 1; r >> bench.planes == 0; ++r) {
                uint256 samples = BitPlanes.samplesWith(peers, bench.planes, r);
                if (samples == 0) continue;
                any |= samples;
                if (bench.planes == 3) {
                    BitPlanes.store(weights + (r - 1) * ROW, samples);
                    continue;
                }
                uint256 at = weights;
                for (uint256 w = PeerTruthSerum.WEIGHT_ONE / r; w > 0; w >>= 1) {
                    if (w & 1 == 1) BitPlanes.store(at, BitPlanes.load(at) | samples);
                    at += ROW;
                }
            }
        }
    }

    // --------------------------------------------------------------------- majority and matches

    function _countClass(Bench memory bench, uint256 class) private pure {
        unchecked {
            (uint256 lower, uint256 upper) = _halvesOf(bench, class);
            bool areFives = bench.seats[0] == 5 && bench.seats[1] == 5;
            for (uint256 at; at < bench.blocks * bench.step; at += bench.step) {
                if (areFives) {
                    BitPlanes.tallyFives(
                        lower + at, upper + at, bench.masks + at, bench.greater + class * ROW + at
                    );
                    continue;
                }
                uint256 league1 = at + bench.seats[0] * ROW;
                _sumVotes(bench, 0, lower + at, upper + at, bench.masks + at, bench.votes + at);
                _sumVotes(
                    bench,
                    1,
                    lower + league1,
                    upper + league1,
                    bench.masks + league1,
                    bench.votes + bench.planes * ROW + at
                );
                _majority(bench, at, class);
            }
            uint256 pairs = _match(bench, class, 0, 0);
            _match(bench, class, 1, pairs);
        }
    }

    /// @dev Who of a league votes for a class, and how many.
    function _sumVotes(
        Bench memory bench,
        uint256 league,
        uint256 lower,
        uint256 upper,
        uint256 masks,
        uint256 votes
    ) private pure {
        uint256 seats = bench.seats[league];
        if (seats > 0) BitPlanes.sumBothOf(lower, upper, masks, seats, votes, bench.planes);
    }

    /// @dev Where the class has more votes than any before it.
    function _majority(Bench memory bench, uint256 record, uint256 class) private pure {
        unchecked {
            uint256 votes = bench.votes + record;
            uint256 planes = bench.planes;
            uint256 best = bench.best + record;
            uint256 greater = bench.greater + class * ROW + record;
            if (!bench.leagues) {
                BitPlanes.takeGreater(votes, planes, best, greater);
            } else if (planes == 3) {
                BitPlanes.takeGreaterOfThree(votes, best, greater);
            } else {
                uint256 sum = bench.sum + record;
                BitPlanes.add(votes, planes, sum);
                BitPlanes.takeGreater(sum, planes + 1, best, greater);
            }
        }
    }

    /// @dev Count, for the voters of a league, the peers' votes on the samples of their masks: A.
    /// @param pairs for the second league, what the voters of the first have in all
    /// @return total what the voters have in all, weights aside
    function _match(Bench memory bench, uint256 class, uint256 league, uint256 pairs)
        private
        pure
        returns (uint256 total)
    {
        unchecked {
            uint256 left = bench.inLeague[league];
            if (left == 0) return 0;
            uint256 peers = _peersOf(bench, bench.votes, league);
            uint256 rows = bench.nWorths;
            uint256 unit = 1;
            if (bench.isUniform) {
                uint256 r = _peersIn(bench, league);
                rows = PackedLabels.labelBits(r);
                unit = r == 0 ? 0 : PeerTruthSerum.WEIGHT_ONE / r;
            } else {
                peers = _worthsOf(bench, peers, bench.weights[league]);
            }
            uint256 mask = bench.masks + league * bench.seats[0] * ROW;
            uint256 sum = bench.matches + (class * bench.voters + league * bench.inLeague[0]) * WORD;
            for (; left > 0; --left) {
                uint256 found;
                if (left == 1 && league == 1 && bench.isUniform) {
                    found = pairs - total; // who agrees, agrees with somebody
                } else {
                    for (uint256 k; k < rows; ++k) {
                        found += BitPlanes.load(bench.factors + k * WORD)
                        * BitPlanes.countBothOf(mask, peers + k * ROW, bench.blocks, bench.step);
                    }
                }
                total += found;
                BitPlanes.store(sum, found * unit);
                mask += ROW;
                sum += WORD;
            }
        }
    }

    /// @dev What a match is worth, from peers' votes and weights.
    function _worthsOf(Bench memory bench, uint256 votes, uint256 weights)
        private
        pure
        returns (uint256)
    {
        unchecked {
            uint256 worths = bench.worths;
            for (uint256 b; b < bench.blocks; ++b) {
                if (bench.planes == 3) {
                    BitPlanes.spread(votes, weights, worths, bench.nWorths);
                    weights += 7 * ROW;
                } else {
                    BitPlanes.multiply(votes, bench.planes, weights, bench.nWorths, worths);
                    weights += bench.nWorths * ROW;
                }
                votes += bench.step;
                worths += bench.step;
            }
            return bench.worths;
        }
    }

    // -------------------------------------------------------------------------------- outcome

    /// @dev The last class that was greater than all before it, group by group as labels travel.
    function _globalLabels(Bench memory bench) private pure returns (bytes memory) {
        unchecked {
            uint256[] memory words = new uint256[](bench.groups * bench.bits);
            uint256 into = BitPlanes.pointerTo(words);
            for (uint256 g; g < bench.groups; ++g) {
                uint256 first = bench.greater + g / BLOCK * bench.step + g % BLOCK * WORD;
                _writeWinners(first, first + bench.classes * ROW, bench.bits, into);
                into += bench.bits * WORD;
            }
            return abi.encodePacked(words);
        }
    }

    /// @dev One group's planes, the top bit first, from the classes' words.
    function _writeWinners(uint256 first, uint256 last, uint256 bits, uint256 into) private pure {
        assembly ("memory-safe") {
            // leave every sample to the last class that has it
            let open := not(0)
            for { let at := last } gt(at, first) {} {
                at := sub(at, 256)
                let word := and(mload(at), open)
                mstore(at, word)
                open := xor(open, word)
            }
            for { let run := shl(add(7, bits), 1) } gt(run, 255) { run := shr(1, run) } {
                // the classes with this bit come in runs
                let plane := open
                for { let at := add(first, run) } lt(at, last) { at := add(at, run) } {
                    let end := add(at, run)
                    if gt(end, last) { end := last }
                    for {} lt(at, end) { at := add(at, 256) } { plane := or(plane, mload(at)) }
                }
                mstore(into, plane)
                into := add(into, 32)
            }
        }
    }

    /// @dev Σ_x ⌊1e18 · A[x] · T / (720720 · g[x])⌋ − β · N, per member that revealed.
    function _scores(
        Bench memory bench,
        uint256[] memory members,
        uint256 size,
        PeerTruthSerum.Chunk memory chunk
    ) private pure returns (int256[] memory scores) {
        unchecked {
            scores = new int256[](size);
            for (uint256 v; v < members.length; ++v) {
                uint256 member = members[v];
                uint256[] memory counts = chunk.peerCounts[chunk.leagues ? member % 2 : member];
                uint256 total;
                for (uint256 class; class < counts.length; ++class) {
                    total += counts[class];
                }
                uint256 earned;
                for (uint256 class; class < counts.length; ++class) {
                    uint256 sum = BitPlanes.load(bench.matches + (class * bench.voters + v) * WORD);
                    if (sum == 0) continue;
                    earned += (PeerTruthSerum.WAD * sum * total)
                        / (PeerTruthSerum.WEIGHT_ONE * counts[class]);
                }
                uint256 compared = BitPlanes.load(bench.compared + v * WORD);
                scores[member] = int256(earned) - int256(chunk.penaltyWad * compared);
            }
        }
    }
}
