"""Train Unigram: start with many pieces, remove those that the likelihood needs least.

The trainer of `tokenizers` gives scores that differ from run to run, by the order of a hash.
"""

from collections.abc import Iterable, Iterator
from math import ceil

import numpy as np
from tokenizers import models
from tokenizers.normalizers import Normalizer

from lm.bounds import BelowOne, Count, Natural
from lm.progress import bar
from lm.tokenizer.byte_alphabet import to_bytes, to_text
from lm.tokenizer.lattice import Lattice
from lm.tokenizer.load import assemble
from lm.tokenizer.roles import SPECIAL_TOKENS
from lm.tokenizer.tokenizer import Tokenizer
from lm.tokenizer.words import GPT4, check_size, count_words, normalized, warn_if_short

SPARE = 1.1  # pieces before the last pruning, which goes by their scores, relative to the final number
ROUNDS = 2  # of expectation maximization before each pruning
RARE = 0.5  # expected count below which a piece is removed


def train_unigram(
    texts: Iterable[str],
    *,
    vocab_size: Count = 4096,
    pattern: str = GPT4,
    min_frequency: Natural = 2,
    max_words: Count = 500_000,
    max_piece: Count = 16,
    seed_size: Count = 100_000,
    shrink: BelowOne = 0.75,
    normalizer: Normalizer | None = None,
) -> Tokenizer:
    """Train Unigram: keep the pieces that the likelihood of the text needs most (Kudo 2018, arXiv:1804.10959).

    The substrings of words with the highest count × length are fitted to the text by expectation maximization over all
    segmentations. The pieces that the likelihood needs least are pruned, and so on until `vocab_size` are left. A text
    is encoded by its likeliest segmentation. Over bytes no text is unknown.

    Args:
        texts: Texts to train on.
        vocab_size: Tokens in the vocabulary, including 6 special tokens and 256 single bytes.
        pattern: Regular expression that splits the text into words; no token crosses a split. Default: GPT-4's.
        min_frequency: Occurrences below which a substring is not a seed.
        max_words: Distinct words to train on, the most frequent ones; bounds memory.
        max_piece: Bytes of the longest piece.
        seed_size: Pieces to start with; raised to 1.1 × `vocab_size` if that is more.
        shrink: Share of the pieces that each pruning keeps; SentencePiece's default is 0.75.
        normalizer: Normalizer applied before splitting and encoding; null reads every text as it is.

    Returns:
        The trained tokenizer.

    Raises:
        ValueError: `vocab_size` is below 262, `pattern` is not a regular expression, or there is no text.
    """
    check_size(vocab_size, alphabet=256, of="256 bytes", on_top="pieces")
    words = count_words(normalized(texts, normalizer), pattern, max_words=max_words)
    target = vocab_size - len(SPECIAL_TOKENS)
    pieces, scores = _fit(
        sorted((to_bytes(word), count) for word, count in words.items()),
        target=target,
        seed_size=max(seed_size, ceil(SPARE * target)),
        min_frequency=min_frequency,
        max_piece=max_piece,
        shrink=shrink,
    )
    pieces = [to_text(piece) for piece in pieces]
    order = sorted(range(len(pieces)), key=lambda piece: (-scores[piece], to_bytes(pieces[piece])))
    order = [piece for piece in order if pieces[piece] not in SPECIAL_TOKENS]  # which stay text where they are typed
    model = models.Unigram([(pieces[piece], float(scores[piece])) for piece in order], None, False)
    trained = assemble(model, pattern=pattern, normalizer=normalizer)
    return warn_if_short(trained, vocab_size=vocab_size, min_frequency=min_frequency, what="pieces")


def _fit(
    words: list[tuple[bytes, int]], *, target: int, seed_size: int, min_frequency: int, max_piece: int, shrink: float
) -> tuple[list[bytes], np.ndarray]:
    """Return the remaining pieces, single bytes among them, and their log probabilities."""
    data = np.frombuffer(b"".join(word for word, _ in words), dtype=np.uint8)
    lengths = np.array([len(word) for word, _ in words])
    starts = np.cumsum(lengths) - lengths
    times = np.array([count for _, count in words], dtype=np.float64)
    table, first, size, counts = _seeds(
        data, starts, lengths, times, seed_size=seed_size, min_frequency=min_frequency, max_piece=max_piece
    )
    text = Lattice(table, starts, lengths, times)
    scores = np.log(counts / counts.sum())
    single, alive = size == 1, len(scores)
    with bar(max(0, alive - target), label="tokenizer", unit="pieces") as progress:
        while True:
            for _ in range(ROUNDS):
                scores = _maximize(text.expected(scores)[0], always=single)
            left = int(np.isfinite(scores).sum())
            progress.update(alive - left)
            alive = left
            if alive <= ceil(SPARE * target):
                break
            scores = _prune(scores, text, table, first, size, keep=max(ceil(SPARE * target), int(shrink * alive)))
    ranked = sorted(range(256, len(scores)), key=lambda piece: (-scores[piece], first[piece], size[piece]))
    scores[ranked[max(0, target - 256) :]] = -np.inf
    remaining = np.isfinite(scores)
    for _ in range(ROUNDS):
        scores = _maximize(text.expected(scores)[0], always=remaining)
    kept = [piece for piece in range(len(scores)) if np.isfinite(scores[piece])]
    pieces = [bytes([piece]) if piece < 256 else data[first[piece] :][: size[piece]].tobytes() for piece in kept]
    return pieces, np.round(scores[kept], 6)


