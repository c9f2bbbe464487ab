"""Export a tokenizer with its template, checked on conversations: other programs get exactly our token ids."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date

import tokenizers

from lm.conversation.conversation import Conversation, Message
from lm.conversation.jinja_source import FAULTS, compile_source, variables_of
from lm.conversation.template import Template, target_of
from lm.conversation.tools import with_tools_as_text
from lm.tokenizer import BOUNDARY, Tokenizer, check_exported, exported_backend, exported_files

TOOL = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Add two numbers.",
        "parameters": {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}},
    },
}
Turns = list[tuple[str, str]]
TALKS: list[Turns] = [
    [("user", "What is this?"), ("assistant", "A cup.")],
    [("user", "What is 12 + 30?"), ("assistant", "It is 42."), ("user", "Why?"), ("assistant", "So.")],
    [("system", "Be kind."), ("user", "def f(x):\n    return x"), ("assistant", "It returns x.")],
    [("system", "Short."), ("user", "été 日本 🙂"), ("assistant", "b"), ("user", "c"), ("assistant", "d")],
]
EDGES: list[Turns] = [  # white space where contents begin and end
    [
        ("user", "  a \n"),
        ("assistant", "\n\n b "),
        ("user", "\nc"),
        ("assistant", " d\n"),
        ("user", "e"),
        ("assistant", "f"),
    ],
    [("system", " s "), ("user", "\ta"), ("assistant", "  b"), ("user", " c"), ("assistant", "'d")],
]


def published_files(
    tokenizer: Tokenizer, *, template: Template | None = None, context: int | None = None
) -> dict[str, str]:
    """Return the files with which transformers opens a tokenizer and prompts in a template: name → content.

    Args:
        tokenizer: The tokenizer.
        template: The template that the model was tuned with; None for a model that was not.
        context: Tokens that the model sees at once.

    Raises:
        ValueError: Other programs would get other ids than ours.
    """
    check_exported(tokenizer)
    if template is None:
        return exported_files(tokenizer, context=context)
    source, boundary = expressed(template, tokenizer)
    stops = tuple(template.stop_tokens(tokenizer))
    return exported_files(tokenizer, chat_template=source, boundary=boundary, context=context, stops=stops)


def jinja_of(template: Template, tokenizer: Tokenizer) -> str:
    """Return the chat_template in Jinja of a template, for a program with a tokenizer of its own.

    Answers in a conversation are encoded there together with the text before them.

    Args:
        template: The template.
        tokenizer: The tokenizer whose special tokens it writes.

    Raises:
        ValueError: It cannot be written in Jinja.
    """
    return template.jinja(tokenizer)


def expressed(template: Template, tokenizer: Tokenizer) -> tuple[str, bool]:
    """Return the chat_template in Jinja that gives our ids, and whether its tokenizer must split at boundaries.

    Raises:
        ValueError: No Jinja gives our ids, with the first conversation that differs.
    """
    fault = ""
    for probes in (TALKS + EDGES, TALKS):
        for boundary in (False, True):
            source = template.jinja(tokenizer, boundary=BOUNDARY if boundary else "")
            backend = exported_backend(tokenizer, boundary=boundary)
            fault = next(_differences(template, tokenizer, source, backend, probes), "")
            if not fault:
                return source, boundary
    raise ValueError(
        f"the template {target_of(template)} cannot be written as a chat_template with the same token ids: {fault}; "
        "tune in another template, as conversation@data.template=chatml, or export without one"
    )


def _differences(
    template: Template, tokenizer: Tokenizer, source: str, backend: tokenizers.Tokenizer, probes: list[Turns]
) -> Iterator[str]:
    """Yield the conversations whose ids differ, in words."""
    written = compile_source(source, date=date.today().isoformat(), where="the chat_template")
    roles = tokenizer.roles
    names = {"bos_token": roles.beginning, "eos_token": roles.ends[0], "pad_token": roles.padding}
    tried = 0
    for conversation, prompt in _asked(probes, tools="tools" in variables_of(source)):
        turns = [{"role": message.role, "content": message.content} for message in conversation.messages]
        ours = None
        with suppress(ValueError):  # a conversation that the template refuses
            ours = _ids(template, tokenizer, conversation, prompt)
        if ours is None:
            continue
        tried += 1
        tools = list(conversation.tools) or None
        try:
            text = written.render(messages=turns, tools=tools, documents=None, add_generation_prompt=prompt, **names)
        except FAULTS as error:
            yield f"{turns} is refused there ({error})"
            continue
        theirs = backend.encode(text, add_special_tokens=False).ids
        if ours != theirs:
            yield f"{turns} has the ids {ours} here and {theirs} there"
    if not tried:
        yield "it refuses every conversation that was tried"


def _asked(probes: list[Turns], *, tools: bool) -> Iterator[tuple[Conversation, bool]]:
    """Yield conversations, and whether an answer to them is prompted for; with `tools` also with a tool."""
    for turns in probes:
        messages = tuple(Message(role, content) for role, content in turns)
        for given in ((), (TOOL,))[: 1 + tools]:
            yield Conversation(messages, tools=given), False
            yield Conversation(messages[:-1], tools=given), True


def _ids(template: Template, tokenizer: Tokenizer, conversation: Conversation, prompt: bool) -> list[int]:
    written = with_tools_as_text(conversation, template)
    if prompt:
        return template.prompt(written.messages, tokenizer, tools=written.tools)
    return template.encode(written, tokenizer).tokens
