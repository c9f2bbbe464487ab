"""Rows from prepared token shards: the data of pretraining.

Legend: T context
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from lm.bounds import Natural, Positive
from lm.corpus import Shards, TokenStream, recorded_tokens
from lm.data.batches import Row, RowSource
from lm.data.counted import Counted
from lm.data.mixture import Mixture
from lm.data.module import RowDataModule
from lm.data.packing import Rows, cut
from lm.files import hash_json
from lm.process.ranks import is_first_process
from lm.tokenizer import Tokenizer


class StreamRows:
    """Rows of one kind of one split, as a packing plans them.

    A document's inputs open with end_of_document and its targets close with it, so each of its bytes is predicted
    exactly once, from its own document only. `separate` gives each document its own mask and positions.
    """

    def __init__(
        self,
        stream: TokenStream,
        plan: Rows,
        *,
        context: int,
        padding: int,
        separate: bool,
        kind: int = 0,
        token_bytes: np.ndarray | None = None,
    ):
        self.stream, self.plan, self.context, self.padding = stream, plan, context, padding
        self.separate, self.kind, self.token_bytes = separate, kind, token_bytes
        self.counts = plan.counts

    def __len__(self) -> int:
        return len(self.plan)

    def row(self, index: int) -> Row:
        tokens = np.full(self.context, self.padding, dtype=np.int64)
        targets = np.full(self.context, self.padding, dtype=np.int64)
        supervised = np.zeros(self.context, dtype=bool)
        documents = np.full(self.context, -1, dtype=np.int64)
        place = 0
        for number, (document, start, length) in enumerate(self.plan.segments(index)):
            first = int(self.stream.starts[document]) + start
            read = self.stream.read(first, first + length + 1)
            here = slice(place, place + length)
            tokens[here], targets[here], supervised[here], documents[here] = read[:-1], read[1:], True, number
            place += length
        # Padding ends a row and nothing supervised looks at it, so one document a row may hold it.
        row = Row(tokens, targets, supervised, documents if self.separate else None)
        if self.token_bytes is not None:
            row.kinds = np.full(self.context, self.kind, dtype=np.int64)
            row.bytes = self.token_bytes[targets]
        return row


class Concatenated:
    """Several sources one after another."""

    def __init__(self, sources: Sequence[RowSource]):
        self.sources = list(sources)
        self.ends = np.cumsum([len(source) for source in self.sources])
        self.counts = np.concatenate([source.counts for source in self.sources])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def row(self, index: int) -> Row:
        source = int(np.searchsorted(self.ends, index, side="right"))
        return self.sources[source].row(index - int(self.ends[source]) + len(self.sources[source]))


class PretrainingData(RowDataModule):
    """Packed rows of one or more prepared corpora.

    `path` is one corpus or several; the sources that a mixture speaks of are their kinds, as `code`, or
    `corpus/code` where there are several corpora. `separate_documents=false` lets documents in a row see each other,
    as GPT-2 was trained: a little faster, and a leak. `validation_rows` bounds what is measured while training, spread
    evenly over the held-out rows; `lm evaluate` measures all of them. With `verify` the shards are first held against
    the hashes that their writer recorded.
    """

    def __init__(
        self,
        path: str | list[str],
        *,
        packing: Callable[..., Rows],
        separate_documents: bool = True,
        mixture: Mixture | None = None,
        max_epochs: Positive | dict[str, Positive] | None = None,
        excess: Literal["refuse", "spread"] = "refuse",
        validation_rows: Natural | None = 256,
        workers: Natural = 0,
        verify: bool = True,
    ):
        super().__init__(mixture=mixture, max_epochs=max_epochs, excess=excess, workers=workers)
        self.paths = [Path(p) for p in ([path] if isinstance(path, str) else path)]
        self.packing, self.separate, self.validation_rows = packing, separate_documents, validation_rows
        self.verify = verify
        names = [path.name for path in self.paths]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(
                f"data.path names {len(twice)} corpora {twice[0]!r}, and mixtures and validation tell them apart by "
                "that: rename a directory"
            )

    def open(self, *, tokenizer: Tokenizer, context: int) -> None:
        self.tokenizer = tokenizer
        several = len(self.paths) > 1
        self.sources, validation, self.kinds = {}, [], []
        for path in self.paths:
            training, held_out = (Shards(path, split, tokenizer=tokenizer) for split in ("train", "validation"))
            if self.verify and is_first_process():
                training.check_whole()
                held_out.check_whole()
            prefix = f"{path.name}/" if several else ""
            for kind, stream in training.streams.items():
                rows = self.packing(np.diff(stream.bounds), context)
                self.sources[prefix + kind] = StreamRows(
                    stream, rows, context=context, padding=tokenizer.padding, separate=self.separate
                )
            for kind, stream in held_out.streams.items():
                rows = self.packing(np.diff(stream.bounds), context)
                validation.append(
                    StreamRows(
                        stream,
                        rows,
                        context=context,
                        padding=tokenizer.padding,
                        separate=True,
                        kind=len(self.kinds),
                        token_bytes=tokenizer.token_bytes,
                    )
                )
                self.kinds.append(prefix + kind)
        self.validation = evenly_spaced(Concatenated(validation), self.validation_rows) if validation else None

    def amounts(self, source: RowSource) -> np.ndarray:
        return source.counts

    def documents(self, source: StreamRows, row: int) -> list[str]:
        return [source.stream.ids[document] for document, _, _ in source.plan.segments(row)]

    def sketch(self, *, tokenizer: Tokenizer, context: int) -> str:
        prefixes = {path: f"{path.name}/" if len(self.paths) > 1 else "" for path in self.paths}
        self.sources = {
            prefix + kind: Counted(rows=-(-tokens // context), targets=tokens)
            for path, prefix in prefixes.items()
            for kind, tokens in recorded_tokens(path, "train", tokenizer=tokenizer).items()
        }
        cuts = isinstance(self.packing, partial) and self.packing.func is cut
        return "counted" if cuts else "estimated: without the padding at the ends of rows"

    def fingerprint(self) -> str:
        return hash_json([Shards(path, "train").fingerprint for path in self.paths])


class Subset:
    """Some rows of a source."""

    def __init__(self, source: RowSource, indices: np.ndarray):
        self.source, self.indices = source, indices
        self.counts = source.counts[indices]

    def __len__(self) -> int:
        return len(self.indices)

    def row(self, index: int) -> Row:
        return self.source.row(int(self.indices[index]))


def evenly_spaced(source: RowSource, rows: int | None) -> RowSource:
    """At most that many rows, evenly spaced."""
    if rows is None or rows >= len(source):
        return source
    return Subset(source, np.linspace(0, len(source) - 1, rows).round().astype(np.int64))
