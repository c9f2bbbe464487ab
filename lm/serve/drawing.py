"""Draw the next token of several answers, each by its own options and its own generator.

Legend: B answers  V vocabulary
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from lm.generation import Sampling
from lm.generation.continuation import seen_tokens
from lm.generation.sampling import sample_tokens
from lm.serve.answer import Answer


def drawn(logits: Tensor, answers: Sequence[Answer]) -> list[int | None]:
    """Return the next token of each answer; None where the logits, B V, are not finite.

    Answers with the same options are drawn together.
    """
    exact = logits.dtype if logits.dtype == torch.float64 else torch.float32
    finite = logits.sum(-1, dtype=exact).isfinite().tolist()
    tokens: list[int | None] = [None] * len(answers)
    groups: dict[Sampling, list[int]] = {}
    for row, answer in enumerate(answers):
        if finite[row]:
            groups.setdefault(answer.request.sampling, []).append(row)
    for sampling, rows in groups.items():
        found = logits if len(rows) == len(answers) else logits[rows]
        chosen = sample_tokens(
            found,
            sampling=sampling,
            generators=[answers[row].generator for row in rows],
            seen=None
            if sampling.repetition_penalty == 1
            else seen_tokens([answers[row].continuation for row in rows], found),
        )
        for row, token in zip(rows, chosen.tolist(), strict=True):
            tokens[row] = token
    return tokens
