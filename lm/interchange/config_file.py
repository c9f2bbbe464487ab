"""The config.json of a published model: its family, and the model.json of ours that is the same."""

import json
from pathlib import Path

from lm.interchange.families import FAMILIES
from lm.interchange.family import Family, Node
from lm.interchange.fields import Fields

CONFIG = "config.json"


def read_config(folder: Path) -> tuple[Family, Node]:
    """Return the family of the model in a folder, and what our model.json of it says.

    Raises:
        ValueError: The file is missing or damaged, or the model is none that `lm.model` can be.
    """
    file = folder / CONFIG
    if not file.is_file():
        raise ValueError(f"model.path={folder} has no {CONFIG}: give the folder of a model as transformers saves it")
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is not JSON ({error}): copy it again from where the model comes from") from None
    if not isinstance(values, dict):
        raise ValueError(f"{file} is not an object: copy it again from where the model comes from")
    family = _family(values, file)
    fields = Fields(values, place=str(file))
    node = family.describe(fields)
    fields.refuse_unread()
    return family, node


def _family(values: dict, file: Path) -> Family:
    """The family that the file names; `architectures` decides, else `model_type`."""
    named = values.get("architectures") or []
    kind = values.get("model_type")
    by_name = next((each for each in FAMILIES if named and each.architecture == named[0]), None)
    by_kind = next((each for each in FAMILIES if each.model_type == kind), None)
    if by_name is not None and by_kind is not None and by_name is not by_kind:
        raise ValueError(
            f"{file} contradicts itself: architectures {named[0]} and model_type {kind} are of two families; keep the "
            "one that the weights are of"
        )
    family = by_name or (by_kind if not named else None)
    if not named and kind is None:
        raise ValueError(f"{file} names no architecture: give the folder of a model as transformers saves it")
    if family is None:
        known = ", ".join(each.architecture for each in FAMILIES)
        raise ValueError(f"{file} is of the architecture {named[0] if named else kind}; known are {known}")
    return family
