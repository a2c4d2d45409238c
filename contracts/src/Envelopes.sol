// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Envelopes
/// @notice Brings sealed messages to the workers of federations, as events.
/// @dev One for all federations of a chain, at the address that follows from its code. It has no
/// storage, no owner and no checks: a recipient believes an envelope by what is in it (docs/protocol.md,
/// section 11), so whoever posts rubbish has paid for it and nobody else has.
contract Envelopes {
    /// @notice An envelope for one recipient.
    /// @param federation What it is about.
    /// @param recipient Whose key opens it.
    /// @param sender Who posted it.
    /// @param envelope The sealed message.
    event Sealed(
        address indexed federation,
        address indexed recipient,
        address indexed sender,
        bytes envelope
    );

    /// @notice There must be one envelope for each recipient.
    error LengthsDiffer(uint256 recipients, uint256 envelopes);

    /// @notice Post one envelope to each recipient.
    /// @param federation What they are about.
    /// @param recipients Who can open them.
    /// @param envelopes The sealed messages, in the recipients' order.
    function post(address federation, address[] calldata recipients, bytes[] calldata envelopes)
        external
    {
        require(
            recipients.length == envelopes.length,
            LengthsDiffer(recipients.length, envelopes.length)
        );
        for (uint256 i = 0; i < recipients.length; ++i) {
            emit Sealed(federation, recipients[i], msg.sender, envelopes[i]);
        }
    }
}
