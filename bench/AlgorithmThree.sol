// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title The paper's Algorithm 3, as printed
/// @notice What rounds are compared with in `gas.py`: labels as uint8 arrays in storage, a loop over
/// samples, workers and peers, R anew for every label. It checks nothing and pays nobody.
/// @dev Departs from the print in three places, where it could not run: classes are below |C|, not up
/// to it; the votes for a class are compared with those for the best so far, not with its number;
/// a class that no peer reported, whose R is 0, earns nothing.
contract AlgorithmThree {
    int256 private constant WAD = 1e18;
    uint8 private constant NULL = 255;

    uint256 private immutable CLASSES;
    int256 private constant PENALTY = 1e18; // β
    int256 private constant SCALE = 1e18; // λ

    uint8[][] private _labels; // x, per worker and sample
    uint32[][] private _labelCounts;
    int256[] public rewardScore;
    uint8[] public globalLabels;

    constructor(uint256 classes) {
        CLASSES = classes;
    }

    /// @notice One worker's labels, with its label count.
    function submit(uint8[] calldata labels, uint32[] calldata labelCount) external {
        _labels.push(labels);
        _labelCounts.push(labelCount);
    }

    /// @notice Lines 1 to 32.
    function run() external {
        uint256 n = _labels.length;
        uint256 m = _labels[0].length;
        uint256 classes = CLASSES;
        uint256[][] memory votes = new uint256[][](m);
        uint256[] memory predictions = new uint256[](n); // M
        int256[] memory g = new int256[](classes);
        for (uint256 j; j < m; ++j) {
            votes[j] = new uint256[](classes);
        }
        for (uint256 i; i < n; ++i) {
            rewardScore.push(0);
            for (uint256 c; c < classes; ++c) {
                g[c] += int256(uint256(_labelCounts[i][c]));
            }
            for (uint256 j; j < m; ++j) {
                uint8 x = _labels[i][j];
                if (x == NULL) continue;
                ++votes[j][x];
                ++predictions[i];
            }
        }
        int256[] memory r = new int256[](classes);
        for (uint256 j; j < m; ++j) {
            for (uint256 i; i < n; ++i) {
                uint8 x = _labels[i][j];
                if (x == NULL) continue;
                for (uint256 c; c < classes; ++c) {
                    r[c] = (WAD * (g[c] - int256(uint256(_labelCounts[i][c]))))
                        / int256(n * predictions[i]);
                }
                int256 tau = 0;
                for (uint256 p; p < n; ++p) {
                    if (p == i) continue;
                    uint8 y = _labels[p][j];
                    if (y == NULL) continue;
                    if (x == y && r[x] > 0) tau += (WAD * WAD) / r[x] - PENALTY;
                    else tau -= PENALTY;
                }
                rewardScore[i] += (SCALE * tau) / int256(n) / WAD;
            }
            uint8 best = 0;
            for (uint256 c; c < classes; ++c) {
                if (votes[j][c] > votes[j][best]) best = uint8(c);
            }
            globalLabels.push(best);
        }
    }
}
