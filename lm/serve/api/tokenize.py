"""Show a text or a conversation as the model reads it: token by token."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from lm.conversation.conversation import UnreadableRecordError
from lm.conversation.tools import parse_tools
from lm.serve.api.body import read_body
from lm.serve.api.chat import Turn, prompt_ids
from lm.serve.api.refusal import Refusal
from lm.serve.api.served import Limits, Models, Served
from lm.serve.api.tokens import Spelling


class TokenizeBody(BaseModel):
    """The body of /tokenize: a text, or messages with their tools."""

    model_config = ConfigDict(extra="ignore")
    model: str | None = None
    text: str | None = None
    messages: list[Turn] | None = Field(default=None, min_length=1)
    tools: list[dict[str, Any]] | None = None


def read_tokenize(data: bytes, *, models: Models, limits: Limits) -> tuple[Served, tuple[int, ...]]:
    """Return the model and the token ids that a body of /tokenize asks for.

    A text has no token in front of it, and may be longer than the context; a conversation ends where an answer begins.

    Raises:
        Refusal: It cannot be read.
    """
    body = read_body(TokenizeBody, data, {})
    served = models.find(body.model)
    if (body.text is None) == (body.messages is None):
        raise Refusal("give either text or messages", param="text")
    if body.text is not None:
        return served, tuple(served.tokenizer.encode(body.text))
    try:
        tools = parse_tools(body.tools, "tools")
    except UnreadableRecordError as error:
        raise Refusal(str(error), param="tools") from None
    continued = body.messages[-1].role == "assistant"
    return served, prompt_ids(body.messages, tools, served=served, continued=continued)


def tokenized(served: Served, ids: tuple[int, ...]) -> dict[str, Any]:
    """The answer: each token with its id, text and bytes."""
    spelling = Spelling(served.tokenizer)
    tokens = [
        {"text": (each := spelling.described(token, after))["token"], "id": token, "bytes": each["bytes"]}
        for after, token in zip((None, *ids), ids, strict=False)
    ]
    return {"model": served.name, "count": len(ids), "max_model_len": served.context, "tokens": tokens}
