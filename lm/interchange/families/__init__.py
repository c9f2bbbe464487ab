"""The families of published models, one file each.

A model of ours is exported as the first family that can hold it.
"""

from lm.interchange.families import (
    gemma,
    gemma2,
    gemma3,
    gpt2,
    gpt_neox,
    llama,
    mistral,
    mixtral,
    olmo2,
    phi3,
    qwen2,
    qwen3,
    qwen3_moe,
    smollm3,
)

FAMILIES = (
    llama.FAMILY,
    mistral.FAMILY,
    qwen2.FAMILY,
    qwen3.FAMILY,
    gpt2.FAMILY,
    gpt_neox.FAMILY,
    olmo2.FAMILY,
    gemma.FAMILY,
    gemma2.FAMILY,
    gemma3.FAMILY,
    phi3.FAMILY,
    smollm3.FAMILY,
    mixtral.FAMILY,
    qwen3_moe.FAMILY,
)
