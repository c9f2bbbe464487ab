"""The way between a request and the engine: what it delivers, in order, until the end or until nobody reads it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial

from lm.serve.api.asked import Asked
from lm.serve.api.refusal import Refusal, closing
from lm.serve.engine import Ticket
from lm.serve.request import Busy, Closed, Update

RETRY = 1  # seconds after which a client may try again


class Gone(Exception):  # noqa: N818  (nobody waits for the answer)
    """The client has closed the connection."""


class Flow:
    """What the engine delivers for all texts of a request.

    The engine calls from its own thread; the updates wait here for the event loop. No more of them can wait than the
    request has tokens.

    Args:
        asked: The request.

    Raises:
        Refusal: The queue is full, the server ends, or the request is impossible; nothing stays in the engine.
    """

    def __init__(self, asked: Asked) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrived: asyncio.Queue[tuple[int, Update] | Exception] = asyncio.Queue()
        self._left, self._n = len(asked.requests), asked.n
        self._tickets: list[Ticket] = []
        try:
            for index, request in enumerate(asked.requests):
                self._tickets.append(asked.served.engine.submit(request, partial(self._deliver, index)))
        except (Busy, Closed, ValueError) as error:
            self.cancel()
            raise _refused(error) from None

    def _deliver(self, index: int, update: Update) -> None:
        """Pass an update on; called by the engine's thread."""
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._arrived.put_nowait, (index, update))

    def end(self, error: Exception) -> None:
        """End the flow, from any thread: its reader gets this error next."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._arrived.put_nowait, error)

    @property
    def cached_tokens(self) -> int:
        """Tokens of the prompts that the engine had read before; a prompt counts once."""
        return sum(ticket.cached_prompt_tokens for ticket in self._tickets[:: self._n])

    def cancel(self) -> None:
        """Stop the work of the engine on it, in whatever state."""
        for ticket in self._tickets:
            ticket.cancel()

    async def updates(self) -> AsyncIterator[tuple[int, Update]]:
        """Yield the place of a text and what was added to it, until all have ended.

        Raises:
            Refusal: A text failed, or the server ends.
            Gone: The client left.
        """
        while self._left:
            arrived = await self._arrived.get()
            if isinstance(arrived, Exception):
                raise arrived
            index, update = arrived
            if update.reason == "failed":
                raise Refusal(f"the answer failed: {update.error}", status=500, code="generation_failed")
            if update.reason == "cancelled":
                raise closing()
            self._left -= bool(update.reason)
            yield index, update


def _refused(error: Exception) -> Refusal:
    if isinstance(error, Busy):
        return Refusal(
            "the queue of the server is full: try again in a moment",
            status=429,
            code="queue_full",
            headers={"Retry-After": str(RETRY)},
        )
    return closing() if isinstance(error, Closed) else Refusal(str(error))
