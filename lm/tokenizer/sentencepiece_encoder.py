"""Encode with the library `sentencepiece` itself, for models that `tokenizers` encodes differently.

`tokenizers` adds the scores of a unigram model in double precision, sentencepiece in single: where several
segmentations are equally likely, as in `-----`, they choose different ones. It also reads some normalization rules,
unused pieces and typed control symbols differently.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lm.tokenizer.byte_alphabet import BLANK, BYTE_FALLBACK

KEY = "sentencepiece"  # of the model file within "model" of a tokenizer.json; other readers ignore it
UNKNOWN = " ⁇ "  # how sentencepiece writes a piece of text that its vocabulary lacks


class SentencePieceEncoder:
    """Encode text with the very model file.

    Where the vocabulary has no byte pieces, characters that it lacks are read as `⁇`: a normalization that loses them,
    so bytes are counted of the text that is read.

    Args:
        model: Content of the .model file.
        added: Ids that other files add to those of the model; they have no bytes.

    Attributes:
        pieces: Bytes of each id.
        prefix: Bytes that are put before every text: a space, or nothing.
        added: Added tokens of plain text: none. User-defined pieces are pieces of the model.
    """

    exact = False
    engine = "sentencepiece"

    def __init__(self, model: bytes, *, added: Sequence[int]):
        from sentencepiece import SentencePieceProcessor

        self._processor = SentencePieceProcessor(model_proto=model)
        self._unknown = self._processor.unk_id()
        count = self._processor.vocab_size()
        self.pieces = [*map(self._piece, range(count)), *[b""] * (max([*added, count - 1]) + 1 - count)]
        self.prefix = b" " if self._processor.normalize("x").startswith((BLANK, " ")) else b""
        self.added: Mapping[str, str] = {}

    def read(self, text: str) -> str:
        """Return the text as the model reads it, with spaces in place of ▁ and what is unknown as ⁇."""
        ids = self._processor.encode(text)
        if self._unknown not in ids:
            return self._processor.normalize(text).replace(BLANK, " ")
        surfaces = self._processor.encode(text, out_type=str)
        parts = [UNKNOWN if number == self._unknown else part for number, part in zip(ids, surfaces, strict=True)]
        return "".join(parts).replace(BLANK, " ")

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text."""
        return self._processor.encode(text)

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the ids of many texts, uint32 each."""
        return [np.array(ids, dtype=np.uint32) for ids in self._processor.encode(list(texts))]

    def _piece(self, number: int) -> bytes:
        if self._processor.is_control(number):
            return b""
        if self._processor.is_unknown(number):
            return UNKNOWN.encode()
        piece = self._processor.id_to_piece(number)
        if self._processor.is_byte(number):
            return bytes([int(BYTE_FALLBACK.fullmatch(piece)[1], 16)])
        return piece.replace(BLANK, " ").encode()


def embed(description: dict[str, Any], model: bytes) -> dict[str, Any]:
    """Return a parsed tokenizer.json that carries a .model file."""
    return description | {"model": description["model"] | {KEY: base64.b64encode(model).decode()}}


def embedded(description: Mapping[str, Any]) -> bytes | None:
    """Return the .model file that a parsed tokenizer.json carries; None if there is none."""
    model = description["model"].get(KEY)
    return base64.b64decode(model) if model else None
