"""What a run was made from, back to the text: the runs that its config names, and the commands that made them."""

import os
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lm.directory.layout import MANIFEST
from lm.report.run.facts import RunFacts

FILES = 8  # of the texts that a corpus was made from, named at most


def ancestors(facts: RunFacts) -> list[RunFacts]:
    """Return the runs that the run stands on, directly or through others, the first made first, and the run itself."""
    return list(_visited(facts, set()))


def _visited(facts: RunFacts, seen: set[str]) -> Iterator[RunFacts]:
    """The run after those it names, each once: a study names its stages, and they the study."""
    seen.add(str(facts.directory.absolute()))
    for path in sorted(facts.found.paths):
        if path not in seen and Path(path, MANIFEST).is_file():
            yield from _visited(RunFacts(Path(path)), seen)
    yield facts


def lineage(facts: RunFacts) -> str:
    """A list of the runs from the text to this one, each with its metric and its command."""
    chain = ancestors(facts)
    entries = "".join(_entry(each, facts) for each in chain)
    return f'<ol class="chain">{entries}</ol>'


def _entry(each: RunFacts, facts: RunFacts) -> str:
    place = _link(each.directory, facts.directory)
    here = each.directory.absolute() == facts.directory.absolute()
    name = f"<b>{escape(each.title)}</b>" if here else f'<a href="{place}/report.html">{escape(each.title)}</a>'
    notes = [each.found.metric, *_texts(each.manifest.get("config", {}))]
    note = f'<br><span class="quiet">{escape("; ".join(filter(None, notes)))}</span>' if any(notes) else ""
    return f"<li>{name}{note}</li>"


def _link(directory: Path, start: Path) -> str:
    """The address of a directory, relative to another; absolute on another drive of Windows."""
    try:
        return quote(Path(os.path.relpath(directory, start)).as_posix())
    except ValueError:
        return directory.absolute().as_uri()


def _texts(config: dict[str, Any]) -> Iterator[str]:
    """The files that a corpus or a tokenizer was made from, as its config names them."""
    if "corpus" not in config:
        return
    named = list(_paths(config["corpus"]))
    if named:
        yield "from " + ", ".join(named[:FILES]) + (f" and {len(named) - FILES} more" if len(named) > FILES else "")


def _paths(node: Any) -> Iterator[str]:
    for key, value in node.items() if isinstance(node, dict) else ():
        if key in ("path", "paths"):
            yield from [value] if isinstance(value, str) else map(str, value or ())
        else:
            yield from _paths(value)


def commands(facts: RunFacts) -> list[str]:
    """The commands that make the run again, each once, in their order."""
    started = (execution.get("command", "") for each in ancestors(facts) for execution in each.executions[:1])
    return list(dict.fromkeys(filter(None, started)))
