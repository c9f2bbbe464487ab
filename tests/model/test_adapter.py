"""An adapter changes nothing at the start, trains alone, and computes the same when merged."""

import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lm.config.build import build
from lm.config.check import plain
from lm.config.outline import config_directory
from lm.model import dora, int8, lora, merge, nf4
from lm.model.adapter import LowRank
from support.compositions import composition
from test_logits import build as transformer
from test_logits import some_tokens

ALL = ("attention.*", "feedforward.*")
SETTINGS = {"rank": 4, "alpha": 6.0, "targets": ALL}
ADAPTERS = {"lora": lora, "dora": dora, "rslora": partial(lora, rank_stabilised=True)}


def perturbed(model: nn.Module, *, by: float = 0.1) -> nn.Module:
    """Return the model with its trained weights changed at random."""
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(by * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("adapter", ADAPTERS)
@torch.no_grad()
def test_a_new_adapter_changes_nothing(adapter):
    model, tokens = transformer(), some_tokens(2, 20)
    before = model(tokens)
    ADAPTERS[adapter](model, **SETTINGS)
    torch.testing.assert_close(model(tokens), before, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("quantise", [None, int8, nf4])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("adapter", ADAPTERS)
@torch.no_grad()
def test_merged_and_unmerged_logits_agree(adapter, bias, quantise):
    tokens = some_tokens(2, 20)
    for dtype, close in ((torch.float32, 1e-5), (torch.float64, 1e-10)):
        model = transformer(bias=bias).to(dtype)
        before = model(tokens)
        if quantise:
            quantise(model)
        ADAPTERS[adapter](model, **SETTINGS, dropout=0.5)
        unmerged = perturbed(model).eval()(tokens)
        assert (unmerged - before).abs().max() > 0.1, "the test wants a change to agree on"
        merge(model)
        torch.testing.assert_close(model(tokens), unmerged, atol=close, rtol=close)


def test_a_merged_model_is_a_plain_one_whose_weights_all_train():
    model = transformer(bias=True)
    names = [name for name, _ in model.named_parameters()]
    nf4(model)
    dora(model, **SETTINGS | {"targets": ["query"]})
    merge(model)
    assert [name for name, _ in model.named_parameters()] == names
    assert {type(layer) for layer in model.modules()} == {type(layer) for layer in transformer(bias=True).modules()}
    assert all(parameter.requires_grad for parameter in model.parameters())


def gradients(model: nn.Module) -> dict[str, torch.Tensor]:
    model(some_tokens(2, 20)).square().sum().backward()
    return {name: value.grad for name, value in model.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_only_adapters_and_weights_named_in_whole_train(adapter):
    model = transformer(bias=True)
    ADAPTERS[adapter](model, **SETTINGS | {"targets": ["query", "blocks.1.feedforward.*"]}, whole=["*norm.weight"])
    changes = {f"blocks.{layer}.attention.query.change" for layer in (0, 1)}
    changes |= {f"blocks.1.feedforward.{matrix}.change" for matrix in ("gate", "up", "down")}
    expected = {f"{change}.{part}" for change in changes for part in ("up", "down")}
    expected |= {f"blocks.{layer}.{part}_norm.weight" for layer in (0, 1) for part in ("attention", "feedforward")}
    expected |= {"norm.weight"}
    if adapter == "dora":
        expected |= {f"{change.removesuffix('change')}magnitude" for change in changes}
    assert {name for name, value in model.named_parameters() if value.requires_grad} == expected
    assert gradients(perturbed(model)).keys() == expected


def layer_of(adapter: str, *, bias: bool = True) -> tuple[nn.Module, torch.Tensor]:
    """Return an adapted layer with changed weights, and inputs for it."""
    model = transformer(bias=bias).double()
    ADAPTERS[adapter](model, **SETTINGS)
    return perturbed(model).blocks[0].feedforward.up, torch.randn(3, 5, 32, dtype=torch.float64)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_outputs_are_those_of_the_papers_formulas(adapter):
    layer, inputs = layer_of(adapter)
    scale = 6.0 / math.sqrt(4) if adapter == "rslora" else 6.0 / 4
    weight = layer.base.weight + scale * layer.change.up @ layer.change.down
    if adapter == "dora":
        weight = layer.magnitude[:, None] * weight / weight.norm(dim=1, keepdim=True)
    torch.testing.assert_close(layer(inputs), F.linear(inputs, weight, layer.base.bias), atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("adapter", [lora, dora])
@pytest.mark.parametrize(("stabilised", "scale"), [(False, 6.0 / 4), (True, 6.0 / 2)])
def test_a_change_is_scaled_by_alpha_over_rank_or_over_its_root(stabilised, scale, adapter):
    model = transformer()
    adapter(model, **SETTINGS, rank_stabilised=stabilised)
    assert {layer.scale for layer in model.modules() if isinstance(layer, LowRank)} == {scale}


def test_a_new_change_is_initialized_like_a_linear_layer():
    torch.manual_seed(0)
    down = LowRank(nn.Linear(400, 8), rank=8, scale=1.0, dropout=0.0).down
    assert 0.99 / 20 < down.abs().max() <= 1 / 20


def test_an_output_without_weights_stays_finite_under_dora():
    model = transformer()
    nn.init.zeros_(model.blocks[0].feedforward.up.weight)
    dora(model, **SETTINGS)
    assert model(some_tokens(2, 20)).isfinite().all()


def test_dora_treats_the_norm_as_constant_in_its_gradient():
    layer, inputs = layer_of("dora")
    layer(inputs).square().sum().backward()
    up = layer.change.up.detach().clone().requires_grad_()
    weight = layer.base.weight + 1.5 * up @ layer.change.down.detach()
    weight = layer.magnitude.detach()[:, None] * weight / weight.detach().norm(dim=1, keepdim=True)
    F.linear(inputs, weight, layer.base.bias).square().sum().backward()
    torch.testing.assert_close(layer.change.up.grad, up.grad, atol=1e-10, rtol=1e-10)
    assert layer.magnitude.grad.abs().min() > 0


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_peft_computes_the_same_logits_and_gradients(adapter):
    peft = pytest.importorskip("peft")
    ours = transformer(bias=True).double()
    ADAPTERS[adapter](ours, **SETTINGS)
    perturbed(ours)
    names = ["query", "key", "value", "attention.output", "gate", "up", "down"]
    options = {"use_dora": adapter == "dora", "use_rslora": adapter == "rslora", "target_modules": names}
    theirs = peft.inject_adapter_in_model(
        peft.LoraConfig(r=4, lora_alpha=6, **options), transformer(bias=True).double()
    ).double()
    parts = {"lora_A.default.weight": "change.down", "lora_B.default.weight": "change.up"}
    parts |= {"lora_magnitude_vector.default.weight": "magnitude", "base_layer": "base"}

    def translated(name: str) -> str:
        for one, other in parts.items():
            name = name.replace(one, other)
        return name

    values = dict(ours.named_parameters())
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            parameter.copy_(values[translated(name)])
    tokens = some_tokens(2, 20)
    torch.testing.assert_close(ours(tokens), theirs(tokens), atol=1e-10, rtol=1e-10)
    found, expected = gradients(ours), {translated(name): value for name, value in gradients(theirs).items()}
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-9, rtol=1e-9)


def test_dropout_acts_on_the_change_alone_and_only_in_training():
    torch.manual_seed(0)
    base = nn.Linear(64, 8)
    change = LowRank(base, rank=2, scale=1.0, dropout=0.5)
    nn.init.normal_(change.up)
    inputs = torch.randn(3, 64)
    assert not torch.equal(change(inputs), change(inputs))
    torch.testing.assert_close(change.eval()(inputs), F.linear(inputs, change.matrix()))


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (
            ["atention.*"],
            r"adapter\.targets: atention\.\* names nothing .* there is (?!.*query.*query)blocks\.\*\.attention\.query",
        ),
        (["query", "blocks.2.*"], r"adapter\.targets: blocks\.2\.\* names nothing"),
        (["embedding"], r"adapter\.targets: embedding names nothing"),
        ([], r"adapter\.targets names no layer"),
    ],
)
def test_targets_that_name_nothing_are_refused(targets, message):
    with pytest.raises(ValueError, match=message):
        lora(transformer(), **SETTINGS | {"targets": targets})
    with pytest.raises(ValueError, match=r"adapter\.whole: embeding names nothing in this model; there is embedding"):
        lora(transformer(), **SETTINGS, whole=["embeding"])


@pytest.mark.parametrize("quantise", [int8, nf4])
def test_quantised_weights_cannot_be_trained_whole(quantise):
    model = transformer()
    quantise(model)
    with pytest.raises(ValueError, match=r"adapter\.whole: blocks\.0\.attention\.query names nothing (?!.*stored)"):
        lora(model, **SETTINGS, whole=["blocks.0.attention.query"])


def test_autocast_does_not_change_norms():
    model = transformer()
    dora(model, **SETTINGS)
    layer = perturbed(model).blocks[0].attention.query
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = layer._factor()
    assert torch.equal(inside, layer._factor())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_under_autocast_a_factor_near_1_is_not_rounded_away(dtype):
    """bf16 rounds 1.003 to 1."""
    model = transformer()
    dora(model, **SETTINGS)
    layer, inputs = model.blocks[0].attention.query, torch.randn(4, 32)
    before = layer(inputs)
    with torch.no_grad():
        layer.magnitude.mul_(1.003)
    with torch.autocast("cpu", dtype=dtype, enabled=dtype == torch.bfloat16):
        after = layer(inputs)
    assert after.dtype == dtype
    assert ((after.float() * before).sum() / before.square().sum()).item() == pytest.approx(1.003, abs=5e-4)


@pytest.mark.parametrize(
    ("group", "option"),
    [
        (group.name, option.stem)
        for group in (config_directory() / "model" / name for name in ("adapter", "quantise"))
        for option in sorted(group.glob("*.yaml"))
    ],
)
def test_every_option_fits_a_model(group, option):
    config = plain(composition("instruct").compose([f"model/{group}={option}"]))
    model = transformer()
    build(config["model"][group])(model)
    assert model(some_tokens(1, 5)).shape == (1, 5, 61)
