"""What to type after a job: the command that takes what it made, or the page that shows it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lm.directory.layout import MANIFEST, REPORT
from lm.directory.manifest import read_manifest
from lm.process.command import shell_line

# What of a command says which text is read: the corpus of a tokenizer is made of the same.
TEXT = ("corpus=", "corpus.", "split=", "split.")


def _of_the_same_text(place: str, words: Sequence[str]) -> list[str]:
    return ["lm", "corpus", f"tokenizer.path={place}", *(word for word in words if word.startswith(TEXT))]


COMMANDS: dict[str, Callable[[str, Sequence[str]], list[str]]] = {
    "tokenizer": _of_the_same_text,
    "corpus": lambda place, _: ["lm", "pretrain", f"data.path={place}"],
    "pretrain": lambda place, _: ["lm", "generate", f"model.path={place}"],
    "instruct": lambda place, _: ["lm", "chat", f"model.path={place}"],
    "align": lambda place, _: ["lm", "chat", f"model.path={place}"],
}
PAGES = {"evaluate", "study", "scaling", "vocabulary"}  # whose numbers are best looked at


def next_step(node: Mapping[str, Any], words: Sequence[str]) -> str:
    """What to type after the job of a node; empty where it has made nothing, as a dry run, or where nothing follows.

    Args:
        node: Plain config of the job.
        words: Words of its command.
    """
    run = node.get("run")
    looked_at = node.get("dry_run") or node.get("show")
    if looked_at or not isinstance(run, Mapping) or run.get("job") not in {*COMMANDS, *PAGES}:
        return ""
    place = Path(run["root"], run["job"], run["name"])
    if not (place / MANIFEST).is_file() or read_manifest(place)["state"] != "complete":
        return ""
    if run["job"] in PAGES:
        return f"open {(place / REPORT).as_posix()} in a browser"
    return shell_line(COMMANDS[run["job"]](place.as_posix(), words))
