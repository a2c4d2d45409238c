"""Plays a federation of real processes while its processes, chain and network fail at random."""
