"""Log-likelihoods of continuations, independent of the other requests.

Inputs are padded on the right, where causal attention does not look, and each target is scored by itself. So a
likelihood depends neither on the batch nor on the order of the requests, up to the rounding of matrix products.

Legend: B rows  T tokens  D dim  N targets  V vocabulary
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lm.evaluation.division import on_ranks
from lm.model import Projection, Transformer
from lm.objective.loss import CHUNK, target_losses
from lm.progress import bar


@dataclass(frozen=True)
class Request:
    """A continuation to score after its context.

    Args:
        context: Token ids before it, at least one: a text without context follows the token that begins a text.
        continuation: Token ids that are scored.
    """

    context: tuple[int, ...]
    continuation: tuple[int, ...]


@dataclass(frozen=True)
class Likelihood:
    """How likely a continuation is.

    Args:
        nats: Negative log-probability of each of its tokens.
        ranked_first: Whether the model ranks each token first, so that greedy decoding gives the continuation.
        best_nats: Negative log-probability of the token that it ranks first in each place.
    """

    nats: tuple[float, ...]
    ranked_first: tuple[bool, ...]
    best_nats: tuple[float, ...] = ()

    @property
    def log_probability(self) -> float:
        return -sum(self.nats)

    @property
    def greedy(self) -> bool:
        return all(self.ranked_first)


@dataclass(frozen=True)
class _Window:
    """Inputs of one forward pass and the targets that its last positions predict."""

    inputs: tuple[int, ...]
    targets: tuple[int, ...]


class Scorer:
    """Score continuations with a model.

    Requests are sorted by length. One whose input begins that of another, such as the same question with several
    one-token answers, shares its forward pass. The context is cut on the left to what fits. A continuation longer than
    the context of the model is read in windows, each of which begins with the token before it.

    Args:
        model: The model; its mode, training or not, is restored.
        batch_tokens: Maximum number of tokens of a forward pass, padding included; changes speed and memory.
    """

    def __init__(self, model: Transformer, *, batch_tokens: int = 4096):
        self.model, self.batch_tokens = model, batch_tokens

    def __call__(self, requests: Sequence[Request], *, label: str = "evaluate") -> list[Likelihood]:
        """Return the likelihood of each request, in order."""
        distinct = [*dict.fromkeys(requests)]
        windows = [_windows(request, self.model.context) for request in distinct]
        flat = [*dict.fromkeys(window for each in windows for window in each)]
        scores: dict[_Window, np.ndarray] = {}
        with bar(len(flat), label=label, unit="continuations") as progress, inference(self.model):
            batches = [*self._batches(flat)]

            def score(batch: list[list[_Window]]) -> list[np.ndarray]:
                found = self._score(batch)
                progress.update(len(found))
                return found

            for batch, found in zip(batches, on_ranks(batches, score), strict=True):
                scores.update(zip((window for row in batch for window in row), found, strict=True))
        whole = {}
        for request, parts in zip(distinct, windows, strict=True):
            nats, first, best = np.concatenate([np.zeros((3, 0)), *(scores[part] for part in parts)], axis=1)
            whole[request] = Likelihood(tuple(nats.tolist()), tuple((first == 1).tolist()), tuple(best.tolist()))
        return [whole[request] for request in requests]

    def _batches(self, windows: Sequence[_Window]) -> Iterator[list[list[_Window]]]:
        """Yield batches of rows; a row is the windows that share a forward pass, the longest first."""
        rows: list[list[_Window]] = []
        for window in sorted(windows, key=lambda each: each.inputs, reverse=True):
            if rows and rows[-1][0].inputs[: len(window.inputs)] == window.inputs:
                rows[-1].append(window)
            else:
                rows.append([window])
        rows.sort(key=lambda row: len(row[0].inputs), reverse=True)  # what needs most memory comes first
        while rows:
            count = max(1, self.batch_tokens // len(rows[0][0].inputs))
            yield rows[:count]
            rows = rows[count:]

    def _score(self, rows: Sequence[Sequence[_Window]]) -> list[np.ndarray]:
        """Return, for each window of each row, nats of the target, whether it is first, and nats of the first, 3 N."""
        tokens = np.zeros((len(rows), len(rows[0][0].inputs)), dtype=np.int64)
        for number, row in enumerate(rows):
            tokens[number, : len(row[0].inputs)] = row[0].inputs
        windows = [window for row in rows for window in row]
        number = [[n] * len(window.targets) for n, row in enumerate(rows) for window in row]
        place = [range(len(each.inputs) - len(each.targets), len(each.inputs)) for each in windows]
        device = self.model.projection.weight.device
        rows_of, places, targets = (
            torch.tensor([value for part in parts for value in part], device=device)
            for parts in (number, place, [window.targets for window in windows])
        )
        hidden = self.model.hidden(torch.from_numpy(tokens).to(device))[rows_of, places]  # N D
        nats = target_losses(hidden, self.model.projection, targets).double()
        first, margin = _ranked(hidden, self.model.projection, targets)
        found = torch.stack([nats, first.double(), nats - margin.double()]).cpu().numpy()
        ends = np.cumsum([len(window.targets) for window in windows])[:-1]
        return np.split(found, ends, axis=1)


def _ranked(hidden: Tensor, projection: Projection, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Whether each target has the highest logit, the first of several, and how far it is below it: N D, N → N."""
    first, margin = [], []
    for part, here in zip(hidden.split(CHUNK), targets.split(CHUNK), strict=True):
        logits = projection.logits(part)  # N V
        highest, token = logits.max(-1)
        first.append(token == here)
        margin.append((highest - logits.gather(-1, here[:, None])[:, 0]).clamp_min(0))
    return torch.cat(first), torch.cat(margin)


def _windows(request: Request, context: int) -> list[_Window]:
    """The forward passes of a request: one, or several for a continuation longer than the context."""
    assert request.context, "a continuation is scored after at least one token"
    text = request.context + request.continuation
    begin, windows = len(request.context), []
    while begin < len(text):
        end = min(len(text), begin + context)
        windows.append(_Window(text[max(0, end - 1 - context) : end - 1], text[begin:end]))
        begin = end
    return windows


@contextmanager
def inference(model: Transformer) -> Iterator[None]:
    """No dropout and no gradients; afterwards the model is in its former mode."""
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(training)
