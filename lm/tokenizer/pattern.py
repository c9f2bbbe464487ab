"""What happens to text before it is encoded: normalised if asked for, then split; no token crosses a cut."""

from collections.abc import Iterable

from tokenizers import Regex, pre_tokenizers
from tokenizers.normalizers import Normalizer

# The split of GPT-4 (cl100k): contractions, words with the one mark or space before them, up to three digits,
# punctuation with the line ends after it, line ends, white space but for its last character. Indentation
# stays whole and numbers do not swamp the vocabulary.
GPT4 = (
    r"'(?i:[sdmt]|ll|ve|re)"
    r"|[^\r\n\p{L}\p{N}]?+\p{L}+"
    r"|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]++[\r\n]*"
    r"|\s*[\r\n]"
    r"|\s+(?!\S)"
    r"|\s+"
)


def byte_level(pattern: str) -> pre_tokenizers.PreTokenizer:
    """Cut by `pattern`, then write bytes as visible characters."""
    try:
        regex = Regex(pattern)
    except Exception as error:  # `tokenizers` raises bare Exception
        raise ValueError(f"tokenizer.pattern {pattern!r} is not a regular expression: {error}") from None
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Split(regex, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )


def normalized(texts: Iterable[str], normalizer: Normalizer | None) -> Iterable[str]:
    """The texts as a tokenizer with this normaliser reads them."""
    return texts if normalizer is None else map(normalizer.normalize_str, texts)
