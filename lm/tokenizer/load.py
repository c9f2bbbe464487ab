"""Open a tokenizer.json, ours or another's."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tokenizers

from lm.files import hash_file
from lm.tokenizer.special import SPECIAL_TOKENS
from lm.tokenizer.tokenizer import Tokenizer

MAKERS = ("tokenizer", "corpus", "pretrain", "instruct")  # jobs whose runs hold a tokenizer.json


def load_tokenizer(path: str | Path) -> Tokenizer:
    """Open `path`, a tokenizer.json or a directory that holds one.

    A file from elsewhere gets those of our special tokens that it lacks, after its own vocabulary; its own
    ids stay as they are. Its own marks, such as `<|endoftext|>`, are not taken for ours: what they mean is
    its author's word.
    """
    path = Path(path)
    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        maker = next((part for part in reversed(path.parts[:-1]) if part in MAKERS), "tokenizer")
        raise ValueError(
            f"there is no tokenizer at {path}: `lm {maker}` makes it; or give a tokenizer.json, or the directory of "
            "a run that has one, as outputs/pretrain/default"
        )
    try:
        content = file.read_text(encoding="utf-8")
        tokenizers.Tokenizer.from_str(content)
    except Exception as error:  # `tokenizers` raises bare Exception
        raise ValueError(f"{file} is not a tokenizer.json: {error}") from None
    try:
        return completed(content)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def completed(content: str) -> Tokenizer:
    """The tokenizer of a tokenizer.json, with those of our special tokens that it lacks after its own vocabulary."""
    backend = tokenizers.Tokenizer.from_str(content)
    missing = [token for token in SPECIAL_TOKENS if backend.token_to_id(token) is None]
    if missing:
        backend.add_special_tokens([tokenizers.AddedToken(token, special=True, normalized=False) for token in missing])
        content = backend.to_str(pretty=True)
    return Tokenizer(content)


def named_files(node: Mapping[str, Any], *, key: str = "tokenizer") -> dict[str, str]:
    """The hashes of the files that a `tokenizer` config node at `key` names."""
    paths = {each: Path(node[each]) for each in ("path", "vocabulary", "merges") if node.get(each)}
    paths = {each: path / "tokenizer.json" if path.is_dir() else path for each, path in paths.items()}
    return {f"{key}.{each}": hash_file(path) for each, path in paths.items() if path.is_file()}


def existing_tokenizer(texts: Iterable[str], *, path: str) -> Tokenizer:
    """Stand where a trainer stands, and take the tokenizer at `path` without looking at the texts."""
    return load_tokenizer(path)
