"""Write a tokenizer as other libraries read it: their files name its special tokens by role."""

import json
from collections.abc import Mapping
from typing import Any

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers, processors

from lm.tokenizer.byte_alphabet import BLANK
from lm.tokenizer.model_folder import begins
from lm.tokenizer.roles import KEY as ROLES
from lm.tokenizer.sentencepiece_encoder import KEY as SENTENCEPIECE
from lm.tokenizer.tokenizer import Tokenizer

BOUNDARY = "\U0010fffd"  # private character: a chat_template writes it before an answer, and it leaves no token

TEXTS = (
    *(
        "",
        "A é e\u0301 ﬁ Ⅳ  two\t\r\n \n x\u00a0\u200b\x00日本語 🙂 ",
        "don't 'LL x1234567  \r\n\r\n\t\t__init__…ſ 3.14",
    ),
    *("-" * 40, " " * 33, "def f(x):\n    return x\n", "ab" * 60),
)


def exported_backend(tokenizer: Tokenizer, *, boundary: bool = False) -> tokenizers.Tokenizer:
    """Return the tokenizer as `tokenizers` and `transformers` read it.

    Args:
        tokenizer: The tokenizer.
        boundary: Whether text is split at `BOUNDARY`, so that what follows is encoded as a text of its own.
    """
    description = json.loads(tokenizer.content)
    for key in (ROLES, SENTENCEPIECE):
        description["model"].pop(key, None)
    backend = tokenizers.Tokenizer.from_str(json.dumps(description, ensure_ascii=False))
    bos, before = tokenizer.roles.beginning, begins(backend)
    if before != ([bos] if tokenizer.opening else []):
        first = [bos] if tokenizer.opening else []
        single, special = " ".join([*first, "$A"]), [(name, tokenizer.special_tokens[name]) for name in first]
        backend.post_processor = processors.TemplateProcessing(
            single=single.split(), pair=[*single.split(), *first, "$B:1"], special_tokens=special
        )
    if boundary:
        _split_at_boundary(backend, prefix=tokenizer.prefix_within)
    return backend


def _split_at_boundary(backend: tokenizers.Tokenizer, *, prefix: bytes) -> None:
    """Encode what follows a boundary as a text of its own."""
    split = pre_tokenizers.Split(Regex(BOUNDARY), "removed")
    own = backend.pre_tokenizer
    backend.pre_tokenizer = pre_tokenizers.Sequence([split, *([own] if own else [])])
    if prefix:
        begun = normalizers.Replace(BOUNDARY, BOUNDARY + prefix.decode().replace(" ", BLANK))
        backend.normalizer = normalizers.Sequence([*([backend.normalizer] if backend.normalizer else []), begun])


def check_exported(tokenizer: Tokenizer) -> None:
    """Refuse a tokenizer to which other programs give other ids.

    Raises:
        ValueError: With a text whose ids differ.
    """
    backend = exported_backend(tokenizer)
    for text in TEXTS:
        ours, theirs = tokenizer.encode(text), backend.encode(text, add_special_tokens=False).ids
        if ours != theirs:
            raise ValueError(
                f"other programs read this tokenizer by the library tokenizers, which gives {text!r} the ids {theirs} "
                f"and not {ours}: its vocabulary needs the library {tokenizer.engine}, so it cannot be exported"
            )


def exported_files(
    tokenizer: Tokenizer,
    *,
    chat_template: str | None = None,
    boundary: bool = False,
    context: int | None = None,
    stops: tuple[int, ...] = (),
) -> dict[str, str]:
    """Return the files with which `AutoTokenizer` opens a tokenizer: name → content.

    Args:
        tokenizer: The tokenizer.
        chat_template: The chat template in Jinja; None for none.
        boundary: Whether `chat_template` writes `BOUNDARY`.
        context: Tokens that the model sees at once; None leaves it out.
        stops: Further ids that end what the model generates, as the end of a turn; they come first.
    """
    roles = tokenizer.roles
    names = {"bos_token": roles.beginning, "eos_token": roles.ends[0], "pad_token": roles.padding}
    names |= {"unk_token": roles.unknown} if roles.unknown else {}
    config: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast", **names}
    config |= {"add_bos_token": bool(tokenizer.opening), "clean_up_tokenization_spaces": False}
    config |= {"model_max_length": context} if context else {}
    config |= {"chat_template": chat_template} if chat_template else {}
    ends = [*dict.fromkeys([*stops, *tokenizer.ends])]
    generation = {"bos_token_id": tokenizer.beginning, "eos_token_id": ends if len(ends) > 1 else ends[0]}
    generation |= {"pad_token_id": tokenizer.padding}
    return {
        "tokenizer.json": exported_backend(tokenizer, boundary=boundary).to_str(pretty=True),
        "tokenizer_config.json": _json(config),
        "special_tokens_map.json": _json(names),
        "generation_config.json": _json(generation),
        **({"chat_template.jinja": chat_template} if chat_template else {}),
    }


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
