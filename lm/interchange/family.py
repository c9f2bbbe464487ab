"""A family of published models: which of our models each is, and how its weights are named."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lm.interchange.fields import Fields
from lm.interchange.layout import SAME, Layout
from lm.model import Transformer

Node = dict[str, Any]  # the content of a model.json


@dataclass(frozen=True)
class Part:
    """A weight of ours within a tensor of theirs.

    Args:
        theirs: Name of the tensor, without the ending .weight or .bias.
        number: Place of our weight among those that the tensor holds.
        layout: What the tensor is.
        ending: Whether the name ends in .weight or .bias.
    """

    theirs: str
    number: int = 0
    layout: Layout = SAME
    ending: bool = True


@dataclass(frozen=True)
class Stored:
    """A tensor of a file and the weights of ours that it holds, in their order."""

    theirs: str
    ours: tuple[str, ...]
    layout: Layout


@dataclass(frozen=True)
class Names:
    """How the weights of a family are named.

    Args:
        outer: Our module outside the blocks → theirs.
        block: Our module within a block → theirs, or its part of one.
        prefix: What stands before the names within block {n}.
        ignored: Endings of tensors in files that are no weights: masks and angles that are computed.
        base: What stands before all names but that of the head, and is missing in files of a model without a head, as
            those of the first GPT-2.
    """

    outer: Mapping[str, str]
    block: Mapping[str, str | Part]
    prefix: str = "model.layers.{n}."
    ignored: tuple[str, ...] = ()
    base: str = "model."


@dataclass(frozen=True)
class Family:
    """Models that differ in sizes and switches only.

    Args:
        architecture: Name in the field `architectures` of a config.json, a class of transformers.
        model_type: The field `model_type`.
        describe: Returns the model.json of a config.json; refuses what it does not know.
        configure: Returns the fields of config.json of a model, read from its parts as if the family could hold it:
            whether it can is found by reading them again.
        names: Names of the weights of a model.
        other_names: Names that files may have instead; read, never written.
    """

    architecture: str
    model_type: str
    describe: Callable[[Fields], Node]
    configure: Callable[[Transformer], dict[str, Any]]
    names: Callable[[Transformer], Names] = field(repr=False)
    other_names: tuple[Callable[[Transformer], Names], ...] = field(default=(), repr=False)


def part(target: str, **keywords: Any) -> Node:
    """Return the node of a factory, as in a model.json."""
    return {"_target_": target, "_partial_": True, **keywords}


def stored_tensors(names: Names, weights: Sequence[str]) -> list[Stored]:
    """Return the tensors that hold `weights`, names of ours; a weight that the family cannot hold is a KeyError."""
    found: dict[str, tuple[Layout, dict[int, str]]] = {}
    for weight in weights:
        module, _, ending = weight.rpartition(".")
        held, prefix = _held(names, module)
        theirs = f"{prefix}{held.theirs}.{ending}" if held.ending else f"{prefix}{held.theirs}"
        _, ours = found.setdefault(theirs, (held.layout, {}))
        ours[held.number] = weight
    return [
        Stored(theirs, tuple(ours[number] for number in sorted(ours)), layout)
        for theirs, (layout, ours) in found.items()
    ]


def _held(names: Names, module: str) -> tuple[Part, str]:
    """The tensor that holds the weights of a module of ours, and what stands before its name."""
    if not module.startswith("blocks."):
        return Part(names.outer[module]), ""
    _, number, inner = module.split(".", 2)
    held = names.block[inner]
    return held if isinstance(held, Part) else Part(held), names.prefix.format(n=number)
