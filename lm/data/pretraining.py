"""Rows from prepared token shards: the data of pretraining."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from lm.bounds import Count, Natural, Positive
from lm.corpus import Shards, TokenStream, read_openings, recorded_tokens
from lm.data.corpus_paths import check_corpora
from lm.data.mixing import Mixing
from lm.data.mixture import Mixture
from lm.data.module import TrainingData
from lm.data.packing import Packing, cut
from lm.data.row_source import Concatenated, Documents, PackedRows, RowEstimate, RowSource, evenly_spaced
from lm.data.rows import Rows
from lm.files import hash_json
from lm.process.ranks import is_first_process
from lm.tokenizer import Tokenizer


class StreamDocuments(Documents):
    """Documents of one kind and split of a corpus, all of whose targets are supervised.

    The inputs of a document start with the beginning of a text and its targets end with end_of_document, so each of its
    bytes is predicted exactly once, from its own document only.

    Args:
        stream: Tokens of the documents.
        beginning: Token in front of each document.
    """

    def __init__(self, stream: TokenStream, *, beginning: int):
        self.stream, self.beginning = stream, beginning

    def read(self, document: int, start: int, length: int) -> tuple[np.ndarray, bool]:
        first = int(self.stream.starts[document]) + start
        read = self.stream.read(first, first + length + 1)
        if start == 0:
            read[0] = self.beginning
        return read, True

    def read_pieces(
        self, documents: np.ndarray, starts: np.ndarray, lengths: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, bool]:
        ends = np.cumsum(lengths, dtype=np.int64)
        positions = np.repeat(self.stream.starts[documents] + starts - (ends - lengths), lengths)
        positions += np.arange(positions.size)
        tokens, targets = self.stream.at(positions), self.stream.at(positions + 1)
        tokens[(ends - lengths)[starts == 0]] = self.beginning
        return tokens, targets, True

    def name(self, document: int) -> str:
        return self.stream.ids[document]


class PretrainingData(TrainingData):
    """Packed rows of one or more prepared corpora.

    The sources of a mixture are the kinds of the corpus, as `code`, or `corpus/kind` if there are several corpora.

    Args:
        path: Directory of a corpus, or a list of them.
        packing: How documents are placed in rows, by `packing._target_`: `lm.data.packing.cut` wastes nothing;
            `lm.data.packing.best_fit` and `lm.data.exact_fit.exact_fit` keep documents whole.
        separate_documents: Whether each document of a row has its own attention mask and positions. false lets
            documents see each other, as in GPT-2's training: slightly faster, but context leaks between documents.
        mixture: Share of each source; null shuffles all rows together, each read once per epoch.
        max_epochs: Maximum epochs of a source, for all or by name: no row is read more than ceil(max_epochs) times.
            Repetition beyond about four epochs teaches little (Muennighoff et al. 2023). null for no limit.
        excess: What to do if the budget exceeds max_epochs: refuse the run, or redistribute the excess to the other
            sources of a mixture.
        validation_rows: Held-out rows measured while training, evenly spaced; null for all. `lm evaluate` measures all.
        workers: Processes that read rows ahead of training, per rank; 0 reads them in the training process.
        verify: When to compare the shards with the hashes that their writer recorded, at about a gigabyte per second:
            auto if a file has changed since the last check, always, or never.
        max_rows: Rows of a source to train on, at most, evenly spaced; null for all. A few show whether a model learns
            at all (debug=overfit).
    """

    def __init__(
        self,
        path: str | list[str],
        *,
        packing: Callable[..., Packing],
        separate_documents: bool = True,
        mixture: Mixture | None = None,
        max_epochs: Positive | dict[str, Positive] | None = None,
        excess: Literal["refuse", "redistribute"] = "refuse",
        validation_rows: Natural | None = 256,
        workers: Natural = 0,
        verify: Literal["auto", "always", "never"] = "auto",
        max_rows: Count | None = None,
    ):
        super().__init__(workers=workers)
        self.paths = [Path(p) for p in ([path] if isinstance(path, str) else path)]
        self.packing, self.separate_documents, self.validation_rows = packing, separate_documents, validation_rows
        self.mixing = Mixing(mixture, max_epochs, excess)
        self.verify, self.max_rows = verify, max_rows
        names = [path.name for path in self.paths]
        if repeated := [name for name in names if names.count(name) > 1]:
            raise ValueError(
                f"data.path has {len(repeated)} corpora named {repeated[0]!r}, but mixtures and validation go by the "
                "names of corpora: rename a directory"
            )
        check_corpora(self.paths)

    def open(self, *, tokenizer: Tokenizer, context: int) -> Rows:
        packed = partial(PackedRows, padding=tokenizer.padding)
        sources: dict[str, RowSource] = {}
        validation, kinds, corpora = [], [], []
        for path, prefix in self._prefixes().items():
            training, held_out = (Shards(path, split, tokenizer=tokenizer) for split in ("train", "validation"))
            if is_first_process():
                training.verify(self.verify)
                held_out.verify(self.verify)
            for kind, stream in training.streams.items():
                documents, packing = self._pack(stream, tokenizer, context)
                rows = packed(documents, packing, separate_documents=self.separate_documents)
                sources[prefix + kind] = evenly_spaced(rows, self.max_rows)
            corpora.append(held_out)
            for kind, stream in held_out.streams.items():
                numbers = np.broadcast_to(len(kinds), stream.documents)  # takes no memory
                documents, packing = self._pack(stream, tokenizer, context)
                validation.append(packed(documents, packing, kinds=numbers, token_bytes=tokenizer.token_bytes))
                kinds.append(prefix + kind)
        return Rows(
            sources=sources,
            tokenizer=tokenizer,
            validation=evenly_spaced(Concatenated(validation), self.validation_rows) if validation else None,
            kinds=kinds,
            separate_documents=self.separate_documents,
            mixing=self.mixing,
            prompts=read_openings(corpora, tokenizer),
        )

    def sketch(self, *, tokenizer: Tokenizer, context: int) -> Rows:
        estimated = partial(
            RowEstimate,
            context=context,
            vocab_size=tokenizer.vocab_size,
            separate_documents=self.separate_documents,
        )
        sources: dict[str, RowSource] = {}
        held_out: dict[str, int] = {}
        for path, prefix in self._prefixes().items():
            for kind, tokens in recorded_tokens(path, "train", tokenizer=tokenizer).items():
                rows = estimated(rows=-(-tokens // context), targets=tokens)
                sources[prefix + kind] = evenly_spaced(rows, self.max_rows)
            recorded = recorded_tokens(path, "validation", tokenizer=tokenizer)
            held_out |= {prefix + kind: tokens for kind, tokens in recorded.items()}
        rows = estimated(rows=sum(-(-each // context) for each in held_out.values()), targets=sum(held_out.values()))
        cuts = isinstance(self.packing, partial) and self.packing.func is cut
        return Rows(
            sources=sources,
            tokenizer=tokenizer,
            validation=evenly_spaced(rows, self.validation_rows) if held_out else None,
            kinds=[*held_out],
            separate_documents=self.separate_documents,
            mixing=self.mixing,
            basis="counted" if cuts else "estimated: without the padding at the ends of rows",
        )

    def fingerprint(self) -> str:
        return hash_json([Shards(path, "train").fingerprint for path in self.paths])

    def _pack(self, stream: TokenStream, tokenizer: Tokenizer, context: int) -> tuple[StreamDocuments, Packing]:
        return StreamDocuments(stream, beginning=tokenizer.beginning), self.packing(np.diff(stream.bounds), context)

    def _prefixes(self) -> dict[Path, str]:
        """What the names of each corpus' sources start with."""
        return {path: f"{path.name}/" if len(self.paths) > 1 else "" for path in self.paths}
