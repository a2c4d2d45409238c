"""Measures on a node; no part of the product."""
