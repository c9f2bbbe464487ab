"""The chat_template of a Hugging Face model, written in Jinja."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment

from lm.conversation.conversation import Conversation, Message, check_turn
from lm.conversation.encoder import ConversationEncoder
from lm.conversation.template import EncodedConversation, Template, target_of
from lm.tokenizer import Tokenizer

NAMES = ("bos_token", "eos_token", "pad_token", "unk_token")


@dataclass(frozen=True)
class Skeleton:
    """What a template writes around the contents of a sequence of roles.

    Args:
        around: The text before each turn's content, and the one after the last.
        strips: For each turn, whether white space at the ends of its content is removed.
    """

    around: list[str]
    strips: list[bool]


class ChatTemplate(Template):
    """The `chat_template` of an imported model, rendered in jinja2's sandbox.

    The template is rendered with a placeholder for each content. Text around the placeholders may hold special
    tokens; contents are inserted afterwards, as text. Each answer is supervised, with what follows it up to the first
    special token. A conversation is refused, by turn, if the template would write more than text around its contents
    (some leave out earlier turns or reasoning), or would write other text before an answer than it prompts with.

    Args:
        path: A tokenizer_config.json, a chat_template.jinja, or a directory that holds either.
        source: The Jinja source, as a run recorded it; then `path` is not read. null reads `path`.
        names: Names of special tokens as the template uses them, {bos_token: "<s>"}; recorded with `source`.
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

    def encode(self, conversation: Conversation, tokenizer: Tokenizer) -> EncodedConversation:
        conversation.check()
        messages, place = conversation.messages, conversation.place
        try:
            skeleton = self._skeleton(tuple(message.role for message in messages))
            contents = [_content(message, strip) for message, strip in zip(messages, skeleton.strips, strict=True)]
            self._compare(messages, skeleton, contents)
        except ValueError as fault:
            raise ValueError(f"{place}, {fault}") from None
        encoder = ConversationEncoder(tokenizer)
        for message, text, content in zip(messages, skeleton.around, contents, strict=False):
            encoder.add_template_text(self._checked(text, tokenizer))
            encoder.add_content(message.role, content)
        encoder.add_template_text(self._checked(skeleton.around[-1], tokenizer))
        return encoder.encoded(place)

    def prompt(self, messages: Sequence[Message], tokenizer: Tokenizer) -> list[int]:
        for number, message in enumerate(messages, start=1):
            check_turn(message, f"turn {number}")
        skeleton = self._skeleton((*(message.role for message in messages), "assistant"))
        encoder = ConversationEncoder(tokenizer)
        for message, text, strip in zip(messages, skeleton.around, skeleton.strips, strict=False):
            encoder.add_template_text(self._checked(text, tokenizer))
            encoder.add_text(_content(message, strip))
        encoder.add_template_text(self._checked(skeleton.around[len(messages)], tokenizer))
        encoder.begin_answer("")
        return encoder.tokens

    def stop_tokens(self, tokenizer: Tokenizer) -> list[int]:
        pieces = tokenizer.split_special(self._simplest.around[-1])
        stop = next((piece for piece in pieces if isinstance(piece, int)), None)
        if stop is None:
            raise ValueError(
                f"template.path {self.path}: after an answer it writes {self._simplest.around[-1]!r}, which holds no "
                "special token of this tokenizer: use it with the model's own tokenizer"
            )
        return list(dict.fromkeys([stop, tokenizer.end_of_document]))

    def describe(self) -> dict:
        return {"_target_": target_of(self), "path": self.path, "source": self._source, "names": self._names}

    def answer(self, content: str, tokenizer: Tokenizer) -> str:
        tail = next(iter(tokenizer.split_special(self._simplest.around[-1])), "")
        written = content.strip() if self._simplest.strips[-1] else content
        return written + (tail if isinstance(tail, str) else "")

    @cached_property
    def _simplest(self) -> Skeleton:
        """One question and its answer."""
        return self._skeleton(("user", "assistant"))

    def _skeleton(self, roles: tuple[str, ...]) -> Skeleton:
        if roles not in self._skeletons:
            self._skeletons[roles] = self._find_skeleton(roles)
        return self._skeletons[roles]

    def _find_skeleton(self, roles: tuple[str, ...]) -> Skeleton:
        """Render placeholders; check the text before each answer against the template's prompt."""
        placeholders = [f"\ue000{number}\ue001" for number in range(1, len(roles) + 1)]
        text = self._render(roles, placeholders)
        padded = self._render(roles, [f"\t{placeholder}\t" for placeholder in placeholders])
        around, strips, rest = [], [], text
        for number, (role, placeholder) in enumerate(zip(roles, placeholders, strict=True), start=1):
            before, found, rest = rest.partition(placeholder)
            if not found or text.count(placeholder) > 1:
                raise ValueError(
                    f"turn {number}: the chat_template of {self.path} does not write the content of the {role} turn "
                    f"exactly once and in order, among {', '.join(roles)}: split the conversation, or use another "
                    "template"
                )
            around.append(before)
            strips.append(f"\t{placeholder}\t" not in padded)
            if role == "assistant":
                written = text[: text.index(placeholder)]
                prompt = self._render(roles[: number - 1], placeholders[: number - 1], prompt=True)
                if not written.startswith(prompt):
                    raise ValueError(
                        f"turn {number}: before this answer the chat_template of {self.path} writes "
                        f"{written[-60:]!r}, but prompts with {prompt[-60:]!r}: it rewrites earlier turns or adds text "
                        "to prompts, so whole conversations cannot be trained on; split them, or use another template"
                    )
        return Skeleton([*around, rest], strips)

    def _compare(self, messages: Sequence[Message], skeleton: Skeleton, contents: Sequence[str]) -> None:
        """Refuse contents that the template would rewrite."""
        roles = tuple(message.role for message in messages)
        ours = "".join(part for pair in zip(skeleton.around, contents, strict=False) for part in pair)
        theirs = self._render(roles, [message.content for message in messages])
        if ours + skeleton.around[-1] == theirs:
            return
        end = 0
        for number, (text, content) in enumerate(zip(skeleton.around, contents, strict=False), start=1):
            end += len(text) + len(content)
            if theirs[:end] != ours[:end] or number == len(messages):
                raise ValueError(
                    f"turn {number}: the chat_template of {self.path} rewrites the content of the {roles[number - 1]} "
                    "turn, or leaves part of it out: change the content, or remove the conversation"
                )

    def _render(self, roles: Sequence[str], contents: Sequence[str], *, prompt: bool = False) -> str:
        messages = [{"role": role, "content": content} for role, content in zip(roles, contents, strict=True)]
        try:
            return self._template.render(messages=messages, add_generation_prompt=prompt, **self._names)
        except (TemplateError, TypeError) as error:
            raise ValueError(
                f"turns {', '.join(roles) or 'none'}: the chat_template of {self.path} does not accept them: {error}"
            ) from None

    def _checked(self, text: str, tokenizer: Tokenizer) -> str:
        """Return the text if the tokenizer has every special token that the model names in it."""
        for name, special in self._names.items():
            if special and special in text and special not in tokenizer.special_tokens:
                raise ValueError(
                    f"template.path {self.path} writes the {name} {special!r}, which is not a special token of this "
                    "tokenizer: use it with the model's own tokenizer"
                )
        return text


