"""Train WordPiece: merge the neighbours by which the text becomes most likely.

The trainer of `tokenizers` merges by frequency, which is BPE under another name, and is not deterministic
(huggingface/tokenizers#1794); so this one is ours.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from math import log

from tokenizers import AddedToken, decoders, models
from tokenizers import Tokenizer as Backend
from tokenizers.normalizers import Normalizer

from lm.bounds import Count, Natural
from lm.progress import bar
from lm.tokenizer.byte_level import CHARACTER_OF
from lm.tokenizer.load import completed
from lm.tokenizer.merging import Neighbours
from lm.tokenizer.pattern import GPT4, byte_level, normalized
from lm.tokenizer.size import check_size, tell_if_short
from lm.tokenizer.special import SPECIAL_TOKENS
from lm.tokenizer.tokenizer import Tokenizer
from lm.tokenizer.words import count_words

Pair = tuple[str, str]
# Marks what stands within a word, as BERT's ##. It is no character of the byte alphabet, so no text looks like a mark.
WITHIN = "‧"
UNUSED = "‧unknown‧"  # the model of `tokenizers` must name one; with all bytes at hand, nothing is unknown


def train_wordpiece(
    texts: Iterable[str],
    *,
    vocab_size: Count = 4096,
    pattern: str = GPT4,
    min_frequency: Natural = 2,
    max_words: Count = 500_000,
    normalizer: Normalizer | None = None,
) -> Tokenizer:
    """Merge the pair that raises the likelihood of the text most, again and again (Schuster and Nakajima 2012).

    Under a unigram model that is count(ab) × log(count(ab) × N / (count(a) × count(b))), with N all symbols: how often
    a pair occurs, weighted by how much more often than chance. (Without the factor count(ab), as it is often told, rare
    bytes that only occur together fill the vocabulary: 1.06 bytes a token of Python source where this gives 3.45.) Over
    bytes, as BPE here, so nothing is unknown; in a word, the longest entry that fits is taken from the left. Memory
    grows with the distinct words, of which the `max_words` commonest are learned from.
    """
    letters = [CHARACTER_OF[byte] for byte in range(256)]
    alphabet = 2 * len(letters) + 1
    check_size(vocab_size, alphabet=alphabet, of="256 bytes at the start of a word and within", on_top="merges")
    words = count_words(normalized(texts, normalizer), pattern, most=max_words)
    entries = [UNUSED, *letters, *(WITHIN + letter for letter in letters)]
    entries += _merge(words, wanted=vocab_size - len(SPECIAL_TOKENS) - alphabet, min_frequency=min_frequency)
    backend = Backend(
        models.WordPiece(
            {entry: number for number, entry in enumerate(entries)},
            unk_token=UNUSED,
            continuing_subword_prefix=WITHIN,
            max_input_chars_per_word=1_000_000_000,
        )
    )
    backend.normalizer = normalizer
    backend.pre_tokenizer = byte_level(pattern)
    backend.add_special_tokens([AddedToken(UNUSED, special=True, normalized=False)])
    backend.decoder = decoders.Sequence([decoders.Replace(WITHIN, ""), decoders.ByteLevel()])
    trained = completed(backend.to_str(pretty=True))
    return tell_if_short(trained, vocab_size=vocab_size, min_frequency=min_frequency, what="pairs")


def _merge(words: Counter[str], *, wanted: int, min_frequency: int) -> Iterator[str]:
    """Up to that many merged symbols, in the order in which they are made."""
    pairs, made = _Likeliest(words, min_frequency), set()
    with bar(wanted, label="tokenizer", unit="merges") as shown:
        while len(made) < wanted and (pair := pairs.best()):
            merged = pairs.merge(pair)
            if merged not in made:  # two pairs may make the same symbol
                made.add(merged)
                shown.update()
                yield merged


class _Likeliest:
    """Pairs by what merging them gains, in a heap."""

    def __init__(self, words: Counter[str], min_frequency: int):
        self.least = max(1, min_frequency)
        inner = {letter: WITHIN + letter for letter in CHARACTER_OF.values()}  # one object each, not one a place
        self.text = Neighbours(
            ([word[0], *(inner[letter] for letter in word[1:])], count) for word, count in words.items()
        )
        self.total = sum(self.text.symbols.values())
        self.beside: dict[str, set[Pair]] = defaultdict(set)  # pairs that a symbol is part of
        self.heap: list[tuple[float, Pair]] = []
        self._push(self.text.pairs)

    def best(self) -> Pair | None:
        """The pair of highest score, the first by name among equals; None when none occurs often enough."""
        while self.heap:
            score, pair = heapq.heappop(self.heap)
            if self.text.pairs[pair] >= self.least and score == self._score(pair):
                return pair
        return None

    def merge(self, pair: Pair) -> str:
        """Make one symbol of a pair wherever it stands."""
        left, right = pair
        merged = left + right.removeprefix(WITHIN)
        touched = set(self.text.merge(pair, merged))
        for symbol in (left, right, merged):  # whose counts have changed, and with them every score beside
            touched |= self.beside[symbol]
        self._push(touched)
        return merged

    def _push(self, pairs: Iterable[Pair]) -> None:
        for pair in pairs:
            if self.text.pairs[pair] >= self.least:
                heapq.heappush(self.heap, (self._score(pair), pair))
                for symbol in pair:
                    self.beside[symbol].add(pair)

    def _score(self, pair: Pair) -> float:
        """Less what the likelihood gains (nats): a heap gives the lowest first."""
        count = self.text.pairs[pair]
        return -count * log(count * self.total / (self.text.symbols[pair[0]] * self.text.symbols[pair[1]]))
