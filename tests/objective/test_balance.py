"""The loss that balances experts: the formula of transformers for a text, and a mean over texts for any partition."""

from dataclasses import fields, replace
from functools import partial

import pytest
import torch

from lm.batch import Batch, LabelledBatch, PreferenceBatch
from lm.generation import Sampling
from lm.model import Attention, Experts, SwiGLU, Transformer, scalar_head
from lm.model.experts import recorded_routing, sparse_layers
from lm.objective import KTO, CausalLM, FrozenReference, Preference, RewardModel
from lm.objective.balance import Balance, Usage, load_metrics
from lm.objective.preference_losses import dpo
from lm.policy.batch import PolicyBatch
from lm.policy.expert_usage import completion_usage
from lm.policy.scores import Scores

EXPERTS, TOP = 5, 2
LOSS = pytest.importorskip("transformers.models.mixtral.modeling_mixtral").load_balancing_loss_func


def network(**options) -> Transformer:
    torch.manual_seed(0)
    parts = {"expert": partial(SwiGLU, hidden=8), "experts": EXPERTS, "top": TOP, "balance": 0.5} | options
    model = Transformer(
        vocab_size=31,
        context=16,
        dim=16,
        layers=3,
        attention=partial(Attention, heads=2),
        feedforward=partial(Experts, **parts),
    )
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.4)
    return model.double()


def routing_of(model: Transformer, tokens: torch.Tensor, documents: torch.Tensor | None = None):
    with recorded_routing(sparse_layers(model)) as records:
        model.hidden(tokens, documents)
    return [record[0] for record in records]


def by_transformers(model: Transformer, text: torch.Tensor) -> float:
    return LOSS(tuple(layer.logits[0] for layer in routing_of(model, text[None])), EXPERTS, TOP).item()


def test_one_text_has_the_loss_of_transformers_with_padding_masked():
    model, tokens = network(), torch.randint(31, (1, 12))
    mask = torch.arange(12)[None] < 9
    layers = routing_of(model, tokens, torch.where(mask, 0, -1))
    found = Usage.of(layers, torch.where(mask, 0, -1), 1).balance_losses()
    expected = LOSS(tuple(layer.logits[0] for layer in layers), EXPERTS, TOP, mask.float())
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    assert found.item() == pytest.approx(by_transformers(model, tokens[0, :9]), rel=1e-6)


def test_an_even_load_costs_as_much_as_there_are_experts_of_a_token():
    chosen = torch.arange(20).view(1, 10, 2) % EXPERTS
    layer = (torch.zeros(1, 10, EXPERTS, dtype=torch.float64), chosen)
    assert float(Usage.of([layer], torch.zeros(1, 10, dtype=torch.int64), 1).balance_losses()) == pytest.approx(TOP)


def rows_of(batch: Batch, rows: slice) -> Batch:
    kept = {f.name: v[rows] for f in fields(batch) if isinstance(v := getattr(batch, f.name), torch.Tensor)}
    return replace(batch, **kept)


def packed(kind: type[Batch], **more) -> Batch:
    """Two rows of two and four documents, with padding."""
    torch.manual_seed(1)
    tokens = torch.randint(31, (2, 14))
    targets = tokens.roll(-1, 1)
    documents = torch.tensor([[0] * 6 + [1] * 5 + [-1] * 3, [0] * 2 + [1] * 5 + [2] * 3 + [3] * 4])
    supervised = (torch.rand(2, 14) < 0.6) & (documents >= 0)
    supervised[:, 1::3] = documents[:, 1::3] >= 0
    return kind(tokens, targets, supervised, denominator=float(supervised.sum()), documents=documents, **more)


PAIRS = {"pair": torch.tensor([[0, -1], [1, 2]]), "margin": torch.zeros(2, 2), "reference": torch.zeros(2, 2, 2)}
ANSWERS = {
    "example": torch.tensor([[0, 1, -1, -1], [2, 3, 4, 5]]),
    "desirable": torch.tensor([[True, False, False, False], [True, True, False, False]]),
    "reference": torch.zeros(2, 4),
}
TRAINED = {"optimizer": torch.optim.SGD, "schedule": lambda step, steps: 1.0, "steps": 1}


def objectives(model: Transformer) -> dict[str, tuple]:
    pairs = replace(packed(PreferenceBatch, **PAIRS), denominator=3.0)
    answers = replace(packed(LabelledBatch, **ANSWERS), denominator=6.0)
    weighted = replace(packed(Batch), loss_weights=torch.arange(28).view(2, 14) / 8 * (packed(Batch).documents >= 0))
    return {
        "causal": lambda: (CausalLM(model, **TRAINED), packed(Batch)),
        "loss weights": lambda: (CausalLM(model, **TRAINED), replace(weighted, denominator=9.0)),
        "pairs": lambda: (
            Preference(model, formula=partial(dpo, beta=0.1), reference=FrozenReference, **TRAINED),
            pairs,
        ),
        "answers": lambda: (KTO(model, reference=FrozenReference, **TRAINED), answers),
        "pairs as answers": lambda: (KTO(model, reference=FrozenReference, **TRAINED), pairs),
        "reward": lambda: (RewardModel(with_head(model), **TRAINED), pairs),
    }


