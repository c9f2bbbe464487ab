"""Texts and values made from the fields of an item, as Jinja in YAML: `Question: {{ question }}`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, UndefinedError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from lm.evaluation.items import Item

WHOLE = re.compile(r"\s*\{\{((?:(?!\}\}).)*)\}\}\s*", re.DOTALL)
MISSING = re.compile(r"'([^']+)' is undefined|has no attribute '([^']+)'")
FAULTS = (TemplateError, TypeError, ValueError, AttributeError, LookupError, ArithmeticError)


class FieldTemplate:
    """A template whose names are the fields of an item, and `file`, the name of its file without its extensions.

    It is rendered in a sandbox, with jinja2's filters and `unbracketed`. A field that an item lacks is an error.

    Args:
        source: The template.
        key: Config key that holds it, for messages.
    """

    def __init__(self, source: str, *, key: str):
        self.source, self.key = str(source), key
        _compiled(self.source, key)

    def text(self, item: Item) -> str:
        """Render the template."""
        try:
            return _compiled(self.source, self.key).render(item.names)
        except FAULTS as error:
            raise self._fault(error, item) from None

    def fields(self, item: Item) -> list[str]:
        """Return the texts of the item's fields that the template names, at any depth, without its own words."""
        named = meta.find_undeclared_variables(_environment().parse(self.source))
        return [text for name in item.fields if name in named for text in _texts(item.fields[name])]

    def value(self, item: Item) -> Any:
        """Return the value of a template that is one expression, as a list of `{{ choices }}`; else its text."""
        found = WHOLE.fullmatch(self.source)
        if not found:
            return self.text(item)
        try:
            value = _expression(found[1])(**item.names)
            if isinstance(value, StrictUndefined):
                str(value)  # raises, with the name
        except FAULTS as error:
            raise self._fault(error, item) from None
        return value

    def _fault(self, error: Exception, item: Item) -> ValueError:
        name = self._missing(error, item)
        if not name:
            return ValueError(f"{item.place}: {self.key} cannot be rendered: {error}")
        near = get_close_matches(name, item.fields, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, item.fields)) or 'none'}"
        return ValueError(f"{item.place} has no field {name!r}, which {self.key} reads: {hint}")

    def _missing(self, error: Exception, item: Item) -> str:
        """The field that was missing, if that was the fault."""
        found = MISSING.search(str(error)) if isinstance(error, UndefinedError) else None
        if found:
            return found[1] or found[2]
        unknown = meta.find_undeclared_variables(_environment().parse(self.source)) - {*item.names}
        return min(unknown, default="") if "Undefined" in str(error) else ""


class ListTemplate:
    """A list made from the fields of an item: one expression that gives it, or a template a member.

    Args:
        source: `{{ choices }}`, or a list of templates.
        key: Config key that holds it, for messages.
    """

    def __init__(self, source: str | Sequence[str], *, key: str):
        self.key = key
        self.whole = FieldTemplate(source, key=key) if isinstance(source, str) else None
        self.members = [] if isinstance(source, str) else [FieldTemplate(each, key=key) for each in source]

    def fields(self, item: Item) -> list[str]:
        """Return the texts of the item's fields that the templates name, each once."""
        members = self.members if self.whole is None else [self.whole]
        return [*dict.fromkeys(text for each in members for text in each.fields(item))]

    def texts(self, item: Item) -> list[str]:
        """Return the members as texts.

        Raises:
            ValueError: The expression gives no list of texts.
        """
        if self.whole is None:
            return [each.text(item) for each in self.members]
        value = self.whole.value(item)
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise ValueError(f"{item.place}: {self.key} gives {_shortened(value)}, not a list of texts")
        if strange := [each for each in value if not isinstance(each, str | int | float)]:
            raise ValueError(f"{item.place}: {self.key} gives a list with {_shortened(strange[0])}, which is no text")
        return [str(each) for each in value]


def unbracketed(text: str) -> str:
    """Remove the marks of WikiHow from a text, as HellaSwag is evaluated: [title], [step] and blanks between them."""
    text = re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". "))
    return text.replace("  ", " ")


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a value, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | Sequence):
        for member in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(member)


def _shortened(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:50]}…"


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters["unbracketed"] = unbracketed
    return environment


@cache
def _compiled(source: str, key: str) -> Template:
    try:
        return _environment().from_string(source)
    except TemplateSyntaxError as error:
        raise ValueError(f"{key}: {source!r} is not a Jinja template: {error}") from None


@cache
def _expression(source: str):
    return _environment().compile_expression(source, undefined_to_none=False)
