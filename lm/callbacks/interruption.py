"""Ctrl-C, SIGTERM and SIGUSR1 end a run at the next step, saved; a second Ctrl-C ends it at once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import torch
from lightning import Callback

from lm.callbacks.final_validation import validation_follows
from lm.callbacks.second_interrupt import ended_by_second_interrupt
from lm.checkpoint.checkpoint import save
from lm.run import Interrupted

CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Interruption(Callback):
    """Note the signal, save after the step it came in, and leave. Ranks agree on the step.

    Lightning's own handling is kept from being installed: on SIGTERM it tells other ranks, that are in the middle of
    something else, and exits with 0, nothing saved; on Slurm's SIGUSR1 it queues a job again that still runs.
    """

    def __init__(self) -> None:
        self.received = self._agreed = 0

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Note signals from here, long before the first step.

        They are held back until `setup`: ranks launched in between inherit that, and so do not die of a signal that
        comes before they can note it, upon which Lightning would kill the whole job.
        """
        before = {number: signal.signal(number, self._note) for number in CAUGHT}
        signal.pthread_sigmask(signal.SIG_BLOCK, CAUGHT)
        try:
            with ended_by_second_interrupt():
                yield
        except Interrupted as ended:
            if self.received and not ended.signal_number:  # it came as the run ended early of itself, and saved
                raise Interrupted(self.received, ended.message) from None
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, CAUGHT)
            for number, handler in before.items():
                signal.signal(number, handler)

    def setup(self, trainer, pl_module, stage: str) -> None:
        trainer._signal_connector.register_signal_handlers = _none  # Lightning has no setting for it
        signal.pthread_sigmask(signal.SIG_UNBLOCK, CAUGHT)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        received = self.received
        if trainer.world_size > 1:
            seen = torch.tensor(received, device=trainer.strategy.root_device)
            received = int(trainer.strategy.reduce(seen, reduce_op="max"))
        if received and not validation_follows(trainer, batch_idx):
            self._leave(trainer, received)
        self._agreed = received

    def on_validation_end(self, trainer, pl_module) -> None:
        if self._agreed:
            self._leave(trainer, self._agreed)

    def _leave(self, trainer, received: int) -> NoReturn:
        save(trainer, "last")
        raise Interrupted(received, f"saved at step {trainer.global_step} of {trainer.max_steps}")

    def _note(self, number: int, frame) -> None:
        self.received = number


def _none() -> None:
    """No handlers."""
