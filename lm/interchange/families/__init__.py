"""The families of published models, one file each.

A model of ours is exported as the first family that can hold it.
"""

from lm.interchange.families import llama, mistral, qwen2, qwen3

FAMILIES = (llama.FAMILY, mistral.FAMILY, qwen2.FAMILY, qwen3.FAMILY)
