"""onnxruntime gives our logits from an exported graph, whole texts and continued ones, with padding, at any length."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from lm.interchange.onnx import write_onnx
from lm.model import Attention, HashedNgrams, Rotary, SwiGLU, Transformer

runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'lightning-lm[onnx]'")
pytest.importorskip("onnxscript", reason="needs onnxscript: pip install 'lightning-lm[onnx]'")


@pytest.fixture(scope="module")
def model() -> Transformer:
    """Two layers, the first of which sees 8 tokens back and rotates otherwise."""
    torch.manual_seed(0)
    attention = partial(Attention, heads=4, key_value_heads=2, query_key_norm=True, bias=True)
    made = Transformer(
        vocab_size=50,
        context=64,
        dim=32,
        layers=2,
        attention=[partial(attention, window=8), attention],
        feedforward=partial(SwiGLU, hidden=48),
        norm=nn.RMSNorm,
        position=[Rotary, partial(Rotary, theta=1e6)],
        logit_cap=30.0,
        tie_embeddings=False,
    )
    for weight in made.parameters():
        nn.init.normal_(weight, std=0.3)
    return made.eval()


@pytest.fixture(scope="module")
def session(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    write_onnx(folder / "model.onnx", model)
    assert [file.name for file in folder.iterdir()] == ["model.onnx"]
    return runtime.InferenceSession(folder / "model.onnx")


def run(session, tokens, attended, positions, past=None) -> tuple[torch.Tensor, list[np.ndarray]]:
    """The logits, and the keys and values of all tokens."""
    past = [np.zeros((len(tokens), 2, 0, 8), np.float32)] * 4 if past is None else past
    values = [tokens.numpy(), attended.numpy(), positions.numpy(), *past]
    names = [each.name for each in session.get_inputs()]
    logits, *present = session.run(None, dict(zip(names, values, strict=True)))
    return torch.tensor(logits), present


@torch.no_grad()
@pytest.mark.parametrize(
    ("rows", "earlier", "own"), [(1, 0, 1), (3, 0, 5), (1, 0, 64), (2, 6, 1), (1, 40, 4), (1, 63, 1)]
)
def test_onnxruntime_gives_our_logits_with_and_without_a_cache(model, session, rows, earlier, own):
    tokens = torch.randint(50, (rows, earlier + own), generator=torch.Generator().manual_seed(own))
    positions, attended = torch.arange(earlier + own).repeat(rows, 1), torch.ones_like(tokens)
    past = None
    if earlier:
        before = (tokens[:, :earlier], attended[:, :earlier], positions[:, :earlier])
        past = run(session, *before)[1]
    logits, _ = run(session, tokens[:, earlier:], attended, positions[:, earlier:], past)
    assert torch.allclose(logits, model(tokens)[:, earlier:], rtol=0, atol=1e-4)


@torch.no_grad()
def test_padding_changes_no_logits(model, session):
    text = torch.tensor([[7, 3, 9, 4]])
    padded, attended = torch.tensor([[0, 0, 7, 3, 9, 4]]), torch.tensor([[0, 0, 1, 1, 1, 1]])
    logits, _ = run(session, padded, attended, (attended.cumsum(1) - 1).clamp_min(0))
    assert torch.allclose(logits[:, 2:], model(text), rtol=0, atol=1e-4)


def test_the_graph_has_the_names_that_other_programs_know(session):
    assert [each.name for each in session.get_inputs()] == [
        "input_ids", "attention_mask", "position_ids", "past_key_values.0.key", "past_key_values.0.value",
        "past_key_values.1.key", "past_key_values.1.value",
    ]  # fmt: skip
    assert [each.name for each in session.get_outputs()] == [
        "logits", "present.0.key", "present.0.value", "present.1.key", "present.1.value",
    ]  # fmt: skip


def test_ngrams_are_refused_as_no_input_has_the_tokens_before(tmp_path):
    made = Transformer(
        vocab_size=9,
        context=8,
        dim=8,
        layers=1,
        attention=partial(Attention, heads=2),
        feedforward=SwiGLU,
        ngrams=partial(HashedNgrams, rows=8),
    )
    with pytest.raises(ValueError, match=r"format=onnx .* or train with model\.ngrams=null"):
        write_onnx(tmp_path / "model.onnx", made)