def with_head(model: Transformer) -> Transformer:
    scalar_head(model)
    return model.double()


NAMES = ["causal", "loss weights", "pairs", "answers", "pairs as answers", "reward"]


def documents_of(batch: Batch, *, whole: bool) -> list[tuple[torch.Tensor, float]]:
    """Each document's tokens, with the last target if a reward model reads it, and its weight."""
    found = []
    for row in range(len(batch.tokens)):
        for number in range(int(batch.documents[row].max()) + 1):
            here = batch.documents[row] == number
            text = batch.tokens[row, here]
            text = torch.cat([text, batch.targets[row, here][-1:]]) if whole else text
            weight = float(batch.supervised[row, here].sum())
            if isinstance(batch, PreferenceBatch):
                weight = 0.5
            elif isinstance(batch, LabelledBatch):
                weight = 1.0
            elif batch.loss_weights is not None:
                weight = float(batch.loss_weights[row, here].sum())
            found.append((text, weight))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_objective_weighs_texts_as_its_loss_does_in_any_partition(name):
    model = network()
    module, batch = objectives(model)[name]()
    loss, whole = module.step_part(batch)
    dense = module.summed_loss(batch) / batch.denominator
    assert torch.equal(loss, dense), "the balancing loss is no part of train/loss"
    load = module.expert_load
    module.expert_load, module.step_metrics = 0.0, {}
    parts = [module.step_part(rows_of(batch, slice(row, row + 1)))[1] for row in range(2)]
    assert float(sum(parts)) == pytest.approx(float(whole), rel=0, abs=1e-10)
    assert torch.equal(module.expert_load, load)
    texts = documents_of(batch, whole=name == "reward")
    expected = sum(weight * by_transformers(model, text) for text, weight in texts) / batch.denominator
    assert float(whole) == pytest.approx(0.5 * expected, rel=1e-6)
    assert float(module.step_metrics["experts/balance_loss"]) == pytest.approx(expected, rel=1e-6)
    assert float(load.sum()) == TOP * 3 * sum(len(text) for text, _ in texts)


def test_completions_count_the_prompt_that_they_share():
    model = network()
    prompts, answers = torch.tensor([[3, 4, 5], [6, 7, 0]]), torch.randint(31, (3, 4))
    supervised = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]]).bool()
    batch = PolicyBatch(
        answers,
        answers,
        supervised,
        denominator=7.0,
        prompts=prompts,
        prompt_lengths=torch.tensor([3, 2]),
        prompt_of=torch.tensor([0, 0, 1]),
        mask=supervised,
        weights=torch.full((3, 4), 0.25),
    )
    balance = Balance.of(model)
    with balance.recording() as passes:
        Scores(model, batch, sampling=Sampling())
    usage, weights = completion_usage(batch, passes)
    texts = [torch.tensor([3, 4, 5, *answers[0, :3]]), torch.tensor([3, 4, 5, answers[1, 0]]), torch.tensor([6, 7])]
    expected = [by_transformers(model, text) for text in texts]
    assert usage.balance_losses().tolist() == pytest.approx(expected, rel=1e-6)
    assert weights.tolist() == [1.0, 0.5, 0.25]


def test_the_metrics_tell_an_even_load_from_a_collapsed_one():
    even = load_metrics(torch.full((2, 4), 8.0))
    assert even == pytest.approx(
        {"experts/largest_share": 0.25, "experts/smallest_share": 0.25, "experts/entropy": 1.0}
    )
    collapsed = load_metrics(torch.tensor([[8.0, 8, 8, 8], [32, 0, 0, 0]]))
    assert collapsed == pytest.approx(
        {"experts/largest_share": 1.0, "experts/smallest_share": 0.0, "experts/entropy": 0.5}
    )


def test_layers_that_differ_in_what_the_loss_joins_are_refused():
    model, other = network(), network(experts=7, balance=0.0)
    model.blocks[1] = other.blocks[1]
    message = r"layers differ in .*: \(5, 2, 0.5, 0.0\) and \(7, 2, 0.0, 0.0\); .* give them the same"
    with pytest.raises(ValueError, match=message):
        Balance.of(model)


def test_a_dense_model_has_none():
    assert Balance.of(torch.nn.Linear(2, 2)) is None
