"""Train Unigram: begin with far too many pieces, and take away those that the text misses least.

The trainer of `tokenizers` gives scores that differ from run to run (by the order of a hash), so this one is ours.
"""

from collections.abc import Iterable, Iterator
from math import ceil

import numpy as np
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models
from tokenizers.normalizers import Normalizer

from lm.bounds import BelowOne, Count, Natural
from lm.progress import bar
from lm.tokenizer.byte_level import to_bytes, to_text
from lm.tokenizer.lattice import Lattice
from lm.tokenizer.load import completed
from lm.tokenizer.pattern import GPT4, byte_level, normalized
from lm.tokenizer.size import check_size, tell_if_short
from lm.tokenizer.special import SPECIAL_TOKENS
from lm.tokenizer.tokenizer import Tokenizer
from lm.tokenizer.words import count_words

SPARE = 1.1  # pieces kept until the last cut, which goes by their scores
ROUNDS = 2  # of expectation and maximisation before each cut
RARE = 0.5  # expected uses below which a piece goes


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
    """Keep the pieces without which the text would become least likely (Kudo 2018, arXiv:1804.10959).

    The `seed_size` substrings of words that save most (count × length) are fitted to the text by expectation and
    maximisation over every way to write it; those by which the likelihood gains least go, down to a share `shrink`, and
    so on until `vocab_size` are left. Text is then written in its likeliest way. Over bytes, as BPE here, so nothing is
    unknown. Pieces have at most `max_piece` bytes.
    """
    check_size(vocab_size, alphabet=256, of="256 bytes", on_top="pieces")
    words = count_words(normalized(texts, normalizer), pattern, most=max_words)
    wanted = vocab_size - len(SPECIAL_TOKENS)
    pieces, scores = _fit(
        sorted((to_bytes(word), count) for word, count in words.items()),
        wanted=wanted,
        seed_size=max(seed_size, ceil(SPARE * wanted)),
        min_frequency=min_frequency,
        max_piece=max_piece,
        shrink=shrink,
    )
    order = sorted(range(len(pieces)), key=lambda piece: (-scores[piece], pieces[piece]))
    backend = Backend(models.Unigram([(to_text(pieces[piece]), float(scores[piece])) for piece in order], None, False))
    backend.normalizer = normalizer
    backend.pre_tokenizer = byte_level(pattern)
    backend.decoder = decoders.ByteLevel()
    trained = completed(backend.to_str(pretty=True))
    return tell_if_short(trained, vocab_size=vocab_size, min_frequency=min_frequency, what="pieces")


def _fit(
    words: list[tuple[bytes, int]], *, wanted: int, seed_size: int, min_frequency: int, max_piece: int, shrink: float
) -> tuple[list[bytes], np.ndarray]:
    """The pieces that are left, single bytes among them, and their log chances."""
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
    with bar(max(0, alive - wanted), label="tokenizer", unit="pieces") as shown:
        while True:
            for _ in range(ROUNDS):
                scores = _maximised(text.expected(scores)[0], staying=single)
            left = int(np.isfinite(scores).sum())
            shown.update(alive - left)
            alive = left
            if alive <= ceil(SPARE * wanted):
                break
            scores = _pruned(scores, text, table, first, size, keep=max(ceil(SPARE * wanted), int(shrink * alive)))
    ranked = sorted(range(256, len(scores)), key=lambda piece: (-scores[piece], first[piece], size[piece]))
    scores[ranked[max(0, wanted - 256) :]] = -np.inf
    staying = np.isfinite(scores)
    for _ in range(ROUNDS):
        scores = _maximised(text.expected(scores)[0], staying=staying)
    kept = [piece for piece in range(len(scores)) if np.isfinite(scores[piece])]
    found = [bytes([piece]) if piece < 256 else data[first[piece] :][: size[piece]].tobytes() for piece in kept]
    return found, np.round(scores[kept], 6)


