"""The adapter of a run in the format of peft, beside the base that it changes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from lm.checkpoint.safetensors import write_safetensors
from lm.files import write_atomically
from lm.interchange.export import family_of
from lm.interchange.family import Family, Stored, stored_tensors
from lm.interchange.format import Format, Published
from lm.interchange.huggingface import HuggingFace
from lm.interchange.layout import SAME, Transposed
from lm.model import Adapted, DoRA, Transformer, merge

CONFIG, WEIGHTS, BASE = "adapter_config.json", "adapter_model.safetensors", "base"
PREFIX = "base_model.model."  # of every weight in a file of peft


class PeftAdapter(Format):
    """The adapter of a run tuned by LoRA or DoRA as peft saves it, and its base as transformers does.

    `PeftModel.from_pretrained(base, folder)` computes what the run does. Weights that trained whole, as norms, are part
    of the adapter. Matrices that were quantised under the adapter are written in full to the base.
    """

    def write(self, folder: Path, published: Published) -> tuple[list[Path], list[str]]:
        family_of(published.outline)
        published.files()
        model = published.unmerged()
        adapted = {name: module for name, module in model.named_modules() if isinstance(module, Adapted)}
        if not adapted:
            raise ValueError(
                "format=adapter: this run was not tuned by an adapter (model/adapter=lora or dora), so it has none: "
                "export it with format=huggingface"
            )
        whole = {name: weight for name, weight in _whole(model).items() if weight.requires_grad}
        base = _without(model, adapted)
        family, _ = family_of(base)
        holders = _holders(family, base, [*adapted])
        tensors = {
            f"{PREFIX}{holders[name].theirs.removesuffix('.weight')}.{kind}": weight
            for name, module in adapted.items()
            for kind, weight in _matrices(module).items()
        }
        saved = stored_tensors(family.names(base), [*whole])
        tensors |= {PREFIX + each.theirs: each.layout.join([whole[name] for name in each.ours]) for each in saved}
        place = folder / BASE
        written, notes = HuggingFace().write(place, replace(published, outline=base, build=lambda: base))
        write_safetensors(folder / WEIGHTS, tensors)
        config = _config(adapted, holders, [each.theirs for each in saved], base=place)
        write_atomically(folder / CONFIG, json.dumps(config, indent=2) + "\n")
        return [folder / CONFIG, folder / WEIGHTS, *written], [f"the base: {note}" for note in notes]


def _whole(model: Transformer) -> dict[str, nn.Parameter]:
    """Return the weights that are not of an adapted layer."""
    inside = tuple(f"{name}." for name, module in model.named_modules() if isinstance(module, Adapted))
    return {name: weight for name, weight in model.named_parameters() if not name.startswith(inside)}


def _without(model: Transformer, adapted: Mapping[str, Adapted]) -> Transformer:
    """Return the model without its adapters, changed in place."""
    for name, module in adapted.items():
        model.set_submodule(name, module.base)
    merge(model)  # what is quantised becomes plain
    return model


def _holders(family: Family, base: Transformer, layers: Sequence[str]) -> dict[str, Stored]:
    """Return the tensor of the family that each layer is.

    Raises:
        ValueError: One is a part of a tensor, which peft adapts as a whole.
    """
    stored = stored_tensors(family.names(base), [name for name in base.state_dict() if name.endswith(".weight")])
    holders = {name.removesuffix(".weight"): each for each in stored for name in each.ours}
    for layer in layers:
        if holders[layer].layout not in (SAME, Transposed()):
            raise ValueError(
                f"format=adapter: {family.architecture} stores {layer} and others in one matrix, "
                f"{holders[layer].theirs}, which peft adapts as a whole: export the merged model with "
                "format=huggingface, or adapt other layers by model.adapter.targets"
            )
    return {layer: holders[layer] for layer in layers}


def _matrices(module: Adapted) -> dict[str, Tensor]:
    found = {"lora_A.weight": module.change.down, "lora_B.weight": module.change.up}
    return found | ({"lora_magnitude_vector": module.magnitude} if isinstance(module, DoRA) else {})


def _config(
    adapted: Mapping[str, Adapted], holders: Mapping[str, Stored], whole: list[str], *, base: Path
) -> dict[str, Any]:
    """Return adapter_config.json."""
    first = next(iter(adapted.values()))
    rank, alpha = len(first.change.down), first.change.scale * len(first.change.down)
    turned = {holder.layout == Transposed() for holder in holders.values()}
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": str(base.resolve()),
        "r": rank,
        "lora_alpha": round(alpha) if abs(alpha - round(alpha)) < 1e-9 else alpha,  # times 1 / r
        "lora_dropout": first.change.dropout.p if isinstance(first.change.dropout, nn.Dropout) else 0.0,
        "target_modules": [holder.theirs.removesuffix(".weight") for holder in holders.values()],
        "modules_to_save": [name.rpartition(".")[0] for name in whole] or None,
        "use_dora": isinstance(first, DoRA),
        "use_rslora": False,
        "fan_in_fan_out": turned == {True},
        "bias": "none",
        "inference_mode": True,
    }
