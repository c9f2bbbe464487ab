"""The length of a run and its batches, planned before anything runs.

Legend: batch  the tokens of one optimizer step, over all ranks and micro-batches
"""

from dataclasses import dataclass
from math import ceil
from typing import Literal

from lm.bounds import NonNegative, Positive


@dataclass(frozen=True)
class Plan:
    """Steps, rows and micro-batches of a run; every rank computes the same plan."""

    steps: int
    rows_per_step: int
    rows_per_device: int  # rows of one micro-batch
    accumulate: int  # micro-batches per step
    devices: int
    row_tokens: int  # width of a row, padding included: the context, or more where a row holds several documents

    @property
    def tokens(self) -> int:
        """Tokens of all rows of the run, padding included."""
        return self.steps * self.rows_per_step * self.row_tokens


class Budget:
    """Length of a run (exactly one of tokens, steps, epochs, tokens_per_parameter, minutes) and size of its batches.

    Args:
        batch_tokens: Tokens of one optimizer step, whatever the number of devices: the global batch. A multiple of
            devices × rows_per_device × tokens of a row: the context, and for pairs twice that. null with batch_rows.
        batch_rows: The same in rows, as prompts of reinforcement learning; a multiple of devices × rows_per_device.
        tokens: Length in tokens, padding included. Exactly one length is set, tokens, steps, epochs or
            tokens_per_parameter: another one is chosen as budget=steps budget.steps=1000, not added to this.
        steps: Length in optimizer steps.
        epochs: Length in passes over the training rows.
        tokens_per_parameter: Length in tokens per parameter of the model; 20 is compute-optimal (Hoffmann et al. 2022).
        minutes: Length in minutes of wall-clock time, any fraction: before the run a few steps of its model are timed,
            and the tokens that fit are fixed. The same command resumes with that number; another machine repeats the
            run with `budget=tokens budget.tokens=NUMBER`.
        remaining: Of `minutes`, what is left when the job starts; a pipeline sets it. null is all of them.
        rows_per_device: Rows of one micro-batch; the rest of the batch is accumulated. `auto` takes the largest number
            that divides evenly, up to 4,096 tokens: on a CPU larger micro-batches fall out of the cache.

    Raises:
        ValueError: Not exactly one length is given, or a number is not positive.
    """

    def __init__(
        self,
        *,
        batch_tokens: int | None = None,
        batch_rows: int | None = None,
        tokens: int | None = None,
        steps: int | None = None,
        epochs: float | None = None,
        tokens_per_parameter: float | None = None,
        minutes: Positive | None = None,
        remaining: NonNegative | None = None,
        rows_per_device: int | Literal["auto"] = "auto",
    ):
        lengths = {
            "tokens": tokens,
            "steps": steps,
            "epochs": epochs,
            "tokens_per_parameter": tokens_per_parameter,
            "minutes": minutes,
        }
        given = {name: value for name, value in lengths.items() if value is not None}
        if len(given) != 1:
            named = " and ".join(f"budget.{name}={value}" for name, value in given.items()) or "none"
            raise ValueError(
                f"a budget has exactly one of {', '.join(lengths)}; given: {named}. Set one and the others to null"
            )
        sizes = {"batch_tokens": batch_tokens, "batch_rows": batch_rows}
        batch = {name: value for name, value in sizes.items() if value is not None}
        if len(batch) != 1:
            raise ValueError(
                "a budget has one of batch_tokens and batch_rows: set budget.batch_tokens=4096 or budget.batch_rows=16 "
                "with budget.batch_tokens=null"
            )
        for name, value in {**given, **batch}.items():
            if value <= 0:
                raise ValueError(f"budget.{name}={value}: must be more than 0")
        if rows_per_device != "auto" and rows_per_device < 1:
            raise ValueError(f"budget.rows_per_device={rows_per_device}: must be at least 1, or auto")
        self.batch_tokens, self.batch_rows = batch_tokens, batch_rows
        self.length, self.amount = next(iter(given.items()))
        self.remaining = remaining
        self.rows_per_device = rows_per_device

    @property
    def seconds(self) -> float | None:
        """Time that a budget of minutes gives the job; None for another length, which `plan` can plan by itself."""
        if self.length != "minutes":
            return None
        return 60 * (self.amount if self.remaining is None else min(self.amount, self.remaining))

    def of_tokens(self, tokens: int) -> "Budget":
        """Return the budget of the same batches that has a length in tokens."""
        return Budget(
            batch_tokens=self.batch_tokens,
            batch_rows=self.batch_rows,
            tokens=tokens,
            rows_per_device=self.rows_per_device,
        )

    def in_tokens(self, row_tokens: int) -> "Budget":
        """Return it with its batch in tokens, for rows of `row_tokens`."""
        if self.batch_rows is None:
            return self
        length = {self.length: self.amount, "remaining": self.remaining, "rows_per_device": self.rows_per_device}
        return Budget(batch_tokens=self.batch_rows * row_tokens, **length)

    def plan(self, *, row_tokens: int, devices: int, rows: int, parameters: int) -> Plan:
        """Plan the run.

        Args:
            row_tokens: Tokens of a row, padding included.
            devices: Devices that read different rows.
            rows: Training rows.
            parameters: Parameters of the model.

        Raises:
            ValueError: The batch is not a multiple of devices × rows × tokens of a row, or the length is in minutes, of
                which nobody has fixed the tokens.
        """
        if self.batch_rows is not None:
            self._check_rows(devices)
            return self.in_tokens(row_tokens).plan(
                row_tokens=row_tokens, devices=devices, rows=rows, parameters=parameters
            )
        if self.length == "minutes":
            raise ValueError(f"budget.minutes={self.amount}: this job times no steps; set budget=tokens")
        per_device = 1 if self.rows_per_device == "auto" else self.rows_per_device
        unit = devices * per_device * row_tokens
        if self.batch_tokens % unit:
            below, above = self.batch_tokens // unit * unit, ceil(self.batch_tokens / unit) * unit
            nearest = f"{below} or {above}" if below else f"{above}"
            raise ValueError(
                f"budget.batch_tokens={self.batch_tokens} is not a multiple of {devices} devices × "
                f"{per_device} rows × {row_tokens} tokens: try {nearest}"
            )
        rows_per_step = self.batch_tokens // row_tokens
        if self.rows_per_device == "auto":
            share, largest = rows_per_step // devices, max(1, 4096 // row_tokens)
            per_device = max(n for n in range(1, largest + 1) if share % n == 0)
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
            row_tokens=row_tokens,
        )

    def _check_rows(self, devices: int) -> None:
        """Refuse rows of a step that cannot be dealt out evenly."""
        per_device = 1 if self.rows_per_device == "auto" else self.rows_per_device
        unit = devices * per_device
        if self.batch_rows % unit:
            below, above = self.batch_rows // unit * unit, ceil(self.batch_rows / unit) * unit
            nearest = f"{below} or {above}" if below else f"{above}"
            raise ValueError(
                f"budget.batch_rows={self.batch_rows} is not a multiple of {devices} devices × {per_device} rows: try "
                f"{nearest}"
            )
