"""Rounds of labels beside FedAvg, centralised and local-only training: `make compare`.

The same split, network, optimiser and epochs; accuracy against bytes per worker and rounds.
"""
