"""Open a tokenizer.json, or assemble a tokenizer from a trained or imported model."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, decoders
from tokenizers.models import Model
from tokenizers.normalizers import Normalizer

from lm.files import hash_file
from lm.tokenizer.tokenizer import SPECIAL_TOKENS, Tokenizer
from lm.tokenizer.words import byte_level

MAKERS = ("tokenizer", "corpus", "pretrain", "instruct")  # jobs whose runs hold a tokenizer.json


def load_tokenizer(path: str | Path) -> Tokenizer:
    """Open a tokenizer.json, given as a file or as a directory that holds one.

    A file of another library keeps its ids; special tokens of ours that it lacks follow them. Its own special tokens,
    such as `<|endoftext|>`, do not replace ours: only their author knows what they mean.

    Args:
        path: A tokenizer.json, or the directory of a run that has one.

    Returns:
        The tokenizer.

    Raises:
        ValueError: There is no tokenizer.json, or it cannot write every text.
    """
    path = Path(path)
    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        maker = next((part for part in reversed(path.parts[:-1]) if part in MAKERS), "tokenizer")
        raise ValueError(
            f"there is no tokenizer at {path}: `lm {maker}` makes it; or give a tokenizer.json, or the directory of "
            "a run that has one, such as outputs/pretrain/default"
        )
    try:
        content = file.read_text(encoding="utf-8")
        tokenizers.Tokenizer.from_str(content)
    except Exception as error:  # `tokenizers` raises bare Exception
        raise ValueError(f"{file} is not a tokenizer.json: {error}") from None
    return with_special_tokens(content, origin=str(file))


def with_special_tokens(content: str, *, origin: str | None = None) -> Tokenizer:
    """Return the tokenizer of a tokenizer.json, adding the special tokens that it lacks after its own vocabulary.

    Args:
        content: The tokenizer.json.
        origin: Where it comes from, named in front of an error.
    """
    backend = tokenizers.Tokenizer.from_str(content)
    missing = [token for token in SPECIAL_TOKENS if backend.token_to_id(token) is None]
    if missing:
        add_special_tokens(backend, missing)
        content = backend.to_str(pretty=True)
    try:
        return Tokenizer(content)
    except ValueError as error:
        raise ValueError(f"{origin}: {error}" if origin else str(error)) from None


def add_special_tokens(backend: tokenizers.Tokenizer, tokens: Iterable[str]) -> None:
    """Add special tokens that a normalizer does not change."""
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in tokens])


def assemble(
    model: Model,
    *,
    pattern: str,
    normalizer: Normalizer | None = None,
    decoder: decoders.Decoder | None = None,
    special: Iterable[str] = (),
    origin: str | None = None,
) -> Tokenizer:
    """Return the tokenizer of a model over the byte alphabet.

    Args:
        model: The model, with its vocabulary.
        pattern: Regular expression that splits the text into words.
        normalizer: Normalizer applied first.
        decoder: Decoder of the entries; None for entries in the byte alphabet alone.
        special: Entries of the vocabulary that are special tokens.
        origin: File that the model comes from, named in front of an error.
    """
    backend = tokenizers.Tokenizer(model)
    add_special_tokens(backend, special)
    if normalizer is not None:
        backend.normalizer = normalizer
    backend.pre_tokenizer = byte_level(pattern)
    backend.decoder = decoder or decoders.ByteLevel()
    return with_special_tokens(backend.to_str(pretty=True), origin=origin)


def named_files(node: Mapping[str, Any], *, key: str = "tokenizer") -> dict[str, str]:
    """Return the hashes of the files that a `tokenizer` config node at `key` names: key → hash."""
    paths = {name: Path(node[name]) for name in ("path", "vocabulary", "merges") if node.get(name)}
    paths = {name: path / "tokenizer.json" if path.is_dir() else path for name, path in paths.items()}
    return {f"{key}.{name}": hash_file(path) for name, path in paths.items() if path.is_file()}


def existing_tokenizer(texts: Iterable[str], *, path: str) -> Tokenizer:
    """Use an existing tokenizer in place of training one.

    Args:
        texts: Ignored; every trainer takes texts.
        path: A tokenizer.json, or the directory of a run that has one.

    Returns:
        The tokenizer; special tokens that it lacks are added after its own vocabulary.
    """
    return load_tokenizer(path)
