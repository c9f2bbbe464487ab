"""Read the body of /v1/chat/completions: turns, written as the model's template writes them."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import BaseModel, ConfigDict, Field

from lm.conversation import Conversation, Message, with_tools_as_text
from lm.conversation.conversation import UnreadableRecordError
from lm.conversation.sources.message_parts import join_parts, tool_calls
from lm.conversation.sources.record import Record
from lm.conversation.tools import parse_tools
from lm.serve.api.asked import Asked
from lm.serve.api.body import MOST_ALTERNATIVES, Body, check_fits, read_body
from lm.serve.api.completions import SHARED, check_stream_options, empty
from lm.serve.api.refusal import Refusal
from lm.serve.api.served import Limits, Models, Served
from lm.serve.request import Request

ROLES = {"developer": "system", "function": "tool"}  # other names of roles


class Part(BaseModel):
    """A part of a content."""

    model_config = ConfigDict(extra="allow")
    type: str


class Turn(BaseModel):
    """A message of a conversation."""

    model_config = ConfigDict(extra="allow")
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None
    tool_calls: list[dict[str, Any]] | None = None


class ChatBody(Body):
    """The body of /v1/chat/completions."""

    messages: list[Turn] = Field(min_length=1)
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Ge(0), Le(MOST_ALTERNATIVES)] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    continue_final_message: bool | None = None


UNSUPPORTED = {
    **SHARED,
    "functions": (empty, "tools is there instead"),
    "function_call": (lambda value: value in ("none", "auto"), "tool_choice is there instead"),
    "parallel_tool_calls": (lambda value: value is True, "the model may call several tools at once; leave it out"),
    "modalities": (lambda value: value in ([], ["text"]), "answers are text"),
    "audio": (empty, "answers are text"),
    "reasoning_effort": (lambda value: value == "none", "leave it out"),
    "verbosity": (lambda value: value == "medium", "leave it out"),
    "web_search_options": (lambda value: False, "the server reaches no network"),
    "store": (lambda value: value is False, "no answer is kept; leave it out"),
}


def read_chat(data: bytes, *, models: Models, limits: Limits) -> Asked:
    """Return what a body of /v1/chat/completions asks for.

    Raises:
        Refusal: It cannot be answered.
    """
    body = read_body(ChatBody, data, UNSUPPORTED)
    served = models.find(body.model)
    if body.top_logprobs is not None and not body.logprobs:
        raise Refusal("top_logprobs is for logprobs=true: set it, or leave them out", param="top_logprobs")
    check_stream_options(body)
    n = body.n or 1
    if n > limits.choices:
        raise Refusal(f"n is {n}, and at most {limits.choices} are allowed", param="n")
    tools = _tools(body)
    ids = prompt_ids(body.messages, tools, served=served, continued=bool(body.continue_final_message))
    most = body.most(len(ids), served=served, limits=limits, default=None, longest=len(ids))
    if most == 0:
        raise Refusal("max_tokens is 0, which leaves nothing to answer: raise it", param="max_tokens")
    seed, sampling, stops = body.drawn_seed(), body.chosen(served.sampling), body.stops(limits)
    requests = [
        Request(
            prompt=ids,
            sampling=sampling,
            max_tokens=most,
            stop=stops,
            stop_tokens=() if body.ignore_eos else tuple(served.template.stop_tokens(served.tokenizer)),
            seed=seed,
            choice=number,
            alternatives=body.top_logprobs or 0 if body.logprobs else None,
        )
        for number in range(n)
    ]
    return Asked(
        kind="chat",
        served=served,
        requests=tuple(requests),
        n=n,
        seed=seed,
        stream=bool(body.stream),
        include_usage=bool(body.stream_options and body.stream_options.include_usage),
        tools=frozenset(tool["function"]["name"] for tool in tools),
    )


def prompt_ids(turns: Sequence[Turn], tools: Sequence[dict], *, served: Served, continued: bool) -> tuple[int, ...]:
    """Return the token ids of a conversation up to where the answer begins.

    Args:
        turns: The turns of the request.
        tools: Its tools.
        served: The model.
        continued: Whether the last turn is the beginning of the answer.

    Raises:
        Refusal: The model has no template, or the template cannot write the conversation.
    """
    template, tokenizer = served.template, served.tokenizer
    if template is None:
        raise Refusal(
            f"{served.name} was not tuned on conversations and has no chat template: send a text to /v1/completions, "
            f"tune it with lm instruct model.path={served.path}, or serve it with a template, as template=chatml",
            code="no_chat_template",
        )
    messages = messages_of(turns)
    check_fits("".join(message.content for message in messages), served)
    begun = ""
    if continued:
        if messages[-1].role != "assistant":
            raise Refusal(
                "continue_final_message is for a last message of the assistant", param="continue_final_message"
            )
        begun = messages.pop().content
    elif messages[-1].role == "assistant":
        raise Refusal(
            "the last message is the assistant's own: add the user's, or set continue_final_message=true to have it "
            "continued",
            param="messages",
        )
    conversation = Conversation(tuple(messages), place="messages", tools=tuple(tools))
    try:
        shown = with_tools_as_text(conversation, template)
        ids = template.prompt(shown.messages, tokenizer, tools=shown.tools)
        return (*ids, *(tokenizer.encode(begun) if begun else ()))
    except ValueError as error:
        raise Refusal(f"messages: the model's template cannot write them: {error}", param="messages") from None


def messages_of(turns: Sequence[Turn]) -> list[Message]:
    """Return turns as messages: parts joined, tool calls as lines of JSON, the first system texts as one.

    Raises:
        Refusal: A turn has no text, or a later one is the system's.
    """
    messages: list[Message] = []
    for number, turn in enumerate(turns):
        where, role = f"messages[{number}]", ROLES.get(turn.role, turn.role)
        message = _message(turn, role, where)
        if role == "system" and messages:
            if {each.role for each in messages} != {"system"}:
                raise Refusal(f"{where}: a system text stands before all other turns: move it", param=where)
            message = Message("system", f"{messages.pop().content}\n\n{message.content}")
        messages.append(message)
    return messages


def _message(turn: Turn, role: str, where: str) -> Message:
    fields = turn.model_dump(exclude_none=True)
    try:
        calls = tool_calls(Record(fields), where) if role == "assistant" else []
        content = fields.get("content")
        if isinstance(content, list):
            content = join_parts([_as_text(part) for part in content], where)[1]
    except UnreadableRecordError as error:
        raise Refusal(str(error), param=where) from None
    if content is None:
        if not calls:
            raise Refusal(f"{where} has no content: give a text", param=f"{where}.content")
        content = ""
    return Message(role, "\n".join([*filter(None, [content]), *calls]), calls=tuple(calls))


def _as_text(part: dict[str, Any]) -> dict[str, Any]:
    """A refusal of an earlier answer is text too."""
    return {"type": "text", "text": part.get("refusal")} if part.get("type") == "refusal" else part


def _tools(body: ChatBody) -> tuple[dict, ...]:
    """The tools that are shown to the model."""
    choice = body.tool_choice if body.tool_choice is not None else "auto"
    if choice not in ("none", "auto"):
        raise Refusal(
            f"tool_choice={json.dumps(choice)[:60]} is not supported: the model itself chooses; set auto or none",
            param="tool_choice",
            code="unsupported_parameter",
        )
    try:
        tools = parse_tools(body.tools, "tools")
    except UnreadableRecordError as error:
        raise Refusal(str(error), param="tools") from None
    return () if choice == "none" else tools
