"""Randomness as a function of where the run is, so that there is no state to save or to lose."""

import random

import numpy as np
import torch
from lightning import Callback

from lm.process.ranks import data_share


class RandomState(Callback):
    """Seed every generator before each micro-batch from (seed, micro-batch, rank among those that read different rows).

    Saved generator states fit only the same number of ranks, and only if nothing else drew from them: a sample
    printed between two steps would change every later dropout mask. A function of the step fits always.
    """

    def __init__(self, seed: int):
        self.seed = seed

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx: int) -> None:
        _, rank = data_share(trainer)  # ranks that share matrices must draw the same masks
        words = np.random.SeedSequence([self.seed, batch_idx, rank]).generate_state(2, np.uint32)
        torch.manual_seed(int(words[0]))
        np.random.seed(int(words[1]))
        random.seed(int(words[0]))
