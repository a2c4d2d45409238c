"""The contract's events as a stream of server-sent events that a reader can take up again.

The index knows which blocks have events; what is in them is read from the chain when a reader gets
there, so no revealed labels pile up in memory.
"""

import asyncio
import re
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future

import anyio
from fastapi import HTTPException
from sse_starlette import ServerSentEvent

from orchestrator.indexer import Indexer
from orchestrator.views import event_view
from services.chain import Event, Federation
from services.errors import ChainError


def event_place(last_event_id: str | None) -> tuple[int, int]:
    """(block, log index) of an id that this stream gave; before everything without one."""
    if not last_event_id:
        return (-1, -1)
    found = re.fullmatch(r"(\d{1,18})-(\d{1,18})", last_event_id, re.ASCII)
    if found is None:
        raise HTTPException(
            422, f"Last-Event-ID is {last_event_id!r}; expected an id of this stream, like 12-0"
        )
    return (int(found[1]), int(found[2]))


async def event_stream(
    indexer: Indexer, after: tuple[int, int], poll_s: float, closing: anyio.Event
) -> AsyncIterator[ServerSentEvent]:
    """Events after a place, until ``closing``; the index has their places, the chain the rest."""
    while not closing.is_set():
        with indexer.reading() as index:
            block = index.next_event_block(after[0])
        try:
            if block is not None:
                events = await asyncio.wrap_future(_read_events(indexer.federation, block))
        except ChainError:
            block = None  # /ready tells; the stream goes on when the chain is back
        if block is None:
            with anyio.move_on_after(poll_s):
                await closing.wait()
            continue
        for event in events:
            if (event.block_number, event.log_index) > after:
                after = (event.block_number, event.log_index)
                yield ServerSentEvent(
                    event_view(event).model_dump_json(),
                    event=event.name,
                    id=f"{after[0]}-{after[1]}",
                    sep="\n",
                )
        after = (block + 1, -1)


def _read_events(federation: Federation, block: int) -> Future[list[Event]]:
    """One block's events, read in a thread that cannot hold up the end of the process."""
    future: Future[list[Event]] = Future()
    future.set_running_or_notify_cancel()

    def read() -> None:
        try:
            future.set_result(federation.events(block, block))
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=read, name="events", daemon=True).start()
    return future
