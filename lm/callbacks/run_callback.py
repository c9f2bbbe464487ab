"""RunCallback: what a callback declares to `train` beyond Lightning's hooks."""

from collections.abc import Iterable

from lightning import Callback


class RunCallback(Callback):
    """Callback with two more facts that `train` reads. Plain Lightning callbacks count as one with the defaults.

    Attributes:
        saves_last: Whether the callback writes `last.ckpt` at the last step. Such callbacks are called after all
            others, because a checkpoint means that everything of its step is done; without one `train` saves itself.
    """

    saves_last: bool = False

    @property
    def steps_without_effect(self) -> list[tuple[int, int]]:
        """First and last step of each span whose update was skipped or rolled back; the rows were read all the same."""
        return []


def order_callbacks(callbacks: Iterable[Callback]) -> list[Callback]:
    """Return the callbacks in calling order: those that save `last.ckpt` come last."""
    return sorted(callbacks, key=lambda callback: isinstance(callback, RunCallback) and callback.saves_last)


def saves_last(callbacks: Iterable[Callback]) -> bool:
    """Return whether any of the callbacks writes `last.ckpt` at the last step."""
    return any(isinstance(callback, RunCallback) and callback.saves_last for callback in callbacks)


def steps_without_effect(callbacks: Iterable[Callback]) -> list[tuple[int, int]]:
    """Return the sorted spans (first step, last step) whose updates were skipped or rolled back."""
    declared = [callback for callback in callbacks if isinstance(callback, RunCallback)]
    return sorted(span for callback in declared for span in callback.steps_without_effect)
