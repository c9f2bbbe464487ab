"""peft opens an exported adapter over its exported base, and computes what the run does."""

import copy
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from lm.conversation import published_files
from lm.interchange import PeftAdapter, Published
from lm.model import Attention, SwiGLU, Transformer, dora, lora, merge
from lm.tokenizer import byte_tokenizer

TOKENIZER = byte_tokenizer([])


def plain(**parts) -> Transformer:
    torch.manual_seed(0)
    usual = {"attention": partial(Attention, heads=4, key_value_heads=2), "feedforward": partial(SwiGLU, hidden=48)}
    usual |= {"norm": partial(nn.RMSNorm, eps=1e-5)}
    return Transformer(vocab_size=TOKENIZER.vocab_size, context=64, dim=32, layers=2, **(usual | parts))


def adapted(change: Callable[[nn.Module], None], **parts) -> Transformer:
    """A model with a trained adapter: every weight that trains has moved."""
    model = plain(**parts)
    change(model)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * 0.1)
    return model.eval()


def merged(model: Transformer) -> Transformer:
    result = copy.deepcopy(model)
    merge(result)
    return result


def export(folder: Path, model: Transformer) -> dict:
    """Export the adapter of a model; return its adapter_config.json."""
    whole = merged(model)
    published = Published(
        outline=whole,
        build=lambda: whole,
        description={},
        unmerged=lambda: copy.deepcopy(model),
        tokenizer=TOKENIZER,
        ends=TOKENIZER.ends,
        opens=True,
        chat_template=lambda: None,
        files=lambda: published_files(TOKENIZER),
    )
    files, _ = PeftAdapter().write(folder, published)
    assert {*files} == {each for each in folder.rglob("*") if each.is_file()}
    return json.loads((folder / "adapter_config.json").read_text())


CHANGES = {
    "LoRA": partial(lora, rank=4, alpha=8, targets=["attention.*", "feedforward.*"], whole=["*norm.weight"]),
    "rsLoRA of some": partial(lora, rank=4, alpha=8, targets=["blocks.1.*"], rank_stabilised=True),
    "DoRA": partial(dora, rank=2, alpha=4, targets=["query", "down"], dropout=0.1),
}


@pytest.mark.parametrize("name", CHANGES)
def test_peft_computes_what_the_run_does(name, tmp_path):
    peft, transformers = pytest.importorskip("peft"), pytest.importorskip("transformers")
    model = adapted(CHANGES[name])
    config = export(tmp_path, model)
    base = transformers.AutoModelForCausalLM.from_pretrained(config["base_model_name_or_path"])
    theirs = peft.PeftModel.from_pretrained(base, tmp_path).eval()
    tokens = torch.randint(256, (2, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours = merged(model)(tokens)
        assert torch.allclose(theirs(tokens).logits, ours, rtol=0, atol=1e-5)
        with theirs.disable_adapter():
            assert not torch.allclose(theirs(tokens).logits, ours, rtol=0, atol=1e-4)
    assert config["use_dora"] == (name == "DoRA")
    assert config["lora_dropout"] == (0.1 if name == "DoRA" else 0.0)


def test_a_model_without_an_adapter_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"format=adapter: this run was not tuned by an adapter .*format=huggingface"):
        export(tmp_path, plain())
    assert not [*tmp_path.iterdir()]
