"""A folder by its path, or by its name on the Hugging Face hub, which is asked only where `hub:` says so."""

from pathlib import Path

HUB = "hub:"
FILES = ("*.json", "*.safetensors", "*.jinja", "tokenizer.model")  # never a pickle


def local_folder(path: str | Path) -> Path:
    """Return the folder at `path`; `hub:org/name` or `hub:org/name@revision` is downloaded to huggingface_hub's cache.

    Raises:
        ValueError: The hub has no such model, or cannot be reached.
        ModuleNotFoundError: huggingface_hub is missing.
    """
    if not str(path).startswith(HUB):
        return Path(path)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name, _, revision = str(path).removeprefix(HUB).partition("@")
    try:
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=[*FILES]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"{path} cannot be downloaded ({reason}): check the name and the network, or give a folder that holds the "
            "model"
        ) from None
