"""Values and calls between two processes that do not trust each other. Only the standard library.

The process with the tests calls what the process with the answer defines. Plain data travel by value, as tagged JSON;
other objects stay where they are, and the other side gets a `Proxy`. So the answer's process never holds the tests,
what they expect, or the way to say that they passed, and what it returns is compared here, as plain data.
"""

import builtins
import collections
import datetime
import decimal
import fractions
import json
import sys
from typing import Any

from lm.sandbox.proxy import COMPARED, FORWARDED, OPERATIONS, Proxy

MAX_MESSAGE = 1 << 24  # bytes
BY_TEXT = {
    "D": (decimal.Decimal, str, decimal.Decimal),
    "R": (fractions.Fraction, str, fractions.Fraction),
    "dt": (datetime.datetime, datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    "da": (datetime.date, datetime.date.isoformat, datetime.date.fromisoformat),
    "ti": (datetime.time, datetime.time.isoformat, datetime.time.fromisoformat),
}
SIMPLE = {
    "n": lambda: None,
    "B": lambda bit: bool(bit),
    "i": lambda digits: int(digits, 16),
    "f": float.fromhex,
    "c": lambda real, imaginary: complex(float.fromhex(real), float.fromhex(imaginary)),
    "s": str,
    "y": bytes.fromhex,
    "Y": bytearray.fromhex,
    "r": lambda *parts: range(*(int(each, 16) for each in parts)),
    "td": datetime.timedelta,
}
CONTAINERS = {"l": list, "t": tuple, "S": set, "F": frozenset, "q": collections.deque}


class RemoteError(Exception):
    """The other process ended, exited or broke the protocol."""


class Peer:
    """One end of a connection.

    Args:
        reader: Binary file to read messages from.
        writer: Binary file to write messages to.
        trusting: Whether the other side may do anything with objects of this side. Else it may call functions that it
            was given, and read and set public attributes of objects whose class `owner` defines.
        owner: Name of the module in which trusted classes are defined.
    """

    def __init__(self, reader, writer, *, trusting: bool, owner: str = "") -> None:
        self.reader, self.writer, self.trusting, self.owner = reader, writer, trusting, owner
        self.kept: list[Any] = []
        self.number_of: dict[int, int] = {}
        self.errors: dict[int, type] = {}

    def send(self, kind: str, *parts: Any) -> None:
        text = json.dumps([kind, *parts])
        if len(text) > MAX_MESSAGE:
            raise RemoteError("a value is larger than 16 MB")
        try:
            self.writer.write(text.encode() + b"\n")
            self.writer.flush()
        except OSError:
            raise RemoteError("the other process has ended") from None

    def receive(self) -> list:
        line = self.reader.readline(MAX_MESSAGE + 1)
        if not line.endswith(b"\n"):
            raise RemoteError("the process of the answer has ended" if not line else "a value is larger than 16 MB")
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            raise RemoteError("a message cannot be read") from None
        if not (isinstance(message, list) and message and isinstance(message[0], str)):
            raise RemoteError("a message cannot be read")
        return message

    def ask(self, operation: str, target: int, *values: Any, named: dict[str, Any] | None = None) -> Any:
        """Have the other side do something with its object number `target`; return the result or raise its error."""
        named = named or {}
        self.send("ask", operation, target, [self.encode(each) for each in values],
                  {name: self.encode(each) for name, each in named.items()})  # fmt: skip
        while True:
            kind, *parts = self.receive()
            if kind == "ask":
                self.serve(*parts)
            elif kind == "done" and len(parts) == 2:
                _copy_back([*values, *named.values()], [self.decode(each) for each in parts[1]])
                return self.decode(parts[0])
            elif kind == "raised" and len(parts) == 2:
                raise self._error(parts[0], parts[1], operation)
            else:
                raise RemoteError("the process of the answer exited" if kind == "left" else "an unknown message")

    def serve(self, operation: str, target: int, values: list, named: dict) -> None:
        """Answer one request."""
        try:
            owned = self._owned(target)
            given = [self.decode(each) for each in values]
            by_name = {name: self.decode(each) for name, each in named.items()}
            if not self.trusting:
                self._check(operation, owned, given)
            result = OPERATIONS[operation](owned, *given, **by_name)
            reply = ("done", self.encode(result), [self.encode(each) for each in (*given, *by_name.values())])
        except RemoteError:
            raise
        except Exception as error:
            kinds = [each.__name__ for each in type(error).__mro__ if vars(builtins).get(each.__name__) is each]
            own = None if type(error).__name__ == kinds[0] else self.encode(type(error))
            reply = ("raised", [own, kinds[0]], _text(error))
        except BaseException:  # SystemExit, KeyboardInterrupt: an answer that leaves has not answered
            reply = ("left",)
        self.send(*reply)

    def encode(self, value: Any) -> list:
        """Return tagged plain data. Subclasses travel as their base, so their own comparisons stay behind."""
        if value is None:
            return ["n"]
        if isinstance(value, Proxy):
            return ["o", object.__getattribute__(value, "_number")]
        if isinstance(value, bool):
            return ["B", int(value)]
        if isinstance(value, int):
            return ["i", format(int.__index__(value), "x")]
        if isinstance(value, float):
            return ["f", float.hex(value)]
        if isinstance(value, complex):
            return ["c", float.hex(value.real), float.hex(value.imag)]
        if isinstance(value, str):
            return ["s", str.__str__(value)]
        if isinstance(value, bytes | bytearray):
            return ["y" if isinstance(value, bytes) else "Y", bytes(value).hex()]
        if isinstance(value, range):
            return ["r", *(format(each, "x") for each in (value.start, value.stop, value.step))]
        for tag, kind in (("l", list), ("t", tuple), ("S", set), ("F", frozenset), ("q", collections.deque)):
            if isinstance(value, kind):
                return [tag, [self.encode(each) for each in kind.__iter__(value)]]
        if isinstance(value, dict):
            return ["d", [[self.encode(key), self.encode(each)] for key, each in dict.items(value)]]
        for tag, (kind, write, _) in BY_TEXT.items():
            if type(value) is kind:
                return [tag, write(value)]
        if isinstance(value, datetime.timedelta):
            return ["td", value.days, value.seconds, value.microseconds]
        return self._handle(value)

    def _handle(self, value: Any) -> list:
        """Keep an object here, and return what the other side makes a proxy of."""
        if isinstance(value, type):
            if vars(builtins).get(value.__name__) is value:
                return ["b", value.__name__]
        elif type(value) is type(sys) and value.__name__ in sys.stdlib_module_names:
            return ["m", value.__name__]
        if id(value) not in self.number_of:
            self.number_of[id(value)] = len(self.kept)
            self.kept.append(value)
        bases = [each.__name__ for each in value.__mro__ if vars(builtins).get(each.__name__) is each] if (
            isinstance(value, type) and issubclass(value, Exception)
        ) else []  # fmt: skip
        name = value.__name__ if isinstance(value, type) else ""
        return ["h", self.number_of[id(value)], bases[0] if bases else "", name]

    def decode(self, data: Any) -> Any:
        """The value of tagged plain data; RemoteError if it is none."""
        try:
            return self._decoded(data)
        except RemoteError:
            raise
        except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError, AttributeError):
            raise RemoteError("a value cannot be read") from None

    def _decoded(self, data: list) -> Any:
        tag, *parts = data
        if tag in SIMPLE:
            return SIMPLE[tag](*parts)
        if tag in CONTAINERS:
            return CONTAINERS[tag](self._decoded(each) for each in parts[0])
        if tag == "d":
            return {self._decoded(key): self._decoded(each) for key, each in parts[0]}
        if tag in BY_TEXT:
            return BY_TEXT[tag][2](parts[0])
        if tag == "o":
            return self._owned(parts[0])
        if tag == "b":
            found = vars(builtins)[parts[0]]
            return found if isinstance(found, type) else None
        if tag == "m" and parts[0] in sys.stdlib_module_names and not self.trusting:
            return __import__(parts[0])
        if tag != "h":
            raise RemoteError("a value cannot be read")
        number, error, name = parts
        if not error:
            return Proxy(self, int(number))
        if number not in self.errors:
            base = vars(builtins)[error]
            known = isinstance(base, type) and issubclass(base, Exception)
            self.errors[number] = type(str(name), (base if known else Exception,), {})
        return self.errors[number]

    def _owned(self, number: Any) -> Any:
        if not (isinstance(number, int) and 0 <= number < len(self.kept)):
            raise RemoteError("an object is unknown")
        return self.kept[number]

    def _check(self, operation: str, owned: Any, values: list) -> None:
        """Refuse what the answer must not do with objects of the tests."""
        ours = getattr(type(owned), "__module__", None) == self.owner
        public = values and isinstance(values[0], str) and not values[0].startswith("_")
        called = operation == "call" and callable(owned)
        read = operation in ("get", "set") and ours and public
        if not (called or read or (operation in FORWARDED + COMPARED + ("next",) and not callable(owned))):
            raise AttributeError("the tests' own objects are closed")

    def _error(self, kind: Any, text: Any, operation: str) -> BaseException:
        own, base = kind
        found = self.decode(own) if own else vars(builtins).get(base)
        if not (isinstance(found, type) and issubclass(found, Exception)):
            raise RemoteError("an unknown error")
        if issubclass(found, StopIteration | StopAsyncIteration) and operation != "next":
            found = RuntimeError  # which would end a loop of the tests early
        try:
            return found(str(text))
        except Exception:
            return RuntimeError(f"{base}: {text}")


def _copy_back(before: list, after: list) -> None:
    """Give the caller's own lists, dicts, sets and bytearrays what the other side left in its copies."""
    for mine, theirs in zip(before, after, strict=False):
        if isinstance(mine, list | bytearray) and isinstance(theirs, list | bytearray):
            mine[:] = theirs
        elif isinstance(mine, dict | set) and type(mine) is type(theirs) and mine != theirs:
            mine.clear()
            mine.update(theirs)


def _text(error: BaseException) -> str:
    try:
        return str(error)[:1000]
    except Exception:
        return ""
