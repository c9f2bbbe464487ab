"""Where the weights of a run come from: the run before it, how far that was trained, and with which tokenizer."""

from pathlib import Path
from typing import Any

from lm.checkpoint.architecture import read_architecture
from lm.directory import Run
from lm.directory.manifest import read_manifest
from lm.tokenizer import Tokenizer, load_tokenizer
from lm.tokenizer.model_folder import is_model_folder


def parent_of(directory: Path, *, which: str, step: int) -> dict[str, Any]:
    """Return what a manifest records of the finished run that the weights come from.

    Args:
        directory: Directory of the run.
        which: The checkpoint that is read: best, last or stable.
        step: Optimizer steps that it was trained for.

    Returns:
        `run`, `fingerprint`, `which`, `step`; `tokens` that it read in these steps, `tokens_seen` with those of its own
        ancestors, both padding included and None where no record says; and its own `parent`, if it has one.
    """
    manifest = read_manifest(directory)
    before = (manifest.get("lineage") or {}).get("parent")
    per_step = (manifest["config"].get("budget") or {}).get("batch_tokens")
    gathered = before is not None and before["step"] == step and per_step is None  # by `lm consolidate`
    tokens = before["tokens"] if gathered else None if per_step is None else step * per_step
    earlier = 0 if before is None else before["tokens_seen"]
    seen = earlier if gathered else None if None in (tokens, earlier) else tokens + earlier
    found = {
        "run": str(directory),
        "fingerprint": Run.fingerprint(directory),
        "which": which,
        "step": step,
        "tokens": tokens,
        "tokens_seen": seen,
    }
    return found if before is None else {**found, "parent": before}


def check_tokenizer(origin: Path | None, tokenizer: Tokenizer) -> None:
    """Refuse to give a trained model another tokenizer than its own, even one of the same size.

    Args:
        origin: Run directory that the weights come from; None for a fresh model.
        tokenizer: The tokenizer of the data.
    """
    if _same_tokenizer(origin, tokenizer):
        return
    raise ValueError(
        f"tokenizer.path: this is not the tokenizer of model.path={origin}, so its ids mean other tokens: set "
        f"tokenizer.path={origin}; data for pretraining must be prepared with it: "
        f"lm corpus tokenizer.path={origin} run.name=NAME, then data.path=outputs/corpus/NAME"
    )


def check_reference(origin: Path | None, tokenizer: Tokenizer, *, key: str) -> None:
    """Refuse to compare a model with a reference of another tokenizer, even one of the same size.

    Args:
        origin: Run directory of the reference; None for a fresh model.
        tokenizer: The model's tokenizer.
        key: Where the config names the reference.

    Raises:
        ValueError: The tokenizers differ.
    """
    if not _same_tokenizer(origin, tokenizer):
        raise ValueError(
            f"{key}.path={origin}: this run has another tokenizer than the model, so its log-probabilities are of "
            "other tokens: name a run with the model's tokenizer, such as the one that the model was trained from"
        )


def _same_tokenizer(origin: Path | None, tokenizer: Tokenizer) -> bool:
    if origin is None:
        return True
    if not is_model_folder(origin):
        read_architecture(origin)  # a path without a model is refused as such, not for its missing tokenizer
    return load_tokenizer(origin).fingerprint == tokenizer.fingerprint
