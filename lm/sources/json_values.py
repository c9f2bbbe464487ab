"""Values of JSON files in any arrangement: one a line, in one list, in a list within an object, or one after another.

JSON Lines is read line by line, so that a bad line costs one record. Everything else is read value by value from a
buffer that grows to the largest value, never to the file; there, nothing after a fault can be trusted.
"""

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from io import BufferedIOBase
from itertools import chain

from lm.sources.byte_streams import CHUNK, chunks_of

BLANK = re.compile(r"[ \t\n\r]*")
LARGEST = 1 << 28  # characters of a value
UNFINISHED = 12  # characters before the end of the buffer, within which a fault may be due to what follows
DECODER = json.JSONDecoder()
Numbered = tuple[int, str, object]


@dataclass(frozen=True)
class Fault:
    """Why a line is not a value, with its place."""

    reason: str


def json_values(
    stream: BufferedIOBase, place: str, *, records_field: str | None = None, key: str = "corpus"
) -> Iterator[Numbered]:
    """Yield (number, place, value) of each record, where number counts lines in JSON Lines and records elsewhere.

    Args:
        stream: The file in UTF-8 without byte order mark.
        place: Its name, for messages.
        records_field: Field of the file's one object that holds the list of records, as data or data.items; None: the
            file is JSON Lines, a list, or objects one after another.
        key: Config key that holds `records_field`, for messages.

    Returns:
        An iterator in which a `Fault` stands for a line that is not JSON.

    Raises:
        ValueError: A file that is not JSON Lines is damaged or cut off.
    """
    head = _head(stream)
    first, second = [*filter(None, (line.strip() for line in head)), b"", b""][:2]
    values = _Values(chain(head, chunks_of(stream)), place, key)
    if records_field is not None:
        yield from values.records_in(records_field)
    elif first.startswith(b"[") and not (second and _is_value(first)):
        yield from values.records()
    elif first.startswith(b"{") and first.endswith((b"{", b"[", b",")) and _continues(first, second):
        yield from values.sequence()
    else:
        yield from _lines(head, stream, place, key)


def _head(stream: BufferedIOBase) -> list[bytes]:
    """Read lines up to the second that is not blank, long ones in part: a list may be one line."""
    head, seen = [], 0
    while seen < 2 and (line := stream.readline(CHUNK)):
        head.append(line)
        seen += not line.isspace()
        if len(line) == CHUNK:
            break
    return head


def _lines(head: list[bytes], stream: BufferedIOBase, place: str, key: str) -> Iterator[Numbered]:
    """Yield the values of JSON Lines; the last line of the head may be cut."""
    if head and not head[-1].endswith(b"\n"):
        head[-1] += stream.readline()
    for number, line in enumerate(chain(head, stream), start=1):
        if line.isspace():
            continue
        where = f"{place}:{number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            remedy = f"; name its encoding, as {key}.encoding=windows-1252"
            value = Fault(f"{where} is not JSON: {error}{remedy if isinstance(error, UnicodeError) else ''}")
        yield number, where, value


def _is_value(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _continues(first: bytes, second: bytes) -> bool:
    """Whether the second line continues the object of the first, rather than being a record after a torn line."""
    return second.startswith((b'"', b"}")) or (first.endswith(b"[") and second.startswith((b"{", b"]")))


class _Values:
    """JSON values one after another, from a buffer."""

    def __init__(self, chunks: Iterator[bytes], place: str, key: str):
        self._chunks, self._place, self._key = chunks, place, key
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogatepass")
        self._text, self._position, self._number = "", 0, 0

    def sequence(self) -> Iterator[Numbered]:
        """Yield values until the end of the file."""
        while self._next():
            yield self._record()

    def records(self) -> Iterator[Numbered]:
        """Yield the members of the list that is the whole file."""
        yield from self._list()
        if self._next():
            raise ValueError(f"{self._place}: something follows the list of its {self._number} records: remove it")

    def records_in(self, field: str) -> Iterator[Numbered]:
        """Yield the members of the list in a field of the file's one object."""
        seen: list[str] = []
        found = yield from self._object(field, "", seen)
        if not found:
            near = get_close_matches(field, seen, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, seen)) or 'none'}"
            raise ValueError(f"{self._place} has no field {field!r} ({self._key}.records_field): {hint}")

    def _object(self, field: str, above: str, seen: list[str]) -> Iterator[Numbered]:
        """Yield the members of the list in `field`; return whether there is one."""
        self._expect("{", f"({self._key}.records_field is {field!r})")
        found, following = False, self._next()
        while following != "}":
            name = self._value()
            self._expect(":")
            seen.append(f"{above}{name}")
            if name == field:
                yield from self._list()
                found = True
            elif field.startswith(f"{name}.") and self._next() == "{":
                found |= yield from self._object(field[len(name) + 1 :], f"{above}{name}.", seen)
            else:
                self._next()
                self._value()
            following = self._separator("}")
        self._expect("}")
        return found

    def _list(self) -> Iterator[Numbered]:
        self._expect("[")
        following = self._next()
        while following != "]":
            yield self._record()
            following = self._separator("]")
        self._expect("]")

    def _record(self) -> Numbered:
        self._number += 1
        return self._number, f"{self._place}, record {self._number}", self._value()

    def _separator(self, end: str) -> str:
        """Pass over a comma; return the character after it, or `end`."""
        if self._next() == end:
            return end
        self._expect(",")
        return self._next()

    def _next(self) -> str:
        """Return the next character that is not blank, "" at the end of the file."""
        while True:
            self._position = BLANK.match(self._text, self._position).end()
            if self._position < len(self._text):
                return self._text[self._position]
            if not self._read():
                return ""

    def _expect(self, character: str, why: str = "") -> None:
        following = self._next()
        if following != character:
            fault = f"{following!r} where {character!r} is expected" if following else "it ends too early"
            raise self._fault(f"{fault} {why}".strip())
        self._position += 1

    def _value(self) -> object:
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._position)
            except json.JSONDecodeError as error:
                open_end = error.pos > len(self._text) - UNFINISHED or error.msg.startswith("Unterminated")
                if open_end and self._read():
                    continue
                cut = error.pos == len(self._text) or error.msg.startswith("Unterminated")
                raise self._fault("it ends too early" if cut else error.msg) from None
            except RecursionError:
                raise self._fault("it is nested too deeply") from None
            except ValueError as error:  # a number with thousands of digits
                raise self._fault(str(error)) from None
            if end < len(self._text) or not self._read():  # a number may continue
                self._position = end
                return value

    def _read(self) -> bool:
        """Read about as much again as is waiting; return False at the end of the file."""
        waiting = self._text[self._position :]
        if len(waiting) > LARGEST:
            raise ValueError(
                f"{self._place}: record {self._number} has more than {LARGEST:,} characters: if it holds the list of "
                f"records, name its field with {self._key}.records_field"
            )
        parts, size = [waiting], 0
        for chunk in self._chunks:
            try:
                parts.append(self._decoder.decode(chunk))
            except UnicodeDecodeError as error:
                remedy = f"name its encoding, as {self._key}.encoding=windows-1252"
                raise self._fault(f"it is not valid UTF-8 ({error.reason}); {remedy}") from None
            size += len(parts[-1])
            if size > max(len(waiting), 1 << 16):
                break
        self._text, self._position = "".join(parts), 0
        return size > 0

    def _fault(self, reason: str) -> ValueError:
        return ValueError(f"{self._place} cannot be read from record {max(1, self._number)} on: {reason}")
