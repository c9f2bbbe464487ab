"""What the steps of a funnel took away in tokens, once the corpus is written."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from lm.corpus import Shards, Split
from lm.corpus.layout import SPLITS
from lm.filtering.ledger import Ledger
from lm.filtering.traces import DocumentTrace
from lm.tokenizer import Tokenizer

BATCH_CHARACTERS = 2_000_000


def count_tokens(
    ledger: Ledger, traces: Iterable[DocumentTrace], directory: Path, *, tokenizer: Tokenizer, split: Split
) -> None:
    """Add the tokens of each text of each document to the account, their ends not counted.

    Those of the documents that were kept stand in the shards in `directory`; what was dropped, or changed, is encoded
    here.
    """
    streams = {
        (name, kind): iter((np.diff(stream.bounds) - 1).tolist())
        for name in SPLITS
        for kind, stream in Shards(directory, name).streams.items()
    }
    for batch in _batches(traces):
        known = [_last(trace, streams, split) for trace in batch]
        texts = [list(_to_encode(trace)) for trace in batch]
        encoded = iter(tokenizer.encode_batch([text for each in texts for text in each]))
        for trace, last, own in zip(batch, known, texts, strict=True):
            lengths = {id(text): len(next(encoded)) for text in own}
            if last is not None:
                lengths[id(trace.texts[-1])] = last
            ledger.add_tokens(trace, [lengths[id(text)] for text in trace.texts])


def _to_encode(trace: DocumentTrace) -> Iterator[str]:
    """The different texts of a document, but that which was kept."""
    known = {id(trace.texts[-1])} if trace.kept is not None else set()
    for text in trace.texts:
        if id(text) not in known:
            known.add(id(text))
            yield text


def _last(trace: DocumentTrace, streams: dict[tuple[str, str], Iterator[int]], split: Split) -> int | None:
    """The tokens of a document that was kept: the next of its kind."""
    return None if trace.kept is None else next(streams[SPLITS[split.held_out(trace.kept)], trace.kept.kind])


def _batches(traces: Iterable[DocumentTrace]) -> Iterator[list[DocumentTrace]]:
    """Fates in batches of bounded size."""
    batch: list[DocumentTrace] = []
    size = 0
    for trace in traces:
        batch.append(trace)
        size += sum(map(len, _to_encode(trace)))
        if size >= BATCH_CHARACTERS or len(batch) == 4096:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
