"""The server: a socket, an event loop in a thread of its own, and an end that finishes what was begun."""

import errno
import socket
import threading
from collections.abc import Callable
from time import monotonic, sleep

import uvicorn
from starlette.types import ASGIApp

from lm.serve.api.app import Api, build_app
from lm.serve.api.guard import LOOPBACK, Access

BACKLOG = 512  # connections that wait to be accepted
IDLE = 30  # seconds that a connection without a request stays open
SOON = 0.02  # seconds between two looks at what is still under way
LAST = 2.0  # seconds for the last words of answers that are broken off


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Args:
        host: Address of this machine.
        port: Port; 0 takes a free one.

    Raises:
        ValueError: The port is in use, or the address is not one of this machine.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(address)
            made.listen(BACKLOG)
        except OSError:
            made.close()
            raise
    except OSError as error:
        remedy = {
            errno.EADDRINUSE: "set port=0 for a free one, or end what uses it",
            errno.EACCES: "set port to 1024 or above",
        }.get(error.errno, "set host to an address of this machine, as 127.0.0.1")
        raise ValueError(f"host={host} port={port}: {error.strerror}: {remedy}") from None
    return made


class Server:
    """Serve an API until it is closed.

    Args:
        api: What answers.
        listening: The socket that listens.
        access: Who may ask.
        log: Takes a line for each request.
        warn: Takes the traceback of a fault of the server.

    Attributes:
        port: The port at which it listens.
    """

    def __init__(
        self,
        api: Api,
        listening: socket.socket,
        *,
        access: Access,
        log: Callable[[str], None],
        warn: Callable[[str], None],
    ) -> None:
        self._api, self._host, self.port = api, access.host, listening.getsockname()[1]
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # a client that reads no more does not keep its connection for ever
            limit = int(1000 * api.limits.timeout)
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, min(limit, 2**31 - 1))
        app: ASGIApp = build_app(api, access=access, log=log, warn=warn)
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                app,
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                timeout_keep_alive=IDLE,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._uvicorn.run, kwargs={"sockets": [listening]}, daemon=True)

    @property
    def url(self) -> str:
        """Its address, for this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(self._host, self._host)
        host = f"[{host}]" if ":" in host and not host.startswith("[") else host
        return f"http://{host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return self._host in LOOPBACK

    @property
    def active(self) -> int:
        """Requests under way."""
        return self._api.measures.active

    def start(self) -> None:
        """Start to answer."""
        self._thread.start()
        while not self._uvicorn.started and self._thread.is_alive():
            sleep(0.005)

    def wait(self) -> None:
        """Wait until it ends, which only a signal or a fault makes it do."""
        while self._thread.is_alive():
            self._thread.join(0.5)

    def close(self, *, seconds: float) -> bool:
        """Take no new requests, finish those under way, and end.

        Args:
            seconds: After which what is still under way is broken off, in words.

        Returns:
            Whether everything was finished.
        """
        self._api.desk.draining = True
        finished = self._until_idle(seconds)
        if not finished:
            self._api.desk.break_off()
            self._until_idle(LAST)
        self._uvicorn.should_exit = True
        self._thread.join(LAST + 2)
        return finished

    def _until_idle(self, seconds: float) -> bool:
        end = monotonic() + seconds
        while self.active and monotonic() < end:
            sleep(SOON)
        return not self.active
