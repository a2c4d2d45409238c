"""Recomputes a federation from its chain; see docs/audit.md."""
