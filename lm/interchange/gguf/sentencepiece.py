"""SentencePiece's BPE as GGUF holds it: scores, since llama.cpp merges the neighbours of the highest score."""

from collections.abc import Mapping, Sequence
from typing import Any

from lm.interchange.gguf.refusal import no_tokenizer
from lm.tokenizer.byte_alphabet import BLANK, BYTE_FALLBACK

BLANKS = {"type": "Replace", "pattern": {"String": " "}, "content": BLANK}
PREFIX = {"type": "Prepend", "prepend": BLANK}
NORMALIZERS = {False: [BLANKS], True: [PREFIX, BLANKS]}  # whether a blank is put before a text


def sentencepiece_fields(file: Mapping[str, Any], tokens: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a BPE whose entries are characters, with bytes for what it lacks.

    Args:
        file: A tokenizer.json.
        tokens: The text of each id.

    Raises:
        ValueError: llama.cpp reads texts otherwise, or merges otherwise.
    """
    prefix = _prefix(file)
    if prefix is None:
        raise no_tokenizer("pieces in characters, unless a blank before the text is all that changes it")
    ranks = _ranks(file)
    scores = [-float(ranks.get(token, len(ranks))) for token in tokens]
    return {"model": "llama", "pre": "default", "add_space_prefix": prefix, "scores": scores}


def _prefix(file: Mapping[str, Any]) -> bool | None:
    """Return whether a blank is put before a text; None if the text is changed in any other way."""
    normalizer, split = file["normalizer"] or {"normalizers": []}, file["pre_tokenizer"]
    steps = normalizer.get("normalizers", [normalizer])
    if split is None or (split["type"] == "Split" and split["pattern"] == {"String": " "}):  # never found: it is ▁ then
        return next((prefix for prefix, wanted in NORMALIZERS.items() if steps == wanted), None)
    across = any(BLANK in piece[1:] for piece in file["model"]["vocab"])  # a piece that such a split would cut
    if steps or split["type"] != "Metaspace" or split["replacement"] != BLANK or (split.get("split", True) and across):
        return None
    return split["prepend_scheme"] != "never"


def _ranks(file: Mapping[str, Any]) -> dict[str, int]:
    """Return the order of the pieces that merges make.

    Raises:
        ValueError: Merging by the score of the result, as llama.cpp does, would merge otherwise.
    """
    pairs = [tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in file["model"]["merges"]]
    ranks: dict[str, int] = {}
    last = ""
    for pair in pairs:
        made = "".join(pair)
        if made in ranks and made != last:
            raise no_tokenizer(f"merges that make {made!r} early and late")
        ranks.setdefault(made, len(ranks))
        last = made
    known, added = set(pairs), {token["content"]: token["special"] for token in file["added_tokens"]}
    found_first = {piece for piece, special in added.items() if not special}  # before anything is merged
    for piece in {**file["model"]["vocab"], **added}.keys() - found_first:
        for place in range(1, 0 if BYTE_FALLBACK.fullmatch(piece) else len(piece)):
            parts = (piece[:place], piece[place:])
            if parts not in known and all(len(part) == 1 or part in ranks for part in parts):
                raise no_tokenizer(f"the entry {piece!r}, which {parts[0]!r} and {parts[1]!r} spell but no merge makes")
    return ranks
