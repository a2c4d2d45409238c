"""One participant: its key, its model, its private data, and the round as it plays it."""
