"""Bits per byte and perplexity of any text, calibration, and loss by position in the context.

`BitsPerByte` measures a corpus of tokens, beside compressors; this measures texts as they are, each byte of them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Any

import numpy as np

from lm.bounds import Count
from lm.config.faults import errors_at
from lm.corpus import Document, Source
from lm.evaluation.evaluation import Evaluation
from lm.evaluation.intervals import ratio_interval
from lm.evaluation.scorer import Likelihood, Request, Scorer
from lm.model import Transformer
from lm.tokenizer import Tokenizer

BINS = 10
COLUMNS = {"bits/byte": 10, "95 % interval": 18, "perplexity": 12, "per word": 12, "bytes": 12, "documents": 11}


@dataclass(frozen=True)
class Measured:
    """A document with what the model makes of it.

    Args:
        document: The document.
        likelihood: Of its tokens.
    """

    document: Document
    likelihood: Likelihood

    @property
    def nats(self) -> float:
        return sum(self.likelihood.nats)

    @property
    def bytes(self) -> int:
        return len(self.document.text.encode("utf-8", "surrogatepass"))


class TextLoss(Evaluation):
    """What a model needs for every byte of texts, as a whole and by kind, source and language.

    The first token of a text is predicted from the token that begins a text. A text longer than the
    context is read in windows of `step` new tokens each, with as many tokens before them as fit. The bytes are those
    of the text as it is given. Intervals are of the bootstrap over documents.

    Args:
        documents: The texts, from any source of documents.
        step: Tokens predicted per window. 1 gives each token the whole context, at one forward pass a token; null takes
            the context, so that windows are disjoint, as in lm-evaluation-harness.
        max_documents: Maximum number of documents, from the first on; null reads all.
        batch_tokens: Maximum number of tokens of a forward pass; changes speed and memory.
    """

    def __init__(
        self,
        documents: Source,
        *,
        step: Count | None = None,
        max_documents: Count | None = None,
        batch_tokens: Count = 4096,
    ):
        self.documents, self.step, self.max_documents = documents, step, max_documents
        self.batch_tokens = batch_tokens

    def fingerprint(self) -> str:
        return self.documents.fingerprint()

    def check(self) -> None:
        with errors_at("evaluation.documents", self.documents):
            if not self._read():
                raise ValueError("evaluation.documents has no text to measure")

    def __call__(self, model: Transformer, tokenizer: Tokenizer) -> dict[str, Any]:
        with errors_at("evaluation.documents", self.documents):
            documents = self._read()
        texts = [tokenizer.encode(document.text) for document in documents]
        step = min(self.step or model.context, model.context)
        windows = [window for ids in texts for window in windows_of(ids, step, model.context, tokenizer)]
        found = iter(Scorer(model, batch_tokens=self.batch_tokens)(windows))
        measured = []
        for document, ids in zip(documents, texts, strict=True):
            parts = [next(found) for _ in range(0, len(ids), step)]
            measured.append(Measured(document, joined(parts)))
        likelihoods = [each.likelihood for each in measured]
        return {
            "context": model.context,
            "step": step,
            "all": scores(measured),
            "kind": _by(measured, lambda document: document.kind),
            "source": _by(measured, lambda document: document.source),
            "language": _by(measured, lambda document: document.language),
            "calibration": calibration(likelihoods),
            "position": by_position(likelihoods, model.context),
            "lost_bytes": sum(tokenizer.lost_bytes(document.text) for document in documents),
        }

    def table(self, results: dict[str, Any]) -> str:
        rows = {"text": results["all"]}
        for way in ("kind", "source", "language"):
            rows |= {f"  {name or 'unknown'}": each for name, each in results[way].items() if len(results[way]) > 1}
        width = max(map(len, rows)) + 2
        lines = [f"{'text':<{width}}" + "".join(f"{name:>{size}}" for name, size in COLUMNS.items())]
        for name, each in rows.items():
            low, high = each["interval"]
            cells = [f"{each['bits_per_byte']:.3f}", f"{low:.3f} – {high:.3f}", f"{each['perplexity']:.4g}"]
            cells += [f"{each['word_perplexity']:.4g}", f"{each['bytes']:,}", f"{each['documents']:,}"]
            sizes = COLUMNS.values()
            label = "all" if name == "text" else name
            lines.append(
                f"{label:<{width}}" + "".join(f"{cell:>{size}}" for cell, size in zip(cells, sizes, strict=True))
            )
        found = results["calibration"]
        lines.append(
            f"next token: {found['accuracy']:.1%} right at a confidence of {found['confidence']:.1%}; calibration "
            f"error {found['error']:.3f}"
        )
        if results["position"]:
            places = "  ".join(f"{each['from']}–{each['to']} {each['nats']:.3f}" for each in results["position"])
            count = results["position"][0]["documents"]
            lines.append(f"nats a token by tokens before it, in {count} texts that fill the context: {places}")
        if results["lost_bytes"]:
            lines.append(f"the tokenizer drops {results['lost_bytes']:,} bytes, which count but are not predicted")
        return "\n".join(lines)

    def _read(self) -> list[Document]:
        documents = []
        for document in self.documents:
            if document.text:
                documents.append(document)
            if len(documents) == self.max_documents:
                break
        return documents


def windows_of(ids: Sequence[int], step: int, context: int, tokenizer: Tokenizer) -> list[Request]:
    """The requests that predict every token of a text once, `step` at a time, each after all tokens that fit."""
    text = (tokenizer.beginning, *ids)
    starts = range(1, len(text), step)
    return [Request(text[max(0, at - context) : at], text[at : at + step]) for at in starts]


def joined(parts: Sequence[Likelihood]) -> Likelihood:
    """The likelihood of a text from those of its windows."""
    return Likelihood(
        tuple(value for part in parts for value in part.nats),
        tuple(value for part in parts for value in part.ranked_first),
        tuple(value for part in parts for value in part.best_nats),
    )


def scores(measured: Sequence[Measured]) -> dict[str, Any]:
    """Bits per byte with its interval, and perplexity per token, word (between white space) and byte."""
    nats, sizes = (np.array([getattr(each, name) for each in measured], dtype=float) for name in ("nats", "bytes"))
    tokens = sum(len(each.likelihood.nats) for each in measured)
    words = sum(len(re.split(r"\s+", each.document.text)) for each in measured)
    low, high = ratio_interval(nats / log(2), sizes)
    total = nats.sum()
    return {
        "documents": len(measured),
        "bytes": int(sizes.sum()),
        "tokens": tokens,
        "nats": float(total),
        "bits_per_byte": float(total / sizes.sum() / log(2)),
        "interval": [low, high],
        "perplexity": exp(min(total / max(1, tokens), 700.0)),
        "word_perplexity": exp(min(total / words, 700.0)),
        "byte_perplexity": exp(min(total / sizes.sum(), 700.0)),
    }


def _by(measured: Sequence[Measured], label: Callable[[Document], str]) -> dict[str, Any]:
    groups: dict[str, list[Measured]] = {}
    for each in measured:
        groups.setdefault(label(each.document), []).append(each)
    return {name: scores(groups[name]) for name in sorted(groups)}


def calibration(likelihoods: Sequence[Likelihood]) -> dict[str, Any]:
    """How often the token ranked first is right, against its probability.

    The error is the mean distance of accuracy and confidence over ten bins of equally many tokens, in the order of
    confidence (Naeini et al. 2015, with bins of equal mass).
    """
    confidence = np.exp(-np.array([value for each in likelihoods for value in each.best_nats]))
    right = np.array([value for each in likelihoods for value in each.ranked_first], dtype=float)
    order = np.argsort(confidence, kind="stable")
    bins = [part for part in np.array_split(order, BINS) if len(part)]
    rows = [
        {"tokens": len(part), "confidence": float(confidence[part].mean()), "accuracy": float(right[part].mean())}
        for part in bins
    ]
    gaps = [row["tokens"] * abs(row["confidence"] - row["accuracy"]) for row in rows]
    return {
        "error": sum(gaps) / max(1, len(order)),
        "confidence": float(confidence.mean()) if len(order) else 0.0,
        "accuracy": float(right.mean()) if len(order) else 0.0,
        "bins": rows,
    }


def by_position(likelihoods: Sequence[Likelihood], context: int) -> list[Mapping[str, Any]]:
    """Mean nats of the first `context` tokens of the texts that have so many, by the number of tokens before them.

    The same texts are behind every position, so what falls from one range to the next is due to the longer context.
    Ranges double: 1, 2 to 3, 4 to 7, …, and the last one takes what would not fill half of another. The token before
    the first is the token that begins a text.
    """
    whole = np.array([each.nats[:context] for each in likelihoods if len(each.nats) >= context])
    if not len(whole):
        return []
    rows, first = [], 1
    while first <= context:
        last = 2 * first - 1
        last = context if context - last < first else last  # a few more would make no range of their own
        part = whole[:, first - 1 : last]
        rows.append({"from": first, "to": last, "nats": float(part.mean()), "documents": len(whole)})
        first = last + 1
    return rows
