"""The routes and their bodies as OpenAPI describes them, for programs and fuzzers."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from lm.process.distribution import version
from lm.serve.api.chat import ChatBody
from lm.serve.api.completions import CompletionBody
from lm.serve.api.served import Limits
from lm.serve.api.tokenize import DetokenizeBody, TokenizeBody

BODIES: dict[str, tuple[type[BaseModel], str]] = {
    "/v1/chat/completions": (ChatBody, "Answer a conversation"),
    "/v1/completions": (CompletionBody, "Continue prompts"),
    "/tokenize": (TokenizeBody, "Show a text or a conversation as tokens"),
    "/detokenize": (DetokenizeBody, "Show token ids as text"),
}
READ = {
    "/v1/models": "List the models",
    "/tokenizer_info": "Name the special tokens",
    "/health": "Say whether requests are taken",
}
STATUSES = {
    "400": "the request is refused, in words",
    "401": "the API key is missing or wrong",
    "403": "another host name or web page",
    "404": "there is no such model",
    "408": "the body did not arrive in time",
    "413": "the body is too large",
    "415": "the body is compressed",
    "429": "the queue is full",
    "500": "the server failed",
    "503": "the server ends, or the answer took too long",
}
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


def schema_of(limits: Limits) -> dict[str, Any]:
    """Return the OpenAPI document.

    Args:
        limits: What one request may ask for.
    """
    _, definitions = models_json_schema(
        [(body, "validation") for body, _ in BODIES.values()], ref_template="#/components/schemas/{model}"
    )
    schemas = {**definitions["$defs"], "Error": ERROR}
    failed = {status: _answer(words, "Error") for status, words in STATUSES.items()}
    paths: dict[str, Any] = {
        path: {
            "post": {
                "summary": words,
                "requestBody": {"required": True, "content": _json(body.__name__)},
                "responses": {"200": {"description": "the answer"}, **failed},
            }
        }
        for path, (body, words) in BODIES.items()
    }
    paths |= {
        path: {"get": {"summary": words, "responses": {"200": {"description": "the answer"}, **failed}}}
        for path, words in READ.items()
    }
    about = f"At most {limits.choices} texts and {limits.body} bytes a request. Unknown fields are ignored."
    info = {"title": "lm serve", "version": version(), "description": about}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _answer(words: str, name: str) -> dict[str, Any]:
    return {"description": words, "content": _json(name)}
