"""The `fedserum` command: names every verb and hands over."""