def _maximize(counts: np.ndarray, *, always: np.ndarray) -> np.ndarray:
    """Return log probabilities from expected counts; pieces with a count below RARE get -inf, except `always`.

    The digamma function in place of the logarithm favors fewer pieces (variational Bayes; Liang and Klein 2007), as in
    SentencePiece.
    """
    counts = np.where(always, np.maximum(counts, RARE), np.where(counts < RARE, 0, counts))
    scores = np.full(len(counts), -np.inf)
    scores[counts > 0] = _digamma(counts[counts > 0]) - _digamma(counts.sum(keepdims=True))
    return scores


def _digamma(values: np.ndarray) -> np.ndarray:
    """Digamma by recurrence up to 10, then the asymptotic series (Abramowitz and Stegun 6.3.5, 6.3.18)."""
    values, shift = values.astype(np.float64).copy(), np.zeros(len(values))
    while (small := values < 10).any():
        shift[small] -= 1 / values[small]
        values[small] += 1
    inverse = 1 / values**2
    series = inverse * (1 / 12 - inverse * (1 / 120 - inverse * (1 / 252 - inverse / 240)))
    return shift + np.log(values) - 0.5 / values - series


def _prune(
    scores: np.ndarray, text: Lattice, table: np.ndarray, first: np.ndarray, size: np.ndarray, *, keep: int
) -> np.ndarray:
    """Return `scores` with all but `keep` pieces at -inf, those whose removal costs the least likelihood."""
    used = text.used(scores)
    total = used.sum()
    candidates = np.flatnonzero(np.isfinite(scores[256:])) + 256
    loss = np.full(len(scores), -np.inf)
    others = Lattice(table, first[candidates], size[candidates], np.ones(len(candidates)))
    for batch, paths in others.best(scores, whole=False):
        piece = candidates[batch]
        own, count = used[piece], (paths >= 0).sum(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            instead = np.where(paths >= 0, np.log(used[paths] + own[:, None]), 0).sum(1)
            instead -= count * np.log(total + own * (count - 1))
            cost = own * (np.log(own) - np.log(total) - instead)
        loss[piece] = np.where(own > 0, cost, -np.inf)
    ranked = sorted(candidates.tolist(), key=lambda piece: (-loss[piece], first[piece], size[piece]))
    scores = scores.copy()
    scores[ranked[max(0, keep - 256) :]] = -np.inf
    return scores


def _seeds(
    data: np.ndarray,
    starts: np.ndarray,
    lengths: np.ndarray,
    times: np.ndarray,
    *,
    seed_size: int,
    min_frequency: int,
    max_piece: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the seed pieces: the piece at each byte and length (see Lattice); first place, size, count of each piece.

    Piece b is the byte b. The others are the substrings of highest count × length, except those that are always
    followed by the same byte: the longer substring then covers them.
    """
    weight = np.repeat(times, lengths)
    rest = np.repeat(starts + lengths, lengths) - np.arange(len(data))  # bytes to the end of the word
    levels = list(_substrings(data, rest, weight, max_piece))
    candidates = []
    for number, (_, where, counts, _) in enumerate(levels):
        maximal = counts >= max(2, min_frequency)
        if number + 1 < len(levels):
            _, longer, longer_counts, _ = levels[number + 1]
            parent = levels[number][3][longer]
            maximal[parent[longer_counts == counts[parent]]] = False
        candidates += [(-counts[k] * (number + 2), int(where[k]), number + 2, k) for k in np.flatnonzero(maximal)]
    seeds = sorted(candidates)[: max(0, seed_size - 256)]
    table = np.full((len(data), max_piece), -1, dtype=np.int32)
    table[:, 0] = data
    numbers = [np.full(len(where), -1, dtype=np.int32) for _, where, _, _ in levels]
    for piece, (_, _, length, k) in enumerate(seeds, start=256):
        numbers[length - 2][k] = piece
    for number, (places, _, _, which) in enumerate(levels):
        table[places, number + 1] = numbers[number][which[places]]
    bytes_used = np.bincount(data, weights=weight, minlength=256)
    first = np.array([*range(256), *(where for _, where, _, _ in seeds)])
    size = np.array([*[1] * 256, *(length for _, _, length, _ in seeds)])
    counts = np.array([*np.maximum(bytes_used, RARE), *(-saved / length for saved, _, length, _ in seeds)])
    return table, first, size, counts


def _substrings(
    data: np.ndarray, rest: np.ndarray, weight: np.ndarray, longest: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield the substrings of each length from 2 on: where they start, first place and count of each distinct one, and
    the number of the one that starts at each byte, -1 for none."""
    which = data.astype(np.int32)  # of the substrings one byte shorter; int32, as there is one array per length
    for length in range(2, longest + 1):
        places = np.flatnonzero(rest >= length).astype(np.int32)
        if not len(places):
            return
        keys = which[places].astype(np.int64) * 256 + data[places + length - 1]
        _, index, inverse = np.unique(keys, return_index=True, return_inverse=True)
        counts = np.bincount(inverse, weights=weight[places])
        which = np.full(len(data), -1, dtype=np.int32)
        which[places] = inverse
        yield places, places[index], counts, which
