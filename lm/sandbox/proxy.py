"""An object of the other process, and what may be asked of it. Only the standard library."""

import operator
from typing import Any

# What a proxy asks of an object of the other side, by the name that the message has.
OPERATIONS = {
    "len": len, "iter": iter, "next": next, "str": str, "repr": repr, "bool": bool, "getitem": operator.getitem,
    "setitem": operator.setitem, "delitem": operator.delitem, "add": operator.add, "sub": operator.sub,
    "mul": operator.mul, "truediv": operator.truediv, "floordiv": operator.floordiv, "mod": operator.mod,
    "neg": operator.neg, "eq": operator.eq, "lt": operator.lt, "le": operator.le, "gt": operator.gt,
    "ge": operator.ge, "call": lambda function, *values, **named: function(*values, **named),
    "get": getattr, "set": setattr, "isinstance": lambda kind, value: isinstance(value, kind),
    "enter": lambda manager: type(manager).__enter__(manager),
    "exit": lambda manager, *_: type(manager).__exit__(manager, None, None, None),
}  # fmt: skip
COMPARED = ("eq", "lt", "le", "gt", "ge")
FORWARDED = ("len", "iter", "str", "repr", "bool", "getitem", "setitem", "delitem", "add", "sub", "mul", "truediv",
             "floordiv", "mod", "neg", "enter")  # fmt: skip


class Proxy:
    """An object of the other process. Its operators are those of its own class, but never with plain data on a side."""

    __slots__ = ("_number", "_peer")

    def __init__(self, peer: Any, number: int) -> None:
        object.__setattr__(self, "_peer", peer)
        object.__setattr__(self, "_number", number)

    def __getattr__(self, name: str) -> Any:
        return _ask(self, "get", name)

    def __setattr__(self, name: str, value: Any) -> None:
        _ask(self, "set", name, value)

    def __call__(self, *values: Any, **named: Any) -> Any:
        return object.__getattribute__(self, "_peer").ask(
            "call", object.__getattribute__(self, "_number"), *values, named=named
        )

    def __next__(self) -> Any:
        return _ask(self, "next")

    def __contains__(self, wanted: Any) -> bool:
        return any(wanted == each for each in self)  # compared here

    def __instancecheck__(self, value: Any) -> bool:
        return isinstance(value, Proxy) and bool(_ask(self, "isinstance", value))

    def __exit__(self, *_: Any) -> bool:
        return bool(_ask(self, "exit"))

    def __hash__(self) -> int:
        return object.__getattribute__(self, "_number")


def _ask(proxy: Proxy, operation: str, *values: Any) -> Any:
    number = object.__getattribute__(proxy, "_number")
    return object.__getattribute__(proxy, "_peer").ask(operation, number, *values)


def _forward(operation: str):
    def method(self: Proxy, *values: Any) -> Any:
        return _ask(self, operation, *values)

    return method


def _compare(operation: str):
    def method(self: Proxy, other: Any) -> Any:
        return _ask(self, operation, other) if isinstance(other, Proxy) else NotImplemented

    return method


for _name in FORWARDED:
    setattr(Proxy, f"__{_name}__", _forward(_name))
for _name in COMPARED:
    setattr(Proxy, f"__{_name}__", _compare(_name))
