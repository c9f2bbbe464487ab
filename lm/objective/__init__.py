"""Objectives: what a model is trained towards, as LightningModules over one contract.

`Objective` declares what the training loop and the callbacks rely on; `CausalLM` predicts the next token, `Preference`
prefers one answer to another, `KTO` learns from labelled answers, `RewardModel` learns to score them.
"""

from lm.objective.causal import CausalLM
from lm.objective.kto import KTO
from lm.objective.objective import Objective
from lm.objective.preference import Preference
from lm.objective.reference import CachedReference, FrozenReference
from lm.objective.reward import RewardModel

__all__ = ["KTO", "CachedReference", "CausalLM", "FrozenReference", "Objective", "Preference", "RewardModel"]
