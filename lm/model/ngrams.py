"""Embeddings of the last few tokens together, added to the embedding of a token.

Legend: B batch  T tokens  D dim  N sizes of n-grams  R tokens before
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lm.bounds import Count

MULTIPLIER = 0x9E3779B97F4A7C15  # 2^64 / golden ratio (Knuth 6.4): its powers spread neighbouring keys


class HashedNgrams(nn.Embedding):
    """A vector for each n-gram that ends at a token, looked up by hash, in the spirit of fastText and BLT.

    What follows the last two to five characters is then known from the first steps on, for the price of a look-up; the
    blocks learn the rest. N-grams that share a row are not distinguished. Sources: Bojanowski et al. 2017
    (arXiv:1607.04606), Pagnoni et al. 2024 (arXiv:2412.09871, section 3.2.1), Huang et al. 2025 (arXiv:2501.16975).
    An n-gram never reaches beyond the document of its token. No other library reads such a model: it is not exported.

    Args:
        dim: Width of the residual stream.
        sizes: Tokens of the n-grams, each above 1; every size has rows of its own. 2 to 5 suit characters.
        rows: Rows of each size. Tables take sizes × rows × dim weights, which an optimizer keeps moments of; the fewer
            rows, the more n-grams share one.
    """

    def __init__(self, dim: int, *, sizes: Sequence[Count] = (2, 3, 4, 5), rows: Count = 8192) -> None:
        sizes = [*sizes]
        if not sizes or min(sizes) < 2 or len({*sizes}) < len(sizes):
            raise ValueError(f"ngrams.sizes {sizes} is not a list of different numbers above 1: try [2, 3, 4, 5]")
        super().__init__(len(sizes) * rows, dim)
        self.sizes, self.rows = sizes, rows

    @property
    def reach(self) -> int:
        """Earlier tokens that the longest n-gram has."""
        return max(self.sizes) - 1

    def index(self, tokens: Tensor, positions: Tensor, before: Tensor | None = None) -> Tensor:  # → B T N
        """Return the row of each n-gram.

        Args:
            tokens: Token ids, B T.
            positions: Position of each token in its document, B T or 1 T; a document has none before position 0.
            before: The last tokens before these in their row, B R with R = `reach`; None if there are none.
        """
        count = tokens.shape[1]
        row = F.pad(tokens, (self.reach, 0)) if before is None else torch.cat((before, tokens), 1)
        key, rows, factor = torch.zeros_like(tokens), [], 1
        found: dict[int, Tensor] = {}
        for back in range(self.reach + 1):
            factor = factor * MULTIPLIER % 2**64
            earlier = row[:, self.reach - back : self.reach - back + count] + 1
            key = key + torch.where(positions >= back, earlier, 0) * _signed(factor)  # modulo 2^64
            found[back + 1] = key
        for number, size in enumerate(self.sizes):
            mixed = (found[size] ^ (found[size] >> 31)) * _signed(MULTIPLIER)
            rows.append(number * self.rows + (mixed >> 32 & 0x7FFFFFFF) % self.rows)
        return torch.stack(rows, -1)

    def forward(self, index: Tensor) -> Tensor:  # B T N → B T D
        """Return the sum of the vectors of the n-grams that end at each token."""
        return super().forward(index).sum(-2)


def _signed(number: int) -> int:
    """Return what a 64-bit integer of torch holds of an unsigned number."""
    return number - 2**64 if number >= 2**63 else number
