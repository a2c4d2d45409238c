"""What a round will cost, from running the contract's own code: `fedserum cost`."""
