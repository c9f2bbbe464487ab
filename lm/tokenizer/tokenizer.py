"""Tokenizer: text to ids and back without loss, with exact byte counts."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import tokenizers

from lm.files import hash_bytes, write_atomically
from lm.tokenizer.encoder import Encoder
from lm.tokenizer.sentencepiece_encoder import SentencePieceEncoder, embedded

END_OF_DOCUMENT = "<|end_of_document|>"
PADDING = "<|padding|>"
END_OF_TURN = "<|end_of_turn|>"
ROLES = {"system": "<|system|>", "user": "<|user|>", "assistant": "<|assistant|>"}
SPECIAL_TOKENS = (END_OF_DOCUMENT, PADDING, *ROLES.values(), END_OF_TURN)  # a tokenizer.json has them by these names

# One of everything that a lossy tokenizer changes: no leading space, capitals, combining and precomposed accents,
# ligatures, runs and ends of white space, control characters.
PROBE = "A é e\u0301 ﬁ Ⅳ  two\t\r\n \n x\u00a0\u200b\x00日本語 🙂 <|user|> "


class Tokenizer:
    """A vocabulary that can write any text, with our special tokens, over a `tokenizers.Tokenizer`.

    Decoding returns, byte for byte, `normalize(text)`: the text itself unless a normalizer is set. `content` is stored
    to the letter, so that saved files and fingerprints do not depend on the version of `tokenizers`.

    Args:
        content: The tokenizer.json.

    Attributes:
        vocab_size: Number of ids, including special tokens and unused ids.
        fingerprint: Hash of `content`.
        prefix: Bytes that SentencePiece puts before every text and removes again: a space, or nothing.
        token_bytes: Bytes of each id, int64 [V]. Tokens that end a text count the prefix negatively, so that the sum
            over a text and its end is the number of its bytes.
        special_tokens: Name → id of every special token.
        role_tokens: Role → id: system, user, assistant.

    Raises:
        ValueError: A special token is missing, or the tokenizer does not give texts back exactly.
    """

    def __init__(self, content: str):
        self.content = content
        self.fingerprint = hash_bytes(content.encode())
        self._backend = tokenizers.Tokenizer.from_str(content)
        self._backend.encode_special_tokens = True  # typed in a text they are text; the file cannot express it
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
        self._encoder = _encoder(self._backend, content)
        self._pieces, self.prefix = self._encoder.pieces, self._encoder.prefix
        self.vocab_size: int = len(self._pieces)
        self.token_bytes: np.ndarray = np.array([len(piece) for piece in self._pieces], dtype=np.int64)
        added = self._backend.get_added_tokens_decoder().items()
        self.special_tokens: dict[str, int] = {token.content: number for number, token in added if token.special}
        self._special = set(self.special_tokens.values())
        ends = self._special - {self.padding, *self.role_tokens.values()}  # ours and those of the file, such as </s>
        self.token_bytes[list(ends)] -= len(self.prefix)
        self._check_exact()

    def _check_exact(self) -> None:
        """Raise if a text is not given back as it is read, its bytes are miscounted, or it becomes a special token."""
        plain = self._encoder.added
        typed = [(name, text) for name in self.special_tokens for text in (name, f"{name} a{name}b{name}{name} {name}")]
        for token, text in (("", PROBE), *plain.items(), *typed):
            ids, read = self.encode(text), self.normalize(text).encode()
            counted = int(self.token_bytes[ids].sum()) - len(self.prefix)
            if self.decode_bytes(ids) == read and counted == len(read) and self._special.isdisjoint(ids):
                continue
            if token in plain:
                raise ValueError(
                    f"texts with the added token {token!r} are not given back exactly, so bytes cannot be counted: set "
                    '"special": true for it in added_tokens, which keeps it out of texts, or use another tokenizer'
                )
            if token:
                raise ValueError(
                    f"{token!r} typed in a text would become that special token, because the model has it as an entry "
                    "of its own: use another tokenizer, or train one"
                )
            raise ValueError(
                "this tokenizer does not give texts back exactly (it drops bytes, or adds a space, as add_prefix_space "
                "does), so bytes cannot be counted: use another, or train one"
            )

    @property
    def exact(self) -> bool:
        """Whether `normalize` is the identity."""
        return self._encoder.exact

    def normalize(self, text: str) -> str:
        """Return the text as the tokenizer reads it and decoding returns it."""
        return text if self.exact else self._encoder.read(text).removeprefix(self.prefix.decode())

    def lost_bytes(self, text: str) -> int:
        """Count the bytes of characters that decoding does not return."""
        read = self.normalize(text)
        lost = Counter(text) - Counter(read) if read != text else {}
        return sum(len(character.encode()) * count for character, count in lost.items())

    def encode(self, text: str) -> list[int]:
        """Encode `text`; never to special tokens: a typed `<|user|>` is eight ordinary characters."""
        try:
            return self._encoder.encode(text)
        except (TypeError, RuntimeError):
            refuse_unencodable([text])
            raise

    def split_special(self, text: str) -> list[str | int]:
        """Split the text of a template at names of special tokens, which become ids. Never use it for text of users."""
        pieces = self._names.split(text)
        return [self.special_tokens.get(piece, piece) for piece in pieces if piece]

    @cached_property
    def _names(self) -> re.Pattern[str]:
        longest_first = sorted(self.special_tokens, key=len, reverse=True)
        return re.compile(f"({'|'.join(map(re.escape, longest_first))})")

    @cached_property
    def own_special_tokens(self) -> dict[str, int]:
        """Special tokens, without ours where they were added to the file of another library that has its own.

        A chat_template of that library means text where it writes `<|user|>`, unless its tokenizer has such a token.
        """
        end = self.end_of_document  # the first of ours, so those that were added have no lower id
        unknown = json.loads(self.content)["model"].get("unk_token")
        earlier = {name: number for name, number in self.special_tokens.items() if number < end and name != unknown}
        if not earlier:
            return self.special_tokens
        added = {name for name in SPECIAL_TOKENS if self.special_tokens[name] >= end}
        return {name: number for name, number in self.special_tokens.items() if name not in added}

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Encode many texts (uint32 each) on all cores, large amounts with the fastest engine that gives these ids."""
        texts = list(texts)
        if not texts:
            return []
        try:
            return self._encoder.encode_batch(texts)
        except (TypeError, AttributeError, RuntimeError, UnicodeEncodeError):
            refuse_unencodable(texts)
            raise

    @property
    def engine(self) -> str:
        """Name of the library that encodes large amounts of text; the first time it is chosen."""
        return self._encoder.engine

    def decode(self, ids: Sequence[int]) -> str:
        """Decode to text; special tokens are skipped, bytes that form no whole character become �."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def decode_bytes(self, ids: Sequence[int], *, after: int | None = None) -> bytes:
        """Decode to the exact bytes of `ids`; special tokens have none, nor ids of a padded embedding.

        Args:
            ids: Tokens to decode.
            after: Token in front of `ids`; None if they start a text.
        """
        pieces = [self._pieces[token] if token < self.vocab_size else b"" for token in ids]
        if not self.prefix:
            return b"".join(pieces)
        parts, begins = [], after is None or after in self._special
        for token, piece in zip(ids, pieces, strict=True):
            parts.append(piece.removeprefix(self.prefix) if begins else piece)
            begins = token in self._special
        return b"".join(parts)

    def __reduce__(self):
        return Tokenizer, (self.content,)  # a pickled backend forgets encode_special_tokens

    def save(self, path: Path) -> None:
        """Write the tokenizer.json, which `tokenizers` and `transformers` can open."""
        write_atomically(Path(path), self.content)


def _encoder(backend: tokenizers.Tokenizer, content: str) -> Encoder | SentencePieceEncoder:
    """Return what encodes: sentencepiece where the file carries one of its models."""
    description = json.loads(content)
    if model := embedded(description):
        return SentencePieceEncoder(model, added=[*backend.get_added_tokens_decoder()])
    return Encoder(backend, content, byte_fallback=bool(description["model"].get("byte_fallback")))


def refuse_unencodable(texts: Sequence[str]) -> None:
    """Raise with the text that cannot be encoded and why; `tokenizers` names only a type."""
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"text {number} is {type(text).__name__}, not str") from None
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"text {number} has the lone surrogate {text[error.start]!r} at character {error.start}, half of a "
                "character, which has no bytes: replace it, for example by text.encode('utf-8', 'replace').decode()"
            ) from None
