"""Open a tokenizer.json, or assemble a tokenizer from a trained or imported model."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import tokenizers
from tokenizers import AddedToken, decoders
from tokenizers.models import Model
from tokenizers.normalizers import Normalizer

from lm.files import hash_file
from lm.hub import local_folder
from lm.progress import Console
from lm.tokenizer.model_folder import ModelFolder, has_template, is_model_folder
from lm.tokenizer.roles import KEY as ROLES
from lm.tokenizer.roles import SPECIAL_TOKENS, TURN_TOKENS, with_roles
from lm.tokenizer.sentencepiece_encoder import KEY as SENTENCEPIECE
from lm.tokenizer.tokenizer import Tokenizer
from lm.tokenizer.words import byte_level

FLAGS = ("special", "normalized", "lstrip", "rstrip", "single_word")  # of an added token
SAID: set[str] = set()  # fingerprints of tokenizers whose losses were printed
MAKERS = ("tokenizer", "corpus", "pretrain", "instruct")  # jobs whose runs hold a tokenizer.json


def load_tokenizer(path: str | Path, *, turn_tokens: bool | Literal["auto"] = False) -> Tokenizer:
    """Open a tokenizer.json, given as a file or as a directory that holds one.

    A file of another library keeps its ids; tokens that only the tokenizer_config.json beside it lists are added, and
    special tokens of ours that it lacks follow them. Its own special tokens,
    such as `<|endoftext|>`, do not replace ours: only their author knows what they mean. The folder of a published
    model (config.json beside tokenizer.json) says it: no token is added, and its own begin, end and pad texts. There
    a tokenizer.model, or GPT-2's vocab.json and merges.txt, stand in for a tokenizer.json.

    Args:
        path: A tokenizer.json, or the directory of a run or of a published model that has one; or `hub:org/name`.
        turn_tokens: Whether tokens of turns (`<|user|>`, `<|end_of_turn|>` …) are added to the vocabulary of a
            published model that lacks them, for tuning it on conversations; the model gains rows for them. "auto" adds
            them to a base model, which has no chat template either.

    Returns:
        The tokenizer.

    Raises:
        ValueError: There is no tokenizer.json, or it cannot write every text.
    """
    path = local_folder(path)
    file = path / "tokenizer.json" if path.is_dir() else path
    older = _older_content(path) if path.is_dir() and not file.is_file() else None
    if older is None and not file.is_file():
        maker = next((part for part in reversed(path.parts[:-1]) if part in MAKERS), "tokenizer")
        raise ValueError(
            f"there is no tokenizer at {path}: `lm {maker}` makes it; or give a tokenizer.json, or the directory of "
            "a run that has one, such as outputs/pretrain/default"
        )
    try:
        content = older or file.read_text(encoding="utf-8")
        tokenizers.Tokenizer.from_str(content)
    except Exception as error:  # `tokenizers` raises bare Exception
        raise ValueError(f"{file} is not a tokenizer.json: {error}") from None
    content = _with_configured_tokens(content, file.with_name("tokenizer_config.json"))
    if is_model_folder(file.parent):
        opened = _of_model(content, ModelFolder(file.parent), origin=str(file))
    else:
        opened = with_special_tokens(content, origin=str(file))
    wanted = not has_template(file.parent) if turn_tokens == "auto" else turn_tokens
    return with_turn_tokens(opened) if wanted else opened


def _older_content(folder: Path) -> str | None:
    """Return the tokenizer.json of a published model that has only the files of an earlier time."""
    from lm.tokenizer.older_files import older_content  # which assembles by this module

    return older_content(folder) if is_model_folder(folder) else None


def with_turn_tokens(tokenizer: Tokenizer) -> Tokenizer:
    """Return a tokenizer with the tokens of turns, which are added where it lacks them."""
    missing = [token for token in TURN_TOKENS if token not in tokenizer.special_tokens]
    if not missing:
        return tokenizer
    backend = tokenizers.Tokenizer.from_str(tokenizer.content)
    add_special_tokens(backend, missing)
    size = max(tokenizer.roles.vocab_size, backend.get_vocab_size())
    roles = replace(tokenizer.roles, added=[*tokenizer.roles.added, *missing], vocab_size=size)
    return Tokenizer(with_roles(_as_carried(backend, tokenizer.content), roles))


def _of_model(content: str, folder: ModelFolder, *, origin: str) -> Tokenizer:
    """Return the tokenizer of a published model, whose special tokens are those of its files."""
    backend = tokenizers.Tokenizer.from_str(content)
    listed = {token.content for token in backend.get_added_tokens_decoder().values()}
    if missing := [name for name in folder.names() if name not in listed]:
        add_special_tokens(backend, missing)
        content = _as_carried(backend, content)
    roles = folder.roles(backend)
    if missing := [name for name in roles.names if name not in listed and name not in missing]:
        add_special_tokens(backend, missing)
        content = _as_carried(backend, content)
    return _opened(with_roles(content, roles), origin)


def _with_configured_tokens(content: str, config: Path) -> str:
    """Add the tokens that only `added_tokens_decoder` of a tokenizer_config.json lists, as `transformers` does."""
    if not config.is_file():
        return content
    try:
        listed = json.loads(config.read_text(encoding="utf-8")).get("added_tokens_decoder") or {}
        listed = {int(number): listed[number] for number in sorted(listed, key=int)}
        contents = [token["content"] for token in listed.values()]
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{config} is not a tokenizer_config.json: {error}; mend it, or remove it") from None
    backend = tokenizers.Tokenizer.from_str(content)
    if all(backend.token_to_id(text) is not None for text in contents):
        return content
    for number, token in listed.items():
        if backend.token_to_id(token["content"]) is not None:
            continue
        flags = {name: bool(token[name]) for name in FLAGS if name in token}
        backend.add_tokens([AddedToken(token["content"], **flags)])
        if (given := backend.token_to_id(token["content"])) != number:
            raise ValueError(
                f"{config} gives the token {token['content']!r} the id {number}, which would be {given} after those of "
                "tokenizer.json: the files do not belong together; give tokenizer.json in a folder of its own"
            )
    return _as_carried(backend, content)


def with_special_tokens(content: str, *, origin: str | None = None) -> Tokenizer:
    """Return the tokenizer of a tokenizer.json, adding the special tokens that it lacks after its own vocabulary.

    Where the file has one of their names as plain text, it becomes special, with the same id.

    Args:
        content: The tokenizer.json.
        origin: Where it comes from, named in front of an error.
    """
    if ROLES in _carried(content):
        return _opened(content, origin)
    backend = tokenizers.Tokenizer.from_str(content)
    added = {token.content: token.special for token in backend.get_added_tokens_decoder().values()}
    if plain := [token for token in SPECIAL_TOKENS if added.get(token) is False]:  # typed, they would be those tokens
        described = json.loads(content)
        for token in described["added_tokens"]:
            token["special"] = token["special"] or token["content"] in plain
        content = json.dumps(described, ensure_ascii=False)
        backend = tokenizers.Tokenizer.from_str(content)
    if missing := [token for token in SPECIAL_TOKENS if token not in added]:
        add_special_tokens(backend, missing)
        content = _as_carried(backend, content)
    return _opened(content, origin)


def _opened(content: str, origin: str | None) -> Tokenizer:
    try:
        opened = Tokenizer(content)
        if opened.lossy:
            _say_what_is_lost(opened, origin)
        return opened
    except ValueError as error:
        raise ValueError(f"{origin}: {error}" if origin else str(error)) from None


def _say_what_is_lost(tokenizer: Tokenizer, origin: str | None) -> None:
    """Print a line on a tokenizer that does not give texts back, once."""
    if tokenizer.fingerprint not in SAID:
        SAID.add(tokenizer.fingerprint)
        Console("tokenizer").line(
            f"{origin or 'this tokenizer'} loses {', '.join(tokenizer.losses)}: its ids are those of the library "
            "tokenizers, and bits per byte count the bytes of the source"
        )


def _as_carried(backend: tokenizers.Tokenizer, content: str) -> str:
    """Return the file of `backend`, with what `content` carries for us: a .model, roles."""
    written = backend.to_str(pretty=True)
    if not (carried := _carried(content)):
        return written
    description = json.loads(written)
    return json.dumps(description | {"model": description["model"] | carried}, ensure_ascii=False, indent=2)


def _carried(content: str) -> dict[str, Any]:
    """Return what a tokenizer.json carries in its model for us alone."""
    keys = [key for key in (SENTENCEPIECE, ROLES) if f'"{key}"' in content]  # parsing takes long
    model = json.loads(content)["model"] if keys else {}
    return {key: model[key] for key in keys if key in model}


def add_special_tokens(backend: tokenizers.Tokenizer, tokens: Iterable[str]) -> None:
    """Add special tokens that a normalizer does not change."""
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in tokens])


def assemble(
    model: Model,
    *,
    pattern: str,
    normalizer: Normalizer | None = None,
    decoder: decoders.Decoder | None = None,
    special: Sequence[str] = (),
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
    add_special_tokens(backend, [*special, *(each for each in SPECIAL_TOKENS if each not in special)])
    if normalizer is not None:
        backend.normalizer = normalizer
    backend.pre_tokenizer = byte_level(pattern)
    backend.decoder = decoder or decoders.ByteLevel()
    return _opened(backend.to_str(pretty=True), origin)


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
