"""A tokenizer of bytes, a template of letters and a model of one layer, to chat with."""

from functools import partial

import torch

from lm.conversation import Template
from lm.model import Attention, SwiGLU, Transformer, initialize

CONTEXT = 96


class ByteTokenizer:
    """One token per byte, and special tokens for the ends of documents and turns."""

    vocab_size = 260
    end_of_document = beginning = 256
    ends = (256,)
    end_of_turn = 257

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, ids) -> str:
        return self.decode_bytes(ids).decode(errors="replace")

    def decode_bytes(self, ids, after=None) -> bytes:
        return bytes(token for token in ids if token < 256)


class Letters(Template):
    """The first letter of the role, the content, the end of the turn."""

    def encode(self, conversation, tokenizer):
        raise NotImplementedError

    def prompt(self, messages, tokenizer, *, tools=()) -> list[int]:
        turns = [
            token
            for message in messages
            for token in (*tokenizer.encode(f"{message.role[0]}:{message.content}"), tokenizer.end_of_turn)
        ]
        return [*turns, *tokenizer.encode("a:")]

    def stop_tokens(self, tokenizer) -> list[int]:
        return [tokenizer.end_of_turn]

    def answer(self, conversation, number, tokenizer):
        raise NotImplementedError

    def describe(self):
        return {"_target_": "Letters"}


def small_model(vocab_size: int = 260) -> Transformer:
    torch.manual_seed(0)
    return Transformer(
        vocab_size=vocab_size,
        context=CONTEXT,
        dim=16,
        layers=1,
        attention=partial(Attention, heads=2),
        feedforward=SwiGLU,
        initialize=partial(initialize, residual_scale=1.0),
    )
