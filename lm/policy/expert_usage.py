"""What completions used of sparse experts, where a prompt is read once for all of its completions.

Legend: R completions  U distinct prompts  P tokens of a prompt  W tokens after a prompt
"""

import torch
from torch import Tensor

from lm.model.experts import Routing
from lm.objective.balance import Usage
from lm.policy.batch import PolicyBatch


def completion_usage(batch: PolicyBatch, passes: list[list[Routing]]) -> tuple[Usage, Tensor]:
    """Return the usage of each completion with its prompt, as if it were a row of its own, and its loss weight, R.

    Args:
        batch: Completions and their prompts.
        passes: Routing of the prompts, and of the tokens after them where there are more than one.
    """
    prompts, *after = passes
    own = torch.arange(len(batch.prompts), device=batch.prompts.device)[:, None]
    read = torch.arange(batch.prompts.shape[1], device=own.device) < batch.prompt_lengths[:, None]  # U P
    usage = Usage.of(prompts, torch.where(read, own, -1), len(own)).of_texts(batch.prompt_of)
    weights = (batch.weights * batch.mask).sum(-1)
    width = batch.tokens.shape[1]
    places = torch.arange(width, device=own.device)
    last = torch.where(batch.supervised, places, 0).amax(-1, keepdim=True)  # R 1, the last that is predicted
    for layers in after:
        rows = torch.arange(len(batch.tokens), device=own.device)[:, None]
        usage = usage + Usage.of(layers, torch.where(places[:-1] < last, rows, -1), len(rows))
    return usage, weights
