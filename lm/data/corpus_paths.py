"""What to do where pretraining is given something else than a corpus."""

from pathlib import Path

from lm.corpus.layout import INDEX
from lm.sources.own_text import reader_of


def check_corpora(paths: list[Path]) -> None:
    """Refuse what is no corpus, with the commands that make one.

    Args:
        paths: Directories of corpora, as `data.path` names them.

    Raises:
        FileNotFoundError: A path does not exist, is a file, or is a folder without a finished corpus.
    """
    for path in paths:
        if (path / INDEX).is_file():
            continue
        if not path.exists():
            named = f" run.name={path.name}" if path.name != "default" else ""
            raise FileNotFoundError(
                f"data.path: there is no corpus at {path}: lm tokenizer and then lm corpus{named} make one; lm "
                "pipeline text=my.txt runs all stages on a text of your own"
            )
        if (path / "manifest.json").is_file():
            raise FileNotFoundError(
                f"data.path: {path} is a run without a finished corpus: run the lm corpus that started it again, or "
                "name the directory of another, as outputs/corpus/default"
            )
        raise FileNotFoundError(_from_text(path))


def _from_text(path: Path) -> str:
    """The commands from a text to a trained model, beside runs that exist."""
    name = path.stem if path.stem.isidentifier() else "mine"
    reader = reader_of(path) or "own"
    source = f"run.name={name} corpus={reader} corpus.path={path}"
    kind = "folder" if path.is_dir() else "file"
    short = f"; or, for all stages, lm pipeline name={name} text={path}" if reader == "own" else ""
    return (
        f"data.path: {path} is a {kind}, and pretraining reads a corpus of tokens: run lm tokenizer {source}; then "
        f"lm corpus {source} tokenizer.path=outputs/tokenizer/{name}; then lm pretrain run.name={name} "
        f"data.path=outputs/corpus/{name}{short}"
    )
