"""The model at a path, whatever it is: that of a run of `lm`, or a published one."""

from collections.abc import Callable
from typing import Literal

from lm.bounds import Count
from lm.checkpoint import RunModel
from lm.checkpoint import context_of as context_of_run
from lm.checkpoint.architecture import ARCHITECTURE
from lm.directory.layout import MANIFEST
from lm.hub import HUB, local_folder
from lm.interchange.config_file import CONFIG, read_config
from lm.interchange.source import HuggingFaceModel
from lm.model import ModelSource, Transformer
from lm.tokenizer.model_folder import is_model_folder

Change = Callable[[Transformer], None]
Which = Literal["best", "last", "stable"]


def open_model(
    path: str,
    *,
    which: Which = "best",
    context: Count | None = None,
    dtype: Literal["float32", "bfloat16", "float16"] | None = None,
    quantise: Change | None = None,
    adapter: Change | None = None,
    head: Change | None = None,
    freeze: list[str] | None = None,
    pickle: bool = False,
) -> ModelSource:
    """Return the model at a path: that of a run of `lm`, or a published one in a folder as transformers saves it.

    Args:
        path: Directory of a run, as outputs/pretrain/default; a folder with config.json and safetensors files; or
            `hub:org/name`, which is downloaded to the cache of huggingface_hub.
        which: Checkpoint of a run to read. `best` is by validation, `last` the end of training, `stable` the one before
            the learning rate decayed; see `lm.checkpoint.RunModel`. A folder has one model.
        context: Tokens that the model sees at once. None is the context it was trained with.
        dtype: Type of the weights of a published model. None keeps that of its files, which takes the least memory.
            Those of a run are float32.
        quantise: Stores the matrices of the blocks in fewer bits, as `lm.model.nf4`; needs an `adapter`, since such
            matrices cannot train. None keeps them.
        adapter: Adds a few new weights that train in place of the model's own, as `lm.model.lora`. None trains all.
        head: Adds a score per position, as `lm.model.scalar_head`, which a reward model needs. None adds none, and
            keeps that of a reward model, frozen.
        freeze: Parts that do not train, as `embedding` or `blocks.0`. None or empty: all parts train.
        pickle: Read pytorch_model.bin of a folder without a safetensors file, as plain data only: a pickle may
            otherwise run code.

    Returns:
        The source of the model.

    Raises:
        ValueError: There is no model at the path, or one that cannot be read.
    """
    changes = {"quantise": quantise, "adapter": adapter, "head": head, "freeze": freeze}
    if is_published(path):
        return HuggingFaceModel(path, context=context, dtype=dtype, pickle=pickle, **changes)
    if dtype not in (None, "float32"):
        raise ValueError(
            f"model.dtype={dtype}: {path} is a run of lm, whose weights are float32: leave model.dtype out; "
            "lm export format.dtype=bfloat16 writes them in fewer digits"
        )
    return RunModel(path, which=which, context=context, **changes)


def optional_model(path: str | None = None, *, which: Which = "best") -> ModelSource | None:
    """Return the model at a path to compare with, or None where no path is given.

    Args:
        path: Directory of a run, as outputs/pretrain/without, or what else `open_model` reads; null for none.
        which: Checkpoint of a run to read; see `open_model`.
    """
    return None if path is None else open_model(path, which=which)


def load_model(path: str, *, which: Which = "best") -> Transformer:
    """Load the model at a path, in evaluation mode; see `open_model`."""
    return open_model(path, which=which).build(vocab_size=None)


def context_of(path: str) -> int:
    """Return the context, in tokens, of the model at a path, without reading its weights."""
    return read_config(local_folder(path))[1]["context"] if is_published(path) else context_of_run(path)


def is_published(path: str) -> bool:
    """Whether a path names a published model: by `hub:`, or a folder with a config.json that is not a run's.

    A run that was copied without its manifest is known by its model.json.
    """
    folder = local_folder(path)
    foreign = (folder / CONFIG).is_file() and not any((folder / own).is_file() for own in (MANIFEST, ARCHITECTURE))
    return str(path).startswith(HUB) or foreign or is_model_folder(folder)
