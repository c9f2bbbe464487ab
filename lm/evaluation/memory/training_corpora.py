"""The corpora that a model was trained on, found through the runs that it comes from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lm.corpus import Shards
from lm.corpus.layout import INDEX
from lm.directory.manifest import read_manifest
from lm.files import hash_json
from lm.tokenizer import Tokenizer
from lm.tokenizer.model_folder import is_model_folder


class TrainingCorpora:
    """The prepared corpora that a run and the runs before it were trained on.

    A run records the corpora it read, and the run that its weights come from. Conversations, which are no corpus, do
    not count.

    Args:
        path: Directory of the run.
        paths: Directories of corpora that are read instead, as for a model from elsewhere; null traces the run.
    """

    def __init__(self, path: str | None = None, *, paths: str | list[str] | None = None):
        self.path, self.paths = path, [paths] if isinstance(paths, str) else paths

    def directories(self) -> list[Path]:
        """Return the directories, each once.

        Raises:
            ValueError: None is known, one is missing, or one was made again after training.
        """
        if self.paths is not None:
            found = [Path(path) for path in self.paths]
        else:
            found = [path for run in _lineage(self.path) for path in _corpora(*run)]
        if not found:
            reason = (
                f"neither {self.path} nor a run before it was trained on a prepared corpus"
                if self.path
                else "no run says what the model was trained on"
            )
            raise ValueError(f"evaluation.training: {reason}: set evaluation.training.paths=[outputs/corpus/NAME]")
        return list(dict.fromkeys(found))

    def shards(self, split: str = "train", *, tokenizer: Tokenizer | None = None) -> dict[Path, Shards]:
        """Return one split of each corpus, by its directory."""
        return {path: Shards(path, split, tokenizer=tokenizer) for path in self.directories()}

    def fingerprint(self) -> str:
        """Return a hash of the corpora."""
        return hash_json([shards.fingerprint for shards in self.shards().values()])

    def epochs(self) -> float | None:
        """Return tokens read in training per token of the corpora, padding included; None where no record says."""
        if self.path is None or self.paths is not None:
            return None
        read = [manifest.get("result", {}).get("tokens") for _, manifest in _lineage(self.path) if _paths(manifest)]
        if not read or None in read:
            return None
        return sum(read) / max(
            1, sum(stream.tokens for each in self.shards().values() for stream in each.streams.values())
        )


def _lineage(path: str | None) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the run and those before it, with their manifests."""
    parent: Any = {"run": path} if path else None
    while parent and not is_model_folder(Path(parent["run"])):  # a published model does not say
        directory = Path(parent["run"])
        try:
            manifest = read_manifest(directory)
        except FileNotFoundError as error:
            raise ValueError(
                f"evaluation.training: {error}, and {path} comes from it: set "
                "evaluation.training.paths=[outputs/corpus/NAME] to the corpora that it was trained on"
            ) from None
        yield directory, manifest
        parent = (manifest.get("lineage") or {}).get("parent")


def _paths(manifest: dict[str, Any]) -> list[Path]:
    """The corpora that a training run names; none of a run that read conversations."""
    data = manifest["config"].get("data") or {}
    named = data.get("path") if isinstance(data, dict) and "objective" in manifest["config"] else None
    return [Path(each) for each in ([named] if isinstance(named, str) else named or [])]


def _corpora(run: Path, manifest: dict[str, Any]) -> list[Path]:
    """The corpora that a run was trained on, as they were."""
    paths = _paths(manifest)
    for path in paths:
        if not (path / INDEX).is_file():
            raise ValueError(
                f"evaluation.training: {path}, the corpus that {run} was trained on, is not there: set "
                "evaluation.training.paths=[DIRECTORY] to where it lies now"
            )
    trained = manifest.get("inputs", {}).get("data")
    if paths and trained not in (None, hash_json([Shards(path).fingerprint for path in paths])):
        named = ",".join(map(str, paths))
        raise ValueError(
            f"evaluation.training: {named} was made again after {run} was trained on it, so nothing says what the "
            f"model has read: train again, or set evaluation.training.paths=[{named}] to take it as it is"
        )
    return paths
