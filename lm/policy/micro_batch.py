"""Rows of prompts and completions, padded on the right, and tables of what is known of each token.

Legend: B prompts  R completions  W tokens a row  T tokens of a completion
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
    """Return the rows of completions. The end token is a target like any other; results of tools are none.

    Column n of the mask is the n-th token that the model generated, wherever it stands in the row.

    Args:
        rollouts: Completions, R.
        asked: All prompts by number.
        counts: Whether each completion counts in the loss, R; of others nothing is supervised.
        padding: Token id that fills the end of a row.
    """
    rows = [[*asked[each.prompt].tokens, *each.tokens] for each in rollouts]
    width = max(len(row) for row in rows) - 1
    lengths = torch.tensor([each.generated for each in rollouts]) * torch.tensor(counts)
    starts = torch.tensor([len(asked[each.prompt].tokens) - 1 for each in rollouts])
    generated = torch.zeros(len(rows), width, dtype=torch.bool)
    for row, (each, start) in enumerate(zip(rollouts, starts.tolist(), strict=True)):
        if counts[row]:
            inserted = torch.tensor(each.inserted or [False] * len(each.tokens), dtype=torch.bool)
            generated[row, start : start + len(each.tokens)] = ~inserted
    whole = torch.tensor([row + [padding] * (width + 1 - len(row)) for row in rows])  # R W+1
    return PolicyBatch(
        tokens=whole[:, :-1],
        targets=whole[:, 1:],
        supervised=generated,
        denominator=1.0,
        mask=torch.arange(max(1, int(lengths.max()))) < lengths[:, None],
    )


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
    rows, width = len(batch.tokens) * group_size, batch.tokens.shape[1]
    length = min(max_tokens, width)
    tokens = batch.tokens.new_zeros(rows, width)
    places = torch.arange(rows * length)
    flat = torch.zeros(rows, length, dtype=dtype)
    return PolicyBatch(
        tokens=tokens,
        targets=tokens,
        supervised=(places // length, places % length),
        denominator=1.0,
        mask=torch.ones(rows, length, dtype=torch.bool),
        advantages=flat,
        weights=flat,
        reference=flat if reference else None,
        values=flat if values else None,
        returns=flat if values else None,
    )
