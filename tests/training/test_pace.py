"""A run is timed on its own model, and the steps that fit into its time follow by arithmetic."""

from functools import partial
from itertools import count
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.plugins.precision import Precision

from lm.data.packing import cut
from lm.data.pretraining import PretrainingData
from lm.model import Projection
from lm.objective import CausalLM
from lm.optimizer import Budget
from lm.tokenizer import load_tokenizer
from lm.training.pace import Pace, measure_pace
from support.training_runs import make_corpus


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    directory = make_corpus(tmp_path_factory.mktemp("corpus"))
    return PretrainingData(str(directory), packing=cut).open(tokenizer=load_tokenizer(directory), context=16)


class Network(torch.nn.Module):
    """Predicts from the last token alone; counts how often it is called."""

    def __init__(self, vocab_size):
        super().__init__()
        self.output_weight = torch.nn.Parameter(torch.zeros(vocab_size, 4))
        self.embedding = torch.nn.Embedding(vocab_size, 4)
        self.projection = Projection(self.output_weight)
        self.calls = {True: 0, False: 0}  # in training, in validation

    def hidden(self, tokens, *, documents, noise=0.0):
        self.calls[self.training] += 1
        return self.embedding(tokens)


def measured(rows, clock, **settings):
    """The pace, the calls, and whether the weights have moved."""
    network = Network(rows.tokenizer.vocab_size)
    module = CausalLM(
        model=network,
        optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=1.0),
        schedule=lambda step, steps: 1.0,
        steps=1,
        kinds=rows.kinds,
    )
    plan = Budget(batch_tokens=128, steps=1, rows_per_device=4).plan(
        row_tokens=16, devices=1, rows=len(rows), parameters=1
    )
    strategy = SimpleNamespace(root_device=torch.device("cpu"))
    trainer = SimpleNamespace(strategy=strategy, precision_plugin=Precision(), precision="32-true")
    pace = measure_pace(module, rows, plan, trainer, clock=clock, **{"compiles": False, "seconds": 600, **settings})
    return pace, network.calls, bool(network.output_weight.any())


def ticking(seconds: float):
    """A clock that goes on by `seconds` whenever it is read."""
    return partial(next, count(0.0, seconds))


def test_two_steps_warm_up_and_five_seconds_of_at_least_five_steps_are_timed(rows):
    pace, calls, moved = measured(rows, ticking(0.25))  # the gradients, and the update
    assert pace.step == pytest.approx(0.5)
    assert calls[True] == (2 + 10) * 2  # of two micro-batches each
    assert moved
    _, calls, _ = measured(rows, ticking(2.0))
    assert calls[True] == (2 + 5) * 2


def test_of_many_micro_batches_some_are_timed_and_the_others_take_as_long(rows):
    whole, calls, _ = measured(rows, ticking(1.0), seconds=1)
    some, fewer, _ = measured(rows, ticking(1.0), seconds=1, micro_batches=1)
    assert (calls[True], fewer[True]) == (4, 2)
    assert whole.step == 1.0 + 1.0  # the gradients, and the update
    assert some.step == 2 * 1.0 + 1.0


def test_one_validation_batch_is_timed_for_all(rows):
    pace, calls, _ = measured(rows, ticking(0.5))
    assert calls[False] == 2  # the first one warms up
    assert pace.validation == pytest.approx(0.5 * -(-len(rows.validation) // 4))


def test_timing_takes_a_tenth_of_a_short_run_but_for_one_step_of_each_kind(rows):
    _, calls, _ = measured(rows, ticking(0.5), seconds=40)
    assert calls[True] == 5 * 2
    _, calls, _ = measured(rows, ticking(5.0), seconds=1)
    assert calls[True] == 2 * 2


def test_what_the_first_step_compiles_is_time_before_the_run(rows):
    times = iter([0, 31, 32, 32, *(value for step in range(80) for value in (100 + 2 * step, 100.5 + 2 * step))])
    pace, _, _ = measured(rows, partial(next, times), compiles=True)
    assert (pace.start, pace.step) == (30, 1)


def test_the_steps_that_fit_leave_time_for_validations_and_compilation():
    assert Pace(step=2.0).steps_within(100.5, validations=5) == 50
    assert Pace(step=2.0, validation=4.0).steps_within(100, validations=5) == 40
    assert Pace(step=2.0, validation=4.0, start=20.0).steps_within(100, validations=5) == 30


def test_a_run_takes_its_steps_and_validations_and_what_it_compiles_first():
    assert Pace(step=2.0, validation=4.0, start=20.0).seconds(steps=30, validations=5) == 100


def test_a_run_shorter_than_its_validations_validates_after_each_step():
    assert Pace(step=1.0, validation=30.0).steps_within(100, validations=5) == 3


@pytest.mark.parametrize("seconds", [0.5, 0.0, -10.0])
def test_a_run_has_at_least_one_step(seconds):
    assert Pace(step=2.0, validation=4.0).steps_within(seconds, validations=5) == 1
