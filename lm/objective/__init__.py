"""What a model is trained towards, as LightningModules."""

from lm.objective.causal import CausalLM

__all__ = ["CausalLM"]
