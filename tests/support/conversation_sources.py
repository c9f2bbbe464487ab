"""Sources of conversations as their YAML builds them, and files for them."""

import json
from pathlib import Path

import yaml

from lm.config.outline import config_directory
from lm.config.target import locate
from lm.conversation import Message


def source(option: str, path: Path | str | list[str], **more):
    """Build the source of conf/data/conversations/OPTION.yaml."""
    arguments = described(option) | more
    arguments["path"] = path if isinstance(path, list) else str(path)
    return locate(arguments.pop("_target_"))[0](**arguments)


def described(option: str) -> dict:
    """The option's YAML with its defaults."""
    file = Path(config_directory()) / "data" / "conversations" / f"{option}.yaml"
    own = yaml.safe_load(file.read_text(encoding="utf-8"))
    for name in own.pop("defaults", []):
        own = own if name == "_self_" else described(name) | own
    return own


def written(path: Path, *records: object) -> Path:
    """JSON Lines, lone surrogates included."""
    path.write_text("\n".join(map(json.dumps, records)) + "\n", encoding="utf-8")
    return path


def turns(read) -> list[list[Message]]:
    return [list(conversation.messages) for conversation in read]
