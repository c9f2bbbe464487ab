"""The routes of the server, in OpenAI's form."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from lm.serve.api.answering import Desk
from lm.serve.api.chat import read_chat
from lm.serve.api.completions import read_completion
from lm.serve.api.flow import Gone
from lm.serve.api.guard import Access, Guard
from lm.serve.api.measures import Measures
from lm.serve.api.page import page_routes
from lm.serve.api.refusal import Refusal
from lm.serve.api.schema import schema_of
from lm.serve.api.served import Limits, Models
from lm.serve.api.tokenize import detokenize, tokenize, tokenizer_info

SMALL = 20_000  # bytes of a body that is read at once, and not by another thread
Read = TypeVar("Read")


class Api:
    """What each route answers.

    Args:
        models: The models.
        limits: What one request may ask for.
        measures: Counts and times.
    """

    def __init__(self, models: Models, *, limits: Limits, measures: Measures) -> None:
        self.models, self.limits, self.measures = models, limits, measures
        self.desk = Desk(measures, timeout=limits.timeout)
        self._reading = asyncio.Lock()  # templates remember their last conversation

    def routes(self) -> list[Route]:
        """The routes."""
        return [
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
            Route("/v1/completions", self.completion, methods=["POST"]),
            Route("/v1/models", self.list_models, methods=["GET"]),
            Route("/v1/models/{name:path}", self.one_model, methods=["GET"]),
            Route("/tokenize", self.tokenize, methods=["POST"]),
            Route("/detokenize", self.detokenize, methods=["POST"]),
            Route("/tokenizer_info", self.tokenizer_info, methods=["GET"]),
            Route("/health", self.health, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
            Route("/openapi.json", self.schema, methods=["GET"]),
            *page_routes(),
        ]

    async def chat(self, request: Request) -> Response:
        """Answer a conversation."""
        self.desk.check_open()
        asked = await self._read(request, read_chat)
        return await self.desk.answer(asked, request.scope, request.receive)

    async def completion(self, request: Request) -> Response:
        """Continue prompts."""
        self.desk.check_open()
        asked = await self._read(request, read_completion)
        return await self.desk.answer(asked, request.scope, request.receive)

    async def tokenize(self, request: Request) -> Response:
        """Show a text or a conversation as tokens."""
        return JSONResponse(await self._read(request, tokenize))

    async def detokenize(self, request: Request) -> Response:
        """Show token ids as text."""
        return JSONResponse(await self._read(request, detokenize))

    async def tokenizer_info(self, request: Request) -> Response:
        """Name the special tokens."""
        return JSONResponse(tokenizer_info(self.models.find(request.query_params.get("model"))))

    async def list_models(self, request: Request) -> Response:
        """List the models."""
        return JSONResponse({"object": "list", "data": [each.describe() for each in self.models.served]})

    async def one_model(self, request: Request) -> Response:
        """Describe a model."""
        return JSONResponse(self.models.find(request.path_params["name"]).describe())

    async def health(self, request: Request) -> Response:
        """Say whether requests are taken."""
        state = "draining" if self.desk.draining else "ready"
        return JSONResponse({"status": state}, status_code=503 if self.desk.draining else 200)

    async def metrics(self, request: Request) -> Response:
        """Give the counts to Prometheus."""
        return Response(self.measures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def schema(self, request: Request) -> Response:
        """Describe the routes for programs."""
        return JSONResponse(schema_of(self.limits))

    async def _read(self, request: Request, read: Callable[..., Read]) -> Read:
        """Read the body of a request, as `read` reads it."""
        data = await _body(request, most=self.limits.body, seconds=self.limits.timeout)
        async with self._reading:
            if len(data) <= SMALL:
                return read(data, models=self.models, limits=self.limits)
            return await asyncio.to_thread(read, data, models=self.models, limits=self.limits)


async def _body(request: Request, *, most: int, seconds: float) -> bytes:
    """The bytes of a body.

    Raises:
        Refusal: It is too large, compressed, or does not arrive.
        Gone: The client left.
    """
    too_large = Refusal(
        f"the body has more than {most:,} bytes: send less, or start the server with a larger max_body",
        status=413,
        code="body_too_large",
        headers={"Connection": "close"},
    )
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refusal("the body is compressed: send it as it is", status=415, code="compressed_body")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > most:
        raise too_large
    data = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                data += part
                if len(data) > most:
                    raise too_large
    except ClientDisconnect:
        raise Gone from None
    except TimeoutError:
        raise Refusal(
            f"the body did not arrive within {seconds:g} seconds",
            status=408,
            code="timeout",
            headers={"Connection": "close"},
        ) from None
    return bytes(data)


def build_app(
    api: Api,
    *,
    access: Access,
    log: Callable[[str], None],
    warn: Callable[[str], None],
) -> ASGIApp:
    """Return the application of a server.

    Args:
        api: What answers.
        access: Who may ask.
        log: Takes a line for each request.
        warn: Takes the traceback of a fault of the server.
    """
    routes = api.routes()
    paths = [route.path for route in routes if "{" not in route.path]
    app: ASGIApp = Router(routes, redirect_slashes=False)
    app = Guard(app, access=access, paths=paths, log=log, warn=warn, measures=api.measures)
    if access.origins:
        app = CORSMiddleware(app, allow_origins=[*access.origins], allow_methods=["GET", "POST"], allow_headers=["*"])
    return app
