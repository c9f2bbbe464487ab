"""Open the tokenizer of a published model: a folder with config.json beside tokenizer.json."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tokenizers

from lm.tokenizer.roles import Roles

NAMES = {"bos": "bos_token", "eos": "eos_token", "pad": "pad_token", "unk": "unk_token"}
INSTEAD = {"bos": "cls_token", "eos": "sep_token"}  # of BERT
OPENING = ("LlamaTokenizer", "CodeLlamaTokenizer", "GemmaTokenizer")  # classes that write bos by default
FILES = ("tokenizer_config.json", "special_tokens_map.json", "generation_config.json", "config.json")


def is_model_folder(folder: Path) -> bool:
    """Whether a folder holds a published model: a run of lm has another config.json."""
    config = folder / "config.json"
    return config.is_file() and "model_type" in read_object(config)


def read_object(file: Path) -> dict[str, Any]:
    """Return the object of a JSON file; an empty one if there is no file.

    Raises:
        ValueError: The file is not an object in JSON.
    """
    if not file.is_file():
        return {}
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is not JSON: {error}; copy it again from where the model comes from") from None
    if not isinstance(value, dict):
        raise ValueError(f"{file} is not an object: copy it again from where the model comes from")
    return value


def has_template(folder: Path) -> bool:
    """Whether a folder says how conversations are written: a run that recorded it, or a model with a chat_template."""
    files = ("conversation.json", "chat_template.jinja", "chat_template.json")
    return any((folder / name).is_file() for name in files) or bool(
        read_object(folder / "tokenizer_config.json").get("chat_template")
    )


class ModelFolder:
    """What the files of a model say about its special tokens; see `Roles`.

    Names in tokenizer_config.json and special_tokens_map.json precede the ids of generation_config.json and
    config.json. A text ends with the eos_token, and generated text with any of the ids of eos_token_id.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._tokenizer, self._map, self._generation, self._config = (read_object(folder / name) for name in FILES)
        text = self._config.get("text_config")  # of a model that also reads images
        self._config |= text if isinstance(text, dict) else {}

    @property
    def vocab_size(self) -> int:
        """Rows of the model's embedding; 0 if config.json does not say."""
        return int(self._config.get("vocab_size") or 0)

    def names(self) -> list[str]:
        """The special tokens that the tokenizer's files name, in the order of their roles."""
        found = [self._name(key) for key in (*NAMES.values(), *INSTEAD.values())]
        return [*dict.fromkeys(filter(None, found))]

    def roles(self, backend: tokenizers.Tokenizer) -> Roles:
        """Return the roles of the tokens of a tokenizer.

        Raises:
            ValueError: No token ends a text, or the tokenizer does not belong to the model.
        """
        self._check_fits(backend)
        before = begins(backend)
        eos = self._named("eos", backend)
        ends = [*([eos] if eos else []), *self._listed("eos", backend)]
        if not ends:
            raise ValueError(
                f"{self.folder} names no token that ends a text: set eos_token in its tokenizer_config.json, or "
                "eos_token_id in its config.json"
            )
        bos = next(iter(before), None) or self._named("bos", backend) or next(iter(self._listed("bos", backend)), None)
        padding = self._named("pad", backend) or next(iter(self._listed("pad", backend)), None)
        return Roles(
            beginning=bos or ends[0],
            ends=[*dict.fromkeys(ends)],
            padding=padding or ends[0],
            unknown=self._named("unk", backend),
            opens=bos is not None and self._opens(before),
            vocab_size=max(self.vocab_size, backend.get_vocab_size()),
        )

    def _opens(self, before: list[str]) -> bool:
        """Whether a prompt begins with bos: as add_bos_token says, else as the post-processor does."""
        said = self._tokenizer.get("add_bos_token")
        if said is None:
            kind = str(self._tokenizer.get("tokenizer_class", "")).removesuffix("Fast")
            return bool(before) or kind in OPENING
        return bool(said)

    def _name(self, key: str) -> str | None:
        token = self._tokenizer.get(key, self._map.get(key))
        return token.get("content") if isinstance(token, Mapping) else token

    def _named(self, role: str, backend: tokenizers.Tokenizer) -> str | None:
        """The token that the tokenizer's files name, if the vocabulary has it."""
        keys = [NAMES[role], *([INSTEAD[role]] if role in INSTEAD else [])]
        named = (self._name(key) for key in keys)
        return next((name for name in named if name and backend.token_to_id(name) is not None), None)

    def _listed(self, role: str, backend: tokenizers.Tokenizer) -> list[str]:
        """The tokens of the ids that the model's configs give, one or a list of them."""
        key = f"{role}_token_id"
        given = next((each[key] for each in (self._generation, self._config) if each.get(key) is not None), None)
        ids = given if isinstance(given, list) else [] if given is None else [given]
        return [name for number in ids if (name := backend.id_to_token(int(number))) is not None]

    def _check_fits(self, backend: tokenizers.Tokenizer) -> None:
        highest = max(backend.get_vocab().values(), default=-1)
        if self.vocab_size and highest >= self.vocab_size:
            raise ValueError(
                f"{self.folder}: its tokenizer has the id {highest} ({backend.id_to_token(highest)!r}), more than the "
                f"vocab_size {self.vocab_size} of its config.json: the files do not belong together; take both from "
                "one model"
            )


def begins(backend: tokenizers.Tokenizer) -> list[str]:
    """The tokens that the post-processor of a tokenizer.json writes before a text."""
    plain, whole = (backend.encode("x", add_special_tokens=add).ids for add in (False, True))
    before = whole[: next((n for n in range(len(whole)) if whole[n : n + len(plain)] == plain), 0)]
    return [backend.id_to_token(number) for number in before]
