"""What a model is trained towards, as LightningModules."""

from lm.objective.causal import CausalLM
from lm.objective.footprint import Footprint, footprint

__all__ = ["CausalLM", "Footprint", "footprint"]
