"""A tokenizer as GGUF holds it: tokens, their types, merges or scores, and a named split; or why it holds none.

llama.cpp has no tokenizer.json. It has byte-level BPE with the splits that it knows by name, and SentencePiece's BPE.
What would give other ids than `tokenizers` is refused, or named in a note where it is rare.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lm.interchange.gguf.byte_level import byte_level_fields
from lm.interchange.gguf.refusal import no_tokenizer
from lm.interchange.gguf.sentencepiece import sentencepiece_fields
from lm.tokenizer import Tokenizer
from lm.tokenizer.byte_alphabet import BYTE_FALLBACK
from lm.tokenizer.sentencepiece_encoder import embedded

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6  # tokenizer.ggml.token_type
ROLES = {"bos": "bos_token_id", "unk": "unknown_token_id", "pad": "padding_token_id"}
TYPED = ("<|channel|>", "<|message|>", "<|start|>", "<|constrain|>")  # of gpt-oss, which llama.cpp makes plain by name
ENDS = ("eos_token_id", "eot_token_id", "eom_token_id")  # each ends what llama.cpp generates


@dataclass(frozen=True)
class Vocabulary:
    """The `tokenizer.*` fields of a GGUF file.

    Args:
        fields: Key → value.
        notes: Texts to which llama.cpp gives other ids, one line each.
    """

    fields: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def vocabulary_of(
    tokenizer: Tokenizer, *, rows: int, ends: Sequence[int], opens: bool, template: str | None, inexact: bool = False
) -> Vocabulary:
    """Return the tokenizer as llama.cpp holds it.

    Args:
        tokenizer: The model's tokenizer.
        rows: Rows of the embedding, which may be more than the tokenizer has ids.
        ends: Ids that end what the model generates, at most three: that of a document first, then that of a turn.
        opens: Whether a prompt begins with the bos token. llama.cpp writes it before a chat, too, so it must not stand
            before one whose template begins otherwise.
        template: The chat template in Jinja; None for none.
        inexact: Accept a split that llama.cpp has only nearly.

    Raises:
        ValueError: llama.cpp has no such tokenizer.
    """
    file = json.loads(tokenizer.content)
    if embedded(file):
        raise no_tokenizer("a SentencePiece model with its own normalization")
    if (kind := file["model"]["type"]) != "BPE":
        raise no_tokenizer(f"the family {kind}, only BPE")
    if options := [name for name in ("continuing_subword_prefix", "end_of_word_suffix") if file["model"].get(name)]:
        raise no_tokenizer(f"BPE with model.{options[0]}")
    tokens, types = _tokens(file, rows, unknown=tokenizer.special_roles.get("unk"))
    if file["model"].get("byte_fallback"):
        own, notes = sentencepiece_fields(file, tokens), []
    else:
        own, notes = byte_level_fields(file, inexact=inexact)
    notes += [
        f"llama.cpp reads {name} typed in a text as that token" for name in TYPED if name in tokenizer.special_tokens
    ]
    own |= {"tokens": tokens, "token_type": types}
    own |= {ROLES[role]: number for role, number in tokenizer.special_roles.items() if role in ROLES}
    own |= dict(zip(ENDS, dict.fromkeys(ends), strict=False))
    own |= {"add_bos_token": opens, "add_eos_token": False}
    fields = {f"tokenizer.ggml.{name}": value for name, value in own.items()}
    return Vocabulary(fields | ({} if template is None else {"tokenizer.chat_template": template}), notes)


def _tokens(file: Mapping[str, Any], rows: int, *, unknown: int | None) -> tuple[list[str], list[int]]:
    """Return the text and the type of each id."""
    entries, added = file["model"]["vocab"], {token["id"]: token for token in file["added_tokens"]}
    tokens, types = [f"[PAD{number}]" for number in range(rows)], [UNUSED] * rows
    for token, number in entries.items():
        is_byte = file["model"].get("byte_fallback") and BYTE_FALLBACK.fullmatch(token)
        tokens[number], types[number] = token, BYTE if is_byte else NORMAL
    for number, token in added.items():
        tokens[number], types[number] = token["content"], CONTROL if token["special"] else USER_DEFINED
    if unknown is not None:
        types[unknown] = UNKNOWN
    seen: dict[str, int] = {}
    for number, token in enumerate(tokens):
        if seen.setdefault(token, number) != number:
            raise no_tokenizer(f"two ids, {seen[token]} and {number}, of one text {token!r}")
    _check_added([token for token in added.values() if not token["special"]])
    return tokens, types


def _check_added(added: Sequence[Mapping[str, Any]]) -> None:
    """Refuse added tokens of plain text that llama.cpp would match otherwise: it takes the longest of a text first."""
    for token in added:
        if options := [name for name in ("single_word", "lstrip", "rstrip") if token.get(name)]:
            raise no_tokenizer(f"the added token {token['content']!r} that is {options[0]}")
    texts = sorted((token["content"] for token in added), key=len, reverse=True)
    begins: dict[str, list[str]] = {}
    for text in texts:
        for end in range(1, len(text)):
            begins.setdefault(text[:end], []).append(text)
    for left in texts:
        for place in range(len(left)):
            for right in begins.get(left[place:], []):
                both = left[:place] + right
                if _found(both, texts, min) != _found(both, texts, _longest):
                    raise no_tokenizer(f"the added tokens {left!r} and {right!r}, which overlap")


def _found(text: str, texts: Sequence[str], choose: Callable[[list[tuple[int, int]]], tuple[int, int]]) -> list[str]:
    """Return the added tokens in a text if those that `choose` picks from (place, number) are taken first."""
    places = [(text.find(each), number) for number, each in enumerate(texts) if each in text]
    if not places:
        return []
    place, number = choose(places)
    before, after = text[:place], text[place + len(texts[number]) :]
    return [*_found(before, texts, choose), texts[number], *_found(after, texts, choose)]


def _longest(places: list[tuple[int, int]]) -> tuple[int, int]:
    """The longest has the lowest number."""
    return min(places, key=lambda place: place[1])