def _maximised(counts: np.ndarray, *, staying: np.ndarray) -> np.ndarray:
    """Log chances from expected counts. Pieces used less than half a time go (-inf), but for those that stay.

    By the digamma function rather than the logarithm, which favours fewer pieces (variational Bayes; Liang and Klein
    2007), as SentencePiece does.
    """
    counts = np.where(staying, np.maximum(counts, RARE), np.where(counts < RARE, 0, counts))
    scores = np.full(len(counts), -np.inf)
    scores[counts > 0] = _digamma(counts[counts > 0]) - _digamma(counts.sum(keepdims=True))
    return scores


def _digamma(values: np.ndarray) -> np.ndarray:
    """By its recurrence up to 10, then its asymptotic series (Abramowitz and Stegun 6.3.5, 6.3.18)."""
    values, shift = values.astype(np.float64).copy(), np.zeros(len(values))
    while (small := values < 10).any():
        shift[small] -= 1 / values[small]
        values[small] += 1
    inverse = 1 / values**2
    series = inverse * (1 / 12 - inverse * (1 / 120 - inverse * (1 / 252 - inverse / 240)))
    return shift + np.log(values) - 0.5 / values - series


def _pruned(
    scores: np.ndarray, text: Lattice, table: np.ndarray, first: np.ndarray, size: np.ndarray, *, keep: int
) -> np.ndarray:
    """`scores` with all but `keep` pieces at -inf: the text would lose least by them."""
    used = text.used(scores)
    total = used.sum()
    candidates = np.flatnonzero(np.isfinite(scores[256:])) + 256
    loss = np.full(len(scores), -np.inf)
    others = Lattice(table, first[candidates], size[candidates], np.ones(len(candidates)))
    for chosen, paths in others.best(scores, whole=False):
        piece = candidates[chosen]
        mine, count = used[piece], (paths >= 0).sum(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            instead = np.where(paths >= 0, np.log(used[paths] + mine[:, None]), 0).sum(1)
            instead -= count * np.log(total + mine * (count - 1))
            lost = mine * (np.log(mine) - np.log(total) - instead)
        loss[piece] = np.where(mine > 0, lost, -np.inf)
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
    """Which piece begins where (bytes × lengths, see Lattice); first place, size and count of each piece.

    Piece b is the byte b. The others are the substrings of highest count × length among those that are not always
    followed by the same byte, as the longer one then says it all.
    """
    weight = np.repeat(times, lengths)
    rest = np.repeat(starts + lengths, lengths) - np.arange(len(data))  # bytes from here to the end of the word
    levels = list(_substrings(data, rest, weight, max_piece))
    offered = []
    for number, (_, where, counts, _) in enumerate(levels):
        maximal = counts >= max(2, min_frequency)
        if number + 1 < len(levels):
            _, longer, longer_counts, _ = levels[number + 1]
            parent = levels[number][3][longer]
            maximal[parent[longer_counts == counts[parent]]] = False
        offered += [(-counts[k] * (number + 2), int(where[k]), number + 2, k) for k in np.flatnonzero(maximal)]
    chosen = sorted(offered)[: max(0, seed_size - 256)]
    table = np.full((len(data), max_piece), -1, dtype=np.int32)
    table[:, 0] = data
    numbers = [np.full(len(where), -1, dtype=np.int32) for _, where, _, _ in levels]
    for piece, (_, _, length, k) in enumerate(chosen, start=256):
        numbers[length - 2][k] = piece
    for number, (places, _, _, which) in enumerate(levels):
        table[places, number + 1] = numbers[number][which[places]]
    bytes_used = np.bincount(data, weights=weight, minlength=256)
    first = np.array([*range(256), *(where for _, where, _, _ in chosen)])
    size = np.array([*[1] * 256, *(length for _, _, length, _ in chosen)])
    counts = np.array([*np.maximum(bytes_used, RARE), *(-saved / length for saved, _, length, _ in chosen)])
    return table, first, size, counts


def _substrings(
    data: np.ndarray, rest: np.ndarray, weight: np.ndarray, longest: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """By length from 2: the places where one begins; of each distinct one its first place and its count; and which of
    them begins at each place of the data, -1 for none."""
    which = data.astype(np.int32)  # of the substrings one shorter; 32 bits, as there is one array for each length
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
