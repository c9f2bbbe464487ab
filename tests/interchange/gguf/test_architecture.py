"""llama.cpp computes what our models compute, or the export is refused in words."""

import math
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from lm.interchange.gguf.architecture import architecture_of
from lm.interchange.gguf.export import gguf_fields
from lm.interchange.gguf.facts import facts_of
from lm.interchange.gguf.file import write_gguf
from lm.interchange.gguf.vocabulary import vocabulary_of
from lm.interchange.gguf.weights import weights_of
from lm.model import (
    GELU,
    Attention,
    CentredRMSNorm,
    DynamicScaling,
    Experts,
    GeGLU,
    HashedNgrams,
    LearnedPositions,
    LinearScaling,
    Llama3Scaling,
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
from lm.tokenizer import byte_tokenizer
from support.llama_cpp import LlamaCpp

TOKENIZER = byte_tokenizer([])
PROMPTS = [[TOKENIZER.end_of_document, *TOKENIZER.encode(f"It is {text}")] for text in "Hello wörld 0123 It"]


def model(*, attention: dict | list | None = None, **parts) -> Transformer:
    """A tiny model with random weights everywhere, norms and biases too, and a padded embedding."""
    usual = {"feedforward": partial(SwiGLU, hidden=96), "norm": partial(nn.RMSNorm, eps=1e-5)}
    usual |= {"vocab_size": TOKENIZER.vocab_size + 5, "context": 64, "dim": 64, "layers": 2}
    given = attention if isinstance(attention, list) else {"heads": 4, "key_value_heads": 2} | (attention or {})
    usual["attention"] = given if isinstance(given, list) else partial(Attention, **given)
    torch.manual_seed(0)
    made = Transformer(**(usual | parts))
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(torch.randn(weight.shape, generator=draw) * 0.2)
    return made.eval()


def scaled(scaling: type, **options) -> partial:
    return partial(Rotary, scaling=partial(scaling, **options))


def write(path: Path, made: Transformer, *, kind: str = "f32") -> str:
    """Export a model; return the architecture."""
    architecture = architecture_of(facts_of(made))
    vocabulary = vocabulary_of(TOKENIZER, rows=made.vocab_size, ends=TOKENIZER.ends, opens=True, template=None)
    write_gguf(path, gguf_fields(made, architecture) | vocabulary.fields, weights_of(made, architecture), kind=kind)
    return architecture.name


@torch.no_grad()
def after(made: Transformer, tokens: list[int]) -> torch.Tensor:
    """The log-probabilities of the next token."""
    return made(torch.tensor([tokens]), cache=made.new_cache(1))[0, -1].log_softmax(-1)


def ascii_follows(made: Transformer) -> list[int]:
    """A prompt that an ASCII character follows: llama.cpp says nothing of an end, or of a part of a character."""
    return max(PROMPTS, key=lambda prompt: after(made, prompt)[:128].max() - after(made, prompt)[128:].max())


def greedy(made: Transformer, prompt: list[int], count: int) -> list[int]:
    tokens = [*prompt]
    while len(tokens) < len(prompt) + count and not (len(tokens) > len(prompt) and tokens[-1] in TOKENIZER.ends):
        tokens.append(int(after(made, tokens).argmax()))
    return tokens[len(prompt) :]


LAYER_NORM = {"norm": nn.LayerNorm, "feedforward": partial(GELU, hidden=96, bias=True), "attention": {"bias": True}}
CENTRED = partial(CentredRMSNorm, eps=1e-5)
GEMMA = {"norm": CENTRED, "feedforward": partial(GeGLU, hidden=96), "scale_embeddings": True}
LOCAL = [partial(Rotary, theta=1e4), partial(Rotary, theta=1e4), partial(Rotary, theta=1e6)]


EXPERTS = partial(Experts, expert=partial(SwiGLU, hidden=32), experts=4, top=2)
LONG = {"short": [1.0, 1.1] * 4, "long": [1.5, 2.0] * 4, "original_context": 32, "factor": 2.0}


def windows(period: int, **options) -> list:
    """Layers with a window of 8, but for the last of each period."""
    part = partial(Attention, heads=4, key_value_heads=2, **options)
    return [*[partial(part, window=8)] * (period - 1), part]


HELD = {
    "llama": ("llama", {}),
    "llama, untied": ("llama", {"tie_embeddings": False}),
    "llama, all heads with keys": ("llama", {"attention": {"key_value_heads": 4}}),
    "llama, wide heads": ("llama", {"attention": {"heads": 6, "key_value_heads": 3, "head_dim": 16}}),
    "llama, biases": ("llama", {"attention": {"bias": True}, "feedforward": partial(SwiGLU, hidden=96, bias=True)}),
    "llama, scaled scores": ("llama", {"attention": {"scale": 0.1}}),
    "llama, a window as long as the context": ("llama", {"attention": {"window": 64}}),
    "llama, theta": ("llama", {"position": partial(Rotary, theta=5e5)}),
    "llama, linear": ("llama", {"position": scaled(LinearScaling, factor=4.0)}),
    "llama, yarn": ("llama", {"position": scaled(YarnScaling, factor=4.0, original_context=32, truncate=False)}),
    "llama, llama3": ("llama", {"position": scaled(Llama3Scaling, factor=8.0, original_context=32)}),
    "qwen2": ("qwen2", {"attention": {"bias": True, "output_bias": False}}),
    "qwen2, yarn": (
        "qwen2",
        {
            "attention": {"bias": True, "output_bias": False},
            "position": scaled(YarnScaling, factor=4.0, original_context=32),
        },
    ),
    "qwen3": ("qwen3", {"attention": {"query_key_norm": True, "head_dim": 32}}),
    "qwen3, yarn with its own factor": (
        "qwen3",
        {
            "attention": {"query_key_norm": True, "scale": 0.3},
            "position": scaled(YarnScaling, factor=4.0, original_context=32, attention_factor=1.3),
        },
    ),
    "mixtral": ("llama", {"feedforward": EXPERTS}),
    "qwen3moe": ("qwen3moe", {"feedforward": EXPERTS, "attention": {"query_key_norm": True}}),
    "olmoe": (
        "olmoe",
        {
            "feedforward": partial(EXPERTS, renormalise=False),
            "attention": {"query_key_norm": True, "norm_across_heads": True, "key_value_heads": 4},
        },
    ),
    "arcee": ("arcee", {"feedforward": partial(ReLUSquared, hidden=64)}),
    "smollm3": ("smollm3", {"layers": 5, "position": [Rotary, Rotary, Rotary, None]}),
    "phi3": ("phi3", {"position": partial(Rotary, fraction=0.5)}),
    "phi3, longrope": ("phi3", {"position": scaled(LongRoPEScaling, **LONG)}),
    "gpt2": ("gpt2", {**LAYER_NORM, "position": None, "position_embedding": LearnedPositions}),
    "gptneox": ("gptneox", {**LAYER_NORM, "block": ParallelBlock, "position": partial(Rotary, fraction=0.25)}),
    "gptneox, one after the other, without biases": (
        "gptneox",
        {"norm": partial(nn.LayerNorm, bias=False), "feedforward": partial(GELU, hidden=96)},
    ),
    "stablelm": ("stablelm", {"norm": partial(nn.LayerNorm, bias=False)}),
    "olmo2": ("olmo2", {"block": PostNormBlock, "attention": {"query_key_norm": True, "norm_across_heads": True}}),
    "gemma": ("gemma", {**GEMMA, "attention": {"head_dim": 32}}),
    "gemma2": (
        "gemma2",
        {**GEMMA, "block": SandwichBlock, "attention": windows(2, cap=50.0, scale=0.2), "logit_cap": 30.0, "layers": 3},
    ),
    "gemma3": (
        "gemma3",
        {
            **GEMMA,
            "block": SandwichBlock,
            "attention": windows(3, query_key_norm=CENTRED),
            "position": LOCAL,
            "layers": 4,
        },
    ),
}


@pytest.mark.parametrize("name", HELD)
def test_llama_cpp_gives_our_log_probabilities_and_greedy_tokens(name, tmp_path):
    architecture, parts = HELD[name]
    made = model(**parts)
    assert write(tmp_path / "x.gguf", made) == architecture
    llama = LlamaCpp(tmp_path / "x.gguf")
    prompt = ascii_follows(made)
    ours, theirs = after(made, prompt), llama.log_probabilities(prompt, made.vocab_size)
    assert len(theirs) == made.vocab_size
    rounded = facts_of(made)["feedforward"].startswith(("GELU", "GeGLU"))  # llama.cpp looks a GELU up in a table in f16
    tolerance = 5e-3 if rounded else 1e-4
    assert max(abs(ours[token].item() - value) for token, value in theirs.items()) < tolerance
    assert llama.generate(prompt, 8)["tokens"] == greedy(made, prompt, 8)


@pytest.mark.parametrize("kind", ["f16", "bf16", "q8_0", "q4_0"])
def test_llama_cpp_opens_every_kind(kind, tmp_path):
    made = model()
    write(tmp_path / "x.gguf", made, kind=kind)
    prompt = ascii_follows(made)
    theirs = LlamaCpp(tmp_path / "x.gguf").log_probabilities(prompt, made.vocab_size)
    ours = after(made, prompt).exp()
    distance = sum(abs(ours[token].item() - math.exp(value)) for token, value in theirs.items()) / 2
    assert distance < {"f16": 0.01, "bf16": 0.1, "q8_0": 0.05, "q4_0": 0.5}[kind]


REFUSED = {
    "arcee, the nearest, has no model.norm=LayerNorm:": {
        "norm": nn.LayerNorm,
        "feedforward": partial(ReLUSquared, hidden=64),
    },
    "no model.attention.window=a number": {"attention": windows(2)},
    "gemma2, the nearest, has no model.attention.window=\\[0, 8\\]": {
        **GEMMA,
        "block": SandwichBlock,
        "attention": windows(2, cap=50.0)[::-1],
        "logit_cap": 30.0,
    },
    "no model.logit_cap=a number": {"logit_cap": 30.0},
    "no model.position.scaling=DynamicScaling": {"position": scaled(DynamicScaling, factor=2.0, original_context=32)},
    "no model.position=\\['Rotary', 'NoPosition'\\]": {"position": [Rotary, None]},
    "no model.ngrams=tables": {"ngrams": partial(HashedNgrams, rows=8)},
    "no model.scale_embeddings=true": {"scale_embeddings": True},
    "no model.feedforward=Experts of SwiGLU and SwiGLU": {"feedforward": [EXPERTS, SwiGLU]},
    "no model.feedforward=Experts of SwiGLU without renormalise and a shared one": {
        "feedforward": partial(EXPERTS, renormalise=False, shared=SwiGLU)
    },
    "no model.feedforward=SwiGLU and ReLUSquared": {"feedforward": [SwiGLU, ReLUSquared]},
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_no_architecture_computes_is_refused_with_a_remedy(reason):
    with pytest.raises(ValueError, match=reason) as refusal:
        architecture_of(facts_of(model(**REFUSED[reason])))
    assert "export it with format=huggingface or format=safetensors" in str(refusal.value)
