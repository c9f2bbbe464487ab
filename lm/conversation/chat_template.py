"""A model's own chat_template, as Hugging Face models carry one, in Jinja."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment

from lm.conversation.conversation import Conversation, Message, check_turn
from lm.conversation.script import Script
from lm.conversation.template import Encoded, Template, name_of
from lm.tokenizer import Tokenizer

NAMES = ("bos_token", "eos_token", "pad_token", "unk_token")


@dataclass(frozen=True)
class Skeleton:
    """What a template writes around turns, whatever is said: a text before each, and one after the last.

    `trims` says of each turn whether blanks at the ends of its words are cut.
    """

    around: list[str]
    trims: list[bool]


class ChatTemplate(Template):
    """The `chat_template` of a tokenizer_config.json, a chat_template.jinja or a folder that holds one.

    The template is rendered in jinja2's sandbox with a sign in place of what each speaker says. What it writes around
    the signs may hold control tokens; what is said is put in after, as text. Learned is each answer and what follows
    it up to the first control token. Refused, by turn, is a conversation that the template would write in another
    way than around its words (as one that leaves out earlier turns or thoughts), or with other words before an
    answer than it prompts with. `source` and `names` are what `path` held, where a run recorded it; then nothing is
    read.
    """

    def __init__(self, path: str, *, source: str | None = None, names: dict[str, str] | None = None):
        self.path = path
        self._source, self._names = _read(Path(path).expanduser()) if source is None else (source, dict(names or {}))
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", Generation]
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _refuse
        try:
            self._template = environment.from_string(self._source)
        except TemplateSyntaxError as error:
            raise ValueError(f"template.path {path}: its chat_template is not Jinja: {error}") from None
        self._skeletons: dict[tuple[str, ...], Skeleton] = {}

    def encode(self, conversation: Conversation, tokenizer: Tokenizer) -> Encoded:
        conversation.check()
        messages, place = conversation.messages, conversation.place
        try:
            skeleton = self._skeleton(tuple(message.role for message in messages))
            said = [_said(message, trims) for message, trims in zip(messages, skeleton.trims, strict=True)]
            self._compare(messages, skeleton, said)
        except ValueError as fault:
            raise ValueError(f"{place}, {fault}") from None
        script = Script(tokenizer)
        for message, text, words in zip(messages, skeleton.around, said, strict=False):
            script.write(self._known(text, tokenizer))
            if message.role == "assistant":
                script.answer(words)
            else:
                script.say(words)
        script.write(self._known(skeleton.around[-1], tokenizer))
        return script.encoded(place)

    def prompt(self, messages: Sequence[Message], tokenizer: Tokenizer) -> list[int]:
        for number, message in enumerate(messages, start=1):
            check_turn(message, f"turn {number}")
        skeleton = self._skeleton((*(message.role for message in messages), "assistant"))
        script = Script(tokenizer)
        for message, text, trims in zip(messages, skeleton.around, skeleton.trims, strict=False):
            script.write(self._known(text, tokenizer))
            script.say(_said(message, trims))
        script.write(self._known(skeleton.around[len(messages)], tokenizer))
        script.answer("")
        return script.tokens

    def stop_tokens(self, tokenizer: Tokenizer) -> list[int]:
        pieces = tokenizer.split_special(self._pattern.around[-1])
        stop = next((piece for piece in pieces if isinstance(piece, int)), None)
        if stop is None:
            raise ValueError(
                f"template.path {self.path}: after an answer it writes {self._pattern.around[-1]!r}, in which there is "
                "no special token of this tokenizer: use it with the tokenizer it belongs to"
            )
        return list(dict.fromkeys([stop, tokenizer.end_of_document]))

    def describe(self) -> dict:
        return {"_target_": name_of(self), "path": self.path, "source": self._source, "names": self._names}

    def answer(self, content: str, tokenizer: Tokenizer) -> str:
        tail = next(iter(tokenizer.split_special(self._pattern.around[-1])), "")
        said = content.strip() if self._pattern.trims[-1] else content
        return said + (tail if isinstance(tail, str) else "")

    @cached_property
    def _pattern(self) -> Skeleton:
        """The simplest conversation."""
        return self._skeleton(("user", "assistant"))

    def _skeleton(self, roles: tuple[str, ...]) -> Skeleton:
        if roles not in self._skeletons:
            self._skeletons[roles] = self._look(roles)
        return self._skeletons[roles]

    def _look(self, roles: tuple[str, ...]) -> Skeleton:
        """What is written around signs, held against what the template prompts with before each answer."""
        signs = [f"\ue000{number}\ue001" for number in range(1, len(roles) + 1)]
        text = self._render(roles, signs)
        padded = self._render(roles, [f"\t{sign}\t" for sign in signs])
        around, trims, rest = [], [], text
        for number, (role, sign) in enumerate(zip(roles, signs, strict=True), start=1):
            before, found, rest = rest.partition(sign)
            if not found or text.count(sign) > 1:
                raise ValueError(
                    f"turn {number}: the chat_template of {self.path} does not write the {role}'s words once and in "
                    f"their place among {', '.join(roles)}: split the conversation, or take a template that does"
                )
            around.append(before)
            trims.append(f"\t{sign}\t" not in padded)
            if role == "assistant":
                shown = text[: text.index(sign)]
                asked = self._render(roles[: number - 1], signs[: number - 1], prompt=True)
                if not shown.startswith(asked):
                    raise ValueError(
                        f"turn {number}: before this answer the chat_template of {self.path} writes "
                        f"{shown[-60:]!r}, but prompts with {asked[-60:]!r}: it rewrites earlier turns or adds words "
                        "to prompts, so it cannot be learned from whole; split the conversation, or take another"
                    )
        return Skeleton([*around, rest], trims)

    def _compare(self, messages: Sequence[Message], skeleton: Skeleton, said: Sequence[str]) -> None:
        """Refuse what the template would write in other words."""
        roles = tuple(message.role for message in messages)
        ours = "".join(part for pair in zip(skeleton.around, said, strict=False) for part in pair)
        theirs = self._render(roles, [message.content for message in messages])
        if ours + skeleton.around[-1] == theirs:
            return
        end = 0
        for number, (text, words) in enumerate(zip(skeleton.around, said, strict=False), start=1):
            end += len(text) + len(words)
            if theirs[:end] != ours[:end] or number == len(messages):
                raise ValueError(
                    f"turn {number}: the chat_template of {self.path} writes the words of the {roles[number - 1]} in "
                    "another way than they are, or leaves some out: change them or leave the conversation out"
                )

    def _render(self, roles: Sequence[str], said: Sequence[str], *, prompt: bool = False) -> str:
        messages = [{"role": role, "content": words} for role, words in zip(roles, said, strict=True)]
        try:
            return self._template.render(messages=messages, add_generation_prompt=prompt, **self._names)
        except (TemplateError, TypeError) as error:
            raise ValueError(
                f"turns {', '.join(roles) or 'none'}: the chat_template of {self.path} does not take them: {error}"
            ) from None

    def _known(self, text: str, tokenizer: Tokenizer) -> str:
        """The text, if every token that the model calls its own in it is one of the tokenizer."""
        for name, mark in self._names.items():
            if mark and mark in text and mark not in tokenizer.special_tokens:
                raise ValueError(
                    f"template.path {self.path} writes the {name} {mark!r}, which this tokenizer has not as a special "
                    "token: use it with the tokenizer it belongs to"
                )
        return text


class Generation(Extension):
    """`{% generation %}`, with which some templates mark answers: what is in it is written as it is."""

    tags = {"generation"}  # noqa: RUF012  as jinja2 has it

    def parse(self, parser):
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(["name:endgeneration"], drop_needle=True), lineno=line)


def _read(path: Path) -> tuple[str, dict[str, str]]:
    """The template and the names of its tokens, from whichever file has them."""
    folder = path if path.is_dir() else path.parent
    names, described = {}, {}
    file = folder / "tokenizer_config.json" if path.suffix != ".json" else path
    if file.is_file():
        try:
            described = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"template.path: {file} is not JSON: {error}") from None
        marks = {name: described.get(name) for name in NAMES}
        names = {name: mark["content"] if isinstance(mark, dict) else mark for name, mark in marks.items() if mark}
    alone = folder / "chat_template.jinja" if path.is_dir() else path
    if alone.suffix != ".json" and alone.is_file():
        return alone.read_text(encoding="utf-8"), names
    source = described.get("chat_template")
    if isinstance(source, list):  # several by name, of which the default is for plain conversations
        source = {each["name"]: each["template"] for each in source}.get("default")
    if not isinstance(source, str):
        raise ValueError(
            f"template.path {path} has no chat_template: give a chat_template.jinja, a tokenizer_config.json that "
            "has one, or the folder of a model with either"
        )
    return source, names


def _said(message: Message, trims: bool) -> str:
    return message.content.strip() if trims else message.content


def _to_json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)  # jinja2's own writes < as \\u003c, for web pages


def _refuse(message: str) -> None:
    raise TemplateError(message)
