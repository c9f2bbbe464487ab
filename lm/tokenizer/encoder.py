"""Encode with the library `tokenizers`: ids, bytes of the ids, and the text as it is read."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import tokenizers

from lm.tokenizer.byte_alphabet import BLANK, bytes_of_ids
from lm.tokenizer.engine import Encode, fast_engine
from lm.tokenizer.long_words import LongWords
from lm.tokenizer.reading import Reader, added_texts

WORTH = 1_000_000  # characters in batches from which another engine is tried: the trial takes half a second


class Encoder:
    """Encode text as a tokenizer.json says, large batches with the fastest engine that gives the same ids.

    Args:
        backend: The tokenizer, which encodes typed names of special tokens as text.
        content: Its tokenizer.json.
        byte_fallback: Whether entries are written in characters and single bytes, as SentencePiece does.

    Attributes:
        pieces: Bytes of each id.
        prefix: Bytes that are put before every text: a space, or nothing.
        added: Added tokens of plain text, with texts that try each.
    """

    def __init__(self, backend: tokenizers.Tokenizer, content: str, *, byte_fallback: bool):
        self._backend, self._content = backend, content
        self.pieces = bytes_of_ids(backend, byte_fallback=byte_fallback)
        self._long_words = LongWords(backend)
        self.read = Reader(backend, blanks=byte_fallback)
        self.prefix = self.read("x").removesuffix("x").encode()
        self.added = added_texts(backend)
        alone = [text for text in self.added if self.prefix and not self.read(text).startswith(" ")]
        self._alone = {backend.token_to_id(text) for text in alone}
        self._blank = backend.token_to_id(BLANK)
        self._encoded = 0  # characters in batches

    @property
    def exact(self) -> bool:
        """Whether texts are read as they are."""
        return self.read.exact

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text."""
        ids = self._long_words.fill(text, self._backend.encode(text, add_special_tokens=False).ids)
        return [self._blank, *ids] if self._is_alone(ids) else ids

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the ids of many texts, uint32 each."""
        self._encoded += sum(map(len, texts))
        worth = "_fast" in vars(self) or self._encoded > WORTH
        encoded = ((self._fast if worth else None) or self.encode_all)(texts)
        return [np.insert(ids, 0, self._blank) if self._is_alone(ids) else ids for ids in encoded]

    def encode_all(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Encode with `tokenizers` alone. A user-defined piece that is all of a text lacks the blank before it."""
        encoded = self._backend.encode_batch_fast(list(texts), add_special_tokens=False)
        pairs = zip(texts, encoded, strict=True)
        return [np.array(self._long_words.fill(text, encoding.ids), dtype=np.uint32) for text, encoding in pairs]

    @property
    def engine(self) -> str:
        """Name of the library that encodes large amounts of text; the first time it is chosen."""
        return "fastokens" if self._fast else "tokenizers"

    @cached_property
    def _fast(self) -> Encode | None:
        special = [token.content for token in self._backend.get_added_tokens_decoder().values() if token.special]
        names = [*special, *map("<0x{:02X}>".format, range(256))]  # what must stay text
        own = [*(f"{name}a {name}é{name * 2}" for name in names), *self.added.values()]
        return fast_engine(self._content, like=self.encode_all, own=own)

    def _is_alone(self, ids: Sequence[int]) -> bool:
        """Whether a text is a lone user-defined piece, which `tokenizers` can find only without the prefix."""
        return len(ids) == 1 and int(ids[0]) in self._alone
