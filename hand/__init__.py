"""A round by hand: one verb per step, from labels that any pipeline made."""
