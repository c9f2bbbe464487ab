"""Where the time of training steps goes: data, forward and backward pass, optimizer, logging."""

from statistics import median
from time import perf_counter

import torch
from lightning import Callback

PARTS = ("data", "forward", "backward", "optimizer", "logging")
WARM_UP, FEWEST = 3, 4  # steps that do not count; steps of each half that count at least


class StepTimes(Callback):
    """Time steps for some seconds and end the run: whole ones in the first half, the parts of others in the second.

    At the end of a part it waits for the device, which whole steps do not. It is called before all other callbacks, and
    `last` after them: what lies between is logging. Data are all that happens from one micro-batch to the next.

    Args:
        seconds: Time of both halves, from the first step that counts.
    """

    def __init__(self, *, seconds: float):
        self.seconds, self.last = seconds, _Last(self)
        self.steps: list[float] = []  # seconds of whole steps
        self.parts: list[dict[str, float]] = []  # seconds of each part of a step
        self._done, self._started, self._read, self._zeroed = 0, 0.0, 0.0, False
        self._current = dict.fromkeys(PARTS, 0.0)

    @property
    def step(self) -> float:
        """Seconds of a step, the median."""
        return median(self.steps)

    def split(self) -> dict[str, float]:
        """Seconds of each part of a step, the medians."""
        return {name: median(step[name] for step in self.parts) for name in PARTS}

    def mark(self, part: str) -> None:
        """Count the time since the last mark towards a part."""
        if self._is_split:
            self._wait()
            now = perf_counter()
            self._current[part] += now - self._read
            self._read = now

    @property
    def _is_split(self) -> bool:
        return self._done >= WARM_UP + FEWEST and perf_counter() - self._started > self.seconds / 2

    def _wait(self) -> None:
        if self._device.type != "cpu":
            torch.accelerator.synchronize()

    def on_train_start(self, trainer, pl_module) -> None:
        self._device, self._splitting = trainer.strategy.root_device, False
        self._read = perf_counter()

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx: int) -> None:
        self.mark("data")

    def on_before_zero_grad(self, trainer, pl_module, optimizer) -> None:
        self.mark("forward")
        self._zeroed = True

    def on_before_backward(self, trainer, pl_module, loss) -> None:
        self.mark("optimizer" if self._zeroed else "forward")
        self._zeroed = False

    def on_after_backward(self, trainer, pl_module) -> None:
        self.mark("backward")

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx: int) -> None:
        self.mark("optimizer")

    def finish(self, trainer, batch_idx: int) -> None:
        """End a micro-batch, and with the last one of a step the step."""
        self.mark("logging")
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        self._wait() if self._done < WARM_UP else None
        now, self._done = perf_counter(), self._done + 1
        if self._splitting:
            self.parts.append(self._current)
        elif self._done == WARM_UP:
            self._started = now
        elif self._done > WARM_UP:
            self.steps.append(now - self._ended)
        self._current = dict.fromkeys(PARTS, 0.0)
        self._splitting, self._ended, self._read = self._is_split, now, now
        over = self._done > WARM_UP and now - self._started > self.seconds
        trainer.should_stop = over and len(self.parts) >= FEWEST


class _Last(Callback):
    """Called after all other callbacks."""

    def __init__(self, times: StepTimes):
        self.times = times

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx: int) -> None:
        self.times.finish(trainer, batch_idx)
