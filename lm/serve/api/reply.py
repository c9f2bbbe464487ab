"""What an answer looks like, whole or in chunks, on either endpoint."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from time import time
from typing import Any
from uuid import uuid4

from lm.serve.api.asked import Asked
from lm.serve.api.choice import Calls, Choice, Piece, Trim
from lm.serve.api.flow import Flow
from lm.serve.api.tokens import Placed, Places, Spelling, as_chat, as_completion
from lm.serve.request import Update
from lm.tools.calls import Call


class Reply(ABC):
    """The answer to a request: takes what the engine delivers, and gives chunks or the whole.

    Args:
        asked: The request.
        flow: What the engine delivers for it.
    """

    prefix: str  # of ids
    whole_object: str
    chunk_object: str

    def __init__(self, asked: Asked, flow: Flow) -> None:
        self.asked, self.flow = asked, flow
        self.spelling = Spelling(asked.served.tokenizer)
        self.choices = [self.new_choice(place) for place in range(len(asked.requests))]
        self._head = {"id": f"{self.prefix}-{uuid4().hex}", "created": int(time())}
        self._parts: list[list[Piece]] = [[] for _ in self.choices]

    @abstractmethod
    def new_choice(self, place: int) -> Choice:
        """The text at a place, before anything came."""

    @abstractmethod
    def chunk(self, index: int, piece: Piece, *, first: bool) -> dict[str, Any]:
        """The choice of a chunk, without index and reason."""

    @abstractmethod
    def joined(self, index: int, pieces: Sequence[Piece]) -> dict[str, Any]:
        """The choice of a whole answer, without index and reason."""

    def push(self, index: int, update: Update) -> Piece:
        """Add what the engine delivers for one of the texts."""
        piece = self.choices[index].push(update)
        self._parts[index].append(piece)
        return piece

    def chunks(self, index: int, update: Update) -> list[dict]:
        """Add what the engine delivers; return the chunks to send: none where nothing can be shown yet."""
        first = not self._parts[index]
        piece = self.push(index, update)
        if not (first or piece.text or piece.placed or piece.reason):
            return []
        choice = {"index": index, **self.chunk(index, piece, first=first), "finish_reason": piece.reason or None}
        return [self._of(self.chunk_object, [choice], usage=None)]

    def last_chunk(self) -> dict:
        """The chunk that counts tokens."""
        return self._of(self.chunk_object, [], usage=self.usage())

    def whole(self) -> dict:
        """The answer in one."""
        choices = [
            {"index": index, **self.joined(index, pieces), "finish_reason": pieces[-1].reason}
            for index, pieces in enumerate(self._parts)
        ]
        return {**self._of(self.whole_object, choices), "usage": self.usage()}

    @property
    def generated_tokens(self) -> int:
        """Tokens that were generated so far."""
        return sum(choice.tokens for choice in self.choices)

    @property
    def counted(self) -> str:
        """Its model and tokens in words, for the log."""
        return f"{self.asked.served.name}, {self.asked.prompt_tokens} + {self.generated_tokens} tokens"

    def usage(self) -> dict:
        """The tokens of the request; a prompt counts once, however many texts continue it."""
        prompt, generated = self.asked.prompt_tokens, self.generated_tokens
        return {
            "prompt_tokens": prompt,
            "completion_tokens": generated,
            "total_tokens": prompt + generated,
            "prompt_tokens_details": {"cached_tokens": self.flow.cached_tokens},
        }

    def _of(self, kind: str, choices: list[dict], **more: Any) -> dict:
        if more and not self.asked.include_usage:
            more = {}
        return {
            **self._head,
            "object": kind,
            "model": self.asked.served.name,
            "system_fingerprint": self.asked.served.system_fingerprint,
            "seed": self.asked.seed,
            "choices": choices,
            **more,
        }


class CompletionReply(Reply):
    """An answer of /v1/completions."""

    prefix, whole_object, chunk_object = "cmpl", "text_completion", "text_completion"

    def new_choice(self, place: int) -> Choice:
        start, after = len(self._echo(place)), self.asked.requests[place].prompt[-1]
        return Choice(Places(self.spelling, after=after, start=start), ended=True, start=start)

    def push(self, index: int, update: Update) -> Piece:
        first = not self._parts[index]
        piece = super().push(index, update)
        if first and self.asked.echoes:  # the prompt stands in front
            placed = (*Places(self.spelling).place(update.prompt_scores), *piece.placed)
            piece = Piece(self._echo(index) + piece.text, placed, reason=piece.reason)
            self._parts[index][-1] = piece
        return piece

    def chunk(self, index: int, piece: Piece, *, first: bool) -> dict[str, Any]:
        return {"text": piece.text, "logprobs": self._scores(index, piece.placed)}

    def joined(self, index: int, pieces: Sequence[Piece]) -> dict[str, Any]:
        placed = [each for piece in pieces for each in piece.placed]
        return {"text": "".join(piece.text for piece in pieces), "logprobs": self._scores(index, placed)}

    def _echo(self, index: int) -> str:
        return self.asked.echoes[index // self.asked.n] if self.asked.echoes else ""

    def _scores(self, index: int, placed: Sequence[Placed]) -> dict | None:
        return None if self.asked.requests[index].alternatives is None else as_completion(placed, self.spelling)


class ChatReply(Reply):
    """An answer of /v1/chat/completions."""

    prefix, whole_object, chunk_object = "chatcmpl", "chat.completion", "chat.completion.chunk"

    def new_choice(self, place: int) -> Choice:
        served = self.asked.served
        calls = Calls(self.asked.tools.__contains__) if self.asked.tools else None
        places = Places(self.spelling, after=self.asked.requests[place].prompt[-1])
        return Choice(places, trim=Trim(*served.template.around(served.tokenizer)), calls=calls)

    def chunk(self, index: int, piece: Piece, *, first: bool) -> dict[str, Any]:
        delta: dict[str, Any] = {"role": "assistant", "content": ""} if first else {}
        if piece.text or piece.placed:
            delta["content"] = piece.text
        if piece.calls:
            delta["tool_calls"] = [{"index": place, **each} for place, each in enumerate(_described(piece.calls))]
        return {"delta": delta, "logprobs": self._scores(index, piece.placed)}

    def joined(self, index: int, pieces: Sequence[Piece]) -> dict[str, Any]:
        message: dict[str, Any] = {
            "role": "assistant", "content": "".join(piece.text for piece in pieces), "refusal": None,
        }  # fmt: skip
        if pieces[-1].calls:
            message |= {"content": message["content"] or None, "tool_calls": _described(pieces[-1].calls)}
        placed = [each for piece in pieces for each in piece.placed]
        return {"message": message, "logprobs": self._scores(index, placed)}

    def _scores(self, index: int, placed: Sequence[Placed]) -> dict | None:
        return None if self.asked.requests[index].alternatives is None else as_chat(placed, self.spelling)


def _described(calls: Sequence[Call]) -> list[dict]:
    """Calls as OpenAI has them: with an id, and the arguments as text."""
    return [
        {
            "id": f"call_{uuid4().hex[:24]}",
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)},
        }
        for call in calls
    ]


def reply_to(asked: Asked, flow: Flow) -> Reply:
    """The answer to a request, before anything came."""
    return ChatReply(asked, flow) if asked.kind == "chat" else CompletionReply(asked, flow)
