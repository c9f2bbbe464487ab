"""Objectives that prepare whole optimizer steps, for the tests of the seam."""

from dataclasses import replace

import torch

from lm.objective import CausalLM


class Recounted(CausalLM):
    """The next token, with the denominator counted anew over all micro-batches and ranks: the very one of the plan."""

    def prepare_step(self, batches):
        assert len(batches) == self.trainer.accumulate_grad_batches
        here = torch.tensor(float(sum(batch.supervised.sum() for batch in batches)))
        everywhere = float(self.over_ranks(here))
        return [replace(batch, denominator=everywhere) for batch in batches]


class Scaled(CausalLM):
    """The next token, times the sum of the squared target counts of all rows of the whole step, over all ranks."""

    def prepare_step(self, batches):
        counts = torch.cat([batch.supervised.sum(1) for batch in batches]).double()
        self.scale = self.over_ranks(counts.square().sum())
        self.record("targets", self.over_ranks(counts.sum()) / self.trainer.world_size)
        return batches

    def summed_loss(self, batch):
        self.record("share", batch.supervised.sum() / batch.denominator)
        self.recorded = {**self.step_metrics}
        return super().summed_loss(batch) * self.scale
