"""Train WordPiece: merge the pair that raises the likelihood of the text most.

The trainer of `tokenizers` merges by frequency, as BPE does, and is not deterministic (huggingface/tokenizers#1794).
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from math import log

from tokenizers import decoders, models
from tokenizers.normalizers import Normalizer

from lm.bounds import Count, Natural
from lm.progress import bar
from lm.tokenizer.byte_alphabet import CHARACTER_OF
from lm.tokenizer.load import assemble
from lm.tokenizer.long_words import NO_LIMIT
from lm.tokenizer.merging import Neighbours
from lm.tokenizer.roles import SPECIAL_TOKENS
from lm.tokenizer.tokenizer import Tokenizer
from lm.tokenizer.words import GPT4, check_size, count_words, normalized, warn_if_short

Pair = tuple[str, str]
# Prefix of a piece within a word, like BERT's ##. It is not in the byte alphabet, so no text looks like it.
WITHIN = "‧"
UNUSED = "‧unknown‧"  # `tokenizers` requires an unknown token; with all bytes in the vocabulary it never occurs


def train_wordpiece(
    texts: Iterable[str],
    *,
    vocab_size: Count = 4096,
    pattern: str = GPT4,
    min_frequency: Natural = 2,
    max_words: Count = 500_000,
    normalizer: Normalizer | None = None,
) -> Tokenizer:
    """Train WordPiece: merge the pair that raises the likelihood of the text most, repeatedly.

    Schuster and Nakajima 2012. Under a unigram model the gain of log-likelihood is
    count(ab) × log(count(ab) × N / (count(a) × count(b))), with N the number of all symbols: the frequency of a pair,
    weighted by how much it exceeds chance. (Without the factor count(ab), as often described, rare bytes that only
    occur together fill the vocabulary: 1.06 bytes per token of Python source where this gives 3.45.) Over bytes no text
    is unknown. A word is encoded by the longest entry that matches, from the left.

    Args:
        texts: Texts to train on.
        vocab_size: Tokens in the vocabulary, including 6 special tokens and 513 for the single bytes at the start of a
            word and within.
        pattern: Regular expression that splits the text into words; no token crosses a split. Default: GPT-4's.
        min_frequency: Occurrences below which a pair is not merged.
        max_words: Distinct words to train on, the most frequent ones; bounds memory.
        normalizer: Normalizer applied before splitting and encoding; null reads every text as it is.

    Returns:
        The trained tokenizer.

    Raises:
        ValueError: `vocab_size` is below 519, `pattern` is not a regular expression, or there is no text.
    """
    letters = [CHARACTER_OF[byte] for byte in range(256)]
    alphabet = 2 * len(letters) + 1
    check_size(vocab_size, alphabet=alphabet, of="256 bytes at the start of a word and within", on_top="merges")
    words = count_words(normalized(texts, normalizer), pattern, max_words=max_words)
    entries = [UNUSED, *letters, *(WITHIN + letter for letter in letters)]
    entries += _merge(words, max_merges=vocab_size - len(SPECIAL_TOKENS) - alphabet, min_frequency=min_frequency)
    model = models.WordPiece(
        {entry: number for number, entry in enumerate(entries)},
        unk_token=UNUSED,
        continuing_subword_prefix=WITHIN,
        max_input_chars_per_word=NO_LIMIT,
    )
    decoder = decoders.Sequence([decoders.Replace(WITHIN, ""), decoders.ByteLevel()])
    trained = assemble(model, pattern=pattern, normalizer=normalizer, decoder=decoder, special=[UNUSED])
    return warn_if_short(trained, vocab_size=vocab_size, min_frequency=min_frequency, what="pairs")


def _merge(words: Counter[str], *, max_merges: int, min_frequency: int) -> Iterator[str]:
    """Yield at most `max_merges` merged symbols, in order."""
    pairs, symbols = _LikeliestPairs(words, min_frequency), set()
    with bar(max_merges, label="tokenizer", unit="merges") as progress:
        while len(symbols) < max_merges and (pair := pairs.best()):
            merged = pairs.merge(pair)
            if merged not in symbols:  # two pairs may give the same symbol
                symbols.add(merged)
                progress.update()
                yield merged


class _LikeliestPairs:
    """A heap of pairs by the likelihood that merging them gains."""

    def __init__(self, words: Counter[str], min_frequency: int):
        self.min_frequency = max(1, min_frequency)
        inner = {letter: WITHIN + letter for letter in CHARACTER_OF.values()}  # one object per letter, not per place
        self.text = Neighbours(
            ([word[0], *(inner[letter] for letter in word[1:])], count) for word, count in words.items()
        )
        self.total = sum(self.text.symbols.values())
        self.beside: dict[str, set[Pair]] = defaultdict(set)  # symbol → pairs that contain it
        self.heap: list[tuple[float, Pair]] = []
        self._push(self.text.pairs)

    def best(self) -> Pair | None:
        """Return the pair of highest gain, the first by name among equals; None if no pair is frequent enough."""
        while self.heap:
            score, pair = heapq.heappop(self.heap)
            if self.text.pairs[pair] < self.min_frequency or score != self._score(pair):
                continue
            if "".join(pair).replace(WITHIN, "") not in SPECIAL_TOKENS:  # typed in a text, they stay text
                return pair
        return None

    def merge(self, pair: Pair) -> str:
        """Replace the pair by one symbol everywhere and return the symbol."""
        left, right = pair
        merged = left + right.removeprefix(WITHIN)
        touched = set(self.text.merge(pair, merged))
        for symbol in (left, right, merged):  # their counts changed, and the gain of every pair with them
            touched |= self.beside[symbol]
        self._push(touched)
        return merged

    def _push(self, pairs: Iterable[Pair]) -> None:
        for pair in pairs:
            if self.text.pairs[pair] >= self.min_frequency:
                heapq.heappush(self.heap, (self._score(pair), pair))
                for symbol in pair:
                    self.beside[symbol].add(pair)

    def _score(self, pair: Pair) -> float:
        """Return the negative gain of log-likelihood, in nats: a heap pops the lowest first."""
        count = self.text.pairs[pair]
        return -count * log(count * self.total / (self.text.symbols[pair[0]] * self.text.symbols[pair[1]]))
