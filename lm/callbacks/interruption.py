"""Save and exit on Ctrl-C, SIGTERM, SIGHUP or SIGUSR1; exit at once on a second one, or if nothing is to be saved."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import NoReturn

import torch
from lightning import Callback

from lm.callbacks.checkpoints import validation_follows
from lm.checkpoint.files import save
from lm.process.signal_support import ANNOUNCED, SIGNALS, block, unblock
from lm.process.signals import (
    Interrupted,
    can_catch_signals,
    ends_process,
    is_repeated,
    leave,
    on_arrival,
    owns_process,
)

CAUGHT = (signal.SIGINT, *SIGNALS)


class Interruption(Callback):
    """Record the signal, save after the step in which it arrived, and raise `Interrupted`. Ranks agree on the step.

    Before the first step of this process is done there is nothing to save, and the batch that is prepared may be
    gigantic: the process exits at once. So it does on a second signal. SIGUSR1, by which Slurm announces the time
    limit, always waits for a step, after which the job is queued again. In a process of the caller's, such as that of a
    notebook, what would end the process raises `Interrupted` instead.

    Lightning's own handlers are not installed: on SIGTERM they notify the other ranks, which are busy in another
    collective, and exit with 0 and nothing saved; on Slurm's SIGUSR1 they requeue a job that is still running.
    """

    def __init__(self) -> None:
        self.received = self._agreed = 0
        self.trained = False  # whether this process has done a step
        self._arrived: list[tuple[int, float]] = []
        self._raises = not owns_process()

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Record signals from here on, long before the first step.

        They are blocked until `setup`. Ranks launched in between inherit the mask, so that a signal cannot kill them
        before they can record it. Lightning would then kill the whole job. In a thread beside the main one no signal
        can be caught.
        """
        if not can_catch_signals():
            yield
            return
        before = {number: signal.signal(number, self._record) for number in filter(ends_process, CAUGHT)}
        block(CAUGHT)
        try:
            with nullcontext() if self._raises else on_arrival(self._act):
                yield
        except Interrupted as interrupted:
            if self.received and not interrupted.signal_number:  # the run had already stopped early, and saved
                raise Interrupted(self.received, interrupted.message) from None
            raise
        finally:
            try:
                unblock(CAUGHT)  # one that waited is recorded here, or raises
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

    def raise_if_received(self, message: str) -> None:
        """Raise `Interrupted` with `message` if a signal arrived after the last step: nothing is to follow the run."""
        if self.received:
            raise Interrupted(self.received, message)

    def setup(self, trainer, pl_module, stage: str) -> None:
        trainer._signal_connector.register_signal_handlers = lambda: None  # Lightning has no setting for it
        unblock(CAUGHT)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        self.trained = True
        received = self.received
        if trainer.world_size > 1:
            own = torch.tensor(received, device=trainer.strategy.root_device)
            received = int(trainer.strategy.reduce(own, reduce_op="max"))
        if received and not validation_follows(trainer, batch_idx):
            self._leave(trainer, received)
        self._agreed = received

    def on_validation_end(self, trainer, pl_module) -> None:
        if self._agreed:
            self._leave(trainer, self._agreed)

    def _leave(self, trainer, received: int) -> NoReturn:
        save(trainer, "last")
        raise Interrupted(received, f"saved at step {trainer.global_step} of {trainer.max_steps}")

    def _act(self, number: int) -> None:
        """End the process at once where waiting for the end of a step is of no use. Runs in a thread of its own."""
        if signal.getsignal(number) != signal.SIG_IGN and (reason := self._why_not_wait(number)):
            leave(number, reason)

    def _why_not_wait(self, number: int) -> str:
        """Why a signal that has arrived does not wait for the end of a step; "" if it does."""
        if is_repeated(number, self._arrived):
            return "interrupted twice, so the last step was not saved"
        return "" if self.trained or number == ANNOUNCED else "interrupted before the first step"

    def _record(self, number: int, frame) -> None:
        self.received = number
        if self._raises and (reason := self._why_not_wait(number)):
            raise Interrupted(number, reason)
