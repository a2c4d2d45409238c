"""Deploys, keeps, indexes and shows a federation; holds no power that a stranger lacks."""
