"""Text to ids and back without loss, every byte counted, and no way for text to reach a special token."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import tokenizers

from lm.files import hash_bytes, write_atomically
from lm.tokenizer.bytes_of import BLANK, bytes_of
from lm.tokenizer.engine import Encode, fast_engine
from lm.tokenizer.special import END_OF_DOCUMENT, END_OF_TURN, PADDING, ROLES, SPECIAL_TOKENS

# One of everything that a lossy tokenizer changes: no leading space, capitals, accents apart and together,
# ligatures, runs and ends of white space, control characters.
PROBE = "A é e\u0301 ﬁ Ⅳ  two\t\r\n \n x\u00a0\u200b\x00日本語 🙂 <|user|> "


class Tokenizer:
    """A vocabulary that can write any text, with our special tokens, over a `tokenizers.Tokenizer`.

    Ids give back, byte for byte, the text as the tokenizer reads it: `normalize(text)`, which is the text itself for
    all that `lm tokenizer` trains unless told otherwise. `prefix` is what SentencePiece puts before every text, a
    space, and takes away again. In `token_bytes` the tokens that end a text have the bytes of the prefix less, so that
    the sum over a text and its end is the number of its bytes.

    `content` is the tokenizer.json it came from, kept to the letter, so that what is saved, copied and
    fingerprinted stays the same whatever the version of `tokenizers`.
    """

    def __init__(self, content: str):
        self.content = content
        self.fingerprint = hash_bytes(content.encode())
        self._backend = tokenizers.Tokenizer.from_str(content)
        self._backend.encode_special_tokens = True  # typed in a text they are text; the file cannot say so
        self._backend.no_padding()
        self._backend.no_truncation()
        missing = [token for token in SPECIAL_TOKENS if self._backend.token_to_id(token) is None]
        if missing:
            raise ValueError(
                f"this tokenizer has no {', '.join(missing)}: open it with load_tokenizer, which adds them"
            )
        self.end_of_document: int = self._backend.token_to_id(END_OF_DOCUMENT)
        self.padding: int = self._backend.token_to_id(PADDING)
        self.end_of_turn: int = self._backend.token_to_id(END_OF_TURN)
        self.role_tokens: dict[str, int] = {role: self._backend.token_to_id(token) for role, token in ROLES.items()}
        self._blanks = bool(json.loads(content)["model"].get("byte_fallback"))  # written as SentencePiece does
        self._pieces = bytes_of(self._backend, blanks=self._blanks)
        self.vocab_size: int = len(self._pieces)
        self.prefix = self._read("x").removesuffix("x").encode()
        self.token_bytes: np.ndarray = np.array([len(piece) for piece in self._pieces], dtype=np.int64)
        added = self._backend.get_added_tokens_decoder().items()
        self.special_tokens: dict[str, int] = {token.content: number for number, token in added if token.special}
        self._special = set(self.special_tokens.values())
        ends = self._special - {self.padding, *self.role_tokens.values()}  # ours, and another's, as </s>
        self.token_bytes[list(ends)] -= len(self.prefix)
        if self.decode_bytes(self.encode(PROBE)) != self.normalize(PROBE).encode():
            raise ValueError(
                "this tokenizer does not give back the text that it reads (it drops bytes, or splits with a space "
                "added, as add_prefix_space does), so bytes could not be counted: use another, or train one"
            )

    @property
    def exact(self) -> bool:
        """Whether it reads every text as it is."""
        return self._backend.normalizer is None and not self._blanks

    def normalize(self, text: str) -> str:
        """The text as it is read and comes back."""
        return text if self.exact else self._read(text).removeprefix(self.prefix.decode())

    def lost(self, text: str) -> int:
        """Bytes of `text` in characters that do not come back."""
        read = self.normalize(text)
        gone = Counter(text) - Counter(read) if read != text else {}
        return sum(len(character.encode()) * count for character, count in gone.items())

    def _read(self, text: str) -> str:
        if self._backend.normalizer is not None:
            text = self._backend.normalizer.normalize_str(text)
        if self._blanks:
            if self._backend.pre_tokenizer is not None:  # which may be what writes them
                text = "".join(piece for piece, _ in self._backend.pre_tokenizer.pre_tokenize_str(text))
            text = text.replace(BLANK, " ")
        return text

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, never a special one: `<|user|>` typed by a user is eight characters like others."""
        try:
            return self._backend.encode(text, add_special_tokens=False).ids
        except TypeError:
            refuse_unencodable([text])
            raise

    def split_special(self, text: str) -> list[str | int]:
        """The text of a template, in which every name of a special token is that token. Never for what a user says."""
        pieces = self._names.split(text)
        return [self.special_tokens.get(piece, piece) for piece in pieces if piece]

    @cached_property
    def _names(self) -> re.Pattern[str]:
        longest_first = sorted(self.special_tokens, key=len, reverse=True)
        return re.compile(f"({'|'.join(map(re.escape, longest_first))})")

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Ids of each text (uint32), the same as one by one, on all cores and by the fastest engine that gives them."""
        texts = list(texts)
        if not texts:
            return []
        try:
            return (self._fast or self._encode_batch)(texts)
        except (TypeError, UnicodeEncodeError):
            refuse_unencodable(texts)
            raise

    @property
    def engine(self) -> str:
        """The library that encodes batches."""
        return "fastokens" if self._fast else "tokenizers"

    @cached_property
    def _fast(self) -> Encode | None:
        return fast_engine(self.content, like=self._encode_batch)

    def _encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        encoded = self._backend.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, dtype=np.uint32) for encoding in encoded]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; special tokens are left out, bytes that are no whole character show as �."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def decode_bytes(self, ids: Iterable[int], *, after: int | None = None) -> bytes:
        """The exact bytes of `ids`, which follow the token `after`, or begin a text; special tokens stand for none."""
        if not self.prefix:
            return b"".join([self._pieces[token] for token in ids])
        parts, begins = [], after is None or after in self._special
        for token in ids:
            parts.append(self._pieces[token].removeprefix(self.prefix) if begins else self._pieces[token])
            begins = token in self._special
        return b"".join(parts)

    def __reduce__(self):
        return Tokenizer, (self.content,)  # a pickled backend forgets encode_special_tokens

    def save(self, path: Path) -> None:
        """Write the tokenizer.json, which `tokenizers` and `transformers` open as it is."""
        write_atomically(Path(path), self.content)


def refuse_unencodable(texts: Sequence[str]) -> None:
    """Say which text cannot be encoded and why; `tokenizers` itself only speaks of types."""
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"text {number} is {type(text).__name__}, not str") from None
        try:
            text.encode()
        except UnicodeEncodeError as error:
            where = text[error.start]
            raise ValueError(
                f"text {number} has the lone surrogate {where!r} at character {error.start}, half of a "
                "character, which has no bytes: replace it, as with text.encode('utf-8', 'replace').decode()"
            ) from None
