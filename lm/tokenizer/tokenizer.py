"""Text to ids and back without loss, every byte counted, and no way for text to reach a special token."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import tokenizers
from tokenizers.models import WordPiece

from lm.files import hash_bytes, write_atomically
from lm.tokenizer.byte_level import BYTE_OF, to_bytes
from lm.tokenizer.engine import Encode, fast_engine
from lm.tokenizer.special import END_OF_DOCUMENT, END_OF_TURN, PADDING, ROLES, SPECIAL_TOKENS

# One of everything that a lossy tokenizer changes: no leading space, capitals, accents apart and together,
# ligatures, runs and ends of white space, control characters.
PROBE = "A é e\u0301 ﬁ Ⅳ  two\t\r\n \n x\u00a0\u200b\x00日本語 🙂 <|user|> "


class Tokenizer:
    """A byte-level vocabulary with our special tokens, over a `tokenizers.Tokenizer`.

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
        self._pieces = _pieces(self._backend)
        self.vocab_size: int = len(self._pieces)
        self.token_bytes: np.ndarray = np.array([len(piece) for piece in self._pieces], dtype=np.int64)
        if self.decode_bytes(self.encode(PROBE)) != PROBE.encode():
            raise ValueError(
                "this tokenizer does not give back the text it encodes (it normalises, adds a space or drops "
                "bytes), so bytes could not be counted: use one without a normaliser and with "
                "add_prefix_space false"
            )

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, never a special one: `<|user|>` typed by a user is eight characters like others."""
        try:
            return self._backend.encode(text, add_special_tokens=False).ids
        except TypeError:
            refuse_unencodable([text])
            raise

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, the same as one by one, on all cores and by the fastest engine that gives these ids."""
        texts = list(texts)
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

    def _encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        encoded = self._backend.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encoded]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; special tokens are left out, bytes that are no whole character show as �."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The exact bytes of `ids`; special tokens stand for none."""
        return b"".join([self._pieces[token] for token in ids])

    def __reduce__(self):
        return Tokenizer, (self.content,)  # a pickled backend forgets encode_special_tokens

    def save(self, path: Path) -> None:
        """Write the tokenizer.json, which `tokenizers` and `transformers` open as it is."""
        write_atomically(Path(path), self.content)


def _pieces(backend: tokenizers.Tokenizer) -> list[bytes]:
    """The bytes of each id; none for specials and for ids that nothing uses."""
    vocabulary = backend.get_vocab(with_added_tokens=True)
    added = backend.get_added_tokens_decoder()
    within = backend.model.continuing_subword_prefix if isinstance(backend.model, WordPiece) else ""
    pieces = [b""] * (max(vocabulary.values()) + 1)
    for token, number in vocabulary.items():
        if number in added:  # added tokens are written as they are, not in the byte alphabet
            pieces[number] = b"" if added[number].special else token.encode()
            continue
        piece = to_bytes(token.removeprefix(within))
        if piece is None:
            raise ValueError(f"vocabulary entry {token!r} is not byte-level: only byte-level tokenizers are exact")
        pieces[number] = piece
    absent = {bytes([byte]) for byte in BYTE_OF.values()} - set(pieces)
    if absent:
        raise ValueError(
            f"the vocabulary lacks {len(absent)} of the 256 single bytes ({sorted(absent)[0]!r} …), "
            "so some texts could not be written: use a vocabulary that holds them all"
        )
    return pieces


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
