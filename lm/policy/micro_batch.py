"""Prompts and their completions, padded on the right, and tables of what is known of each token.

Legend: B prompts  R completions  W tokens of a prompt's row  T tokens of a completion
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from lm.batch import PromptBatch
from lm.conversation import Prompt
from lm.policy.batch import PolicyBatch
from lm.policy.rollout import Rollout


def padded(
    rollouts: Sequence[Rollout], asked: Sequence[Prompt], *, counts: Sequence[bool], padding: int
) -> PolicyBatch:
    """Return completions with their prompts. The end token is a target like any other; results of tools are none.

    Column n of the mask is the n-th token that the model generated, wherever it stands after the prompt.

    Args:
        rollouts: Completions, R.
        asked: All prompts by number.
        counts: Whether each completion counts in the loss, R; of others nothing is supervised.
        padding: Token id that fills the end of a row.
    """
    numbers = {number: place for place, number in enumerate(dict.fromkeys(each.prompt for each in rollouts))}
    prompts = [asked[number].tokens for number in numbers]
    width = max(len(each.tokens) for each in rollouts)
    lengths = torch.tensor([each.generated for each in rollouts]) * torch.tensor(counts)
    generated = torch.zeros(len(rollouts), width, dtype=torch.bool)
    for row, (each, counted) in enumerate(zip(rollouts, counts, strict=True)):
        if counted:
            inserted = torch.tensor(each.inserted or [False] * len(each.tokens), dtype=torch.bool)
            generated[row, : len(each.tokens)] = ~inserted
    tokens = _filled([each.tokens for each in rollouts], padding)
    return PolicyBatch(
        tokens=tokens,
        targets=tokens,
        supervised=generated,
        denominator=1.0,
        prompts=_filled(prompts, padding),
        prompt_lengths=torch.tensor([len(each) for each in prompts]),
        prompt_of=torch.tensor([numbers[each.prompt] for each in rollouts]),
        mask=torch.arange(max(1, int(lengths.max()))) < lengths[:, None],
    )


def _filled(rows: Sequence[Sequence[int]], padding: int) -> Tensor:
    width = max(map(len, rows))
    return torch.tensor([[*row, *[padding] * (width - len(row))] for row in rows])


def table(values: Sequence[Sequence[float]], mask: Tensor) -> Tensor:
    """Return known values of the tokens of each completion as fp64 R T; 0 outside the mask."""
    made = torch.zeros(mask.shape, dtype=torch.float64)
    for row, known in enumerate(values):
        made[row, : len(known)] = torch.tensor(known, dtype=torch.float64)[: mask.shape[1]]
    return made.where(mask, 0)


def stacked(tables: Sequence[Tensor]) -> Tensor:
    """Return tables of different widths below each other, the narrower ones filled with 0."""
    width = max(each.shape[1] for each in tables)
    return torch.cat([torch.nn.functional.pad(each, (0, width - each.shape[1])) for each in tables])


def outline(
    batch: PromptBatch, *, group_size: int, max_tokens: int, dtype: torch.dtype, reference: bool, values: bool
) -> PolicyBatch:
    """Return completions of full length, of which only shapes count: for estimates on tensors without memory.

    Args:
        batch: Prompts, B W.
        group_size: Completions of each prompt.
        max_tokens: Tokens of a completion.
        dtype: Precision of the loss.
        reference: Whether there is a reference model.
        values: Whether there is a value head.
    """
    prompts, width = batch.tokens.shape
    rows, length = prompts * group_size, min(max_tokens, width)
    tokens = batch.tokens.new_zeros(rows, length)
    places = torch.arange(rows * length)
    flat = torch.zeros(rows, length, dtype=dtype)
    return PolicyBatch(
        tokens=tokens,
        targets=tokens,
        supervised=(places // length, places % length),
        denominator=1.0,
        prompts=batch.tokens[:, : max(1, width - length + 1)],
        prompt_lengths=torch.ones(prompts, dtype=torch.int64),
        prompt_of=torch.arange(rows) // group_size,
        mask=torch.ones(rows, length, dtype=torch.bool),
        advantages=flat,
        weights=flat,
        reference=flat if reference else None,
        values=flat if values else None,
        returns=flat if values else None,
    )
