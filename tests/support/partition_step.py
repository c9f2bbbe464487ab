"""One optimizer step in fp64 through the real trainer, for the tests of partition invariance.

With plain gradient descent at rate 1 and no clipping, the change of the weights is the gradient.
"""

import os
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from lightning import Trainer

from lm.data import Row, RowDataModule, Rows, RowSource
from lm.data.packing import Packing, best_fit, cut
from lm.model import Attention, Experts, SwiGLU, Transformer
from lm.objective import CausalLM
from lm.optimizer import Plan

VOCABULARY, CONTEXT = 31, 12


def alone(lengths: np.ndarray, context: int):
    """One row per document: no packing at all."""
    rows = np.arange(len(lengths))
    return Packing(context, np.arange(len(lengths) + 1), rows.astype(np.int32), rows * 0, lengths.astype(np.int32))


PACKINGS = {"best fit": best_fit, "cut": cut, "alone": alone}


def texts(seed: int = 0, count: int = 24) -> list[tuple[np.ndarray, np.ndarray]]:
    """Documents of ragged lengths with ragged masks; every fourth has nothing supervised at all."""
    draw = np.random.default_rng(seed)
    made = []
    for number in range(count):
        tokens = draw.integers(0, VOCABULARY, int(draw.integers(2, CONTEXT + 1)) + 1)
        supervised = draw.random(len(tokens) - 1) < 0.6
        made.append((tokens, supervised & (number % 4 != 0)))
    return made


class PackedTexts(RowSource):
    """Documents in memory; with a `prompt_weight`, targets that are not supervised have that loss weight."""

    def __init__(self, documents, packing, rows: int | None = None, *, prompt_weight: float = 0.0):
        self.documents, self.prompt_weight = documents, prompt_weight
        self.packing = packing(np.array([len(tokens) - 1 for tokens, _ in documents]), CONTEXT)
        size = max(rows or 0, len(self.packing))
        self.counts = np.array([self.row(i).supervised.sum() for i in range(size)], dtype=np.int64)

    @cached_property
    def loss_weights(self) -> np.ndarray:
        if not self.prompt_weight:
            return self.counts
        return np.array([self.row(i).loss_weights.sum(dtype=np.float64) for i in range(len(self))])

    def row(self, index: int) -> Row:
        tokens, targets = np.zeros((2, CONTEXT), dtype=np.int64)
        supervised, documents = np.zeros(CONTEXT, dtype=bool), np.full(CONTEXT, -1, dtype=np.int64)
        place = 0
        for number, (which, start, length) in enumerate(
            self.packing.segments(index) if index < len(self.packing) else ()
        ):
            ids, mask = self.documents[which]
            here = slice(place, place + length)
            tokens[here], targets[here] = ids[start : start + length], ids[start + 1 : start + length + 1]
            supervised[here], documents[here] = mask[start : start + length], number
            place += length
        row = Row(tokens, targets, supervised, documents)
        if self.prompt_weight:
            row.loss_weights = np.where(supervised, 1, np.where(documents < 0, 0, self.prompt_weight)).astype(
                np.float32
            )
        return row


def network(*, sparse: bool = False) -> Transformer:
    """A transformer of random weights, dense, or with one of whose experts no text of a small micro-batch needs."""
    torch.manual_seed(0)
    expert = partial(SwiGLU, hidden=16)
    model = Transformer(
        vocab_size=VOCABULARY,
        context=CONTEXT,
        dim=8,
        layers=2,
        attention=lambda dim: Attention(dim, heads=2, key_value_heads=1),
        feedforward=partial(Experts, expert=expert, experts=9, balance=0.5, z_loss=0.1) if sparse else expert,
    )
    model.load_state_dict({k: torch.randn_like(v) * 0.3 for k, v in model.state_dict().items()})
    return model


def gradient(
    packing: str,
    plan: Plan,
    rows: int | None = None,
    *,
    prompt_weight: float = 0.0,
    strategy: str = "auto",
    objective: type[CausalLM] = CausalLM,
    sparse: bool = False,
) -> dict[str, torch.Tensor]:
    """The gradient of one step over all rows, by parameter, and the metrics that the objective has recorded."""
    model = network(sparse=sparse)
    before = {name: value.detach().double().clone() for name, value in model.named_parameters()}
    module = objective(
        model,
        optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=1.0),
        schedule=lambda step, steps: 1.0,
        steps=1,
        gradient_clip=None,
    )
    source = PackedTexts(texts(), PACKINGS[packing], rows, prompt_weight=prompt_weight)
    data_plan = Rows({"texts": source}, tokenizer=None).plan(plan, seed=3)
    trainer = Trainer(
        accelerator="cpu",
        devices=plan.devices,
        strategy=strategy,
        precision="64-true",
        max_steps=1,
        max_epochs=-1,
        accumulate_grad_batches=plan.accumulate,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        num_sanity_val_steps=0,
    )
    prepare = module.prepare_step if module.prepares_steps else None
    trainer.fit(module, datamodule=RowDataModule(data_plan, prepare=prepare))
    recorded = getattr(module, "recorded", {})
    return recorded | {name: before[name] - value.detach() for name, value in model.named_parameters()}


def save_gradient(
    path: Path,
    environment: dict,
    packing: str,
    plan: Plan,
    rows: int | None,
    objective: type[CausalLM] = CausalLM,
    sparse: bool = False,
) -> None:
    """As one rank of a group."""
    os.environ.update(environment)
    torch.set_num_threads(1)
    found = gradient(packing, plan, rows, strategy="ddp", objective=objective, sparse=sparse)
    if environment["LOCAL_RANK"] == "0":
        torch.save(found, path)
