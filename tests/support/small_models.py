"""Folders of published models, made in a moment and without transformers."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lm.interchange import Format, HuggingFace, Published
from lm.model import Attention, SwiGLU, Transformer
from lm.tokenizer import Tokenizer, byte_tokenizer, exported_files

CONTEXT = 64


def small_model(tokenizer: Tokenizer | None = None, **parts: Any) -> Transformer:
    """A Llama of two layers, far from its initial weights."""
    tokenizer = tokenizer or byte_tokenizer([])
    torch.manual_seed(0)
    given = {"attention": partial(Attention, heads=4, key_value_heads=2), "feedforward": partial(SwiGLU, hidden=24)}
    sizes = {"vocab_size": tokenizer.vocab_size, "context": CONTEXT, "dim": 16, "layers": 2}
    model = Transformer(norm=partial(nn.RMSNorm, eps=1e-6), **sizes | given | parts)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return model.eval()


def publish(folder: Path, model: Transformer | None = None, *, format: Format | None = None) -> Path:
    """Write a model as a folder of transformers."""
    tokenizer = byte_tokenizer([])
    model = model or small_model(tokenizer)
    folder.mkdir(parents=True, exist_ok=True)
    published = Published(
        outline=model,
        build=lambda: model,
        unmerged=lambda: model,
        description={},
        tokenizer=tokenizer,
        ends=tokenizer.ends,
        opens=True,
        chat_template=lambda: None,
        files=lambda: exported_files(tokenizer, context=model.context),
    )
    (format or HuggingFace()).write(folder, published)
    return folder


def change(folder: Path, **fields: Any) -> None:
    """Set fields of the config.json of a folder; ... removes one."""
    file = folder / "config.json"
    values = {**json.loads(file.read_text()), **fields}
    file.write_text(json.dumps({name: value for name, value in values.items() if value is not ...}))
