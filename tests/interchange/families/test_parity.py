"""Each family gives the logits and gradients of transformers, read and written, with padding and with a cache.

Adding a family adds a row: a tiny config of transformers.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from lm.interchange.export import family_of, their_weights, write_model
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
ROWS: dict[str, tuple[str, dict[str, Any]]] = {  # name → class of the config, and what differs from SIZES
    "llama": ("LlamaConfig", {}),
    "llama, tied": ("LlamaConfig", {"tie_word_embeddings": True, "rope_parameters": LLAMA3}),
    "llama, biases": ("LlamaConfig", {"attention_bias": True, "mlp_bias": True}),
    "llama, linear": ("LlamaConfig", {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4}}),
    "llama, dynamic": ("LlamaConfig", {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}}),
    "llama, yarn": ("LlamaConfig", {"rope_parameters": YARN}),
    "mistral": ("MistralConfig", {"sliding_window": 7}),
    "mistral, no window": ("MistralConfig", {"sliding_window": None, "head_dim": 12}),
    "qwen2": ("Qwen2Config", {}),
    "qwen3": ("Qwen3Config", {"head_dim": 12}),
}
LENGTHS = (5, 17, CONTEXT)


@dataclass
class Pair:
    folder: Path
    theirs: Any
    ours: Transformer


@pytest.fixture(scope="module", params=ROWS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    kind, changes = ROWS[request.param]
    config = getattr(transformers, kind)(**SIZES | changes)
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
    for name, found in their_weights(family, pair.ours, gradients).items():
        close(found, expected[name], 1e-4)


def test_what_is_written_is_what_was_read(pair: Pair, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    write_model(tmp_path, pair.ours)
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == []
    ids = tokens(2, CONTEXT)
    with torch.no_grad():
        assert torch.equal(again(ids).logits, pair.theirs(ids).logits)
    known = json.loads((pair.folder / "config.json").read_text())
    written = json.loads((tmp_path / "config.json").read_text())
    assert written["rope_theta"] == known["rope_parameters"]["rope_theta"]
    assert written["rope_parameters"]["rope_theta"] == written["rope_theta"]


def test_greedy_text_is_that_of_transformers(pair: Pair):
    ids = tokens(1, 6)
    expected = pair.theirs.generate(ids, max_new_tokens=12, do_sample=False, eos_token_id=None, pad_token_id=0)
    found = ids
    with torch.no_grad():
        for _ in range(12):
            found = torch.cat((found, pair.ours(found)[:, -1:].argmax(-1)), 1)
    assert found.tolist() == expected.tolist()
