"""A folder by its path, or by its name on the Hugging Face hub, which is asked only where `hub:` says so."""

import re
from functools import cache
from pathlib import Path

HUB = "hub:"
FILES = ("*.json", "*.safetensors", "*.jinja", "tokenizer.model")  # never a pickle
NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")  # org/name


def local_folder(path: str | Path, *, named: bool = False, pickle: bool = False) -> Path:
    """Return the folder at `path`; `hub:org/name` or `hub:org/name@revision` is downloaded to huggingface_hub's cache.

    A plain org/name that is no folder here is what was downloaded before, without asking the hub.

    Args:
        path: The path, or the name.
        named: Whether a plain org/name that is no folder here is downloaded too.
        pickle: Whether files `*.bin` are downloaded as well.

    Raises:
        ValueError: The hub has no such model, cannot be reached, or the package that asks it is missing.
    """
    text = str(path)
    if text.startswith(HUB):
        return _downloaded(text.removeprefix(HUB), pickle=pickle)
    if Path(path).exists() or not NAME.fullmatch(text):
        return Path(path)
    return _downloaded(text, pickle=pickle) if named else _cached(text) or Path(path)


@cache
def _downloaded(name: str, *, pickle: bool) -> Path:
    name, _, revision = name.partition("@")
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ModuleNotFoundError:
        raise ValueError(
            f"{HUB}{name} needs the package huggingface_hub: pip install 'lightning-lm[hub]', or give a folder that "
            "holds the model"
        ) from None
    patterns = [*FILES, *(["*.bin"] if pickle else [])]
    try:
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=patterns))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ValueError(
            f"{HUB}{name} cannot be downloaded ({reason}): check the name and the network, or give a folder that "
            "holds the model"
        ) from None


def _cached(name: str) -> Path | None:
    """What huggingface_hub's cache has of a model; None without it."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ModuleNotFoundError:
        return None
    found = try_to_load_from_cache(name, "config.json")
    return Path(found).parent if isinstance(found, str) else None
