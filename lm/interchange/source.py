"""A published model as the source of one of ours."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from lm.bounds import Count
from lm.checkpoint.architecture import MERGED
from lm.checkpoint.run_model import RunModel, adapt
from lm.config.build import build
from lm.files import hash_file
from lm.hub import local_folder
from lm.interchange.config_file import CONFIG, read_config
from lm.interchange.family import Stored, stored_tensors
from lm.interchange.weights import WeightFiles
from lm.model import ModelSource, Transformer, describe_factory
from lm.tokenizer.model_folder import is_model_folder

Change = Callable[[Transformer], None]
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
LISTED = 3  # names in an error


class HuggingFaceModel(ModelSource):
    """A model from a folder as transformers saves it: config.json and safetensors files.

    Everything that config.json says is checked before a weight is read, and each tensor is read once.

    Args:
        path: The folder, or `hub:org/name`, which is downloaded.
        context: Tokens that the model sees at once. None is what config.json says.
        dtype: Type of the weights: float32, bfloat16 or float16. None keeps that of the files, which takes the least
            memory; training in few digits needs float32.
        quantise: Stores the matrices of the blocks in fewer bits, as `lm.model.nf4`; needs an `adapter`.
        adapter: Adds a few new weights that train in place of the model's own, as `lm.model.lora`. None trains all.
        head: Adds a score per position, as `lm.model.scalar_head`.
        freeze: Parts that do not train, as `embedding` or `blocks.0`. None or empty: all parts train.

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
    ):
        self.origin = local_folder(path)
        self.family, self.node = read_config(self.origin)
        self.context, self.dtype = context, dtype
        self.changes = {"quantise": quantise, "adapter": adapter, "head": head}
        self.freeze = freeze

    def build(self, *, vocab_size: int | None = None) -> Transformer:
        """Build the model with its weights, in evaluation mode.

        Raises:
            ValueError: The tokenizer has another number of ids, or the files do not hold this model.
        """
        model = self._empty(vocab_size)
        model.load_state_dict(self._read(model), assign=True)
        return adapt(model, frozen=self.freeze, **self.changes).eval()

    def outline(self, *, vocab_size: int | None = None) -> Transformer:
        return adapt(self._empty(vocab_size), frozen=self.freeze, **self.changes)

    def describe(self, *, vocab_size: int) -> dict[str, Any]:
        changes = {key: describe_factory(change) for key, change in self.changes.items() if change}
        context = {"context": self.context} if self.context else {}
        return {key: value for key, value in self.node.items() if key not in MERGED} | changes | context

    def parent(self) -> dict[str, Any]:
        found = {"run": str(self.origin), "fingerprint": self.fingerprint()["model"]}
        return found | {"which": self.family.architecture, "step": 0, "tokens": None, "tokens_seen": None}

    def fingerprint(self) -> dict[str, str]:
        files = [self.origin / CONFIG, *WeightFiles(self.origin).files]
        return {"model": " ".join(hash_file(file) for file in files)}

    def _empty(self, vocab_size: int | None) -> Transformer:
        """The model without memory for its weights."""
        if vocab_size is not None and vocab_size != self.node["vocab_size"]:
            raise ValueError(
                f"the model at {self.origin} has a vocabulary of {self.node['vocab_size']}, the tokenizer "
                f"{vocab_size}: set tokenizer.path={self.origin}, and prepare data with that tokenizer"
            )
        context = {"context": self.context} if self.context else {}
        with torch.device("meta"):
            return build(self.node | context)

    def _read(self, model: Transformer) -> dict[str, Tensor]:
        """The weights by our names."""
        shapes = {name: weight.shape for name, weight in model.state_dict().items()}
        stored = stored_tensors(self.family.names(model), [*shapes])
        files = WeightFiles(self.origin)
        self._check_complete(stored, files, shapes)
        dtype, weights = DTYPES.get(self.dtype), {}
        for each in stored:
            tensor = files.read(each.theirs)
            parts = each.layout.split(
                tensor if dtype is None else tensor.to(dtype), [shapes[name] for name in each.ours]
            )
            for name, part in zip(each.ours, parts, strict=True):
                if part.shape != shapes[name]:
                    raise ValueError(self._misshapen(each, tensor.shape, shapes))
                weights[name] = part
        return weights

    def _check_complete(
        self, stored: Sequence[Stored], files: WeightFiles, shapes: Mapping[str, Sequence[int]]
    ) -> None:
        """Refuse files that lack a tensor, have one that nothing reads, or one of another size, before any is read."""
        needed = {each.theirs for each in stored}
        missing = sorted(needed - files.shapes.keys())
        if missing:
            raise ValueError(
                f"{self.origin} has no tensor {_listed(missing)}, which {self.family.architecture} needs: copy all "
                "files of the model again"
            )
        ignored = tuple(self.family.names(None).ignored)
        extra = [name for name in files.shapes if name not in needed and not name.endswith(ignored)]
        tied = [name for name in extra if name == "lm_head.weight" and "output.weight" not in shapes]
        extra = sorted(set(extra) - {*tied})
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
        self._check_tied(tied, files)

    def _check_tied(self, tied: Sequence[str], files: WeightFiles) -> None:
        """A head that is stored beside an embedding it shares must be that embedding."""
        for name in tied:
            embedding = next(
                theirs for theirs in files.shapes if theirs.endswith(("embed_tokens.weight", "wte.weight"))
            )
            if not torch.equal(files.read(name), files.read(embedding)):
                raise ValueError(
                    f"{self.origin} has tie_word_embeddings=true, but {name} is not {embedding}: set it to false in "
                    f"{CONFIG}, if the model was trained that way"
                )

    def _misshapen(self, stored: Stored, shape: Sequence[int], shapes: Mapping[str, Sequence[int]]) -> str:
        ours = ", ".join(f"{name} {[*shapes[name]]}" for name in stored.ours)
        return (
            f"{self.origin}: the tensor {stored.theirs} has the shape {[*shape]}, but {CONFIG} describes {ours}: the "
            "files are not of one model"
        )


