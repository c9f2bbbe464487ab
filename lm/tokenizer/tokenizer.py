"""Tokenizer: text to ids and back without loss, with exact byte counts."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers

from lm.files import hash_bytes, write_atomically
from lm.tokenizer.carried import CarriedEncoder, is_carried
from lm.tokenizer.encoder import Encoder
from lm.tokenizer.exactness import check_exact
from lm.tokenizer.reading import Reader, without_first_prefix
from lm.tokenizer.roles import END_OF_DOCUMENT, END_OF_TURN, OWN, ROLES, SPECIAL_TOKENS, roles_of
from lm.tokenizer.sentencepiece_encoder import SentencePieceEncoder, embedded


class Tokenizer:
    """A vocabulary that can write any text, with special tokens, over a `tokenizers.Tokenizer`.

    The special tokens are ours, or by their roles those of a published model.

    Decoding returns, byte for byte, `normalize(text)`: the text itself unless a normalizer is set. `content` is stored
    to the letter, so that saved files and fingerprints do not depend on the version of `tokenizers`.

    Args:
        content: The tokenizer.json.

    Attributes:
        vocab_size: Number of ids, including special tokens, unused ids, and those of a published model's embedding
            that no text has.
        fingerprint: Hash of `content`.
        prefix: Bytes that SentencePiece puts before every text and removes again: a space, or nothing.
        prefix_within: Those that stand before a text after a special token within a conversation: `prefix`, or nothing
            where a published model has it at the very beginning only.
        swallows: Special token of a published model → whether it swallows the blanks before and after it in a chat
            template; those that swallow none are left out.
        token_bytes: Bytes of each id, int64 [V]. Tokens that end a text count the prefix negatively, so that the sum
            over a text and its end is the number of its bytes.
        token_bytes_within: The same for texts after a special token within a conversation.
        beginning: Id that stands before a text. Ours have one id for both: a document begins where another ends.
        opening: Ids that a prompt begins with: `beginning`, or none, as some models are prompted with text alone.
        end_of_document: Id that ends a text.
        ends: Ids that end what a model generates, `end_of_document` first.
        padding: Id that fills rows.
        special_roles: bos, eos, pad, unk → id, as other programs name these roles.
        special_tokens: Name → id of every special token.
        end_of_turn: Id of `<|end_of_turn|>`; None in a published vocabulary without turn tokens.
        role_tokens: Role → id: system, user, assistant; empty in a published vocabulary without turn tokens.

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
        description = json.loads(content)
        self.roles = roles_of(description) or OWN
        self._set_roles()
        self._within = without_first_prefix(description) if self.is_published else None
        listed = self._backend.get_added_tokens_decoder().values() if self.is_published else ()
        self.swallows: dict[str, tuple[bool, bool]] = {
            token.content: (token.lstrip, token.rstrip)
            for token in listed
            if token.special and (token.lstrip or token.rstrip)
        }
        try:
            self._read_with(_encoder(self._backend, content, description))
        except ValueError:
            if not is_carried(description):
                raise
            self._read_with(CarriedEncoder(self._backend, description))

    def _read_with(self, encoder: Encoder | SentencePieceEncoder | CarriedEncoder) -> None:
        """Encode with `encoder`, and check that it does so exactly."""
        self._encoder, self.prefix = encoder, encoder.prefix
        self._pieces = [*encoder.pieces, *[b""] * (self.roles.vocab_size - len(encoder.pieces))]
        self.vocab_size: int = len(self._pieces)
        self.token_bytes: np.ndarray = np.array([len(piece) for piece in self._pieces], dtype=np.int64)
        added = self._backend.get_added_tokens_decoder().items()
        self.special_tokens: dict[str, int] = {token.content: number for number, token in added if token.special}
        self._special = set(self.special_tokens.values())
        within = {self.special_roles.get("unk")} if self.lossy else set()
        self._breaks = self._special - within  # special tokens after which a text begins
        self.prefix_within = self.prefix
        if self._within is not None:
            self._breaks, self.prefix_within = {self.beginning, *self.ends}, b""
        never = {self.beginning, self.padding} - {*self.ends}
        ends = self._breaks - {*never, *self.role_tokens.values()}  # ours and those of the file, such as </s>
        self.token_bytes_within = self.token_bytes.copy()
        self.token_bytes[list(ends)] -= len(self.prefix)
        self.token_bytes_within[list(ends)] -= len(self.prefix_within)
        if not self.lossy:
            check_exact(self, plain=encoder.added)

    @property
    def lossy(self) -> bool:
        """Whether texts are not given back by design, as by BERT's: good for reading and evaluation, not for training.

        A normalizer loses text too, but what it returns is encoded exactly.
        """
        return isinstance(self._encoder, CarriedEncoder)

    @property
    def losses(self) -> list[str]:
        """What texts lose, in words; empty if they are given back as they are read."""
        return self._encoder.losses() if isinstance(self._encoder, CarriedEncoder) else []

    def check_lossless(self, purpose: str) -> None:
        """Refuse a tokenizer that does not give texts back, for a job that needs it.

        Args:
            purpose: What the job does, which begins the error.

        Raises:
            ValueError: With what is lost.
        """
        if self.lossy:
            raise ValueError(
                f"{purpose} needs a tokenizer that gives texts back, and this one loses {', '.join(self.losses)}: use "
                "a byte-level or SentencePiece BPE, or train one (lm tokenizer)"
            )

    def counted(self, text: str) -> tuple[str, np.ndarray]:
        """Return the text whose bytes are counted, and the bytes of it that each token stands for, int64 [T].

        It is the text as it is read, or for a lossy tokenizer the source itself.
        """
        if isinstance(self._encoder, CarriedEncoder):
            return text, self._encoder.source_bytes(text)
        sizes = self.token_bytes[self.encode(text)]
        sizes[:1] -= len(self.prefix)
        return self.normalize(text), sizes

    def _set_roles(self) -> None:
        """Find the ids of the special tokens by their roles."""
        number, roles = self._backend.token_to_id, self.roles
        missing = [token for token in (SPECIAL_TOKENS if roles is OWN else roles.names) if number(token) is None]
        if missing:
            raise ValueError(
                f"this tokenizer has no {', '.join(missing)}: open it with load_tokenizer, which adds them"
            )
        self.beginning: int = number(roles.beginning)
        self.opening: tuple[int, ...] = (self.beginning,) if roles.opens else ()
        self.ends: tuple[int, ...] = tuple(number(token) for token in roles.ends)
        self.end_of_document: int = self.ends[0]
        self.padding: int = number(roles.padding)
        named = {"bos": roles.beginning, "eos": roles.ends[0], "pad": roles.padding, "unk": roles.unknown}
        self.special_roles: dict[str, int] = {role: number(token) for role, token in named.items() if token}
        self.end_of_turn: int | None = number(END_OF_TURN)
        found = {role: number(token) for role, token in ROLES.items()}
        self.role_tokens: dict[str, int] = {role: token for role, token in found.items() if token is not None}

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

    def encode_within(self, text: str) -> list[int]:
        """Encode a text that follows a special token of a conversation, as the library does there."""
        if self._within is None:
            return self.encode(text)
        return self._within.encode(text, add_special_tokens=False).ids

    def normalize_within(self, text: str) -> str:
        """Return a text that follows a special token of a conversation as `encode_within` reads it."""
        return self.normalize(text) if self._within is None else Reader(self._within, blanks=True)(text)

    @property
    def is_published(self) -> bool:
        """Whether the special tokens are those of a published model."""
        return self.roles is not OWN

    def split_special(self, text: str) -> list[str | int]:
        """Split the text of a template at names of special tokens, which become ids. Never use it for text of users."""
        pieces = self._names.split(text)
        return [self.special_tokens.get(piece, piece) for piece in pieces if piece]

    def in_its_words(self, text: str) -> str:
        """Return the text of a template with our special tokens as a published vocabulary has them.

        A document begins with its bos; a turn ends with its eos where it has no turn tokens.

        Raises:
            ValueError: The vocabulary has no token that opens a turn.
        """
        if not self.is_published:
            return text
        instead = {END_OF_DOCUMENT: self.roles.beginning, END_OF_TURN: self.roles.ends[0]}
        for token in SPECIAL_TOKENS:
            if token in self.special_tokens or token not in text:
                continue
            if token not in instead:
                raise ValueError(
                    f"this model's vocabulary has no {token}, which the template writes: tune the model first, as lm "
                    "instruct adds it (tokenizer.turn_tokens=true), or name a template without it, such as alpaca"
                )
            text = text.replace(token, instead[token])
        return text

    @cached_property
    def _names(self) -> re.Pattern[str]:
        longest_first = sorted(self.special_tokens, key=len, reverse=True)
        return re.compile(f"({'|'.join(map(re.escape, longest_first))})")

    @cached_property
    def own_special_tokens(self) -> dict[str, int]:
        """Special tokens, without ours where they were added to the file of another library that has its own.

        A chat_template of that library means text where it writes `<|user|>`, unless its tokenizer has such a token.
        """
        if self.is_published:
            return {name: number for name, number in self.special_tokens.items() if name not in self.roles.added}
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
        parts, begins = [], after is None or after in self._breaks
        for token, piece in zip(ids, pieces, strict=True):
            parts.append(piece.removeprefix(self.prefix) if begins else piece)
            begins = token in self._breaks
        return b"".join(parts)

    def __reduce__(self):
        return Tokenizer, (self.content,)  # a pickled backend forgets encode_special_tokens

    def save(self, path: Path) -> None:
        """Write the tokenizer.json, which `tokenizers` and `transformers` can open."""
        write_atomically(Path(path), self.content)


def _encoder(
    backend: tokenizers.Tokenizer, content: str, description: Mapping[str, Any]
) -> Encoder | SentencePieceEncoder:
    """Return what encodes: sentencepiece where the file carries one of its models."""
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
