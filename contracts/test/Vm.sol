// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice The cheatcodes of forge that these tests use.
interface Vm {
    struct Gas {
        uint64 gasLimit;
        uint64 gasTotalUsed;
        uint64 gasMemoryUsed;
        int64 gasRefunded;
        uint64 gasRemaining;
    }

    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function deployCode(string calldata artefact, bytes calldata arguments)
        external
        returns (address);
    function getCode(string calldata artefact) external view returns (bytes memory);
    function prank(address sender) external;
    function deal(address account, uint256 balance) external;
    function etch(address account, bytes calldata code) external;
    function warp(uint256 timestamp) external;
    function prevrandao(uint256 value) external;
    function chainId(uint256 value) external;
    function expectRevert(bytes4 selector) external;
    function expectRevert() external;
    function expectRevert(bytes calldata reason) external;
    function expectPartialRevert(bytes4 selector) external;
    function expectEmit(address emitter) external;
    function snapshotState() external returns (uint256);
    function revertToState(uint256 state) external returns (bool);
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
    function lastCallGas() external view returns (Gas memory);
    function snapshotGasLastCall(string calldata group, string calldata name)
        external
        returns (uint256);
    function snapshotValue(string calldata group, string calldata name, uint256 value) external;
    function assume(bool condition) external pure;
    function assertTrue(bool condition) external pure;
    function assertTrue(bool condition, string calldata fact) external pure;
    function assertFalse(bool condition) external pure;
    function assertEq(uint256 actual, uint256 expected) external pure;
    function assertEq(uint256 actual, uint256 expected, string calldata fact) external pure;
    function assertEq(int256 actual, int256 expected) external pure;
    function assertEq(int256 actual, int256 expected, string calldata fact) external pure;
    function assertEq(address actual, address expected) external pure;
    function assertEq(bytes32 actual, bytes32 expected) external pure;
    function assertEq(bytes calldata actual, bytes calldata expected) external pure;
    function assertEq(bytes calldata actual, bytes calldata expected, string calldata fact)
        external
        pure;
    function assertEq(string calldata actual, string calldata expected) external pure;
    function assertEq(uint256[] calldata actual, uint256[] calldata expected) external pure;
    function assertEq(address[] calldata actual, address[] calldata expected) external pure;
    function assertLe(uint256 least, uint256 most) external pure;
    function assertLe(uint256 least, uint256 most, string calldata fact) external pure;
    function toString(uint256 value) external pure returns (string memory);
}
