"""Features of several continuations of one prefix, which is read once, as of the answers to one prompt.

Legend: U prefixes  P tokens of a prefix  R continuations  T tokens of a continuation  D dim
        K key/value heads  S tokens attended to (P + T)  E head dim
"""

import torch
from torch import Tensor

from lm.model.transformer import Transformer
from lm.model.visibility import Visibility, last_tokens


def hidden_after_prefixes(
    model: Transformer, prefixes: Tensor, lengths: Tensor, continuations: Tensor, prefix_of: Tensor
) -> Tensor:
    """Return the features that predict each token of a continuation and the one after it: R T+1 D.

    The first are those of the last token of the prefix. Every layer computes keys and values of a prefix once, and its
    continuations attend to them: the same features and gradients as of whole rows, to rounding, for R − U prefixes
    less. Padding is on the right, and features there mean nothing. Rotary angles that depend on the length of a text
    take the padded length.

    Args:
        model: The network.
        prefixes: Token ids of the distinct prefixes, U P.
        lengths: Tokens of each prefix, at least 1, U.
        continuations: Token ids after the prefix, R T; T may be 0.
        prefix_of: Number of the prefix of each continuation, R.
    """
    known: dict[int, tuple[Tensor, Tensor]] = {}

    def keep(layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        known[layer] = keys, values
        return keys, values

    def extend(layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        before = (each.index_select(0, prefix_of) for each in known[layer])
        return tuple(torch.cat(pair, 2) for pair in zip(before, (keys, values), strict=True))  # R K S E

    read = torch.arange(prefixes.shape[1], device=prefixes.device)
    room = prefixes.shape[1] + continuations.shape[1]
    features = model.features(prefixes, Visibility(read[None], None, room=room), write=keep)  # U P D
    ends = features[torch.arange(len(prefixes), device=prefixes.device), lengths - 1]
    last = ends.index_select(0, prefix_of)[:, None]  # R 1 D
    count = continuations.shape[1]
    if count == 0:
        return last
    own = torch.arange(count, device=prefixes.device)
    start = lengths[prefix_of, None]  # R 1
    of_prefix = (read < start)[:, None].expand(-1, count, -1)  # R T P
    of_own = (own <= own[:, None]).expand(len(continuations), -1, -1)  # R T T
    mask = torch.cat((of_prefix, of_own), 2)[:, None]  # R 1 T S
    places = start + own  # R T
    seen = torch.cat((read.expand(len(places), -1), places), 1)  # R S
    before = last_tokens(prefixes, lengths, model.reach).index_select(0, prefix_of)
    after = Visibility(places, mask, places=places, seen=seen, before=before, room=room)
    return torch.cat((last, model.features(continuations, after, write=extend)), 1)
