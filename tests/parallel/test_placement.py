"""A strategy whose checkpoints a run could not read is refused before anything is built."""

import pytest
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy

from lm.hardware import Compute
from lm.parallel import placement_of


class Own(DDPStrategy):
    pass


class Foreign(SingleDeviceStrategy.__mro__[1]):
    pass


def check(strategy) -> None:
    placement_of(strategy).check(ranks=2, compute=Compute())


@pytest.mark.parametrize("strategy", ["auto", "ddp", "ddp_find_unused_parameters_true", DDPStrategy(), Own()])
def test_copies_of_the_model_are_trained_by_any_ddp(strategy):
    check(strategy)


@pytest.mark.parametrize("strategy", ["deepspeed", "deepspeed_stage_2", "fsdp", "ddp_spawn", "ddp_notebook", "xla"])
def test_other_strategies_are_refused_with_those_there_are(strategy):
    remedy = rf"trainer\.strategy={strategy}: .* set trainer=auto, ddp, fsdp or fsdp_tp"
    with pytest.raises(ValueError, match=remedy):
        check(strategy)


def test_a_strategy_that_is_no_ddp_is_refused_by_its_class():
    class Fake(Foreign):
        __init__ = object.__init__

    Fake.__abstractmethods__ = frozenset()
    with pytest.raises(ValueError, match=r"trainer\.strategy=Fake: "):
        check(Fake())
