"""How much of its training text a model gives back word for word, by the number of copies that it has read."""

from collections.abc import Sequence
from math import log
from typing import Any

import numpy as np

from lm.bounds import Count, Share
from lm.checkpoint.lineage import check_tokenizer
from lm.config.faults import errors_at
from lm.corpus import Source, TokenStream
from lm.evaluation.evaluation import Evaluation
from lm.evaluation.intervals import estimate
from lm.evaluation.memory.extraction import Extraction, Window, extract
from lm.evaluation.memory.memorisation_table import memorisation_table
from lm.evaluation.memory.training_corpora import TrainingCorpora
from lm.evaluation.memory.training_windows import PlacedWindow, WindowChoice, counted, group_of
from lm.files import hash_json
from lm.generation import Sampling
from lm.model import ModelSource, Transformer
from lm.tokenizer import Tokenizer


class Memorisation(Evaluation):
    """Let a model complete windows of its training text, and count the completions that are word for word.

    A window is a prefix and the suffix that follows it in a document. Greedy decoding gives the whole suffix, or not.
    Drawing gives it with a probability q, which is that of its tokens in the distribution that the sampler draws from;
    n draws give it at least once with 1 - (1 - q)^n, and a window is (n, p)-extractable if that is at least p (Hayes et
    al. 2024, arXiv:2410.19482). Nothing is drawn. Windows are grouped by their number of copies in the training corpus.
    Held-out documents, whose windows have no copy, and a control, a model trained without the text, say what a model
    gets right without having read it.

    Args:
        training: The corpora that the model was trained on.
        documents: Documents whose windows are asked, from any source; null takes those of the training corpora, and as
            many windows of their held-out documents.
        control: A model trained without the text, with the same tokenizer; null for none.
        sampling: How tokens are drawn.
        prefix: Tokens that the model reads. The published measure has 50 (Carlini et al. 2022, arXiv:2202.07646).
        suffix: Tokens that should follow.
        windows: Maximum number of windows, of training and of held-out documents each; their documents are evenly
            spaced. Equal windows count once.
        per_document: Windows of a document, which may overlap.
        beginning: Whether a window is the beginning of its document, after the end of another, as in training; false
            draws its place.
        n: Numbers of draws.
        p: Probability that makes a window extractable.
        seed: Seed of the places of windows.
        batch_tokens: Maximum number of tokens of a forward pass; changes speed and memory.
    """

    def __init__(
        self,
        training: TrainingCorpora,
        *,
        sampling: Sampling,
        documents: Source | None = None,
        control: ModelSource | None = None,
        prefix: Count = 50,
        suffix: Count = 50,
        windows: Count = 1000,
        per_document: Count = 1,
        beginning: bool = False,
        n: Sequence[Count] = (1, 10, 100, 1000),
        p: Share = 0.5,
        seed: int = 0,
        batch_tokens: Count = 4096,
    ):
        if not n or not p:
            raise ValueError(f"evaluation.n={[*n]}, evaluation.p={p}: give numbers of draws, and a p above 0")
        self.training, self.documents, self.control, self.sampling = training, documents, control, sampling
        self.choice = WindowChoice(
            prefix=prefix,
            suffix=suffix,
            windows=windows,
            per_document=per_document,
            beginning=beginning,
            seed=seed,
        )
        self.n, self.p, self.batch_tokens = sorted({*n}), p, batch_tokens

    def fingerprint(self) -> str:
        corpora = self.training.fingerprint() if self._has_corpora() else None
        documents = None if self.documents is None else self.documents.fingerprint()
        return hash_json([corpora, documents, {} if self.control is None else self.control.fingerprint()])

    def __call__(self, model: Transformer, tokenizer: Tokenizer) -> dict[str, Any]:
        """Return the shares by number of copies and by kind; `items` has what came of each window."""
        if self.choice.length > model.context:
            raise ValueError(
                f"evaluation.prefix={self.choice.prefix} and evaluation.suffix={self.choice.suffix} do not fit into "
                f"the context of {model.context} tokens: set them to {model.context // 2} or less"
            )
        placed = self._windows(tokenizer)
        asked = [self._asked(each, tokenizer) for each in placed]
        answers = {"model": self._extract(model, asked)}
        if self.control is not None:
            check_tokenizer(self.control.origin, tokenizer)
            answers["control"] = self._extract(self.control.build(vocab_size=tokenizer.vocab_size), asked)
        trained = [place for place, each in enumerate(placed) if each.copies] or [*range(len(placed))]
        whole = self._scores([placed[place] for place in trained], [answers["model"][place] for place in trained])
        return {
            "prefix": self.choice.prefix,
            "suffix": self.choice.suffix,
            "p": self.p,
            "sampling": vars(self.sampling),
            "counted_in": "training corpora" if self._has_corpora() else "documents",
            "epochs": self.training.epochs() if self._has_corpora() else None,
            "held_out": sum(each.held_out for each in placed),
            "held_out_with_copies": sum(each.held_out and each.copies > 0 for each in placed),
            "main": "verbatim",
            "metrics": {"verbatim": whole["verbatim"] | SHARE},
            "copies": self._grouped(placed, answers, [group_of(each.copies) for each in placed]),
            "kinds": self._grouped(
                placed, answers, [f"{each.kind}, {'read' if each.copies else 'not read'}" for each in placed]
            ),
            "items": [_record(each, *found) for each, *found in zip(placed, *answers.values(), strict=True)],
        }

    def table(self, results: dict[str, Any]) -> str:
        return memorisation_table(results)

    def _has_corpora(self) -> bool:
        """Whether copies are counted in training corpora: not for a foreign model whose documents are given."""
        try:
            return bool(self.training.directories())
        except ValueError:
            if self.documents is None or self.training.paths is not None:
                raise
            return False

    def _windows(self, tokenizer: Tokenizer) -> list[PlacedWindow]:
        corpora = self.training.shards(tokenizer=tokenizer).items() if self._has_corpora() else ()
        streams = [(kind, stream) for _, shards in corpora for kind, stream in shards.streams.items()]
        texts: list[np.ndarray | TokenStream] = [stream for _, stream in streams]
        if self.documents is None:
            held_out = self.training.shards("validation", tokenizer=tokenizer).values()
            others = [pair for shards in held_out for pair in shards.streams.items()]
            windows = [*self.choice.of_streams(streams, held_out=False)]
            windows += self.choice.of_streams(others, held_out=True)
        else:
            with errors_at("evaluation.documents", self.documents):
                documents = [document for document in self.documents if document.text]
            encoded = [np.asarray(tokenizer.encode(document.text), dtype=np.int64) for document in documents]
            windows, texts = [*self.choice.of_texts(documents, encoded)], texts or encoded
        if not windows:
            raise ValueError(
                f"evaluation.prefix={self.choice.prefix} and evaluation.suffix={self.choice.suffix}: no document has "
                f"{self.choice.length} tokens: lower them"
            )
        return counted(windows, texts)

    def _asked(self, placed: PlacedWindow, tokenizer: Tokenizer) -> Window:
        before = (tokenizer.beginning,) if self.choice.beginning else ()
        return Window(before + placed.window.prefix, placed.window.suffix)

    def _extract(self, model: Transformer, windows: Sequence[Window]) -> list[Extraction]:
        return extract(model, windows, sampling=self.sampling, batch_tokens=self.batch_tokens)

    def _grouped(
        self, placed: Sequence[PlacedWindow], answers: dict[str, list[Extraction]], names: Sequence[str]
    ) -> dict[str, Any]:
        """The scores of each model by group, the groups in the order of their first number."""
        groups: dict[str, list[int]] = {}
        for place, name in enumerate(names):
            groups.setdefault(name, []).append(place)
        return {
            name: {
                who: self._scores([placed[place] for place in groups[name]], [found[place] for place in groups[name]])
                for who, found in answers.items()
            }
            for name in sorted(groups, key=lambda name: (placed[groups[name][0]].copies * name[0].isdigit(), name))
        }

    def _scores(self, placed: Sequence[PlacedWindow], found: Sequence[Extraction]) -> dict[str, Any]:
        """Shares and means over some windows, with intervals that take account of their documents."""
        clusters = [each.cluster for each in placed]

        def mean(values: Sequence[float], *, share: bool) -> dict[str, Any]:
            made = estimate(values, share=share, clusters=clusters)
            return {"value": made.value, "interval": [*made.interval], "stderr": made.stderr, "count": made.count}

        drawn = {n: [each.drawn(n) for each in found] for n in self.n}
        return {
            "windows": len(placed),
            "documents": len({*clusters}),
            "verbatim": mean([float(each.verbatim) for each in found], share=True),
            "matched": mean([float(each.matched) for each in found], share=False),
            "bits_per_token": mean([each.nats / each.tokens / log(2) for each in found], share=False),
            "drawn": {f"{n}": mean(values, share=False) for n, values in drawn.items()},
            "extractable": {
                f"{n}": mean([float(value >= self.p) for value in values], share=True) for n, values in drawn.items()
            },
        }


SHARE = {"share": True, "chance": None, "majority": None, "centred": None, "ties": 0}  # as a benchmark's metric


def _record(placed: PlacedWindow, found: Extraction, control: Extraction | None = None) -> dict[str, Any]:
    """What came of a window, as plain data; infinite logarithms are null."""
    answers = {"": found} if control is None else {"": found, "control_": control}
    record = {
        "id": hash_json([*placed.tokens])[:16],
        "place": f"{placed.document}, token {placed.start}",
        "kind": placed.kind,
        "copies": placed.copies,
        "held_out": placed.held_out,
        "cluster": placed.cluster,
        "values": {"verbatim": float(found.verbatim) if placed.copies else None},
    }
    for name, each in answers.items():
        record |= {
            f"{name}log_q": None if each.log_q == -float("inf") else each.log_q,
            f"{name}matched": each.matched,
            f"{name}nats": each.nats,
        }
    return record
