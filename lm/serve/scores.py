"""Log-probabilities of tokens in the model's own distribution, and the most likely tokens beside them.

Legend: N places  V vocabulary
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from lm.serve.request import Scored


def scored(logits: Tensor, tokens: Sequence[int], *, alternatives: int) -> list[Scored]:
    """Score the token at each place.

    Args:
        logits: Logits of the places, N V.
        tokens: Token at each place, N.
        alternatives: Number of most likely tokens to name; of equally likely ones the lower id comes first.
    """
    exact = logits if logits.dtype == torch.float64 else logits.float()
    likely = exact.log_softmax(-1)
    own = likely.gather(-1, torch.tensor(tokens, device=likely.device)[:, None])[:, 0].tolist()
    if alternatives == 0:
        return [Scored(token, score) for token, score in zip(tokens, own, strict=True)]
    best = likely.topk(min(alternatives, likely.shape[-1]), dim=-1)
    places = zip(tokens, own, best.indices.tolist(), best.values.tolist(), strict=True)
    return [
        Scored(token, score, tuple(sorted(zip(ids, values, strict=True), key=lambda each: (-each[1], each[0]))))
        for token, score, ids, values in places
    ]
