"""One forward: the logits of the same tokens are equal, cached, packed, padded or in chunks.

Legend: B batch  T tokens  V vocabulary
"""

import copy
import itertools
from functools import partial

import pytest
import torch
from torch import nn

from lm.model import (
    GELU,
    Attention,
    CentredRMSNorm,
    DynamicScaling,
    GeGLU,
    HashedNgrams,
    LearnedPositions,
    LongRoPEScaling,
    ParallelBlock,
    PostNormBlock,
    ReLUSquared,
    Rotary,
    SandwichBlock,
    SwiGLU,
    Transformer,
    YarnScaling,
)

VOCAB, CONTEXT, DIM, LAYERS = 61, 48, 32, 2
CLOSE = {"atol": 1e-5, "rtol": 1e-5}
OPTIONS = list(itertools.product((1, 2, 4), (False, True), (False, True), (False, True), (SwiGLU, ReLUSquared)))
FEW = [*OPTIONS[:: len(OPTIONS) // 8], OPTIONS[-1]]

WINDOWED = partial(Attention, heads=4, key_value_heads=2, window=5)
CAPPED = partial(Attention, heads=4, key_value_heads=2, scale=0.5, cap=1.0, query_key_norm=CentredRMSNorm)
PARTS = {  # each part of another family is in one of these models
    "GPT-2": {
        "attention": partial(Attention, heads=4, bias=True),
        "feedforward": partial(GELU, bias=True, approximate="tanh"),
        "norm": nn.LayerNorm,
        "position": None,
        "position_embedding": LearnedPositions,
    },
    "NeoX": {
        "attention": partial(Attention, heads=4, bias=True, output_bias=False),
        "feedforward": GELU,
        "position": partial(Rotary, fraction=0.25),
        "block": ParallelBlock,
    },
    "OLMo 2": {
        "attention": partial(WINDOWED, query_key_norm=True, norm_across_heads=True),
        "block": PostNormBlock,
    },
    "Gemma": {
        "attention": [WINDOWED, partial(CAPPED, window=3), CAPPED],
        "feedforward": [GeGLU, SwiGLU],
        "norm": CentredRMSNorm,
        "position": [partial(Rotary, theta=100), Rotary, None],
        "block": SandwichBlock,
        "layers": 4,
        "scale_embeddings": True,
        "logit_cap": 2.0,
    },
    "yarn": {"position": partial(Rotary, scaling=partial(YarnScaling, factor=4, original_context=12))},
    "longrope": {  # the short factors hold for some of the texts
        "position": partial(
            Rotary,
            scaling=partial(LongRoPEScaling, short=[1, 2, 1, 2], long=[2, 9, 9, 9], original_context=12, factor=4),
        )
    },
    "n-grams": {"ngrams": partial(HashedNgrams, sizes=[2, 4], rows=50)},
    "dynamic": {"position": partial(Rotary, scaling=partial(DynamicScaling, factor=4, original_context=12))},
}
MODELS = [(name,) for name in PARTS]


def build(
    key_value_heads=2, query_key_norm=False, bias=False, tie_embeddings=True, feedforward=SwiGLU, **changes
) -> Transformer:
    """A small model with weights far enough from their initial values for every option to change the logits."""
    if isinstance(key_value_heads, str):  # a name in place of options
        changes |= PARTS[key_value_heads]
        key_value_heads = 2
    torch.manual_seed(0)
    settings = {
        "vocab_size": VOCAB,
        "context": CONTEXT,
        "dim": DIM,
        "layers": LAYERS,
        "attention": partial(
            Attention,
            heads=4,
            key_value_heads=key_value_heads,
            query_key_norm=query_key_norm,
            bias=bias,
            eps=1e-6,
        ),
        "feedforward": partial(feedforward, bias=bias),
        "norm": partial(nn.RMSNorm, eps=1e-6),
        "tie_embeddings": tie_embeddings,
    }
    model = Transformer(**(settings | changes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def some_tokens(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randint(0, VOCAB, shape, generator=torch.Generator().manual_seed(seed))


def read_in_chunks(model: Transformer, tokens: torch.Tensor, chunks: list[int]) -> torch.Tensor:
    cache = model.new_cache(tokens.shape[0], tokens.shape[1])
    return torch.cat([model(part, cache=cache) for part in tokens.split(chunks, 1)], 1)


@pytest.mark.parametrize("options", [*OPTIONS, *MODELS])
@torch.no_grad()
def test_cached_logits_equal_full_logits(options):
    model, tokens = build(*options), some_tokens(3, 20)
    full = model(tokens)
    torch.testing.assert_close(read_in_chunks(model, tokens, [1] * 20), full, **CLOSE)
    torch.testing.assert_close(read_in_chunks(model, tokens, [7, 1, 9, 3]), full, **CLOSE)


@pytest.mark.parametrize("options", [*OPTIONS, *MODELS])
@torch.no_grad()
def test_packed_logits_equal_those_of_each_document_alone(options):
    model, lengths = build(*options), [5, 1, 17, 9]
    tokens = some_tokens(2, sum(lengths))
    documents = torch.repeat_interleave(torch.tensor([3, 0, 7, 1]), torch.tensor(lengths)).expand(2, -1)
    alone = torch.cat([model(part) for part in tokens.split(lengths, 1)], 1)
    torch.testing.assert_close(model(tokens, documents), alone, **CLOSE)


@pytest.mark.parametrize("options", [*OPTIONS, *MODELS])
@torch.no_grad()
def test_batched_unequal_prompts_equal_each_alone(options):
    """Left padding, then a few cached steps, some of several tokens."""
    model, lengths, more = build(*options), [4, 13, 9], [1, 1, 4]
    rows = [some_tokens(1, length + sum(more), seed=length) for length in lengths]
    tokens, documents = torch.zeros(3, 13, dtype=torch.int64), torch.full((3, 13), -1)
    for row, length in enumerate(lengths):
        tokens[row, 13 - length :], documents[row, 13 - length :] = rows[row][0, :length], 0
    cache = model.new_cache(3, 13 + sum(more))
    batched = [model(tokens, documents, cache)]
    later = torch.cat([row[:, length:] for row, length in zip(rows, lengths, strict=True)])
    batched += [model(part, cache=cache) for part in later.split(more, 1)]
    batched = torch.cat(batched, 1)
    assert batched.isfinite().all()
    for row, length in enumerate(lengths):
        torch.testing.assert_close(batched[row, 13 - length :], model(rows[row])[0], **CLOSE)


@torch.no_grad()
def test_packed_rows_can_be_read_in_chunks_that_split_documents():
    model, tokens = build(), some_tokens(2, 24)
    documents = torch.tensor([[0] * 9 + [1] * 15, [5] * 3 + [6] * 17 + [-1] * 4])
    cache = model.new_cache(2, 24)
    parts = zip(tokens.split([4, 5, 11, 4], 1), documents.split([4, 5, 11, 4], 1), strict=True)
    chunked = torch.cat([model(part, ids, cache) for part, ids in parts], 1)
    torch.testing.assert_close(chunked, model(tokens, documents), **CLOSE)


@torch.no_grad()
def test_a_cache_continues_with_the_selected_rows():
    model, tokens = build(), some_tokens(3, 12)
    cache = model.new_cache(3, 12)
    model(tokens[:, :8], torch.tensor([[-1] * 3 + [0] * 5, [0] * 8, [-1] + [0] * 7]), cache)
    cache.select([2, 0])
    kept = model(tokens[[2, 0], 8:], cache=cache)
    torch.testing.assert_close(kept[0], model(tokens[2:, 1:])[0, 7:], **CLOSE)
    torch.testing.assert_close(kept[1], model(tokens[:1, 3:])[0, 5:], **CLOSE)


@pytest.mark.parametrize("options", [*FEW, *MODELS])
@pytest.mark.parametrize("length", [CONTEXT, 600])  # 600: more than one block of the fused kernel
@torch.no_grad()
def test_perturbing_one_packed_document_leaves_the_others_exactly_unchanged(options, length):
    model, tokens = build(*options, context=length), some_tokens(2, length)
    documents = (torch.arange(length) * 3 // length).expand(2, -1)
    before = model(tokens, documents)
    for perturbed in range(3):
        other = torch.where(documents == perturbed, (tokens + 1) % VOCAB, tokens)
        after, elsewhere = model(other, documents), documents != perturbed
        assert torch.equal(after[elsewhere], before[elsewhere])
        assert not torch.isclose(after[~elsewhere], before[~elsewhere]).all()


@pytest.mark.parametrize("options", [*FEW, *MODELS])
def test_perturbing_one_packed_document_leaves_the_gradients_of_others_exactly_unchanged(options):
    model, tokens = build(*options), some_tokens(1, 20)
    documents = torch.tensor([[0] * 9 + [1] * 11])
    gradients = []
    for row in (tokens, torch.where(documents == 1, (tokens + 1) % VOCAB, tokens)):
        features = model.embedding(row).detach().requires_grad_()
        model.embedding.forward = lambda _, features=features: features
        model(row, documents)[0, :9].square().sum().backward()
        gradients.append(features.grad)
        del model.embedding.forward
    assert torch.equal(gradients[0][0, :9], gradients[1][0, :9])
    assert not gradients[0][0, 9:].any()


@pytest.mark.parametrize("options", [*FEW, *MODELS])
def test_padding_never_yields_nan_and_gradients_stay_finite(options):
    model, tokens = build(*options), some_tokens(4, 16)
    documents = torch.tensor([[-1] * 16, [-1] * 9 + [0] * 7, [0] * 7 + [-1] * 9, [0] * 5 + [-1] * 6 + [1] * 5])
    logits = model(tokens, documents)
    logits.square().mean().backward()
    assert logits.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def deviation(logits: torch.Tensor, reference: torch.Tensor) -> float:
    """Return the largest difference at any position, as a share of the largest logit there."""
    return float(((logits - reference).abs() / reference.abs().amax(-1, keepdim=True)).max())


@pytest.mark.parametrize("options", [OPTIONS[0], OPTIONS[len(OPTIONS) // 2 + 1], OPTIONS[-1], *MODELS])
@torch.no_grad()
def test_hundreds_of_cached_packed_or_padded_tokens_deviate_by_rounding_only(options):
    """In fp32 by 1e-5 of the largest logit and no more than the full forward from fp64; in fp64 by 1e-12."""
    model, tokens = build(*options, context=600), some_tokens(1, 600)
    exact = copy.deepcopy(model).double()
    reference = exact(tokens)
    rounding = deviation(model(tokens), reference)
    chunks = [360] + [9] * 20 + [1] * 60
    row = torch.cat([some_tokens(1, 37, seed=2), tokens], 1)
    documents = torch.tensor([[0] * 37 + [1] * 600])

    def ways(model: Transformer) -> list[torch.Tensor]:
        """The logits of the tokens, read in chunks, packed after another document, and after padding."""
        model.context = 637
        padded = model(row, torch.where(documents == 1, 1, -1))[:, 37:]
        return [read_in_chunks(model, tokens, chunks), model(row, documents)[:, 37:], padded]

    for here, precisely in zip(ways(model), ways(exact), strict=True):
        assert deviation(precisely, reference) < 1e-12
        assert deviation(here, model(tokens)) < 1e-5
        assert deviation(here, reference) < 2 * rounding + 1e-6


@torch.no_grad()
def test_a_deep_network_with_sharp_attention_rounds_more_and_alike_in_the_cache_and_without():
    model, tokens = build(layers=12, context=96), some_tokens(1, 96)
    for weight in model.parameters():
        if weight.ndim == 2:
            torch.nn.init.normal_(weight, std=0.4)
    exact = copy.deepcopy(model).double()
    rounding = deviation(model(tokens), exact(tokens))
    cached = deviation(read_in_chunks(model, tokens, [30, *[1] * 66]), exact(tokens))
    assert 5e-6 < rounding < 1e-3
    assert cached < 4 * rounding
    assert deviation(read_in_chunks(exact, tokens, [30, *[1] * 66]), exact(tokens)) < 1e-12


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.bfloat16, 0.15)])
@torch.no_grad()
def test_cached_logits_equal_full_logits_in_other_precisions(dtype, tolerance):
    model, tokens = build(query_key_norm=True).to(dtype), some_tokens(2, 16)
    full = model(tokens)
    assert full.dtype == dtype
    torch.testing.assert_close(read_in_chunks(model, tokens, [5, 1, 10]), full, atol=tolerance, rtol=tolerance)


@pytest.mark.filterwarnings("ignore:Mismatch dtype")  # torch warns that its fused norm is not used
@pytest.mark.parametrize("query_key_norm", [False, True])
def test_autocast_stays_near_full_precision_and_trains(query_key_norm):
    model, tokens = build(query_key_norm=query_key_norm), some_tokens(2, 16)
    documents = torch.tensor([[0] * 6 + [1] * 10] * 2)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(tokens, documents)
    logits.float().square().mean().backward()
    torch.testing.assert_close(logits.float(), model(tokens, documents), atol=0.15, rtol=0.15)
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
