"""Log-probabilities of documents in packed rows are those of each document read alone."""

import torch
from torch.nn import functional as F

from lm.batch import Batch
from lm.model import Attention, SwiGLU, Transformer
from lm.objective.log_probabilities import document_kinds, document_log_probabilities


def model() -> Transformer:
    torch.manual_seed(0)
    made = Transformer(
        vocab_size=31, context=12, dim=8, layers=2, attention=lambda dim: Attention(dim, heads=2, key_value_heads=1),
        feedforward=lambda dim: SwiGLU(dim, hidden=16),
    )  # fmt: skip
    made.load_state_dict({name: torch.randn_like(value) * 0.3 for name, value in made.state_dict().items()})
    return made.double()


def packed() -> tuple[Batch, dict[tuple[int, int], tuple[torch.Tensor, torch.Tensor]]]:
    """Two rows of ragged documents with ragged masks, and each document by (row, number)."""
    torch.manual_seed(1)
    lengths = [[3, 4, 5], [6, 2]]
    tokens, targets = torch.zeros(2, 12, dtype=torch.int64), torch.zeros(2, 12, dtype=torch.int64)
    documents, supervised = torch.full((2, 12), -1), torch.zeros(2, 12, dtype=torch.bool)
    alone = {}
    for row, sizes in enumerate(lengths):
        start = 0
        for number, size in enumerate(sizes):
            here = slice(start, start + size)
            ids, mask = torch.randint(31, (size + 1,)), torch.rand(size) < 0.6
            mask &= (row, number) != (1, 1)  # nothing supervised in this one
            tokens[row, here], targets[row, here] = ids[:-1], ids[1:]
            documents[row, here], supervised[row, here] = number, mask
            alone[row, number] = ids, mask
            start += size
    return Batch(tokens, targets, supervised, 1.0, documents=documents, kinds=documents.clamp(min=0) + 3), alone


def test_sums_and_counts_by_document_are_those_of_each_document_alone():
    network, (batch, alone) = model(), packed()
    sums, counts = document_log_probabilities(network, batch)
    assert sums.shape == counts.shape == (2, 3)
    gradients = torch.autograd.grad(
        (sums * torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])).sum(), network.parameters()
    )
    expected = torch.zeros(2, 3, dtype=torch.float64)
    for (row, number), (ids, mask) in alone.items():
        losses = F.cross_entropy(network(ids[None, :-1])[0], ids[1:], reduction="none")
        expected[row, number] = -(losses * mask).sum()
        assert counts[row, number] == mask.sum()
    torch.testing.assert_close(sums, expected, rtol=1e-10, atol=1e-10)
    again = torch.autograd.grad(
        (expected * torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])).sum(), network.parameters()
    )
    for one, other in zip(gradients, again, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
    assert sums[1, 1] == counts[1, 1] == 0  # of which nothing is supervised
    assert sums[1, 2] == counts[1, 2] == 0  # which is not there


def test_kinds_by_document_are_those_of_their_targets():
    batch, _ = packed()
    assert document_kinds(batch, documents=3).tolist() == [[3, 4, 5], [3, 0, 0]]


def test_without_documents_a_row_is_one():
    batch, alone = packed()
    ids, mask = alone[1, 0]
    row = Batch(ids[None, :-1], ids[None, 1:], mask[None], 1.0)
    expected, _ = document_log_probabilities(model(), batch)
    found, counts = document_log_probabilities(model(), row)
    torch.testing.assert_close(found[0, 0], expected[1, 0], rtol=1e-10, atol=1e-10)
    assert counts.tolist() == [[int(mask.sum())]]
