"""Objectives: what a model is trained towards, as LightningModules over one contract.

`Objective` declares what the training loop and the callbacks rely on; `CausalLM` predicts the next token.
"""

from lm.objective.causal import CausalLM
from lm.objective.objective import Objective

__all__ = ["CausalLM", "Objective"]
