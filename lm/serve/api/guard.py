"""Who may ask: the checks that every request passes first, its line in the log, and errors in OpenAI's form."""

import hmac
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from time import perf_counter
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lm.serve.api.flow import Gone
from lm.serve.api.measures import Measures
from lm.serve.api.refusal import Refusal

LOCAL = ("localhost", "127.0.0.1", "[::1]")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
PUBLIC = ("/", "/health", "/assets")  # which say nothing that is secret: the page asks for the key
LEFT = 499  # status in the log and in the counts where the client did not wait for the answer
NOTE = "lm.note"


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who may ask.

    Args:
        host: Address at which the server listens; at one of this machine alone no other host name is answered.
        key: What a client must send as its API key; "" for none.
        origins: Origins of other web pages that may ask, as https://example.org; * for all.
    """

    host: str
    key: str = ""
    origins: Sequence[str] = ()

    def check(self, path: str, headers: Headers) -> None:
        """Refuse a request to another name of this machine, from another web page, or without the key.

        Raises:
            Refusal: With status 401 or 403.
        """
        host = headers.get("host", "")
        named = host if host.endswith("]") else host.rpartition(":")[0] or host
        if self.host in LOOPBACK and named not in LOCAL:
            raise Refusal(f"this server is not {named[:100]!r}: use http://127.0.0.1", status=403, code="wrong_host")
        origin = headers.get("origin")
        if origin is not None and "*" not in self.origins and origin not in self.origins and not _same(origin, host):
            raise Refusal(
                f"web pages of {origin[:100]!r} may not ask this server: start it with cors=[{origin[:100]}]",
                status=403,
                code="wrong_origin",
            )
        if self.key and path not in PUBLIC and not path.startswith("/assets/"):
            scheme, _, given = headers.get("authorization", "").partition(" ")
            given = given.strip() if scheme.lower() == "bearer" else ""
            if not hmac.compare_digest(_digest(given), _digest(self.key)):
                raise Refusal(
                    "the API key is missing or wrong: send it as Authorization: Bearer KEY",
                    status=401,
                    code="invalid_api_key",
                    headers={"WWW-Authenticate": "Bearer"},
                )


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def _same(origin: str, host: str) -> bool:
    with suppress(ValueError):
        return bool(host) and urlsplit(origin).netloc == host
    return False


class Guard:
    """Check each request, answer what fails in OpenAI's form, and log a line of it without its content.

    Args:
        app: What answers.
        access: Who may ask.
        paths: The routes, named where another one is requested.
        log: Takes the line.
        warn: Takes the traceback of a fault of the server.
        measures: Counts and times.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access,
        paths: Sequence[str],
        log: Callable[[str], None],
        warn: Callable[[str], None],
        measures: Measures,
    ) -> None:
        self._app, self._access, self._paths = app, access, paths
        self._log, self._warn, self._measures = log, warn, measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        began, status = perf_counter(), 0
        self._measures.active += 1
        scope["app"] = self  # the router then raises what it does not find

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (b"x-content-type-options", b"nosniff")]}
            await send(message)

        try:
            try:
                self._access.check(scope["path"], Headers(scope=scope))
                await self._app(scope, receive, noting)
            except Gone:
                note_on(scope, "the client left")
                if not status:  # uvicorn complains about an answer that never begins
                    await JSONResponse({}, status_code=LEFT)(scope, receive, noting)
            except Exception as error:
                if status:
                    raise
                await self._failed(error, scope)(scope, receive, noting)
        except TimeoutError:
            note_on(scope, "broken off: the client reads no more")
        finally:
            seconds = perf_counter() - began
            self._measures.request(route_of(scope), status, seconds)
            self._log(_line(scope, status, seconds))
            self._measures.active -= 1

    def _failed(self, error: Exception, scope: Scope) -> JSONResponse:
        if isinstance(error, HTTPException):
            error = _missing(error, self._paths, scope)
        if not isinstance(error, Refusal):
            self._warn("".join(traceback.format_exception(error)))
            error = Refusal("the server failed: its terminal says why", status=500, code="internal_error")
        return JSONResponse(error.body(), status_code=error.status, headers=error.headers)


def note_on(scope: Scope, note: str) -> None:
    """Add to the line of a request in the log."""
    scope[NOTE] = f"{scope[NOTE]}, {note}" if scope.get(NOTE) else note


def route_of(scope: Scope) -> str:
    """The route of a request; `other` for a path that is none, so that counts have few names."""
    return getattr(scope.get("route"), "path", "other")


def _line(scope: Scope, status: int, seconds: float) -> str:
    path = scope["path"] if scope["path"].isprintable() else repr(scope["path"])
    note = f", {scope[NOTE]}" if scope.get(NOTE) else ""
    return f"{scope['method'][:10]} {path[:80]} {status or '-'}{note}, {seconds:.2f} s"


def _missing(error: HTTPException, paths: Sequence[str], scope: Scope) -> Refusal:
    """The refusal of a path that is no route, or of another method of one."""
    if error.status_code == 405:
        return Refusal(
            f"{scope['path'][:100]} does not take {scope['method'][:10]}",
            status=405,
            code="method",
            headers=dict(error.headers or {}),
        )
    return Refusal(
        f"there is nothing at {scope['path'][:100]!r}: the server has {', '.join(paths)}", status=404, code="no_route"
    )
