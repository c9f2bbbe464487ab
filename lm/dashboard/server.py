"""A read-only web server for the runs below a directory."""

import json
from collections.abc import Callable
from functools import cached_property
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from lm.dashboard.listing import Listing
from lm.dashboard.page import live_page, overview
from lm.report.run import comparison_page
from lm.report.run.facts import RunFacts
from lm.report.run.sections import curve_data

Answer = tuple[HTTPStatus, str, str]  # status, type and content
HTML, JSON, TEXT = "text/html; charset=utf-8", "application/json", "text/plain; charset=utf-8"
LOCAL = ("localhost", "127.0.0.1", "[::1]")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"


class Dashboard(ThreadingHTTPServer):
    """Serve the list of runs, their live pages and comparisons; nothing is ever written.

    Args:
        root: Directory of the runs.
        host: Address to listen at; 127.0.0.1 is reached from this machine alone.
        port: Port to listen at; 0 takes a free one.

    Raises:
        OSError: The port is in use, or the address is not one of this machine.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, root: Path, *, host: str, port: int) -> None:
        self.listing, self.host = Listing(root), host
        super().__init__((host, port), _Handler)

    @cached_property
    def url(self) -> str:
        return f"http://{self.host}:{self.server_address[1]}/"

    def answer(self, target: str) -> Answer:
        """Return what a GET of `target`, a path with its query, is answered."""
        parts = urlsplit(target)
        routes: dict[str, Callable[[str, str], Answer]] = {
            "": self._overview,
            "runs.json": self._rows,
            "run": self._page,
            "data": self._data,
            "compare": self._compare,
        }
        first, _, rest = unquote(parts.path).removeprefix("/").partition("/")
        route = routes.get(first)
        return route(rest, parts.query) if route else self._missing(parts.path)

    def _overview(self, rest: str, query: str) -> Answer:
        return HTTPStatus.OK, HTML, overview(self.listing.root)

    def _rows(self, rest: str, query: str) -> Answer:
        return HTTPStatus.OK, JSON, json.dumps(self.listing.rows(), allow_nan=False)

    def _page(self, place: str, query: str) -> Answer:
        directory = self.listing.directory(place)
        return (HTTPStatus.OK, HTML, live_page(directory, place)) if directory else self._missing(place)

    def _data(self, place: str, query: str) -> Answer:
        directory = self.listing.directory(place)
        if directory is None:
            return self._missing(place)
        facts = RunFacts(directory)
        found = curve_data(facts)
        found |= {"samples": facts.samples, "state": facts.manifest["state"]}
        return HTTPStatus.OK, JSON, json.dumps(found, allow_nan=False)

    def _compare(self, rest: str, query: str) -> Answer:
        places = parse_qs(query).get("run", [])
        found = [self.listing.directory(place) for place in places]
        if len(found) < 2 or None in found:
            return self._missing(query)
        return HTTPStatus.OK, HTML, comparison_page(found)

    def _missing(self, place: str) -> Answer:
        return HTTPStatus.NOT_FOUND, TEXT, f"there is no run at {place}\n"


class _Handler(BaseHTTPRequestHandler):
    server: Dashboard
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        status, kind, content = self._answer()
        body = content.encode("utf-8", errors="replace")
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815  (the names are those of the standard library)

    def _answer(self) -> Answer:
        """The answer; a page of another host that has this address by a name of its own gets none."""
        named = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
        if self.server.host in ("127.0.0.1", "localhost", "::1") and named not in LOCAL:
            return HTTPStatus.FORBIDDEN, TEXT, f"this dashboard is not {escape(named)}\n"
        try:
            return self.server.answer(self.path)
        except (OSError, ValueError) as error:  # a run that is being removed or damaged
            return HTTPStatus.INTERNAL_SERVER_ERROR, TEXT, f"{error}\n"

    def log_message(self, *_) -> None:
        """Print nothing: the terminal says where the dashboard is."""
