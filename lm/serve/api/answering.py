"""Answer a request: whole or as a stream of events, within its time, and not longer than somebody waits."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from lm.serve.api.asked import Asked
from lm.serve.api.flow import Flow, Gone
from lm.serve.api.guard import note_on
from lm.serve.api.measures import Measures
from lm.serve.api.refusal import Refusal, closing
from lm.serve.api.reply import Reply, reply_to

LATE = 5.0  # seconds beyond its time in which a stream may still say so, before it is broken off


class Desk:
    """Where requests are answered: knows those that are under way, so that a server that ends can break them off.

    Args:
        measures: Counts and times.
        timeout: Seconds of one request.
    """

    def __init__(self, measures: Measures, *, timeout: float) -> None:
        self._measures, self._timeout = measures, timeout
        self._flows: set[Flow] = set()
        self.draining = False

    def check_open(self) -> None:
        """Refuse a request while the server ends."""
        if self.draining:
            raise closing()

    def break_off(self) -> None:
        """End all requests under way, in words."""
        for flow in [*self._flows]:
            flow.end(closing())

    async def answer(self, asked: Asked, scope: Scope, receive: Receive) -> Response:
        """Return the answer to a request, or the stream of it.

        Args:
            asked: The request.
            scope: That of the request, which takes the note for its line in the log.
            receive: Says when the client leaves.

        Raises:
            Refusal: It cannot be answered, or not in time.
            Gone: The client left.
        """
        flow = Flow(asked)
        reply = reply_to(asked, flow)
        if asked.stream:
            return Events(lambda receive: self._events(flow, reply, scope, receive), longest=self._timeout + LATE)
        with self._under_way(flow, receive):
            async for index, update in self._measures.watched(flow.updates(), asked):
                reply.push(index, update)
        note_on(scope, reply.counted)
        return JSONResponse(reply.whole())

    async def _events(self, flow: Flow, reply: Reply, scope: Scope, receive: Receive) -> AsyncGenerator[dict, None]:
        asked = reply.asked
        with self._under_way(flow, receive):
            try:
                async for index, update in self._measures.watched(flow.updates(), asked):
                    for chunk in reply.chunks(index, update):
                        yield chunk
            finally:
                note_on(scope, reply.counted)
            if asked.include_usage:
                yield reply.last_chunk()

    @contextmanager
    def _under_way(self, flow: Flow, receive: Receive) -> Iterator[None]:
        """Within it the flow ends when the client leaves or its time is over; after it the engine is free of it."""
        loop = asyncio.get_running_loop()
        late = Refusal(
            f"the answer took longer than the {self._timeout:g} seconds that a request has: ask for fewer tokens",
            status=503,
            code="timeout",
        )
        timer = loop.call_later(self._timeout, flow.end, late)
        watch = loop.create_task(_until_gone(receive))
        watch.add_done_callback(lambda task: task.cancelled() or flow.end(Gone()))
        self._flows.add(flow)
        try:
            yield
        finally:
            self._flows.discard(flow)
            flow.cancel()
            timer.cancel()
            watch.cancel()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Events(Response):
    """A stream of events as OpenAI sends them. What fails after the first byte becomes an event.

    Args:
        events: From the function that says when the client leaves, the events.
        longest: Seconds after which it is broken off, as where a client reads no more.
    """

    media_type = "text/event-stream"

    def __init__(self, events: Callable[[Receive], AsyncGenerator[dict, None]], *, longest: float) -> None:
        self._events, self._longest = events, longest
        self.status_code, self.background, self.body = 200, None, b""
        self.init_headers({"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        self.raw_headers = [each for each in self.raw_headers if each[0] != b"content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            async with asyncio.timeout(self._longest), aclosing(self._events(receive)) as events:
                async for event in events:
                    await send(_line(event))
        except Refusal as refusal:
            note_on(scope, f"broken off: {refusal.code}")
            await send(_line(refusal.body()))
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n", "more_body": False})


def _line(event: dict[str, Any]) -> dict[str, Any]:
    data = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
    return {"type": "http.response.body", "body": b"data: " + data + b"\n\n", "more_body": True}
