"""What callbacks declare to `train` decides their order and the steps that are reported without effect."""

from lightning import Callback

from lm.callbacks import Checkpoints, NonFiniteGuard, RunCallback, order_callbacks, saves_last, steps_without_effect


class Undone(RunCallback):
    @property
    def steps_without_effect(self) -> list[tuple[int, int]]:
        return [(3, 4)]


def test_callbacks_that_save_come_last_and_the_others_keep_their_order():
    first, guard, saver, last = Callback(), NonFiniteGuard(), Checkpoints(), Callback()
    assert order_callbacks([first, saver, guard, last]) == [first, guard, last, saver]


def test_only_declared_callbacks_save():
    assert saves_last([Callback(), Checkpoints()])
    assert not saves_last([Callback(), NonFiniteGuard()])


def test_spans_without_effect_are_sorted_over_all_callbacks():
    guard = NonFiniteGuard(skip=2)
    guard.skipped = [7, 1]
    assert steps_without_effect([Callback(), guard, Undone()]) == [(1, 1), (3, 4), (7, 7)]
