"""The transformer and its parts: plain torch modules, built from numbers and factories, never from a config.

`Transformer` is the model; `lora`, `nf4`, `freeze`, `scalar_head` change it; a `ModelSource` says where one comes from.
"""

from lm.model.adapter import dora, lora, merge
from lm.model.attention import Attention
from lm.model.cache import Cache
from lm.model.cost import Cost, model_cost, vocabulary_cost
from lm.model.feedforward import ReLUSquared, SwiGLU
from lm.model.freeze import freeze
from lm.model.grown import GrownModel
from lm.model.head import scalar_head
from lm.model.initialize import initialize
from lm.model.position import Rotary
from lm.model.quantised import int8, nf4
from lm.model.rung import rung
from lm.model.source import FreshModel, ModelSource, describe_factory, model_source
from lm.model.transformer import Block, Transformer

__all__ = [
    "Attention",
    "Block",
    "Cache",
    "Cost",
    "FreshModel",
    "GrownModel",
    "ModelSource",
    "ReLUSquared",
    "Rotary",
    "SwiGLU",
    "Transformer",
    "describe_factory",
    "dora",
    "freeze",
    "initialize",
    "int8",
    "lora",
    "merge",
    "model_cost",
    "model_source",
    "nf4",
    "rung",
    "scalar_head",
    "vocabulary_cost",
]
