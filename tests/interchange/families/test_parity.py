"""Each family gives the logits and gradients of transformers, read and written, with padding and with a cache.

Adding a family adds a row: a tiny config of transformers.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lm.interchange.export import family_of, their_weights
from lm.interchange.huggingface import write_model
from lm.interchange.source import HuggingFaceModel
from lm.model import Transformer

transformers = pytest.importorskip("transformers")
VOCABULARY, CONTEXT = 61, 48
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 12, "rope_theta": 10_000.0}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
    "rope_theta": 500_000.0,
}
GPT2 = {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": CONTEXT} | dict.fromkeys([*SIZES][1:7], ...)
NEOX = {"num_key_value_heads": ...}
GEMMA = {"head_dim": 12, "sliding_window": 6, "query_pre_attn_scalar": 20}
LOCAL, WHOLE = "sliding_attention", "full_attention"
THETAS = {
    LOCAL: {"rope_type": "default", "rope_theta": 1e4},
    WHOLE: {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
}
LONGROPE = {  # some texts take the long factors
    "rope_type": "longrope",
    "factor": 2.0,
    "short_factor": [1.0, 1.2, 1.4, 1.6],
    "long_factor": [1.0, 3.0, 6.0, 9.0],
    "original_max_position_embeddings": 24,
    "rope_theta": 1e4,
}
PARTLY = {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}
SPARSE = {"num_experts": 6, "num_experts_per_tok": 3, "moe_intermediate_size": 12, "head_dim": 12}
Row = tuple[str, dict[str, Any]]  # class of the config, and what differs from SIZES; ... is none of its fields
ROWS: dict[str, Row] = {
    "llama": ("LlamaConfig", {}),
    "llama, tied": ("LlamaConfig", {"tie_word_embeddings": True, "rope_parameters": LLAMA3}),
    "llama, biases": ("LlamaConfig", {"attention_bias": True, "mlp_bias": True}),
    "llama, linear": ("LlamaConfig", {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4}}),
    "llama, dynamic": ("LlamaConfig", {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}}),
    "llama, yarn": ("LlamaConfig", {"rope_parameters": YARN}),
    "mistral": ("MistralConfig", {"sliding_window": 7}),
    "mistral, no window": ("MistralConfig", {"sliding_window": None, "head_dim": 12}),
    "qwen2": ("Qwen2Config", {}),
    "qwen2, windows": ("Qwen2Config", {"use_sliding_window": True, "sliding_window": 7, "max_window_layers": 1}),
    "qwen3, windows": ("Qwen3Config", {"use_sliding_window": True, "sliding_window": 7, "max_window_layers": 2}),
    "qwen3": ("Qwen3Config", {"head_dim": 12}),
    "gpt2": ("GPT2Config", GPT2),
    "gpt2, exact, untied": (
        "GPT2Config",
        GPT2 | {"n_inner": 50, "activation_function": "gelu", "tie_word_embeddings": False},
    ),
    "gpt_neox": ("GPTNeoXConfig", NEOX),
    "gpt_neox, serial": (
        "GPTNeoXConfig",
        NEOX | {"use_parallel_residual": False, "attention_bias": False, "rotary_pct": 0.5},
    ),
    "olmo2": ("Olmo2Config", {}),
    "gemma": ("GemmaConfig", {"head_dim": 12}),
    "gemma2": ("Gemma2Config", GEMMA | {"attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0}),
    "gemma3": ("Gemma3TextConfig", GEMMA | {"layer_types": [LOCAL, WHOLE, LOCAL], "rope_parameters": THETAS}),
    "gemma3, all local": ("Gemma3TextConfig", {"head_dim": 8, "sliding_window": 6}),
    "smollm3": ("SmolLM3Config", {"no_rope_layers": [1, 0, 1]}),
    "phi3": ("Phi3Config", {"sliding_window": 9, "tie_word_embeddings": True, "rope_parameters": PARTLY}),
    "phi3, long": ("Phi3Config", {"original_max_position_embeddings": 24, "rope_parameters": LONGROPE}),
    "mixtral": ("MixtralConfig", {"num_local_experts": 5, "sliding_window": 7}),
    "qwen3_moe": ("Qwen3MoeConfig", SPARSE | {"norm_topk_prob": True}),
    "qwen3_moe, some layers dense": ("Qwen3MoeConfig", SPARSE | {"decoder_sparse_step": 2, "num_hidden_layers": 5}),
    "qwen3_moe, first layer dense": ("Qwen3MoeConfig", SPARSE | {"mlp_only_layers": [0], "num_experts_per_tok": 1}),
}
TOKENS = ("pad_token_id", "bos_token_id", "eos_token_id")
LENGTHS = (5, 17, CONTEXT)


@dataclass
class Pair:
    folder: Path
    theirs: Any
    ours: Transformer


@pytest.fixture(scope="module", params=ROWS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    kind, changes = ROWS[request.param]
    fields = {name: value for name, value in (SIZES | changes).items() if value is not ...}
    config = getattr(transformers, kind)(**fields)
    torch.manual_seed(0)
    theirs = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for weight in theirs.parameters():  # norms and biases too
            weight.add_(0.1 * torch.randn_like(weight))
    folder = tmp_path_factory.mktemp("model")
    theirs.save_pretrained(folder)
    return Pair(folder, theirs, HuggingFaceModel(str(folder)).build(vocab_size=VOCABULARY))


def tokens(*shape: int) -> torch.Tensor:
    return torch.randint(3, VOCABULARY, shape, generator=torch.Generator().manual_seed(sum(shape)))


def close(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("length", LENGTHS)
def test_logits_are_those_of_transformers(pair: Pair, length: int):
    ids = tokens(2, length)
    with torch.no_grad():
        close(pair.ours(ids), pair.theirs(ids).logits, 1e-5)


def test_padding_changes_nothing(pair: Pair):
    ids, lengths = tokens(3, 20), torch.tensor([20, 13, 6])
    real = torch.arange(20) < lengths[:, None]
    with torch.no_grad():
        expected = pair.theirs(ids, attention_mask=real.long()).logits
        found = pair.ours(ids, documents=torch.where(real, 0, -1))
    close(found[real], expected[real], 1e-5)


def test_a_cache_gives_the_logits_of_the_whole(pair: Pair):
    ids = tokens(2, 24)
    with torch.no_grad():
        expected = pair.theirs(ids).logits
        cache = pair.ours.new_cache(2, 24)
        found = [pair.ours(part, cache=cache) for part in ids.split([9, 1, 1, 6, 7], 1)]
    close(torch.cat(found, 1), expected, 1e-5)


def test_gradients_are_those_of_transformers(pair: Pair):
    ids = tokens(2, 30)
    pair.ours.zero_grad(), pair.theirs.zero_grad()
    pair.theirs(ids, labels=ids).loss.backward()
    logits = pair.ours(ids)[:, :-1]
    torch.nn.functional.cross_entropy(logits.reshape(-1, VOCABULARY), ids[:, 1:].reshape(-1)).backward()
    gradients = {name: weight.grad for name, weight in pair.ours.named_parameters()}
    family, _ = family_of(pair.ours)
    expected = {name: weight.grad for name, weight in pair.theirs.named_parameters()}
    expected |= {"embed_out.weight": expected.get("lm_head.weight")}  # GPT-NeoX's name in its files
    ways = (replace(family, names=names) for names in (family.names, *family.other_names))  # as files, or as in memory
    found = next(each for way in ways if {*(each := their_weights(way, pair.ours, gradients))} <= {*expected})
    for name, gradient in found.items():
        close(gradient, expected[name], 1e-4)


def test_what_is_written_is_what_was_read(pair: Pair, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    write_model(tmp_path, pair.ours, special={name: SIZES[name] for name in TOKENS})
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == []
    ids = tokens(2, CONTEXT)
    with torch.no_grad():
        assert torch.equal(again(ids).logits, pair.theirs(ids).logits)
    known = json.loads((pair.folder / "config.json").read_text())
    written = json.loads((tmp_path / "config.json").read_text())
    new = known.get("rope_parameters", {})
    assert written.get("rope_theta") == new.get(WHOLE, new).get("rope_theta")
    assert new.keys() <= written.get("rope_parameters", {}).keys()


def test_greedy_text_is_that_of_transformers(pair: Pair):
    ids = tokens(1, 6)
    expected = pair.theirs.generate(ids, max_new_tokens=12, do_sample=False, eos_token_id=None, pad_token_id=0)
    found = ids
    with torch.no_grad():
        for _ in range(12):
            found = torch.cat((found, pair.ours(found)[:, -1:].argmax(-1)), 1)
    assert found.tolist() == expected.tolist()
