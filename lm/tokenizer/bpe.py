"""Train byte-level BPE, or use the bare bytes as a vocabulary."""

import heapq
from collections import Counter
from collections.abc import Iterable

from tokenizers import models
from tokenizers.normalizers import Normalizer

from lm.bounds import Count, Natural
from lm.progress import bar
from lm.tokenizer.byte_alphabet import BYTE_OF, CHARACTER_OF
from lm.tokenizer.load import assemble
from lm.tokenizer.merging import Neighbours
from lm.tokenizer.roles import SPECIAL_TOKENS
from lm.tokenizer.tokenizer import Tokenizer
from lm.tokenizer.words import GPT4, check_size, count_words, normalized, warn_if_short


def train_bpe(
    texts: Iterable[str],
    *,
    vocab_size: Count = 4096,
    pattern: str = GPT4,
    min_frequency: Natural = 2,
    max_words: Count = 500_000,
    normalizer: Normalizer | None = None,
) -> Tokenizer:
    """Train byte-level BPE: merge the most frequent pair of neighbours repeatedly (Sennrich et al. 2016).

    Over bytes no text is unknown. The result equals that of the trainer of `tokenizers`, to the letter, but memory is
    bounded by `max_words` instead of growing with the distinct words. The same texts in the same order give the same
    file. A small or uniform corpus may give a smaller vocabulary; see `vocab_size` of the result.

    Args:
        texts: Texts to train on.
        vocab_size: Tokens in the vocabulary, including 6 special tokens and 256 single bytes. Code and small models:
            4096 to 8192; 100 M parameters and more: 32768 and up.
        pattern: Regular expression that splits the text into words; no token crosses a split. Default: GPT-4's.
        min_frequency: Occurrences below which a pair is not merged.
        max_words: Distinct words to train on, the most frequent ones; bounds memory.
        normalizer: Normalizer applied before splitting and encoding; null reads every text as it is.

    Returns:
        The trained tokenizer.

    Raises:
        ValueError: `vocab_size` is below 262, `pattern` is not a regular expression, or there is no text.
    """
    alphabet = sorted(BYTE_OF)
    check_size(vocab_size, alphabet=len(alphabet), of="256 bytes", on_top="merges")
    words = count_words(normalized(texts, normalizer), pattern, max_words=max_words)
    entries = [*SPECIAL_TOKENS, *alphabet]
    merges = _merge(words, entries, vocab_size=vocab_size, min_frequency=max(1, min_frequency))
    model = models.BPE({entry: number for number, entry in enumerate(entries)}, merges)
    trained = assemble(model, pattern=pattern, normalizer=normalizer, special=SPECIAL_TOKENS)
    return warn_if_short(trained, vocab_size=vocab_size, min_frequency=min_frequency, what="pairs")


def _merge(words: Counter[str], entries: list[str], *, vocab_size: int, min_frequency: int) -> list[tuple[str, str]]:
    """Return the merges in order and append their results to `entries`. Ties are broken by the lower ids."""
    ids = {entry: number for number, entry in enumerate(entries)}
    text = Neighbours(([ids[letter] for letter in word], count) for word, count in words.items())
    heap = [(-count, pair) for pair, count in text.pairs.items() if count >= min_frequency]
    heapq.heapify(heap)
    merges = []
    with bar(vocab_size - len(entries), label="tokenizer", unit="merges") as progress:
        while heap and len(entries) < vocab_size:
            count, pair = heapq.heappop(heap)
            now = text.pairs[pair]
            if now != -count:  # other merges have consumed some occurrences
                if now >= min_frequency:
                    heapq.heappush(heap, (-now, pair))
                continue
            left, right = (entries[number] for number in pair)
            merged = left + right
            if merged in SPECIAL_TOKENS:  # typed in a text, it stays text
                continue
            merges.append((left, right))
            if merged not in ids:  # two pairs may give the same entry
                ids[merged] = len(entries)
                entries.append(merged)
                progress.update()
            for grown, change in text.merge(pair, ids[merged]).items():
                if change > 0 and text.pairs[grown] >= min_frequency:
                    heapq.heappush(heap, (-text.pairs[grown], grown))
    return merges


def byte_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Use every byte as a token, with its value as id (ByT5, Xue et al. 2022); nothing is trained.

    Args:
        texts: Ignored; every trainer takes texts.

    Returns:
        The tokenizer, of 256 bytes and the special tokens.
    """
    model = models.BPE({CHARACTER_OF[byte]: byte for byte in range(256)}, [])
    return assemble(model, pattern=GPT4)  # the split does not matter here; short pieces are fast
