"""The source of a chat_template, and the environment in which transformers would render it."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from jinja2 import Template as JinjaTemplate
from jinja2 import TemplateError, TemplateSyntaxError, UndefinedError, meta, nodes
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment

NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
LISTS = ("additional_special_tokens", "extra_special_tokens")
CLOCK = "strftime_now"

Names = dict[str, str | list[str]]
FAULTS = (
    TemplateError,
    TypeError,
    ValueError,
    AttributeError,
    LookupError,
    ArithmeticError,
)  # that a template may raise


class Generation(Extension):
    """`{% generation %}`, which some templates put around answers: its content is rendered unchanged."""

    tags = {"generation"}  # noqa: RUF012  as jinja2 has it

    def parse(self, parser):
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(["name:endgeneration"], drop_needle=True), lineno=line)


def compile_source(source: str, *, date: str | None, where: str) -> JinjaTemplate:
    """Compile a chat_template with the extensions, filters and functions that transformers gives it.

    Args:
        source: The Jinja source.
        date: What `strftime_now` takes for now, in ISO format.
        where: Begins the error message.

    Raises:
        ValueError: The source is not Jinja.
    """
    environment = _environment()
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    if date is not None:
        environment.globals[CLOCK] = _clock(date)
    try:
        return environment.from_string(source)
    except TemplateSyntaxError as error:
        raise ValueError(f"{where}: its chat_template is not Jinja: {error}") from None


def variables_of(source: str) -> set[str]:
    """Return the names that a chat_template reads from outside, such as `messages`, `tools` and `strftime_now`."""
    try:
        return meta.find_undeclared_variables(_environment().parse(source))
    except TemplateSyntaxError:
        return set()  # compile_source says so


def has_source(folder: Path) -> bool:
    """Whether the directory of a model has a chat_template."""
    return _find(folder)[0] is not None


def read_source(path: Path) -> tuple[str, Names]:
    """Return the template source and the names of its special tokens, from whichever files have them.

    Raises:
        ValueError: There is no chat_template at `path`, or several and none for plain conversations.
    """
    source, names = _find(path)
    if isinstance(source, list):  # several by name
        source = {entry["name"]: entry["template"] for entry in source}
    if isinstance(source, dict) and "default" not in source:
        raise ValueError(
            f"template.path {path} has chat_templates named {', '.join(source)} and no default: save the one that is "
            "wanted as chat_template.jinja in the directory"
        )
    source = source["default"] if isinstance(source, dict) else source
    if not isinstance(source, str):
        raise ValueError(
            f"template.path {path} has no chat_template: give a chat_template.jinja, a tokenizer_config.json that "
            "has one, or the directory of a model with either"
        )
    return source, names


def _find(path: Path) -> tuple[str | list | dict | None, Names]:
    """The chat_template as its file has it, several by name too, and the names of special tokens."""
    folder = path if path.is_dir() else path.parent
    config = _json_file(folder / "tokenizer_config.json" if path.suffix != ".json" else path)
    names = _names(_json_file(folder / "special_tokens_map.json")) | _names(config)
    jinja = folder / "chat_template.jinja" if path.is_dir() else path
    if jinja.suffix != ".json" and jinja.is_file():
        return jinja.read_text(encoding="utf-8"), names
    return config.get("chat_template") or _json_file(folder / "chat_template.json").get("chat_template"), names


def set_line(name: str, value: object, *, default: bool = False) -> str:
    """Return a line of Jinja that sets a variable, or with `default` only where it is not given."""
    line = f"{{%- set {name} = {literal(value)} -%}}"
    return f"{{%- if {name} is not defined -%}}{line}{{%- endif -%}}" if default else line


def literal(value: object) -> str:
    """Return plain data as an expression of Jinja."""
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return "'" + escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + "'"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{literal(key)}: {literal(item)}' for key, item in value.items())}}}"
    return str(value).lower() if value is None or isinstance(value, bool) else repr(value)


def _environment() -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", Generation]
    )


def _json_file(file: Path) -> dict:
    if not file.is_file():
        return {}
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"template.path: {file} is not JSON: {error}") from None


def _names(config: dict) -> Names:
    """Special tokens by the names that templates use, each as text or as an object with it."""
    names: Names = {name: _text(token) for name in NAMES if (token := config.get(name))}
    lists = {name: tokens for name in LISTS if isinstance(tokens := config.get(name), list) and tokens}
    return names | {name: [_text(token) for token in tokens] for name, tokens in lists.items()}


def _text(token: str | dict) -> str:
    return token["content"] if isinstance(token, dict) else token


def _clock(date: str) -> Callable[[str], str]:
    try:
        now = datetime.fromisoformat(date)
    except ValueError:
        raise ValueError(f"template.date {date!r} is not a date in ISO format: write it as 2026-01-31") from None
    return now.strftime


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as transformers writes it; jinja2's own filter writes < as \\u003c, for web pages."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _refuse(message: str) -> None:
    raise TemplateError(message)


def remedy_of(error: Exception) -> str:
    """Return the remedy if a template lacks a variable; "" for any other fault."""
    unknown = re.fullmatch(r"'(\w+)' is undefined", str(error)) if isinstance(error, UndefinedError) else None
    return f"set it with +data.template.variables.{unknown[1]}=…" if unknown else ""
