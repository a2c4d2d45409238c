// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Envelopes} from "../src/Envelopes.sol";
import {Vm} from "./Vm.sol";

/// @notice Sealed messages come through as they are, one event each.
contract EnvelopesTest {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    Envelopes private envelopes = Envelopes(vm.deployCode("Envelopes.sol:Envelopes", ""));

    function test_EveryRecipientGetsItsEnvelope() external {
        address[] memory recipients = new address[](2);
        (recipients[0], recipients[1]) = (address(0xa11ce), address(0xb0b));
        bytes[] memory messages = new bytes[](2);
        (messages[0], messages[1]) =
        ("for the first", "for the second, and longer than a word of 32");
        address sender = address(0x5e4de4);

        for (uint256 i; i < 2; ++i) {
            vm.expectEmit(address(envelopes));
            emit Envelopes.Sealed(address(this), recipients[i], sender, messages[i]);
        }
        vm.prank(sender);
        envelopes.post(address(this), recipients, messages);
    }

    function test_RevertWhen_ThereIsNotOneForEach() external {
        vm.expectRevert(abi.encodeWithSelector(Envelopes.LengthsDiffer.selector, 2, 1));
        envelopes.post(address(this), new address[](2), new bytes[](1));
    }
}
