"""Texts and conversations as the model reads them, token by token, and back."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from lm.conversation.conversation import UnreadableRecordError
from lm.conversation.tools import parse_tools
from lm.serve.api.body import read_body
from lm.serve.api.chat import Turn, prompt_ids
from lm.serve.api.completions import Token, check_ids
from lm.serve.api.refusal import Refusal
from lm.serve.api.served import Limits, Models, Served
from lm.serve.api.tokens import Spelling
from lm.tokenizer import Tokenizer


class TokenizeBody(BaseModel):
    """The body of /tokenize: a text, or messages with their tools; `prompt` is a text as vLLM names it."""

    model_config = ConfigDict(extra="ignore")
    model: str | None = None
    text: str | None = None
    prompt: str | None = None
    add_special_tokens: bool | None = None
    messages: list[Turn] | None = Field(default=None, min_length=1)
    tools: list[dict[str, Any]] | None = None


class DetokenizeBody(BaseModel):
    """The body of /detokenize: token ids."""

    model_config = ConfigDict(extra="ignore")
    model: str | None = None
    tokens: list[Token]


def tokenize(data: bytes, *, models: Models, limits: Limits) -> dict[str, Any]:
    """Return the answer to a body of /tokenize: each token with its id, text and bytes; of `prompt` the ids alone.

    A text has no token in front of it, and may be longer than the context; a conversation ends where an answer begins.

    Args:
        data: The body.
        models: The models.
        limits: Limits of the server.

    Raises:
        Refusal: It cannot be read.
    """
    body = read_body(TokenizeBody, data, {})
    served = models.find(body.model)
    if sum(each is not None for each in (body.text, body.prompt, body.messages)) != 1:
        raise Refusal("give one of text, messages and prompt", param="text")
    known = {"model": served.name, "max_model_len": served.context}
    if body.prompt is not None:
        ids = _ids_of(body.prompt, served.tokenizer, begin=bool(body.add_special_tokens))
        return {**known, "count": len(ids), "tokens": ids}
    ids = served.tokenizer.encode(body.text) if body.text is not None else _turns(body, served)
    spelling = Spelling(served.tokenizer)
    described = [spelling.described(token, after) for after, token in zip((None, *ids), ids, strict=False)]
    tokens = [{"text": each["token"], "id": each["id"], "bytes": each["bytes"]} for each in described]
    return {**known, "count": len(ids), "tokens": tokens}


def detokenize(data: bytes, *, models: Models, limits: Limits) -> dict[str, Any]:
    """Return the answer to a body of /detokenize: the text of token ids, without special tokens.

    Args:
        data: The body.
        models: The models.
        limits: Limits of the server.

    Raises:
        Refusal: It cannot be read.
    """
    body = read_body(DetokenizeBody, data, {})
    served = models.find(body.model)
    check_ids(body.tokens, served, param="tokens")
    return {"model": served.name, "prompt": served.tokenizer.decode(body.tokens)}


def tokenizer_info(served: Served) -> dict[str, Any]:
    """The special tokens of a model, by which lm-eval finds out that it may have texts tokenized here."""
    names = {number: name for name, number in served.tokenizer.special_tokens.items()}
    roles = {f"{role}_token": names[number] for role, number in served.tokenizer.special_roles.items()}
    return {"model": served.name, "vocab_size": served.vocab_size, "bos_token": None, "pad_token": None, **roles}


def _ids_of(text: str, tokenizer: Tokenizer, *, begin: bool) -> list[int]:
    """The ids of a text; the name of a special token alone is that token."""
    if text in tokenizer.special_tokens:
        return [tokenizer.special_tokens[text]]
    return [*(tokenizer.opening if begin else ()), *tokenizer.encode(text)]


def _turns(body: TokenizeBody, served: Served) -> tuple[int, ...]:
    try:
        tools = parse_tools(body.tools, "tools")
    except UnreadableRecordError as error:
        raise Refusal(str(error), param="tools") from None
    continued = body.messages[-1].role == "assistant"
    return prompt_ids(body.messages, tools, served=served, continued=continued)
