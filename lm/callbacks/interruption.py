"""Save and exit on Ctrl-C, SIGTERM or SIGUSR1; exit at once on a second Ctrl-C."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import NoReturn

import torch
from lightning import Callback

from lm.callbacks.checkpoints import validation_follows
from lm.checkpoint.files import save
from lm.run import Interrupted

CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Interruption(Callback):
    """Record the signal, save after the step in which it arrived, and raise `Interrupted`. Ranks agree on the step.

    Lightning's own handlers are not installed: on SIGTERM they notify the other ranks, which are busy in another
    collective, and exit with 0 and nothing saved; on Slurm's SIGUSR1 they requeue a job that is still running.
    """

    def __init__(self) -> None:
        self.received = self._agreed = 0

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Record signals from here on, long before the first step.

        They are blocked until `setup`. Ranks launched in between inherit the mask, so that a signal cannot kill them
        before they can record it. Lightning would then kill the whole job.
        """
        before = {number: signal.signal(number, self._record) for number in CAUGHT}
        signal.pthread_sigmask(signal.SIG_BLOCK, CAUGHT)
        try:
            with exit_on_second_interrupt():
                yield
        except Interrupted as interrupted:
            if self.received and not interrupted.signal_number:  # the run had already stopped early, and saved
                raise Interrupted(self.received, interrupted.message) from None
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, CAUGHT)
            for number, handler in before.items():
                signal.signal(number, handler)

    def setup(self, trainer, pl_module, stage: str) -> None:
        trainer._signal_connector.register_signal_handlers = lambda: None  # Lightning has no setting for it
        signal.pthread_sigmask(signal.SIG_UNBLOCK, CAUGHT)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
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

    def _record(self, number: int, frame) -> None:
        self.received = number


@contextmanager
def exit_on_second_interrupt() -> Iterator[None]:
    """Exit with 130 on the second SIGINT inside the context; the first one is left to its handler.

    Python runs handlers only when the main thread returns to Python, which it does not while it waits in a collective
    that another rank has not joined. A thread therefore counts the byte that Python writes for each signal on arrival.
    It receives SIGINT also while the main thread blocks it. Files are renamed into place, so none is torn.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    Thread(target=_count_interrupts, args=(reader,), daemon=True).start()
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)  # which ends the thread


def _count_interrupts(reader: int) -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    interrupts = 0
    while number := os.read(reader, 1):
        interrupts += number[0] == signal.SIGINT
        if interrupts == 2:
            os._exit(128 + signal.SIGINT)
    os.close(reader)


# A forked data worker shares the pipe; one Ctrl-C written by several processes would count several times.
os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
