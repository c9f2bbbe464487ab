"""The whole model: shapes, refusals and names of weights."""

from functools import partial

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from lm.model import Attention, ReLUSquared, SwiGLU, Transformer, initialize


def build(**changes) -> Transformer:
    settings = {
        "vocab_size": 40,
        "context": 16,
        "dim": 32,
        "layers": 2,
        "attention": partial(Attention, heads=4, key_value_heads=2),
        "feedforward": SwiGLU,
        "initialize": partial(initialize, residual_scale=1.0),  # at 0 blocks would add nothing
    }
    torch.manual_seed(0)
    return Transformer(**(settings | changes))


@pytest.mark.parametrize(("tie_embeddings", "cap"), [(True, None), (False, None), (False, 0.1)])
def test_logits_are_the_hidden_features_times_the_output_weight_and_capped(tie_embeddings, cap):
    model, tokens = build(tie_embeddings=tie_embeddings, logit_cap=cap), torch.arange(12).view(2, 6)
    hidden = model.hidden(tokens)
    assert hidden.shape == (2, 6, 32)
    assert model.output_weight.shape == (40, 32)
    assert (model.output_weight is model.embedding.weight) == tie_embeddings
    logits = hidden @ model.output_weight.T
    torch.testing.assert_close(model(tokens), logits if cap is None else cap * (logits / cap).tanh())
    torch.testing.assert_close(model.projection.logits(hidden), model(tokens))


def test_scaled_embeddings_are_multiplied_by_the_root_of_the_width_as_the_weights_are_rounded():
    """√32 is 5.65685, in bfloat16 5.65625."""
    model = build(scale_embeddings=True, layers=1).bfloat16()
    seen = []
    model.blocks[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    model(torch.arange(6)[None])
    expected = model.embedding.weight[:6].float() * 5.65625
    assert torch.equal(seen[0][0], expected.bfloat16())


def test_a_later_token_changes_nothing_before_it():
    model, tokens = build().eval(), torch.arange(10).view(1, 10)
    other = tokens.clone()
    other[0, 6] = 39
    before, after = model(tokens), model(other)
    assert torch.equal(before[0, :6], after[0, :6])
    assert not torch.isclose(before[0, 6:], after[0, 6:]).all(-1).any()


def test_position_matters():
    """The same tokens in another order before the same last token give other logits."""
    model = build(initialize=lambda model: [nn.init.normal_(p, std=0.5) for p in model.parameters()])
    first, second = model(torch.tensor([[1, 2, 3, 4], [2, 1, 3, 4]]))[:, -1]
    assert not torch.isclose(first, second).all()


def test_dropout_acts_in_training_only():
    model, tokens = build(dropout=0.5), torch.arange(12).view(2, 6)
    assert not torch.equal(model.train()(tokens), model(tokens))
    assert torch.equal(model.eval()(tokens), model(tokens))
    torch.testing.assert_close(model(tokens), build().eval()(tokens))


def test_every_parameter_learns():
    model = build(
        attention=partial(Attention, heads=4, key_value_heads=2, query_key_norm=True, bias=True),
        feedforward=partial(ReLUSquared, bias=True),
        tie_embeddings=False,
        initialize=lambda model: [nn.init.normal_(p, std=0.1) for p in model.parameters()],
    )
    model(torch.arange(40)[:16].view(1, 16)).square().sum().backward()
    idle = [name for name, parameter in model.named_parameters() if not parameter.grad.any()]
    assert idle == []


def test_weights_have_the_names_that_an_export_maps():
    model = build(attention=partial(Attention, heads=4, query_key_norm=True), tie_embeddings=False, layers=1)
    assert sorted(model.state_dict()) == [
        "blocks.0.attention.key.weight",
        "blocks.0.attention.key_norm.weight",
        "blocks.0.attention.output.weight",
        "blocks.0.attention.query.weight",
        "blocks.0.attention.query_norm.weight",
        "blocks.0.attention.value.weight",
        "blocks.0.attention_norm.weight",
        "blocks.0.feedforward.down.weight",
        "blocks.0.feedforward.gate.weight",
        "blocks.0.feedforward.up.weight",
        "blocks.0.feedforward_norm.weight",
        "embedding.weight",
        "norm.weight",
        "output.weight",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": 0}, "model.layers 0"),
        ({"context": -1}, "model.context -1"),
        ({"dropout": 1.0}, "model.dropout 1.0"),
        ({"dim": 30}, "dim 30 is not a multiple of attention.heads 4: try dim 28 or 32"),
        ({"attention": partial(Attention, heads=4, key_value_heads=3)}, "key_value_heads 3"),
        ({"attention": partial(Attention, heads=0)}, "attention.heads 0"),
        ({"dim": 36}, "head_dim 9 is odd"),
        ({"feedforward": partial(SwiGLU, hidden=0)}, "feedforward.hidden 0"),
        ({"feedforward": partial(ReLUSquared, hidden=-4)}, "feedforward.hidden -4"),
    ],
)
def test_impossible_sizes_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        build(**changes)


def test_more_tokens_than_the_context_are_refused_with_or_without_a_cache():
    model = build()
    with pytest.raises(ValueError, match="17 tokens do not fit into 16"):
        model(torch.zeros(1, 17, dtype=torch.int64))
    cache = model.new_cache(1, 8)
    model(torch.zeros(1, 6, dtype=torch.int64), cache=cache)
    with pytest.raises(ValueError, match="9 tokens do not fit into 8"):
        model(torch.zeros(1, 3, dtype=torch.int64), cache=cache)
    assert cache.filled == 6


def test_default_hidden_sizes_cost_about_the_same():
    assert SwiGLU(192).gate.out_features == 512
    assert SwiGLU(256).gate.out_features == 704
    assert ReLUSquared(256).up.out_features == 1024


def pair_row(sides: list[torch.Tensor], padding: int) -> tuple[torch.Tensor, torch.Tensor]:
    """One row of whole documents and padding, and the document of each token."""
    tokens = torch.cat([*sides, torch.zeros(padding, dtype=torch.int64)])
    documents = torch.cat([torch.full((len(side),), number) for number, side in enumerate(sides)])
    return tokens[None], torch.cat([documents, torch.full((padding,), -1)])[None]


def test_a_row_of_documents_is_wider_than_the_context_and_each_reads_as_it_does_alone():
    model = build().double().eval()
    prompt, chosen, rejected = torch.arange(1, 9), torch.arange(9, 17), torch.arange(20, 24)
    sides = [torch.cat([prompt, chosen]), torch.cat([prompt, rejected]), torch.arange(30, 31)]
    tokens, documents = pair_row(sides, padding=3)
    assert tokens.shape[1] == 2 * model.context
    logits, start = model(tokens, documents=documents)[0], 0
    for side in sides:
        alone = model(side[None])[0]
        torch.testing.assert_close(logits[start : start + len(side)], alone, atol=1e-12, rtol=0)
        start += len(side)


def test_a_wide_row_runs_on_fake_tensors_and_compiled():
    tokens, documents = pair_row([torch.arange(1, 17), torch.arange(1, 13)], padding=4)
    model = build().eval()
    expected = model(tokens, documents=documents)
    for block in model.blocks:
        block.forward = torch.compile(block.forward, backend="eager", fullgraph=True)
    torch.testing.assert_close(model(tokens, documents=documents), expected)
    with FakeTensorMode():
        wide = torch.zeros(2, 32, dtype=torch.int64)
        assert build()(wide, documents=wide).shape == (2, 32, 40)
