"""Encode with the library `tokenizers` alone, for vocabularies that do not give every text back: BERT, T5, RoBERTa."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tokenizers

from lm.tokenizer.byte_alphabet import BLANK, to_bytes

LOSSES = {  # what may be lost, and texts that show it
    "capitals": "A Bc",
    "accents": "café",
    "white space": " a  b\n\tc ",
    "compatibility characters": "ﬁ Ⅳ",
    "characters outside its vocabulary": "日\u0e01🙂\x00ж",
}


def is_carried(description: Mapping[str, Any]) -> bool:
    """Whether a parsed tokenizer.json may lose text by design: it has an unknown token, or adds a space to texts."""
    model = description["model"]
    if model.get("byte_fallback"):
        return False
    pre_tokenizer = _spelled(description["pre_tokenizer"])
    if "ByteLevel" in pre_tokenizer:
        return '"add_prefix_space": true' in pre_tokenizer
    return model.get("unk_token") is not None or model.get("unk_id") is not None


class CarriedEncoder:
    """Encode text with the ids of `tokenizers`; what is read is what decoding returns.

    Args:
        backend: The tokenizer.
        description: Its tokenizer.json, parsed.

    Attributes:
        pieces: Bytes of each id; special tokens, the unknown one included, have none.
        prefix: Bytes that stand before every text: a space, or nothing.
        added: Added tokens of plain text: none, since texts are not given back anyway.
    """

    exact = False
    engine = "tokenizers"

    def __init__(self, backend: tokenizers.Tokenizer, description: Mapping[str, Any]):
        self._backend = tokenizers.Tokenizer.from_str(json.dumps(_unnamed(description)))
        self._backend.encode_special_tokens = True
        self._backend.no_padding()
        self._backend.no_truncation()
        added = backend.get_added_tokens_decoder()
        vocabulary = backend.get_vocab(with_added_tokens=True)
        self.pieces = [b""] * (max(vocabulary.values()) + 1)
        write = _writer(description)
        for token, number in vocabulary.items():
            if number not in added:
                self.pieces[number] = write(token)
            elif not added[number].special:
                self.pieces[number] = token.encode()
        first = b"".join(self.pieces[number] for number in self.encode("x"))
        self.prefix = b" " if first.startswith(b" ") else b""
        self.added: Mapping[str, str] = {}

    def read(self, text: str) -> str:
        """Return the text as decoding returns it, after `prefix`."""
        pieces = [self.pieces[number] for number in self.encode(text)]
        if pieces and not pieces[0].startswith(self.prefix):
            pieces.insert(0, self.prefix)
        return b"".join(pieces).decode("utf-8", "replace")

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text."""
        return self._backend.encode(text, add_special_tokens=False).ids

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the ids of many texts, uint32 each."""
        encoded = self._backend.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(each.ids, dtype=np.uint32) for each in encoded]

    def source_bytes(self, text: str) -> np.ndarray:
        """Return how many bytes of a text each token stands for, from its offsets, int64 [T].

        Bytes that no token covers, such as blanks, belong to the token after them, and those at the end to the last.
        """
        ends = [end for _, end in self._backend.encode(text, add_special_tokens=False).offsets]
        if not ends:
            return np.zeros(0, dtype=np.int64)
        ends = np.maximum.accumulate([*ends[:-1], len(text)])
        sizes = np.cumsum([0, *(len(character.encode()) for character in text)])
        return np.diff(sizes[ends], prepend=0)

    def losses(self) -> list[str]:
        """Return what texts lose, in words."""
        return [what for what, text in LOSSES.items() if self.read(text).removeprefix(self.prefix.decode()) != text]


def _unnamed(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parsed tokenizer.json whose special tokens have names that nobody types: typed ones are text."""
    model = description["model"]
    unknown = model.get("unk_token")
    if unknown is None and model.get("unk_id") is not None:
        unknown = model["vocab"][model["unk_id"]][0]
    special = {token["content"] for token in description["added_tokens"] if token["special"]} - {unknown}
    name = {token: f"\U0010fffe{number}" for number, token in enumerate(sorted(special))}
    if isinstance(model["vocab"], Mapping):
        vocabulary: Any = {name.get(token, token): number for token, number in model["vocab"].items()}
    else:
        vocabulary = [[name.get(token, token), score] for token, score in model["vocab"]]
    added = [token | {"content": name.get(token["content"], token["content"])} for token in description["added_tokens"]]
    changed = {"model": model | {"vocab": vocabulary}, "added_tokens": added, "post_processor": None}
    return {**description, **changed}


def _writer(description: Mapping[str, Any]) -> Callable[[str], bytes]:
    """Return the function from an entry of the vocabulary to the bytes that it writes."""
    model, pre_tokenizer = description["model"], _spelled(description["pre_tokenizer"])
    within, ending = model.get("continuing_subword_prefix"), model.get("end_of_word_suffix")
    if "ByteLevel" in pre_tokenizer:
        return lambda token: to_bytes(token) or b""
    if model["type"] == "WordPiece" and within:
        return lambda token: (token.removeprefix(within) if token.startswith(within) else f" {token}").encode()
    if ending:
        return lambda token: (f"{token.removesuffix(ending)} " if token.endswith(ending) else token).encode()
    return lambda token: token.replace(BLANK, " ").encode()


def _spelled(pre_tokenizer: Mapping[str, Any] | None) -> str:
    return json.dumps(pre_tokenizer)