class Generation(Extension):
    """`{% generation %}`, which some templates put around answers: its content is rendered unchanged."""

    tags = {"generation"}  # noqa: RUF012  as jinja2 has it

    def parse(self, parser):
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(["name:endgeneration"], drop_needle=True), lineno=line)


def _read(path: Path) -> tuple[str, dict[str, str]]:
    """The template source and the names of its special tokens, from whichever files have them."""
    folder = path if path.is_dir() else path.parent
    names, config = {}, {}
    file = folder / "tokenizer_config.json" if path.suffix != ".json" else path
    if file.is_file():
        try:
            config = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"template.path: {file} is not JSON: {error}") from None
        tokens = {name: token for name in NAMES if (token := config.get(name))}
        names = {name: token["content"] if isinstance(token, dict) else token for name, token in tokens.items()}
    jinja = folder / "chat_template.jinja" if path.is_dir() else path
    if jinja.suffix != ".json" and jinja.is_file():
        return jinja.read_text(encoding="utf-8"), names
    source = config.get("chat_template")
    if isinstance(source, list):  # several by name; "default" is the one for plain conversations
        source = {entry["name"]: entry["template"] for entry in source}.get("default")
    if not isinstance(source, str):
        raise ValueError(
            f"template.path {path} has no chat_template: give a chat_template.jinja, a tokenizer_config.json that "
            "has one, or the directory of a model with either"
        )
    return source, names


def _content(message: Message, strip: bool) -> str:
    return message.content.strip() if strip else message.content


def _to_json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)  # jinja2's own writes < as \\u003c, for web pages


def _refuse(message: str) -> None:
    raise TemplateError(message)
