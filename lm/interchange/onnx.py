"""A model as one ONNX graph with its cache as inputs and outputs, by the names that other programs know.

Legend: B batch  T tokens  P earlier tokens  S = P + T  K key/value heads  E head dim  V vocabulary
"""

import contextlib
import importlib.util
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from lm.files import sync, write_atomically
from lm.interchange.format import Format, Published
from lm.model import Transformer
from lm.model.visibility import Visibility

FILE = "model.onnx"
INPUTS = ("input_ids", "attention_mask", "position_ids")
LARGEST = 1_800_000_000  # bytes of weights in the file of the graph, which cannot exceed 2 GiB; larger ones lie beside
EXAMPLE = (2, 3, 4)  # B T P with which the graph is traced; every size is free


class CachedStep(nn.Module):
    """One forward whose earlier tokens are given as keys and values, and returned with those of its own tokens.

    Args:
        model: The model.
    """

    def __init__(self, model: Transformer):
        super().__init__()
        self.model = model

    def forward(
        self, tokens: Tensor, attended: Tensor, positions: Tensor, past: list[tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Return the logits of the tokens, and all keys and values.

        Args:
            tokens: Token ids, B T.
            attended: 1 for tokens and 0 for padding, B S.
            positions: Position of each token in its text, B T.
            past: Keys and values of earlier tokens for each layer, B K P E.

        Returns:
            Logits, B T V, and keys and values for each layer, B K S E.
        """
        earlier, count = past[0][0].shape[2], tokens.shape[1]
        own = torch.arange(count, device=tokens.device) + earlier  # T
        seen = torch.arange(earlier + count, device=tokens.device)  # S
        causal = seen <= own[:, None]  # T S
        itself = seen == own[:, None]  # padding attends to itself
        mask = causal & (attended[:, None, :] > 0) | itself  # B T S
        visibility = Visibility(positions, mask[:, None], places=own, seen=seen, room=earlier + count)
        present: list[tuple[Tensor, Tensor]] = []

        def write(layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
            joined = (torch.cat((past[layer][0], keys), 2), torch.cat((past[layer][1], values), 2))
            present.append(joined)
            return joined

        hidden = self.model.features(tokens, visibility, write=write)
        return self.model.projection.logits(hidden), present


class ONNX(Format):
    """A graph for onnxruntime whose cache is input and output, and the tokenizer's files.

    Inputs and outputs have the names of Optimum: `input_ids`, `attention_mask`, `position_ids`,
    `past_key_values.0.key` …, `logits`, `present.0.key` …. Weights are those of the model, in fp32.
    """

    def write(self, folder: Path, published: Published) -> tuple[list[Path], list[str]]:
        check_exporter()
        files = published.files()
        written = write_onnx(folder / FILE, published.build())
        for name, content in files.items():
            write_atomically(folder / name, content)
        return [*written, *(folder / name for name in files)], []


def check_exporter() -> None:
    """Refuse to start without the package that torch's exporter needs."""
    if importlib.util.find_spec("onnxscript") is None:
        raise ValueError("format=onnx needs the package onnxscript: pip install 'lightning-lm[onnx]'")


def write_onnx(path: Path, model: Transformer) -> list[Path]:
    """Write the graph and the weights to one file, whole or absent; weights of more than 1.8 GB to a file beside it.

    Args:
        path: The file.
        model: The model, in evaluation mode.

    Returns:
        The files.

    Raises:
        ValueError: torch's exporter cannot trace the model.
    """
    if model.ngrams is not None:
        raise ValueError(
            "format=onnx has no input for the tokens before a cached one, which model.ngrams reads: use lm generate or "
            "lm chat, or train with model.ngrams=null"
        )
    layers = range(len(model.blocks))
    batch, tokens, past = EXAMPLE
    attention = model.blocks[0].attention
    shape = (batch, attention.key_value_heads, past, attention.head_dim)
    example = (
        torch.ones(batch, tokens, dtype=torch.int64),
        torch.ones(batch, past + tokens, dtype=torch.int64),
        torch.arange(past, past + tokens).repeat(batch, 1),
        [(torch.zeros(shape), torch.zeros(shape)) for _ in layers],
    )
    free = torch.export.Dim
    row, own, earlier = free("batch"), free("tokens"), free("past")
    cached = {0: row, 2: earlier}
    shapes = ({0: row, 1: own}, {0: row, 1: free.DYNAMIC}, {0: row, 1: own}, [(cached, cached) for _ in layers])
    pairs = [(layer, part) for layer in layers for part in ("key", "value")]
    options = {"dynamo": True, "dynamic_shapes": shapes, "verbose": False}
    names = {
        "input_names": [*INPUTS, *(f"past_key_values.{layer}.{part}" for layer, part in pairs)],
        "output_names": ["logits", *(f"present.{layer}.{part}" for layer, part in pairs)],
    }
    with _quiet(), torch.no_grad():
        try:
            program = torch.onnx.export(CachedStep(model).eval(), example, **options, **names)
        except torch.onnx.errors.OnnxExporterError as error:
            reason = str(error.__cause__ or error).strip().splitlines()[0]
            raise ValueError(
                f"format=onnx: torch's exporter cannot trace this model ({reason}): export it with format=huggingface"
            ) from error
    size = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        program.save(Path(folder, path.name), external_data=size > LARGEST)
        files = sorted(Path(folder).iterdir(), reverse=True)  # the weights before the graph that names them
        for file in files:
            sync(file)
            os.replace(file, path.with_name(file.name))
    return [path.with_name(file.name) for file in files]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the exporter prints, logs and warns of to itself; a failure raises."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(before)
