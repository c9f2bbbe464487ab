"""Bits per byte on every held-out document, by kind, beside what compressors need for the same text.

Unlike the validation while training this cuts nothing: each document is read in overlapping windows, so that all
but its first tokens are predicted from at least `context × (1 - stride)` tokens before them.

Legend: B windows  T tokens
"""

from collections.abc import Iterator
from math import log

import numpy as np
import torch
from torch import Tensor

from lm.corpus import Shards, TokenStream
from lm.evaluation.compressors import gzip_bits_per_byte, xz_bits_per_byte
from lm.model import Transformer
from lm.objective.loss import target_losses
from lm.progress import bar
from lm.tokenizer import Tokenizer


class BitsPerByte:
    """Nats of every target of the validation split, its ends of documents included, over the documents' bytes."""

    def __init__(self, path: str, *, stride: float = 0.5, rows: int = 16):
        if not 0 < stride <= 1:
            raise ValueError(f"evaluations.bits.stride={stride}: a share of the context above 0 and at most 1")
        self.path, self.stride, self.rows = path, stride, rows

    def __call__(self, model: Transformer, tokenizer: Tokenizer) -> dict[str, dict[str, float]]:
        """By kind: bytes, bits per byte of the model, of gzip and of xz."""
        shards = Shards(self.path, "validation", tokenizer=tokenizer)
        shards.check_whole()
        total = sum(stream.tokens for stream in shards.streams.values())
        results = {}
        with bar(total, label="evaluate", unit="tokens") as progress:
            for kind, stream in shards.streams.items():
                nats = sum(self._nats(model, stream, progress))
                text = tokenizer.decode_bytes(stream.read(0, len(stream)))
                results[kind] = {
                    "bytes": len(text),
                    "model": nats / len(text) / log(2),
                    "xz": xz_bits_per_byte(text),
                    "gzip": gzip_bits_per_byte(text),
                }
        return results

    def fingerprint(self) -> str:
        """Hash of the text that is measured on."""
        shards = Shards(self.path, "validation")
        if not shards.kinds:
            raise ValueError(f"{self.path} has nothing held out to measure on: `lm corpus split.share=0.05` does")
        return shards.fingerprint

    def table(self, results: dict[str, dict[str, float]]) -> str:
        """The results in words and columns."""
        lines = [f"{'bits per byte':<14} {'model':>7} {'xz -9':>7} {'gzip -9':>8}   held-out text"]
        for kind, found in results.items():
            lines.append(
                f"{kind:<14} {found['model']:>7.3f} {found['xz']:>7.3f} {found['gzip']:>8.3f}   "
                f"{found['bytes'] / 1e6:.2f} MB"
            )
        return "\n".join(lines)

    def _nats(self, model: Transformer, stream: TokenStream, progress) -> Iterator[float]:
        windows = list(self._windows(stream, model.context))
        windows.sort(key=lambda window: window[2] - window[0])  # rows of a batch are then of like length
        for start in range(0, len(windows), self.rows):
            batch = windows[start : start + self.rows]
            tokens, targets, counted = _stack(stream, batch)
            with torch.inference_mode():
                hidden = model.hidden(tokens)
                losses = target_losses(hidden[counted], model.output_weight, targets[counted])
            yield float(losses.double().sum())
            progress.update(int(counted.sum()))

    def _windows(self, stream: TokenStream, context: int) -> Iterator[tuple[int, int, int]]:
        """(first input, first counted input, end) of each window; a document's targets are counted once."""
        step = max(1, round(context * self.stride))
        for begin, end in zip(stream.bounds[:-1].tolist(), stream.bounds[1:].tolist(), strict=True):
            counted = begin
            while counted < end:
                stop = min(end, begin + context if counted == begin else counted + step)
                yield max(begin, stop - context), counted, stop
                counted = stop


def _stack(stream: TokenStream, windows: list[tuple[int, int, int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, targets, and which targets count; padded on the right, where causal attention never looks."""
    longest = max(end - start for start, _, end in windows)
    tokens = np.zeros((len(windows), longest + 1), dtype=np.int64)
    counted = np.zeros((len(windows), longest), dtype=bool)
    for i, (start, first, end) in enumerate(windows):
        tokens[i, : end - start + 1] = stream.read(start, end + 1)
        counted[i, first - start : end - start] = True
    tokens = torch.from_numpy(tokens)
    return tokens[:, :-1], tokens[:, 1:], torch.from_numpy(counted)
