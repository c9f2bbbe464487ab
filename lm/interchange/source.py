"""A published model as the source of one of ours."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from lm.bounds import Count
from lm.checkpoint.run_model import adapt
from lm.config.build import build
from lm.files import hash_file, hash_json
from lm.hub import local_folder
from lm.interchange.config_file import CONFIG, read_config
from lm.interchange.family import Names, Stored, part, stored_tensors
from lm.interchange.weights import WeightFiles
from lm.model import ModelSource, Transformer, describe_factory

Change = Callable[[Transformer], None]
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
LISTED = 3  # names in an error


class HuggingFaceModel(ModelSource):
    """A model from a folder as transformers saves it: config.json and safetensors files.

    Everything that config.json says is checked before a weight is read, and each tensor is read once.

    Args:
        path: The folder; or `hub:org/name` or org/name, which is downloaded, where there is no such folder.
        context: Tokens that the model sees at once. None is what config.json says.
        dtype: Type of the weights: float32, bfloat16 or float16. None keeps that of the files, which takes the least
            memory; training in few digits needs float32.
        quantise: Stores the matrices of the blocks in fewer bits, as `lm.model.nf4`; needs an `adapter`.
        adapter: Adds a few new weights that train in place of the model's own, as `lm.model.lora`. None trains all.
        head: Adds a score per position, as `lm.model.scalar_head`.
        freeze: Parts that do not train, as `embedding` or `blocks.0`. None or empty: all parts train.
        pickle: Read pytorch_model.bin where there is no safetensors file, as plain data only: a pickle may otherwise
            run code.

    Raises:
        ValueError: The folder is not that of a model, or of one that `lm.model` cannot be.
    """

    def __init__(
        self,
        path: str,
        *,
        context: Count | None = None,
        dtype: Literal["float32", "bfloat16", "float16"] | None = None,
        quantise: Change | None = None,
        adapter: Change | None = None,
        head: Change | None = None,
        freeze: list[str] | None = None,
        pickle: bool = False,
    ):
        self.origin = local_folder(path, named=True, pickle=pickle)
        self.family, self.node = read_config(self.origin)
        self.context, self.dtype = context, dtype
        self.changes = {"quantise": quantise, "adapter": adapter, "head": head}
        self.freeze, self.pickle = freeze, pickle
        self._hash: str | None = None

    def build(self, *, vocab_size: int | None = None) -> Transformer:
        """Build the model with its weights, in evaluation mode.

        Raises:
            ValueError: The tokenizer has another number of ids, or the files do not hold this model.
        """
        model = self._empty(vocab_size)
        model.load_state_dict(self._read(model), assign=True)
        return adapt(model, frozen=self.freeze, **self.changes).eval()

    def outline(self, *, vocab_size: int | None = None) -> Transformer:
        self._empty(vocab_size)  # which checks the vocabulary
        return adapt(build(self._node()), frozen=self.freeze, **self.changes)  # where the caller counts or times it

    def describe(self, *, vocab_size: int) -> dict[str, Any]:
        changes = {key: describe_factory(change) for key, change in self.changes.items() if change}
        return self._node() | changes

    def parent(self) -> dict[str, Any]:
        found = {"run": str(self.origin), **self.fingerprint(), "which": self.family.architecture}
        found["fingerprint"] = found.pop("model")
        return found | {"step": None, "tokens": None, "tokens_seen": None, "context": self.node["context"]}

    def fingerprint(self) -> dict[str, str]:
        if self._hash is None:
            files = [self.origin / CONFIG, *self._files().files]
            self._hash = hash_json([hash_file(file) for file in files])
        return {"model": self._hash}

    def _files(self) -> WeightFiles:
        return WeightFiles(self.origin, pickle=self.pickle)

    def _node(self) -> dict[str, Any]:
        return self.node | ({"context": self.context} if self.context else {})

    def _empty(self, vocab_size: int | None) -> Transformer:
        """The model without memory for its weights."""
        if vocab_size is not None and vocab_size != self.node["vocab_size"]:
            raise ValueError(
                f"the model at {self.origin} has a vocabulary of {self.node['vocab_size']}, the tokenizer "
                f"{vocab_size}: set tokenizer.path={self.origin}, and prepare data with that tokenizer"
            )
        with torch.device("meta"):
            return build(self._node() | {"initialize": part("lm.interchange.source.left_as_they_are")})

    def _read(self, model: Transformer) -> dict[str, Tensor]:
        """The weights by our names."""
        shapes = {name: weight.shape for name, weight in model.state_dict().items()}
        files = self._files()
        files.add_base(self.family.names(model).base)
        names = self._names(model, files)
        stored = stored_tensors(names, [*shapes])
        self._check_complete(model, names, stored, files)
        dtype, weights = DTYPES.get(self.dtype), {}
        for each in stored:
            tensor = files.read(each.theirs, dtype)
            dtype = dtype or tensor.dtype  # the first is the embedding: files may mix types, a model may not
            parts = each.layout.split(tensor, [shapes[name] for name in each.ours])
            for name, weight in zip(each.ours, parts, strict=True):
                if weight.shape != shapes[name]:
                    raise ValueError(self._misshapen(each, tensor.shape, shapes))
                weights[name] = weight
        return weights

    def _names(self, model: Transformer, files: WeightFiles) -> Names:
        """The names that the files have, or should have."""
        first, *others = (names(model) for names in (self.family.names, *self.family.other_names))
        weights = [*model.state_dict()]
        return next(
            (each for each in others if {tensor.theirs for tensor in stored_tensors(each, weights)} <= {*files.shapes}),
            first,
        )

    def _check_complete(self, model: Transformer, names: Names, stored: Sequence[Stored], files: WeightFiles) -> None:
        """Refuse files that lack a tensor, have one that nothing reads, or one of another size, before any is read."""
        shapes = {name: weight.shape for name, weight in model.state_dict().items()}
        needed = {each.theirs for each in stored}
        missing = sorted(needed - files.shapes.keys())
        if missing:
            raise ValueError(
                f"{self.origin} has no tensor {_listed(missing)}, which {self.family.architecture} needs: copy all "
                "files of the model again"
            )
        head, embedding = (f"{names.outer.get(key)}.weight" for key in ("output", "embedding"))
        ignored = tuple(names.ignored)
        extra = {name for name in files.shapes if name not in needed and not (ignored and name.endswith(ignored))}
        tied = head in extra and "output.weight" not in shapes
        extra = sorted(extra - ({head} if tied else set()))
        if extra:
            raise ValueError(
                f"{self.origin} has the tensor {_listed(extra)}, which {self.family.architecture} with this {CONFIG} "
                "does not have: the files are not of one model"
            )
        for each in stored:
            rows = sum(shapes[name][0] for name in each.ours)
            size = sum(torch.Size(shapes[name]).numel() for name in each.ours)
            if torch.Size(files.shapes[each.theirs]).numel() != size or not rows:
                raise ValueError(self._misshapen(each, files.shapes[each.theirs], shapes))
        if tied and not torch.equal(files.read(head), files.read(embedding)):
            raise ValueError(
                f"{self.origin} has tie_word_embeddings=true, but {head} is not {embedding}: set it to false in "
                f"{CONFIG}, if the model was trained that way"
            )

    def _misshapen(self, stored: Stored, shape: Sequence[int], shapes: Mapping[str, Sequence[int]]) -> str:
        ours = ", ".join(f"{name} {[*shapes[name]]}" for name in stored.ours)
        if self.context is not None and "position_embedding.weight" in stored.ours:
            return (
                f"model.context={self.context}: the learned positions of {self.origin} fit only a context of "
                f"{shape[0]}; set model.context=null"
            )
        return (
            f"{self.origin}: the tensor {stored.theirs} has the shape {[*shape]}, but {CONFIG} describes {ours}: the "
            "files are not of one model"
        )


def left_as_they_are(model: Transformer) -> None:
    """Initialise no weight: those of files take their place."""


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
