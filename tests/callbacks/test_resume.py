"""Random state follows from seed, micro-batch and rank alone."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lm.callbacks import RandomState
from lm.callbacks.resume import AHEAD, seed_words


def trainer(rank: int = 0) -> SimpleNamespace:
    strategy = SimpleNamespace(root_device=torch.device("cpu"))
    return SimpleNamespace(strategy=strategy, distributed_sampler_kwargs={"num_replicas": 2, "rank": rank})


def draws() -> tuple[float, float, float]:
    return torch.rand(1).item(), float(np.random.rand()), random.random()


def wanted(seed: int, micro_batch: int, rank: int) -> tuple[float, float, float]:
    words = np.random.SeedSequence([seed, micro_batch, rank]).generate_state(2, np.uint32)
    torch.manual_seed(int(words[0]))
    np.random.seed(int(words[1]))
    random.seed(int(words[0]))
    return draws()


@pytest.mark.parametrize("rank", [0, 1])
def test_every_generator_draws_alike_at_a_micro_batch_in_whatever_order_they_come(rank):
    state = RandomState(7)
    for micro_batch in (0, 1, AHEAD - 1, AHEAD, 5 * AHEAD, 3):
        state.on_train_batch_start(trainer(rank), None, None, micro_batch)
        assert draws() == wanted(7, micro_batch, rank)


def test_seeds_differ_by_seed_micro_batch_and_rank():
    seeds = [seed_words(*each) for each in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))]
    assert len({*seeds}) == 4
