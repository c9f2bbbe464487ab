"""Mistakes that a stage of a pipeline finds, reported by the keys of the pipeline."""

import re
from collections.abc import Callable
from typing import Any

START = r"(?<![\w./@+=-])"  # of a key in a sentence
END = r"(?=\.(?!safetensors|ckpt|json)[a-z_]+(?:[=.]\S|[:, ]|$))"  # after the first part of a key
PARTS = (
    *("budget", "compute", "conversation", "corpus", "data", "evaluations", "logger", "model", "objective"),
    *("optimizer", "run", "sampling", "schedule", "split", "tokenizer", "trainer"),
)
SHARED = {"corpus", "split"}  # parts of the tokenizer stage that are those of the corpus stage


def in_keys_of_pipeline(
    stage: str,
    call: Callable[[], Any],
    *,
    text: str | list[str] | None,
    conversations: str | list[str] | None,
    preferences: str | list[str] | None = None,
) -> Any:
    """Call a stage and return what it returns. A mistake of the user's is raised again with the keys to set here.

    Args:
        stage: Name of the stage, with which its keys begin.
        call: The stage.
        text: The key `text` of the pipeline, which stands for the path of the corpus where it is given.
        conversations: The key `conversations`, which stands for the path of the conversations.
        preferences: The key `preferences`, which stands for the path of the pairs.

    Raises:
        ValueError: As the stage raises it, with other keys in its message.
    """
    try:
        return call()
    except ValueError as error:
        keys: dict[str, Any] = {rf"{START}run\.(name|root|restart)\b": r"\1"}
        if text is not None:
            keys[rf"{START}corpus\.path\b"] = "text"
        if conversations is not None:
            keys[rf"{START}(data\.)?conversations\.path\b"] = "conversations"
        if preferences is not None:
            keys[rf"{START}(data\.)?preferences\.path\b"] = "preferences"
            keys[rf"{START}(data\.)?preferences\.(?=[a-z_]+\b)(?!jsonl?\b)"] = "alignment.data.preferences."
        if stage == "alignment":
            keys[rf"{START}(objective|data)=(?=\w)"] = r"\1@alignment.\1="
            keys[rf"{START}data/preferences(@preferences)?=(?=\w)"] = "data/preferences@alignment.data.preferences="
        keys[rf"{START}(conversations\.(?=\w))"] = r"data.\1"
        keys[rf"{START}data/conversations@conversations="] = "data/conversations="
        keys[rf"{START}(data/conversations|corpus)=(?=\w)"] = _option
        keys[rf"{START}({'|'.join(PARTS)}){END}"] = lambda found: f"{_prefix(stage, found[1])}.{found[1]}"
        message = str(error)
        for pattern, key in keys.items():
            message = re.sub(pattern, key, message)
        if message == str(error):
            raise
        raise ValueError(message) from error


def _option(found: re.Match) -> str:
    place = {"corpus": "corpus.corpus"}.get(found[1], "instruct.data.conversations")
    return f"{found[1]}@{place}="


def _prefix(stage: str, part: str) -> str:
    return "corpus" if stage == "tokenizer" and part in SHARED else stage
