"""Train a vocabulary of characters."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tokenizers import models
from tokenizers.normalizers import Normalizer

from lm.bounds import Count, Natural
from lm.tokenizer.byte_alphabet import CHARACTER_OF, to_text
from lm.tokenizer.load import assemble
from lm.tokenizer.roles import SPECIAL_TOKENS
from lm.tokenizer.tokenizer import Tokenizer, refuse_unencodable
from lm.tokenizer.words import NO_TEXT, check_size, normalized, warn_if_short


def train_characters(
    texts: Iterable[str],
    *,
    vocab_size: Count = 1024,
    min_frequency: Natural = 2,
    normalizer: Normalizer | None = None,
) -> Tokenizer:
    """Use every frequent character as a token; rare characters are written in bytes, so no text is unknown.

    Between bytes and words: the model sees every spelling, at four to five times the tokens of BPE.

    Args:
        texts: Texts whose characters are counted.
        vocab_size: Tokens in the vocabulary, including 6 special tokens and 256 single bytes.
        min_frequency: Occurrences below which a character is not a token.
        normalizer: Normalizer applied before counting and encoding; null reads every text as it is.

    Returns:
        The tokenizer, most frequent characters first.

    Raises:
        ValueError: `vocab_size` is below 262, or there is no text.
    """
    check_size(vocab_size, alphabet=256, of="256 bytes", on_top="characters")
    counts: Counter[str] = Counter()
    for text in normalized(texts, normalizer):
        counts.update(text)
    if not counts:
        raise ValueError(NO_TEXT)
    refuse_unencodable(counts)
    frequent = [character for character, count in counts.items() if count >= min_frequency and not character.isascii()]
    room = vocab_size - len(SPECIAL_TOKENS) - 256
    selected = sorted(frequent, key=lambda character: (-counts[character], character))[:room]
    entries = [*(CHARACTER_OF[byte] for byte in range(256)), *(to_text(character.encode()) for character in selected)]
    vocabulary = {entry: number for number, entry in enumerate(entries)}
    # A piece that is an entry is taken whole; any other stays in single bytes, as there are no merges.
    model = models.BPE(vocabulary, [], ignore_merges=True)
    trained = assemble(model, pattern=r"[\s\S]", normalizer=normalizer)
    return warn_if_short(trained, vocab_size=vocab_size, min_frequency=min_frequency, what="characters")


def characters_of_file(path: str) -> Tokenizer:
    """Use every character of a text file as a token, with no `lm tokenizer` before: a loss is then per character.

    Characters below 128 are bytes, so the vocabulary is 6 special tokens, 256 bytes and the other characters.

    Args:
        path: A text file in UTF-8; that of `data.path` in experiment=shakespeare.

    Returns:
        The tokenizer.

    Raises:
        ValueError: There is no such file, or it is not text in UTF-8.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"data.path: {path} cannot be read ({error.strerror}): give a text file") from None
    except UnicodeDecodeError as error:
        raise ValueError(
            f"data.path: {path} is not text in UTF-8 (byte {error.start}): unpack it, or convert it with iconv"
        ) from None
    others = {character for character in text if not character.isascii()}
    return train_characters([text], vocab_size=len(SPECIAL_TOKENS) + 256 + len(others), min_frequency=1)
