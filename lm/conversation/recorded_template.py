"""The template a model was trained with: in conversation.json beside its weights, or a published model's own."""

import json
from pathlib import Path

from lm.config.trust import locate_trusted
from lm.conversation.chat_template import ChatTemplate
from lm.conversation.jinja_source import has_source
from lm.conversation.role_token_template import RoleTokenTemplate
from lm.conversation.template import Template
from lm.files import report_damage, write_atomically
from lm.hub import local_folder
from lm.process.ranks import is_first_process
from lm.progress import Console

FILE = "conversation.json"
PACKAGE = "lm.conversation"  # classes from elsewhere could run foreign code, so they need trust
REMEDY = "copy it again, or remove it and set the template, as conversation@template=chatml"
RENAMED = {  # _target_ in older files: _target_ now
    "lm.conversation.turns.Turns": "lm.conversation.turn_template.TurnTemplate",
    "lm.conversation.role_tokens.RoleTokens": "lm.conversation.role_token_template.RoleTokenTemplate",
}


def record_template(directory: Path, template: Template | None) -> list[Path]:
    """Write the template's description to conversation.json in a run directory.

    Returns:
        The files written: one, or none without a template.
    """
    if template is None:
        return []
    if is_first_process():
        write_atomically(directory / FILE, json.dumps(template.describe(), indent=2, ensure_ascii=False) + "\n")
    return [directory / FILE]


def inherit_template(directory: Path, origin: Path | None) -> list[Path]:
    """Copy conversation.json from the run that the weights come from, for a run that reads no conversations itself.

    Returns:
        The files written: one, or none if the model was never trained on conversations.
    """
    if origin is None or not has_recorded_template(origin):
        return []
    if not Path(origin, FILE).is_file():
        return record_template(directory, ChatTemplate(str(origin)))
    if is_first_process():
        write_atomically(directory / FILE, Path(origin, FILE).read_bytes())
    return [directory / FILE]


def has_recorded_template(path: str | Path) -> bool:
    """Return True if the model of the run at `path`, or the published one, was trained on conversations."""
    return Path(path, FILE).is_file() or has_source(Path(path))


class RecordedTemplate:
    """The template that a run recorded, or the chat_template of a published model; none for a base model.

    Args:
        path: Directory of the run or of the published model, or `hub:org/name`; null for a model without one.
        resumed: Directory of the run that uses the template, from which a template takes its date if it was begun on
            another day; null for none.
        restart: Whether that run is removed and starts again, so that its date does not count.
    """

    def __init__(self, path: str | None, *, resumed: str | None = None, restart: bool = False):
        self.file = None if path is None else local_folder(path) / FILE
        self.resumed = None if resumed is None or restart else Path(resumed, FILE)

    def check_tuned(self, given: Template | None) -> None:
        """Refuse a model that was never tuned on conversations, unless the template that it knows is given.

        Raises:
            ValueError: With the command that tunes it.
        """
        if given is None and self.file is not None and not has_recorded_template(self.file.parent):
            raise ValueError(
                f"model.path={self.file.parent} was never tuned on conversations, so its answers do not end: tune it "
                f"first (lm instruct model.path={self.file.parent}), or name the template that it knows, as "
                "conversation@data.template=chatml"
            )

    def _published(self) -> dict | None:
        """The description of the chat_template in the folder of a published model."""
        if self.file is None or not has_source(self.file.parent):
            return None
        template: Template = ChatTemplate(str(self.file.parent))
        if earlier := _read(self.resumed):
            template = template.as_recorded(earlier)
        return template.describe()

    def resolve(self, given: Template | None) -> Template:
        """Choose the template: `given` if there is one, else the recorded one, else `RoleTokenTemplate`.

        Prints a line if `given` differs from the recorded template.

        Raises:
            ValueError: conversation.json is damaged, or names a class outside lm.conversation whose package
                the command does not trust.
        """
        description = _read(self.file) or self._published()
        if given is not None:
            for earlier in filter(None, (_read(self.resumed), description)):
                given = given.as_recorded(earlier)
            if description is not None and _without_path(description) != _without_path(given.describe()):
                Console("template").line(
                    f"{_summary(given.describe())}, as configured; the model was trained with "
                    f"{_summary(description)} ({self.file}), which template=null uses"
                )
            return given
        if description is None:
            return RoleTokenTemplate()
        template, complaint = _template_class(str(description.get("_target_")))
        if complaint:
            raise ValueError(
                f"{self.file} names {complaint}, or set the template yourself, as conversation@template=chatml"
            )
        with report_damage(self.file, REMEDY):  # a plain call, not build(): ${…} in a template is text
            return template(**{key: value for key, value in description.items() if key != "_target_"})


def _read(file: Path | None) -> dict | None:
    if file is None or not file.is_file():
        return None
    with report_damage(file, REMEDY):
        description = json.loads(file.read_text(encoding="utf-8"))
        target = description.get("_target_")
        return description | {"_target_": RENAMED.get(target, target)}


def _without_path(description: dict) -> dict:
    """Two templates are the same wherever they were read from."""
    return {key: value for key, value in description.items() if key != "path"}


def _summary(description: dict) -> str:
    """The class, and its user turn or file."""
    detail = description.get("user", description.get("path"))
    return f"{str(description.get('_target_')).rpartition('.')[2]}{'' if detail is None else f' ({detail!r})'}"


def check_template_loadable(template: Template | None) -> None:
    """Refuse to train in a template that no later job would load from conversation.json."""
    complaint = "" if template is None else _template_class(str(template.describe().get("_target_")))[1]
    if complaint:
        raise ValueError(
            f"data.template names {complaint}; later jobs that load this model need the same trust on their own "
            "command line"
        )


def _template_class(target: str) -> tuple[type[Template] | None, str]:
    """The template that `target` names, of lm.conversation or a trusted package, and ""; or None and the reason."""
    found, complaint = locate_trusted(target, [PACKAGE])
    if complaint or (isinstance(found, type) and issubclass(found, Template)):
        return found, complaint
    return None, f"{target}, which is not a template"
