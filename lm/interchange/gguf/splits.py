"""How llama.cpp splits text before byte-level BPE: the names of the splits of `tokenizers` that it has.

llama.cpp knows a split by name only (`tokenizer.ggml.pre`). A split stands in the table if every assigned character, in
a dozen contexts, and thousands of random texts gave the same ids there. The few texts that did not are named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LONG_S = "an apostrophe followed by ſ (U+017F)"
LAST_BLANKS = "the blanks after a line break that end a text"
CASED = "capitals beyond ASCII inside a word, and combining marks, as in Hindi"


@dataclass(frozen=True)
class Split:
    """A split of llama.cpp.

    Args:
        name: Value of `tokenizer.ggml.pre`.
        whole: Value for tokenizers that take a word whole if it is an entry (`ignore_merges`); None if there is none.
        differs: Texts that llama.cpp splits otherwise; "" if there are none.
        exact: Whether such texts are too rare to matter.
    """

    name: str | None
    whole: str | None = None
    differs: str = ""
    exact: bool = True


BEFORE = r"[^\r\n\p{L}\p{N}]?"
CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
MARKS = r" ?[^\s\p{L}\p{N}]+"
SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = rf"{CONTRACTIONS}|{BEFORE}\p{{L}}+|\p{{N}}{{1,3}}|{MARKS}[\r\n]*|{SPACES}"
QWEN2 = LLAMA3.replace("{1,3}", "")
QWEN35 = QWEN2.replace(r"\p{L}+", r"[\p{L}\p{M}]+").replace(r"[^\s\p{L}\p{N}]", r"[^\s\p{L}\p{M}\p{N}]")
LOWER_LAST = rf"{BEFORE}[\p{{Lu}}\p{{Lt}}\p{{Lm}}\p{{Lo}}\p{{M}}]*[\p{{Ll}}\p{{Lm}}\p{{Lo}}\p{{M}}]+"
UPPER_FIRST = rf"{BEFORE}[\p{{Lu}}\p{{Lt}}\p{{Lm}}\p{{Lo}}\p{{M}}]+[\p{{Ll}}\p{{Lm}}\p{{Lo}}\p{{M}}]*"
O200K = rf"{LOWER_LAST}{CONTRACTIONS}?|{UPPER_FIRST}{CONTRACTIONS}?|\p{{N}}{{1,3}}|{MARKS}[\r\n/]*|{SPACES}"
TEKKEN = rf"{LOWER_LAST}|{UPPER_FIRST}|\p{{N}}|{MARKS}[\r\n/]*|{SPACES}"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
GPT2_GROUPED = GPT2.replace("'s|'t|'re|'ve|'m|'ll|'d", "'(?:[sdmt]|ll|ve|re)")
GPT4 = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*"
    r"|\s*[\r\n]|\s+(?!\S)|\s+"
)
CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++\z|\s*[\r\n]|\s+(?!\S)|\s"
)
DIGIT = r"\p{N}"

SPLITS = {
    (GPT2,): Split("gpt-2"),
    (GPT2_GROUPED,): Split("gpt-2"),
    (DIGIT, GPT2): Split("smollm"),
    (GPT4,): Split("dbrx", "llama-bpe", LONG_S),
    (GPT4.replace("{1,3}", ""),): Split("qwen2", None, LONG_S),
    (LLAMA3,): Split("dbrx", "llama-bpe", LONG_S),
    (QWEN2,): Split("qwen2", None, LONG_S),
    (QWEN35,): Split("qwen35", None, LONG_S),
    (CL100K,): Split("dbrx", "llama-bpe", f"{LONG_S}, and {LAST_BLANKS}"),
    (O200K,): Split("gpt-4o", None, CASED, exact=False),
    (TEKKEN,): Split(None, "tekken", CASED, exact=False),
}


def split_of(pre_tokenizer: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    """Return the regular expressions by which a pre-tokenizer splits, one after another, before it writes bytes.

    Args:
        pre_tokenizer: The node of a tokenizer.json.

    Returns:
        The expressions, or None where it does anything else.
    """
    steps: Sequence[Mapping[str, Any]] = (pre_tokenizer or {}).get("pretokenizers", [pre_tokenizer])
    found: list[str] = []
    for step in steps:
        match step:
            case {"type": "Split", "pattern": {"Regex": str(pattern)}, "behavior": "Isolated", "invert": False}:
                found.append(pattern)
            case {"type": "Digits", "individual_digits": True}:
                found.append(DIGIT)
            case {"type": "ByteLevel", "add_prefix_space": False, **rest} if step is steps[-1]:
                found += [GPT2] if rest.get("use_regex", True) else []
            case _:
                return None
    return tuple(found)
