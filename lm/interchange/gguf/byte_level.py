"""Byte-level BPE as GGUF holds it: merges, and a split that llama.cpp knows by name."""

from collections.abc import Mapping
from typing import Any

from lm.interchange.gguf.refusal import REMEDY, no_tokenizer
from lm.interchange.gguf.splits import SPLITS, split_of

NO_MERGES = ["aa aa"]  # llama.cpp wants merges; this one never applies, as no symbol is `aa` before the first merge


def byte_level_fields(file: Mapping[str, Any], *, inexact: bool) -> tuple[dict[str, Any], list[str]]:
    """Return the fields of a byte-level BPE, and what llama.cpp does otherwise.

    Args:
        file: A tokenizer.json.
        inexact: Accept a split that llama.cpp has only nearly.

    Raises:
        ValueError: llama.cpp has no such normalizer or split.
    """
    notes = []
    normalizer = file["normalizer"] or {"normalizers": []}
    steps = normalizer.get("normalizers", [normalizer])
    if others := [step["type"] for step in steps if step["type"] != "NFC"]:
        raise no_tokenizer(f"the normalizer {others[0]}")
    if steps:
        notes.append("llama.cpp does not normalize: texts that are not in Unicode's form NFC get other ids there")
    patterns, whole = split_of(file["pre_tokenizer"]), bool(file["model"].get("ignore_merges"))
    split = SPLITS.get(patterns) if patterns else None
    name = split and (split.whole if whole else split.name)
    if not split or not name:
        named = "|".join(patterns) if patterns else (file["pre_tokenizer"] or {}).get("type", "none")
        also = " that takes entries whole (ignore_merges)" if whole and split else ""
        raise no_tokenizer(f"the split '{named}'{also}", remedy=f"{REMEDY} and the pattern gpt4, gpt2 or digits")
    if not split.exact and not inexact:
        raise ValueError(
            f"format=gguf: llama.cpp splits otherwise than this tokenizer {split.differs}: set format.inexact=true to "
            "accept that, or export it with format=huggingface"
        )
    if split.differs:
        notes.append(f"llama.cpp splits {split.differs} otherwise: such texts get other ids there")
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in file["model"]["merges"]]
    return {"model": "gpt2", "pre": name, "merges": merges or NO_MERGES}, notes
