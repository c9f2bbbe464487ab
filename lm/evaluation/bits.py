"""Bits per byte of every held-out document, by kind, beside those of gzip and xz.

Unlike validation during training this cuts nothing: each document is read in overlapping windows, so all but its
first tokens are predicted from at least `context × (1 - stride)` tokens before them.

Legend: B windows  T tokens  D dim
"""

import gzip
import lzma
from collections.abc import Iterator
from math import log

import numpy as np
import torch
from torch import Tensor

from lm.corpus import Shards, TokenStream
from lm.evaluation.division import on_ranks
from lm.evaluation.evaluation import Evaluation
from lm.model import Transformer
from lm.objective.loss import target_losses
from lm.progress import bar
from lm.tokenizer import Tokenizer


class BitsPerByte(Evaluation):
    """The bits a model needs per byte of held-out text: the nats of all targets, ends of documents included.

    Args:
        path: Directory of a corpus whose validation split is measured on; its tokenizer must be the model's.
        stride: Tokens predicted per window, as a share of the context, in (0, 1]. Smaller gives each token more
            context and takes more windows: 0.5 reads every token twice.
        rows: Windows per forward pass; changes speed and memory, not the result.
    """

    def __init__(self, path: str, *, stride: float = 0.5, rows: int = 16):
        if not 0 < stride <= 1:
            raise ValueError(f"evaluations.bits.stride={stride}: must be a share of the context above 0 and at most 1")
        self.path, self.stride, self.rows = path, stride, rows

    def __call__(self, model: Transformer, tokenizer: Tokenizer) -> dict[str, dict[str, float]]:
        """Return for each kind: bytes, and bits per byte of the model, of xz and of gzip."""
        shards = Shards(self.path, "validation", tokenizer=tokenizer)
        shards.verify()
        total = sum(stream.tokens for stream in shards.streams.values())
        results = {}
        with bar(total, label="evaluate", unit="tokens") as progress:
            for kind, stream in shards.streams.items():
                nats = sum(self._nats(model, stream, tokenizer.beginning, progress))
                text = tokenizer.decode_bytes(stream.read(0, len(stream)))
                results[kind] = {
                    "bytes": len(text),
                    "model": nats / len(text) / log(2),
                    "xz": xz_bits_per_byte(text),
                    "gzip": gzip_bits_per_byte(text),
                }
        return results

    def fingerprint(self) -> str:
        shards = Shards(self.path, "validation")
        if not shards.kinds:
            raise ValueError(f"{self.path} has no held-out documents to measure on: make it with split.share=0.05")
        return shards.fingerprint

    def table(self, results: dict[str, dict[str, float]]) -> str:
        lines = [f"{'bits per byte':<14} {'model':>7} {'xz -9':>7} {'gzip -9':>8}   held-out text"]
        for kind, result in results.items():
            lines.append(
                f"{kind:<14} {result['model']:>7.3f} {result['xz']:>7.3f} {result['gzip']:>8.3f}   "
                f"{result['bytes'] / 1e6:.2f} MB"
            )
        return "\n".join(lines)

    def _nats(self, model: Transformer, stream: TokenStream, beginning: int, progress) -> list[float]:
        """The nats of each batch of windows."""
        windows = list(self._windows(stream, model.context))
        windows.sort(key=lambda window: window[2] - window[0])  # windows of a batch are then of similar length

        def measure(batch: list[tuple[int, int, int]]) -> float:
            tokens, targets, counted = _stack(stream, batch, beginning)
            with torch.inference_mode():
                hidden = model.hidden(tokens)  # B T D
                losses = target_losses(hidden[counted], model.projection, targets[counted])
            progress.update(int(counted.sum()))
            return float(losses.double().sum())

        return on_ranks([windows[start : start + self.rows] for start in range(0, len(windows), self.rows)], measure)

    def _windows(self, stream: TokenStream, context: int) -> Iterator[tuple[int, int, int]]:
        """Yield (first input, first counted input, end) of each window; each target counts once."""
        step = max(1, round(context * self.stride))
        for begin, end in zip(stream.bounds[:-1].tolist(), stream.bounds[1:].tolist(), strict=True):
            counted = begin
            while counted < end:
                stop = min(end, begin + context if counted == begin else counted + step)
                yield max(begin, stop - context), counted, stop
                counted = stop


def _stack(stream: TokenStream, windows: list[tuple[int, int, int]], beginning: int) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, targets and which targets count [B, T]; padded on the right, which causal attention ignores."""
    longest = max(end - start for start, _, end in windows)
    starts = np.array([start for start, _, _ in windows])
    opens = stream.bounds[np.searchsorted(stream.bounds, starts)] == starts
    tokens = np.zeros((len(windows), longest + 1), dtype=np.int64)
    counted = np.zeros((len(windows), longest), dtype=bool)
    for i, (start, first, end) in enumerate(windows):
        tokens[i, : end - start + 1] = stream.read(start, end + 1)
        tokens[i, 0] = beginning if opens[i] else tokens[i, 0]
        counted[i, first - start : end - start] = True
    tokens = torch.from_numpy(tokens)
    return tokens[:, :-1], tokens[:, 1:], torch.from_numpy(counted)


def gzip_bits_per_byte(data: bytes) -> float:
    """Bits per byte of `gzip -9`: matches within 32 KiB, Huffman codes."""
    return 8 * len(gzip.compress(data, compresslevel=9, mtime=0)) / len(data)


def xz_bits_per_byte(data: bytes) -> float:
    """Bits per byte of `xz -9`: matches within 64 MiB, adaptive range coding."""
    return 8 * len(lzma.compress(data, preset=9)) / len(data)
