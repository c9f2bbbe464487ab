"""The template that a model was taught in, kept beside its weights, so that nobody has to be told it again."""

import json
from pathlib import Path

from lm.config.target import locate
from lm.conversation.role_tokens import RoleTokens
from lm.conversation.template import Template
from lm.files import undamaged, write_atomically
from lm.process.ranks import is_first_process

FILE = "conversation.json"
BUILDABLE = "lm.conversation."  # what a conversation.json may name; anything else it names would be run
REMEDY = "copy it anew, or remove it and say the template yourself"


def record_template(directory: Path, template: Template | None) -> list[Path]:
    """Write what `template` is to the run's conversation.json; the files written, which without one are none."""
    if template is None:
        return []
    if is_first_process():
        write_atomically(directory / FILE, json.dumps(template.describe(), indent=2, ensure_ascii=False) + "\n")
    return [directory / FILE]


def was_taught(path: str) -> bool:
    """Whether the model of the run at `path` has read conversations."""
    return Path(path, FILE).is_file()


class Recorded:
    """What the run at `path` recorded of its template: nothing, if it was not tuned on conversations."""

    def __init__(self, path: str | None):
        self.file = None if path is None else Path(path, FILE)

    def resolve(self, given: Template | None) -> Template:
        """The template to write turns in: the one `given`, else the recorded one, else a token for each role.

        One that is given and not what was recorded is taken, with a word on it.
        """
        described = self._described()
        if given is not None:
            if described is not None and _plain(described) != _plain(given.describe()) and is_first_process():
                print(
                    f"template    {_short(given.describe())}, as given; the model was taught in {_short(described)} "
                    f"({self.file}), which is taken where none is given"
                )
            return given
        if described is None:
            return RoleTokens()
        target = str(described.get("_target_"))
        if (template := _template(target)) is None:
            raise ValueError(
                f"{self.file} names {target}, which is no template of lm.conversation; loading it would run it, so it "
                "is refused: say yourself how turns are written, as with conversation@template=chatml"
            )
        with undamaged(self.file, REMEDY):  # called and not built: in what templates write ${…} is text
            return template(**{key: value for key, value in described.items() if key != "_target_"})

    def _described(self) -> dict | None:
        if self.file is None or not self.file.is_file():
            return None
        with undamaged(self.file, REMEDY):
            described = json.loads(self.file.read_text(encoding="utf-8"))
            described.keys()  # without which it describes nothing
        return described


def _plain(described: dict) -> dict:
    """Without where it was read from."""
    return {key: value for key, value in described.items() if key != "path"}


def _short(described: dict) -> str:
    """Which template it is, in a word or two."""
    written = described.get("user", described.get("path"))
    return f"{str(described.get('_target_')).rpartition('.')[2]}{'' if written is None else f' ({written!r})'}"


def _template(target: str) -> type[Template] | None:
    """A class of ours, also by where it is defined: `lm.conversation.recorded.json.loads` only begins like one."""
    found = locate(target)[0] if target.startswith(BUILDABLE) else None
    ours = isinstance(found, type) and issubclass(found, Template) and found.__module__.startswith(BUILDABLE)
    return found if ours else None
