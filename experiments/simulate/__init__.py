"""What workers may expect of a federation before it is started: `fedserum simulate`."""
