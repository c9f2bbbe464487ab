"""The frame of every page: one HTML file that loads nothing, light and dark, with charts where it has any."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Args:
        anchor: Name by which a link reaches it.
        title: Its heading.
        html: What stands below the heading.
    """

    anchor: str
    title: str
    html: str


def sectioned(title: str, head: str, sections: Sequence[Section], *, data: Mapping[str, Any] | None = None) -> str:
    """Return a page of sections; those without content are left out.

    Args:
        title: Title of the window.
        head: HTML above the sections.
        sections: The sections, with links to them where there is more than one.
        data: What the script draws, as plain data; None leaves the script and its library out.
    """
    shown = [each for each in sections if each.html]
    links = "".join(f'<a href="#{each.anchor}">{escape(each.title)}</a>' for each in shown)
    navigation = f'<nav aria-label="sections">{links}</nav>\n' if len(shown) > 1 else ""
    parts = "\n".join(
        f'<section id="{each.anchor}" aria-labelledby="{each.anchor}-title">'
        f'<h2 id="{each.anchor}-title">{escape(each.title)}</h2>\n{each.html}\n</section>'
        for each in shown
    )
    return framed(title, f"<header>{head}</header>\n{navigation}<main>\n{parts}\n</main>", data=data)


def framed(title: str, body: str, *, data: Mapping[str, Any] | None = None) -> str:
    """Return a document with this body, our style and, where there are data to draw, the script that draws them."""
    style = (asset("uPlot.min.css") if data is not None else "") + asset("report.css")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{style}</style>
</head>
<body>
{body}
{_scripts(data) if data is not None else ""}</body>
</html>
"""


def _scripts(data: Mapping[str, Any]) -> str:
    """The data as an island, the library with its licence, and the script that draws."""
    return (
        f'<script type="application/json" id="page-data">{island(data)}</script>\n'
        f"<script>/*!\n{asset('uPlot.LICENSE').strip()}\n*/\n{asset('uPlot.iife.min.js').strip()}</script>\n"
        f"<script>{asset('charts.js')}</script>\n"
    )


def island(data: Any) -> str:
    """Return plain data as JSON that no text in it can end: every < is written as an escape."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


@cache
def asset(name: str, package: str = "lm.report") -> str:
    """Return the text of a file in the folder `assets` of a package."""
    return files(package).joinpath("assets", name).read_text(encoding="utf-8")


def key_values(pairs: Mapping[str, str]) -> str:
    """Return names and values as an HTML list; empty values are left out."""
    rows = (f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs.items() if value)
    return f'<dl class="facts">{"".join(rows)}</dl>'
