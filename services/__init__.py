"""What the worker and the orchestrator share; imports neither of them."""

import sys
from contextlib import suppress

# py_ecc, which comes with eth-account, raises the recursion limit to 100,000 when it is imported.
# Then JSON that is nested as deeply, from a node or a client, overflows the stack and ends the
# process, where Python's own limit makes it an error like any other.
with suppress(ImportError):
    import py_ecc  # noqa: F401
sys.setrecursionlimit(1_000)
