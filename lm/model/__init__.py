"""The transformer and its parts: plain torch modules, built from numbers and factories, never from a config.

`Transformer` is the model; `lora`, `nf4`, `freeze`, `scalar_head` change it; a `ModelSource` says where one comes from.
"""

from lm.model.adapter import Adapted, DoRA, dora, lora, merge
from lm.model.attention import Attention
from lm.model.block import Block, ParallelBlock, PostNormBlock, PreNormBlock, SandwichBlock
from lm.model.cache import Cache
from lm.model.cost import Cost, model_cost, vocabulary_cost
from lm.model.experts import Experts
from lm.model.feedforward import GELU, GeGLU, ReLUSquared, SwiGLU
from lm.model.freeze import freeze
from lm.model.grown import GrownModel
from lm.model.head import scalar_head
from lm.model.initialize import initialize
from lm.model.ngrams import HashedNgrams
from lm.model.norm import CentredRMSNorm
from lm.model.position import LearnedPositions, NoPosition, Rotary
from lm.model.projection import Projection
from lm.model.quantised import int8, nf4
from lm.model.rung import rung
from lm.model.scaling import DynamicScaling, LinearScaling, Llama3Scaling, LongRoPEScaling, YarnScaling
from lm.model.source import FreshModel, ModelSource, describe_factory, model_source
from lm.model.transformer import Transformer

__all__ = [
    "GELU",
    "Adapted",
    "Attention",
    "Block",
    "Cache",
    "CentredRMSNorm",
    "Cost",
    "DoRA",
    "DynamicScaling",
    "Experts",
    "FreshModel",
    "GeGLU",
    "GrownModel",
    "HashedNgrams",
    "LearnedPositions",
    "LinearScaling",
    "Llama3Scaling",
    "LongRoPEScaling",
    "ModelSource",
    "NoPosition",
    "ParallelBlock",
    "PostNormBlock",
    "PreNormBlock",
    "Projection",
    "ReLUSquared",
    "Rotary",
    "SandwichBlock",
    "SwiGLU",
    "Transformer",
    "YarnScaling",
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
