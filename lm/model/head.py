"""A scalar head: a score of the text so far at each position, for reward models and value functions.

Legend: D dim
"""

from torch import nn

from lm.model.transformer import Transformer


def scalar_head(model: Transformer) -> None:
    """Give the model a `head`, a linear map of its last features to one number that is 0 at the start.

    The head trains whatever else is frozen. One that the weights have already, of a reward model that is trained on, is
    kept as it is.

    Args:
        model: The model, changed in place.
    """
    if model.head is None:
        like = model.embedding.weight
        model.head = nn.Linear(like.shape[1], 1, device=like.device, dtype=like.dtype)
        nn.init.zeros_(model.head.weight)
        nn.init.zeros_(model.head.bias)
    model.head.requires_grad_(True)
