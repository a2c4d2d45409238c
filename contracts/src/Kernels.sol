// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

// Written by `make contract` (contracts/tools/export_abi.py): where the deterministic deployment
// proxy 0x4e59b44847b379578588920cA78FbF26c0B4956C puts the two kernels as built, with salt 0.
address constant SCORE_KERNEL = 0xa71C0313c83a4457ec74dE8F5A4C46F5E92E852C;
address constant COUNT_KERNEL = 0x83cFF2bB4C5734C2a4fcb701060D9C3D3acC0D6A;
