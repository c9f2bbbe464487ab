"""How long to train and in what portions, settled before anything runs.

Legend: batch  the tokens of one optimizer step, over all ranks and micro-batches
"""

from dataclasses import dataclass
from math import ceil
from typing import Literal


@dataclass(frozen=True)
class Plan:
    """Every number the loop needs; all ranks compute the same one."""

    steps: int
    rows_per_step: int
    rows_per_device: int  # rows of one micro-batch
    accumulate: int  # micro-batches a step
    devices: int
    context: int

    @property
    def tokens(self) -> int:
        """Places in the rows of the whole run (padding included)."""
        return self.steps * self.rows_per_step * self.context


class Budget:
    """Say the length as exactly one of tokens, steps, epochs or tokens_per_parameter (Hoffmann et al. 2022: 20).

    `batch_tokens` is what one optimizer step sees, whatever the number of devices; accumulation follows from
    `rows_per_device`. `auto` takes the most rows that divide evenly, up to 4,096 tokens at a time: on a CPU larger
    micro-batches only fall out of the cache.
    """

    def __init__(
        self,
        *,
        batch_tokens: int,
        tokens: int | None = None,
        steps: int | None = None,
        epochs: float | None = None,
        tokens_per_parameter: float | None = None,
        rows_per_device: int | Literal["auto"] = "auto",
    ):
        lengths = {
            "tokens": tokens, "steps": steps, "epochs": epochs, "tokens_per_parameter": tokens_per_parameter
        }  # fmt: skip
        given = {name: value for name, value in lengths.items() if value is not None}
        if len(given) != 1:
            named = " and ".join(f"budget.{name}={value}" for name, value in given.items()) or "none"
            raise ValueError(
                f"a budget has exactly one of {', '.join(lengths)}; given: {named}. Set one and the others to null"
            )
        for name, value in {**given, "batch_tokens": batch_tokens}.items():
            if value <= 0:
                raise ValueError(f"budget.{name}={value}: must be more than 0")
        if rows_per_device != "auto" and rows_per_device < 1:
            raise ValueError(f"budget.rows_per_device={rows_per_device}: must be at least 1, or auto")
        self.batch_tokens = batch_tokens
        self.length, self.amount = next(iter(given.items()))
        self.rows_per_device = rows_per_device

    def plan(self, *, context: int, devices: int, rows: int, parameters: int) -> Plan:
        """The plan for `rows` training rows of `context` tokens and a model of `parameters`."""
        per_device = 1 if self.rows_per_device == "auto" else self.rows_per_device
        unit = devices * per_device * context
        if self.batch_tokens % unit:
            below, above = self.batch_tokens // unit * unit, ceil(self.batch_tokens / unit) * unit
            nearest = f"{below} or {above}" if below else f"{above}"
            raise ValueError(
                f"budget.batch_tokens={self.batch_tokens} is not a multiple of {devices} devices × "
                f"{per_device} rows × {context} context: try {nearest}"
            )
        rows_per_step = self.batch_tokens // context
        if self.rows_per_device == "auto":
            share, most = rows_per_step // devices, max(1, 4096 // context)
            per_device = max(n for n in range(1, most + 1) if share % n == 0)
        steps = {
            "steps": lambda: self.amount,
            "tokens": lambda: self.amount / self.batch_tokens,
            "epochs": lambda: self.amount * rows / rows_per_step,
            "tokens_per_parameter": lambda: self.amount * parameters / self.batch_tokens,
        }[self.length]()
        return Plan(
            steps=max(1, round(steps)),
            rows_per_step=rows_per_step,
            rows_per_device=per_device,
            accumulate=rows_per_step // devices // per_device,
            devices=devices,
            context=context,
        )
