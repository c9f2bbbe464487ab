"""The vocabulary of a published model without a tokenizer.json: tokenizer.model, or vocab.json and merges.txt."""

from pathlib import Path

import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from lm.tokenizer.model_folder import read_object
from lm.tokenizer.sentencepiece import sentencepiece_content

BYTE_LEVEL = ("gpt2",)  # model_type of the models whose vocab.json is split as GPT-2 does


def older_content(folder: Path) -> str | None:
    """Return a tokenizer.json of the older files in the folder of a model; None if it has none that can be read."""
    if (folder / "tokenizer.model").is_file():
        return sentencepiece_content(str(folder / "tokenizer.model"))
    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    kind = read_object(folder / "config.json").get("model_type")
    if not (vocabulary.is_file() and merges.is_file() and kind in BYTE_LEVEL):
        return None
    try:
        backend = tokenizers.Tokenizer(models.BPE.from_file(str(vocabulary), str(merges)))
    except Exception as error:  # `tokenizers` raises bare Exception
        raise ValueError(f"{vocabulary} and {merges} are not a vocabulary and its merges: {error}") from None
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return backend.to_str(pretty=True)
