"""What a model is in transformers: the first family that can hold it, checked by reading its config again."""

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lm.config.build import build
from lm.interchange.config_file import CONFIG
from lm.interchange.families import FAMILIES
from lm.interchange.family import Family, stored_tensors
from lm.interchange.fields import Fields
from lm.interchange.likeness import difference
from lm.model import Transformer


def family_of(model: Transformer) -> tuple[Family, dict[str, Any]]:
    """Return the first family that computes what `model` does, and the fields of its config.json.

    Raises:
        ValueError: None does, with the part in the way of each.
    """
    reasons = []
    for family in FAMILIES:
        try:
            config = {
                "architectures": [family.architecture],
                "model_type": family.model_type,
                **family.configure(model),
            }
            with torch.device("meta"):
                again = build(family.describe(Fields(json.loads(json.dumps(config)), place=CONFIG)))
            stored_tensors(family.names(model), [*model.state_dict()])
            reason = difference(model, again)
        except ValueError as error:
            reason = str(error)
        except (AttributeError, LookupError, StopIteration) as error:  # what the family reads is not there
            reason = f"it has other parts ({error})"
        if not reason:
            return family, config
        reasons.append(f"\n  {family.architecture}: {reason}")
    raise ValueError(f"no architecture of transformers computes what this model does:{''.join(reasons)}")


def their_weights(family: Family, model: Transformer, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what is given for each weight of ours, by the names and in the layout of a family."""
    stored = stored_tensors(family.names(model), [*weights])
    return {each.theirs: each.layout.join([weights[name] for name in each.ours]).contiguous() for each in stored}