def open_model(
    path: str,
    *,
    which: Literal["best", "last", "stable"] = "best",
    context: Count | None = None,
    dtype: Literal["float32", "bfloat16", "float16"] | None = None,
    quantise: Change | None = None,
    adapter: Change | None = None,
    head: Change | None = None,
    freeze: list[str] | None = None,
) -> ModelSource:
    """Return the model at a path: that of a run of `lm`, or a published one in a folder as transformers saves it.

    Args:
        path: Directory of a run, as outputs/pretrain/default; a folder with config.json and safetensors files; or
            `hub:org/name`, which is downloaded to the cache of huggingface_hub.
        which: Checkpoint of a run; see `lm.checkpoint.RunModel`. A folder has one model.
        context: Tokens that the model sees at once. None is the context it was trained with.
        dtype: Type of the weights of a published model, float32, bfloat16 or float16. None keeps that of its files.
        quantise: Stores the matrices of the blocks in fewer bits, as `lm.model.nf4`; needs an `adapter`.
        adapter: Adds a few new weights that train in place of the model's own, as `lm.model.lora`. None trains all.
        head: Adds a score per position, as `lm.model.scalar_head`, which a reward model needs. None adds none.
        freeze: Parts that do not train, as `embedding` or `blocks.0`. None or empty: all parts train.

    Returns:
        The source of the model.

    Raises:
        ValueError: There is no model at the path.
    """
    changes = {"quantise": quantise, "adapter": adapter, "head": head, "freeze": freeze}
    folder = local_folder(path)
    if is_model_folder(folder):
        return HuggingFaceModel(str(folder), context=context, dtype=dtype, **changes)
    if dtype is not None:
        raise ValueError(f"model.dtype={dtype} is of published models; {path} is a run of lm: leave it out")
    return RunModel(str(folder), which=which, context=context, **changes)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
