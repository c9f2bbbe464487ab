"""How surely a model completes a text word for word: greedily, and when its tokens are drawn.

Nothing is generated: the model reads the text, and the probability of drawing its end follows from its logits.

Legend: B rows  T tokens  D dim  N tokens of suffixes  V vocabulary
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, expm1, inf, log1p

import torch
from torch import Tensor

from lm.evaluation.division import on_ranks
from lm.evaluation.scorer import inference
from lm.generation import Sampling, drawn_log_probabilities
from lm.model import Transformer
from lm.objective.loss import CHUNK
from lm.progress import bar


@dataclass(frozen=True)
class Window:
    """A prefix that a model reads and the suffix that should follow.

    Args:
        prefix: Token ids, at least one.
        suffix: Token ids, at least one.
    """

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]


@dataclass(frozen=True)
class Extraction:
    """How surely the suffix follows the prefix.

    Args:
        log_q: Log of the probability that sampling gives the whole suffix; -inf where it cannot.
        matched: Tokens of the suffix that greedy decoding gives before the first other one.
        nats: Negative log-probability of the suffix in the model's own distribution.
        tokens: Length of the suffix.
    """

    log_q: float
    matched: int
    nats: float
    tokens: int

    @property
    def verbatim(self) -> bool:
        """Whether greedy decoding gives the whole suffix."""
        return self.matched == self.tokens

    def drawn(self, times: int) -> float:
        """Return the probability that at least one of so many draws gives the suffix: 1 - (1 - q)^n."""
        if self.log_q == -inf:
            return 0.0
        q = exp(self.log_q)
        return 1.0 if q >= 1 else -expm1(times * log1p(-q))


def extract(
    model: Transformer, windows: Sequence[Window], *, sampling: Sampling, batch_tokens: int = 4096
) -> list[Extraction]:
    """Return how surely a model completes each window, in order.

    Args:
        model: The model; its mode, training or not, is restored.
        windows: Windows that fit into its context, but for the last token.
        sampling: How tokens are drawn.
        batch_tokens: Maximum number of tokens of a forward pass; changes speed and memory.
    """
    order = sorted(range(len(windows)), key=lambda place: -len(windows[place].prefix) - len(windows[place].suffix))
    batches = []
    while order:
        longest = len(windows[order[0]].prefix) + len(windows[order[0]].suffix)
        batches.append(order[: max(1, batch_tokens // longest)])
        order = order[len(batches[-1]) :]
    with bar(len(windows), label="evaluate", unit="windows") as progress, inference(model):

        def work(batch: list[int]) -> list[Extraction]:
            progress.update(len(batch))
            return _extracted(model, [windows[place] for place in batch], sampling)

        found = on_ranks(batches, work)
    places = [place for batch in batches for place in batch]
    made = dict(zip(places, (each for part in found for each in part), strict=True))
    return [made[place] for place in range(len(windows))]


def _extracted(model: Transformer, windows: Sequence[Window], sampling: Sampling) -> list[Extraction]:
    device = model.projection.weight.device
    texts = [window.prefix + window.suffix for window in windows]
    longest = max(map(len, texts))
    tokens = torch.tensor([[*text, *[0] * (longest - len(text))] for text in texts], device=device)
    hidden = model.hidden(tokens[:, :-1])  # padding stands on the right, where causal attention does not look
    results = []
    for row, window in enumerate(windows):
        begin = len(window.prefix)
        features, targets = hidden[row, begin - 1 : len(texts[row]) - 1], tokens[row, begin : len(texts[row])]  # N D, N
        log_q, first, nats = 0.0, [], 0.0
        for start in range(0, len(targets), CHUNK):
            part, here = features[start : start + CHUNK], targets[start : start + CHUNK]
            logits = model.projection.logits(part)
            logits = logits if logits.dtype == torch.float64 else logits.float()
            seen = _seen(texts[row], begin + start, logits) if sampling.repetition_penalty != 1 else None
            log_q += float(drawn_log_probabilities(logits, here, sampling=sampling, seen=seen).double().sum())
            first += (logits.argmax(-1) == here).tolist()
            nats -= float(logits.log_softmax(-1).gather(-1, here[:, None]).double().sum())
        results.append(Extraction(log_q, [*first, False].index(False), nats, len(targets)))
    return results


def _seen(text: Sequence[int], begin: int, logits: Tensor) -> Tensor:
    """Which tokens stand before each of the places from `begin` on, N V."""
    seen = torch.zeros_like(logits, dtype=torch.bool)
    for place in range(len(logits)):
        seen[place, list({*text[: begin + place]})] = True
    return seen
