"""What the worker and the orchestrator share; imports neither of them."""
