"""Weights under the names of other libraries give their logits, and a model trained elsewhere generates its text."""

import json
import struct
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from lm.generation import Generator, Sampling
from lm.model import Attention, SwiGLU, Transformer

VOCAB, CONTEXT, DIM, LAYERS = 61, 48, 32, 2
CLOSE = {"atol": 1e-5, "rtol": 1e-5}

HUGGING_FACE = {
    "embedding.": "model.embed_tokens.",
    "blocks.": "model.layers.",
    "output.weight": "lm_head.weight",
    "norm.weight": "model.norm.weight",
}
IN_BLOCK = {
    "attention_norm": "input_layernorm",
    "feedforward_norm": "post_attention_layernorm",
    "attention.query_norm": "self_attn.q_norm",
    "attention.key_norm": "self_attn.k_norm",
    "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj",
    "attention.value": "self_attn.v_proj",
    "attention.output": "self_attn.o_proj",
    "feedforward.gate": "mlp.gate_proj",
    "feedforward.up": "mlp.up_proj",
    "feedforward.down": "mlp.down_proj",
}


def hugging_face_name(name: str) -> str:
    """Return the name of a weight in `transformers`."""
    if name.startswith("blocks."):
        _, layer, rest = name.split(".", 2)
        part, kind = rest.rsplit(".", 1)
        return f"model.layers.{layer}.{IN_BLOCK[part]}.{kind}"
    ours = next(ours for ours in HUGGING_FACE if name.startswith(ours))
    return HUGGING_FACE[ours] + name.removeprefix(ours)


def in_transformers(model: Transformer, config: str, architecture: str, **changes) -> nn.Module:
    transformers = pytest.importorskip("transformers")
    attention = model.blocks[0].attention
    settings = {
        "vocab_size": VOCAB,
        "hidden_size": DIM,
        "intermediate_size": model.blocks[0].feedforward.gate.out_features,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": attention.heads,
        "num_key_value_heads": attention.key_value_heads,
        "head_dim": attention.head_dim,
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": model.output is None,
        "rope_parameters": {"rope_type": "default", "rope_theta": model.positions[0].theta},
    }
    theirs = getattr(transformers, architecture)(getattr(transformers, config)(**settings, **changes)).eval()
    weights = {hugging_face_name(name): value for name, value in model.state_dict().items()}
    missing, unexpected = theirs.load_state_dict(weights, strict=False)
    assert not unexpected
    assert set(missing) <= {"lm_head.weight"}
    theirs.tie_weights()
    return theirs


def build(
    *, key_value_heads: int = 2, query_key_norm: bool = False, bias: bool = False, tie_embeddings: bool = True
) -> Transformer:
    """A small model with weights far enough from their initial values for every option to change the logits."""
    torch.manual_seed(0)
    heads = {"heads": 4, "key_value_heads": key_value_heads, "query_key_norm": query_key_norm}
    model = Transformer(
        vocab_size=VOCAB,
        context=CONTEXT,
        dim=DIM,
        layers=LAYERS,
        attention=partial(Attention, **heads, bias=bias, eps=1e-6),
        feedforward=partial(SwiGLU, bias=bias),
        norm=partial(nn.RMSNorm, eps=1e-6),
        tie_embeddings=tie_embeddings,
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def some_tokens() -> torch.Tensor:
    return torch.randint(0, VOCAB, (2, CONTEXT), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("key_value_heads", [1, 2, 4])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("tie_embeddings", [False, True])
@torch.no_grad()
def test_logits_equal_llama_of_transformers(key_value_heads, bias, tie_embeddings):
    model = build(key_value_heads=key_value_heads, bias=bias, tie_embeddings=tie_embeddings)
    theirs = in_transformers(model, "LlamaConfig", "LlamaForCausalLM", attention_bias=bias, mlp_bias=bias)
    tokens = some_tokens()
    torch.testing.assert_close(model(tokens), theirs(tokens).logits, **CLOSE)


@torch.no_grad()
def test_logits_equal_qwen3_of_transformers():
    model = build(query_key_norm=True, tie_embeddings=False)
    theirs = in_transformers(model, "Qwen3Config", "Qwen3ForCausalLM")
    tokens = some_tokens()
    torch.testing.assert_close(model(tokens), theirs(tokens).logits, **CLOSE)


STORIES = Path(__file__).parents[3] / "shared" / "data" / "stories260K" / "hf"


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    header, body = json.loads(raw[8 : 8 + size]), bytearray(raw[8 + size :])
    header.pop("__metadata__", None)
    return {
        name: torch.frombuffer(
            body, dtype=torch.float32, offset=at["data_offsets"][0], count=torch.Size(at["shape"]).numel()
        ).reshape(at["shape"])
        for name, at in header.items()
    }


class StoriesTokenizer:
    """The part of the tokenizer interface that a generator uses, over the model's own tokenizer.json."""

    def __init__(self, path: Path) -> None:
        pieces = json.loads(path.read_text())["model"]["vocab"]
        self.pieces = {token: piece for piece, token in pieces.items()}
        self.vocab_size = len(pieces)
        self.beginning, self.ends = pieces["<s>"], [pieces["</s>"]]

    def decode_bytes(self, ids, after=None) -> bytes:
        return b"".join(self._bytes(self.pieces[int(token)]) for token in ids)

    def _bytes(self, piece: str) -> bytes:
        if piece in ("<unk>", "<s>", "</s>"):
            return b""
        if piece.startswith("<0x"):
            return bytes([int(piece[3:5], 16)])
        return piece.replace("▁", " ").encode()


@pytest.mark.skipif(not STORIES.exists(), reason="the trained model stories260K is not on this machine")
def test_a_trained_llama_generates_its_reference_text():
    config = json.loads((STORIES / "config.json").read_text())
    model = Transformer(
        vocab_size=config["vocab_size"],
        context=config["max_position_embeddings"],
        dim=config["hidden_size"],
        layers=config["num_hidden_layers"],
        attention=partial(
            Attention,
            heads=config["num_attention_heads"],
            key_value_heads=config["num_key_value_heads"],
        ),
        feedforward=partial(SwiGLU, hidden=config["intermediate_size"]),
        norm=partial(nn.RMSNorm, eps=config["rms_norm_eps"]),
    )
    weights = read_safetensors(STORIES / "model.safetensors")
    model.load_state_dict({name: weights[hugging_face_name(name)] for name in model.state_dict()})
    generator = Generator(model, StoriesTokenizer(STORIES / "tokenizer.json"))
    expected = (STORIES / "greedy.txt").read_text().strip()
    (completion,) = generator.generate([[1]], sampling=Sampling(temperature=0), max_tokens=256, stop_tokens=[1, 2])
    assert completion.text.strip()[: len(expected)] == expected
