"""Byte-level vocabularies: merged by frequency, or the bare bytes."""

import heapq
from collections import Counter
from collections.abc import Iterable

from tokenizers import AddedToken, decoders, models
from tokenizers import Tokenizer as Backend
from tokenizers.normalizers import Normalizer

from lm.bounds import Count, Natural
from lm.progress import bar
from lm.tokenizer.byte_level import BYTE_OF, CHARACTER_OF
from lm.tokenizer.load import completed
from lm.tokenizer.merging import Neighbours
from lm.tokenizer.pattern import GPT4, byte_level, normalized
from lm.tokenizer.size import check_size, tell_if_short
from lm.tokenizer.special import SPECIAL_TOKENS
from lm.tokenizer.tokenizer import Tokenizer
from lm.tokenizer.words import count_words


def train_bpe(
    texts: Iterable[str],
    *,
    vocab_size: Count = 4096,
    pattern: str = GPT4,
    min_frequency: Natural = 2,
    max_words: Count = 500_000,
    normalizer: Normalizer | None = None,
) -> Tokenizer:
    """Merge the commonest pair of neighbours, again and again (Sennrich et al. 2016), over bytes: nothing is
    unknown.

    `pattern` cuts the text into pieces that no token may cross. Special tokens and single bytes count into
    `vocab_size`. The result is that of the trainer of `tokenizers`, to the letter; but that one's memory grows with the
    distinct words without end, and here the `max_words` commonest are learned from. The same texts in the same order
    give the same file. A corpus too small or too plain for `vocab_size` gives a smaller vocabulary; see `vocab_size` of
    the result.
    """
    alphabet = sorted(BYTE_OF)
    check_size(vocab_size, alphabet=len(alphabet), of="256 bytes", on_top="merges")
    words = count_words(normalized(texts, normalizer), pattern, most=max_words)
    entries = [*SPECIAL_TOKENS, *alphabet]
    merges = _merge(words, entries, vocab_size=vocab_size, least=max(1, min_frequency))
    backend = Backend(models.BPE({entry: number for number, entry in enumerate(entries)}, merges))
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    backend.normalizer = normalizer
    backend.pre_tokenizer = byte_level(pattern)
    backend.decoder = decoders.ByteLevel()
    trained = Tokenizer(backend.to_str(pretty=True))
    return tell_if_short(trained, vocab_size=vocab_size, min_frequency=min_frequency, what="pairs")


def _merge(words: Counter[str], entries: list[str], *, vocab_size: int, least: int) -> list[tuple[str, str]]:
    """The merges in their order; what they make is added to `entries`. Of equally common pairs, lower ids go first."""
    ids = {entry: number for number, entry in enumerate(entries)}
    text = Neighbours(([ids[letter] for letter in word], count) for word, count in words.items())
    heap = [(-count, pair) for pair, count in text.pairs.items() if count >= least]
    heapq.heapify(heap)
    merges = []
    with bar(vocab_size - len(entries), label="tokenizer", unit="merges") as shown:
        while heap and len(entries) < vocab_size:
            count, pair = heapq.heappop(heap)
            now = text.pairs[pair]
            if now != -count:  # some of them went into other merges
                if now >= least:
                    heapq.heappush(heap, (-now, pair))
                continue
            left, right = (entries[number] for number in pair)
            merges.append((left, right))
            merged = left + right
            if merged not in ids:  # two pairs may make the same
                ids[merged] = len(entries)
                entries.append(merged)
                shown.update()
            for grown, change in text.merge(pair, ids[merged]).items():
                if change > 0 and text.pairs[grown] >= least:
                    heapq.heappush(heap, (-text.pairs[grown], grown))
    return merges


def byte_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Every byte a token, by its value (ByT5, Xue et al. 2022); there is nothing to learn from the texts."""
    backend = Backend(models.BPE({CHARACTER_OF[byte]: byte for byte in range(256)}, []))
    backend.pre_tokenizer = byte_level(GPT4)  # what is cut does not matter here; short pieces are quick
    backend.decoder = decoders.ByteLevel()
    return completed(backend.to_str(pretty=True))
