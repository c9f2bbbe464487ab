"""A fault in a config, told so that a person can mend it."""

import inspect
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches

# Whose parts stand at many keys, and name their parameters as corpus.path, filter.least.
GROUPS = ("corpus", "filter", "data.conversations")


@dataclass(frozen=True)
class Fault:
    """One line: the full key and what is wrong with it."""

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" if self.key else self.message


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was probably meant to be; a key of a mapping may be a number, which is none."""
    return next(iter(get_close_matches(word, [each for each in known if isinstance(each, str)], n=1, cutoff=0.6)), None)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, or all the known words where none is near and they are few."""
    known = [*known]
    near = nearest(word, known)
    if near:
        return f"; did you mean {near}?"
    return f"; there is {', '.join(known)}" if 0 < len(known) <= 12 else ""


def keyed(message: str, parameters: Iterable[str], key: str) -> str:
    """A message of a part of one of the groups, with its parameters at the `key` where the part stands."""
    names = "|".join(map(re.escape, parameters))
    return re.sub(rf"(?<![\w./-])(?:{'|'.join(GROUPS)})\.(?=(?:{names})\b)", lambda _: f"{key}.", message)


@contextmanager
def standing_at(key: str, part: object) -> Iterator[None]:
    """Inside, what a part refuses after it was built is told with the `key` where it stands."""
    try:
        yield
    except ValueError as error:
        told = keyed(str(error), inspect.signature(type(part)).parameters, key)
        if told == str(error):
            raise
        raise ValueError(told) from error
