"""One optimizer step on packed preference pairs in fp64 through the real trainer, for tests of objectives of pairs.

With plain gradient descent at rate 1 and no clipping, the change of the weights is the gradient.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from lightning import Trainer

from lm.data import RowDataModule, Rows, RowSource
from lm.data.preference_rows import PreferenceRow
from lm.model import Attention, SwiGLU, Transformer
from lm.objective import Objective
from lm.optimizer import Plan

VOCABULARY, CONTEXT, PAIRS = 31, 12, 12
WIDTH = 2 * CONTEXT


def pairs(seed: int = 0, count: int = PAIRS) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Prompt, chosen and rejected answer, of ragged lengths; the last chosen answer fills the context."""
    draw = np.random.default_rng(seed)
    made = [[draw.integers(0, VOCABULARY, draw.integers(1, 5)) for _ in range(3)] for _ in range(count)]
    made[-1][1] = draw.integers(0, VOCABULARY, CONTEXT + 1 - len(made[-1][0]))
    return [tuple(each) for each in made]


PACKINGS = {
    "alone": lambda count: [[number] for number in range(count)],
    "two a row": lambda count: [[m for m in (2 * n, 2 * n + 1) if m < count] for n in range(count)],
}


class PackedPairs(RowSource):
    """Pairs in memory, with as many rows as pairs, some of them empty."""

    def __init__(self, given, packing: str = "alone", *, first: int = 0, margin: float = 0.0):
        self.given, self.packed, self.first, self.margin = given, PACKINGS[packing](len(given)), first, margin
        self.counts = np.array([self.row(i).supervised.sum() for i in range(len(given))], dtype=np.int64)

    @property
    def loss_weights(self) -> np.ndarray:
        return np.array([len(row) for row in self.packed], dtype=np.int64)

    def row(self, index: int) -> PreferenceRow:
        tokens, targets = np.zeros((2, WIDTH), dtype=np.int64)
        supervised, documents = np.zeros(WIDTH, dtype=bool), np.full(WIDTH, -1, dtype=np.int64)
        kinds, place = np.zeros(WIDTH, dtype=np.int64), 0
        for slot, number in enumerate(self.packed[index]):
            prompt, *answers = self.given[number]
            for side, answer in enumerate(answers):
                ids = np.concatenate([prompt, answer])
                here = slice(place, place + len(ids) - 1)
                tokens[here], targets[here], documents[here] = ids[:-1], ids[1:], 2 * slot + side
                kinds[here] = number % 2
                supervised[here.stop - len(answer) : here.stop] = True
                place = here.stop
        numbers = np.array(self.packed[index], dtype=np.int64) + self.first
        return PreferenceRow(
            tokens, targets, supervised, documents, kinds, pair=numbers,
            margin=np.full(len(numbers), self.margin, dtype=np.float32),
        )  # fmt: skip


def network(dropout: float = 0.0, seed: int = 0, scale: float = 0.3) -> Transformer:
    torch.manual_seed(seed)
    model = Transformer(
        vocab_size=VOCABULARY,
        context=CONTEXT,
        dim=8,
        layers=2,
        attention=lambda dim: Attention(dim, heads=2, key_value_heads=1),
        feedforward=lambda dim: SwiGLU(dim, hidden=16),
        dropout=dropout,
    )
    model.load_state_dict({name: torch.randn_like(value) * scale for name, value in model.state_dict().items()})
    return model


def plan(rows_per_device: int, devices: int = 1, steps: int = 1) -> Plan:
    return Plan(steps, PAIRS, rows_per_device, PAIRS // devices // rows_per_device, devices, WIDTH)


def made(objective: Callable[..., Objective], model: Transformer, **options) -> Objective:
    return objective(
        model,
        optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=1.0),
        schedule=lambda step, steps: 1.0,
        steps=options.pop("steps", 1),
        kinds=["even", "odd"],
        gradient_clip=None,
        **options,
    )


def trainer_of(plan: Plan, directory: Path, *, strategy: str = "auto", **options) -> Trainer:
    return Trainer(
        accelerator="cpu",
        devices=plan.devices,
        strategy=strategy,
        precision=options.pop("precision", "64-true"),
        max_steps=plan.steps,
        max_epochs=-1,
        accumulate_grad_batches=plan.accumulate,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=options.pop("limit_val_batches", 0),
        num_sanity_val_steps=0,
        default_root_dir=str(directory),
        **options,
    )


def gradient(
    objective: Callable[..., Objective],
    packing: str,
    plan: Plan,
    directory: Path,
    *,
    source: Callable[..., RowSource] = PackedPairs,
    prepare: Callable[[Transformer], None] = lambda model: None,
    strategy: str = "auto",
) -> dict[str, torch.Tensor]:
    """The gradient of one step over all pairs, by parameter, and its loss."""
    module = made(objective, model := network(dropout=0.2))
    prepare(model)
    before = {name: value.detach().double().clone() for name, value in model.named_parameters()}
    data_plan = Rows({"pairs": source(pairs(), packing)}, tokenizer=None).plan(plan, seed=3)
    trainer = trainer_of(plan, directory, strategy=strategy)
    preparation = module.prepare_step if module.prepares_steps else None
    trainer.fit(module, datamodule=RowDataModule(data_plan, prepare=preparation))
    found = {name: before[name] - value.detach() for name, value in model.named_parameters()}
    return found | {"loss": torch.as_tensor(module.step_loss)}  # of this rank


def save_gradient(path: Path, objective, packing: str, plan: Plan, source, prepare, environment: dict) -> None:
    """As one rank of a group."""
    os.environ.update(environment)
    torch.set_num_threads(1)
    found = gradient(objective, packing, plan, path.parent, source=source, prepare=prepare, strategy="ddp")
    if environment["LOCAL_RANK"] == "0":
        torch.save(found, path)
