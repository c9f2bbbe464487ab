"""A fault in a config, and messages that help to mend it."""

import inspect
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches

# Groups whose parts stand at many keys; their messages name parameters as corpus.path.
GROUPS = ("corpus", "filter", "data.conversations", "data.preferences", "evaluation", "scorer")
OPTION = re.compile(r"(?<![\w./@+-])(data/conversations|data/preferences)=")  # another option for such a part


@dataclass(frozen=True)
class Fault:
    """A full key and what is wrong with it, as one line."""

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" if self.key else self.message


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known word closest to `word`, if any is close; keys that are not strings are skipped."""
    names = [each for each in known if isinstance(each, str)]
    return next(iter(get_close_matches(word, names, n=1, cutoff=cutoff)), None)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, or all known words if none is close and they are few."""
    known = [*known]
    near = nearest(word, known)
    if near:
        return f"; did you mean {near}?"
    return f"; there is {', '.join(known)}" if 0 < len(known) <= 12 else ""


def with_full_keys(message: str, parameters: Iterable[str], key: str) -> str:
    """The message of a part of one of the groups, with `corpus.path` replaced by the full key of the part."""
    names = "|".join(map(re.escape, parameters))
    message = re.sub(rf"(?<![\w./-])(?:{'|'.join(GROUPS)})\.(?=(?:{names})\b)", lambda _: f"{key}.", message)
    return message if key in GROUPS else OPTION.sub(lambda match: f"{match[1]}@{key}=", message)


@contextmanager
def errors_at(key: str, part: object) -> Iterator[None]:
    """Put the full key of a part into a ValueError that the part raises inside."""
    try:
        yield
    except ValueError as error:
        message = with_full_keys(str(error), inspect.signature(type(part)).parameters, key)
        if message == str(error):
            raise
        raise ValueError(message) from error


def notes_at(key: str, part: object) -> list[str]:
    """Return the `notes` of a part with the full key of the part."""
    return [with_full_keys(note, inspect.signature(type(part)).parameters, key) for note in part.notes]
