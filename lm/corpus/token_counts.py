"""What the steps of a funnel took away in tokens, once the corpus is written."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from lm.corpus.fate import Fate
from lm.corpus.layout import SPLITS
from lm.corpus.ledger import Ledger
from lm.corpus.shards import Shards
from lm.corpus.split import Split
from lm.tokenizer import Tokenizer

BATCH_CHARACTERS = 2_000_000


def count_tokens(ledger: Ledger, fates: Iterable[Fate], directory: Path, *, tokenizer: Tokenizer, split: Split) -> None:
    """Add the tokens of each text of each document to the account, their ends not counted.

    Those of the documents that were kept stand in the shards in `directory`; what was dropped, or changed, is encoded
    here.
    """
    streams = {
        (name, kind): iter((np.diff(stream.bounds) - 1).tolist())
        for name in SPLITS
        for kind, stream in Shards(directory, name).streams.items()
    }
    for batch in _batches(fates):
        known = [_last(fate, streams, split) for fate in batch]
        texts = [list(_to_encode(fate)) for fate in batch]
        encoded = iter(tokenizer.encode_batch([text for each in texts for text in each]))
        for fate, last, own in zip(batch, known, texts, strict=True):
            lengths = {id(text): len(next(encoded)) for text in own}
            if last is not None:
                lengths[id(fate.texts[-1])] = last
            ledger.add_tokens(fate, [lengths[id(text)] for text in fate.texts])


def _to_encode(fate: Fate) -> Iterator[str]:
    """The different texts of a document, but that which was kept."""
    known = {id(fate.texts[-1])} if fate.kept is not None else set()
    for text in fate.texts:
        if id(text) not in known:
            known.add(id(text))
            yield text


def _last(fate: Fate, streams: dict[tuple[str, str], Iterator[int]], split: Split) -> int | None:
    """The tokens of a document that was kept: the next of its kind."""
    return None if fate.kept is None else next(streams[SPLITS[split.held_out(fate.kept)], fate.kept.kind])


def _batches(fates: Iterable[Fate]) -> Iterator[list[Fate]]:
    """Fates in batches of bounded size."""
    batch: list[Fate] = []
    size = 0
    for fate in fates:
        batch.append(fate)
        size += sum(map(len, _to_encode(fate)))
        if size >= BATCH_CHARACTERS or len(batch) == 4096:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
