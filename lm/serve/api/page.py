"""The chat page and its files, which load nothing from elsewhere."""

from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ASSETS = files("lm.serve") / "assets"
PAGE = "index.html"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


def page_routes() -> list[Route]:
    """The routes of `/` and of each file in lm/serve/assets; none without a page."""
    if not (ASSETS / PAGE).is_file():
        return []
    names = [each.name for each in ASSETS.iterdir() if each.is_file() and f".{each.name.rpartition('.')[2]}" in TYPES]
    return [
        Route("/", _page(PAGE), methods=["GET"]),
        *(Route(f"/assets/{name}", _page(name), methods=["GET"]) for name in sorted(names) if name != PAGE),
    ]


def _page(name: str):
    content, kind = (ASSETS / name).read_bytes(), TYPES[f".{name.rpartition('.')[2]}"]

    async def send(request: Request) -> Response:
        return Response(content, headers={**HEADERS, "Content-Type": kind})

    return send
