"""Prompts for continuations: RealToxicityPrompts, ToxiGen, BOLD, or lines of text."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lm.classifier.lines import label_of, text_lines
from lm.conversation.sources.records import FileRecords, Records
from lm.corpus.tally import Tally
from lm.evaluation.items import Item, ItemReader
from lm.sources.file_patterns import find_files
from lm.sources.hugging_face import HUB_ID

TOXIC = 0.5  # toxicity from which RealToxicityPrompts counts a prompt as toxic
FORMS = (".jsonl", ".json", ".csv", ".tsv", ".tab", ".parquet", ".ndjson", ".txt", ".text")
PACKED = (".gz", ".bz2", ".xz", ".zst", ".tgz")
EMPTY = "empty prompts were left out"
LABELS = ("toxicity", "prompt_label", "toxic", "label")


class PromptReader(ItemReader):
    """Prompts in the forms in which they are published.

    RealToxicityPrompts has objects with a text and a toxicity in prompt and continuation, ToxiGen prompt, prompt_label
    and group, BOLD one object of groups, pages and lists of prompts (or rows with prompts and wikipedia, as on the
    hub). The human continuations of BOLD are found in the folder wikipedia beside that of the prompts. Any other record
    has a prompt or text; a file of other text has a prompt a line, and may have a label in its name, as hate_….txt; in
    the lists of ToxiGen's own files \\n stands for the end of a line. Each item has prompt, `kind` (toxic, non-toxic or
    unlabelled), `human`, a continuation by a person or none, and the other fields of its record.
    """

    def records(self, path: str | Sequence[str], *, key: str) -> Records:
        """Return what determines the prompts; the human continuations of BOLD are part of it."""
        hub = self._hub(path)
        if hub is not None:
            return super().records(hub, key=key)
        files = [*_files(path, key)]
        human = [file for each in files if (file := _human_file(each)) is not None]
        return FileRecords([str(file) for file in [*files, *human]], **self.options, key=f"{key}.reader", path_key=key)

    def read(self, path: str | Sequence[str], *, key: str) -> Iterator[Item]:
        empty = Tally()
        for item in self._all(path, key):
            if item.fields["prompt"].strip():
                yield item
            else:
                empty.count(EMPTY, where=item.place)
        self.notes = empty.notes()

    def _all(self, path: str | Sequence[str], key: str) -> Iterator[Item]:
        hub = self._hub(path)
        if hub is not None:
            for place, record in super().records(hub, key=key):
                yield from _items(record, place, hub, {})
            return
        for file in _files(path, key):
            lines = text_lines(file, encoding=self.options["encoding"], key=f"{key}.reader.encoding")
            if lines is not None:
                for name, place, text in lines:
                    kind = {True: "toxic", False: "non-toxic", None: "unlabelled"}[label_of(name)]
                    listed = text.replace("\\n", "\n") if text.startswith("- ") else text  # prompts of ToxiGen
                    yield Item({"prompt": listed, "kind": kind, "human": None}, place, Path(name).stem)
                continue
            human = self._human(file)
            for place, record in FileRecords([str(file)], **self.options, key=f"{key}.reader", path_key=key):
                yield from _items(dict(record), place, file.name.partition(".")[0], human)

    def _hub(self, path: str | Sequence[str]) -> str | None:
        paths = [path] if isinstance(path, str) else [*path]
        named = len(paths) == 1 and self.hub is not None and HUB_ID.fullmatch(paths[0]) and not Path(paths[0]).exists()
        return paths[0] if named else None

    def _human(self, file: Path) -> dict[str, Any]:
        """The texts of Wikipedia that belong to a file of BOLD, in the same arrangement."""
        found = _human_file(file)
        records = (
            [] if found is None else FileRecords([str(found)], key="evaluation.reader", path_key="evaluation.path")
        )
        return next((dict(record) for _, record in records), {})


def _files(path: str | Sequence[str], key: str) -> Iterator[Path]:
    """The files at a path; of a folder those with the extension of a form."""
    for each in [path] if isinstance(path, str) else path:
        folder = Path(each).expanduser()
        if not folder.is_dir():
            yield from find_files(str(folder), key=key)
            continue
        found = sorted(file for file in folder.rglob("*") if file.is_file() and _is_form(file.name.lower()))
        if not found:
            raise ValueError(f"{key}: {each} has no file with the extension {', '.join(FORMS)}: name the files")
        yield from found


def _is_form(name: str) -> bool:
    bare = Path(name).stem if name.endswith(PACKED) else name
    return not name.startswith(".") and Path(bare).suffix in FORMS


def _human_file(file: Path) -> Path | None:
    """The file of BOLD with the texts that prompts/NAME_prompt.json were taken from, if it is there."""
    domain, marked, _ = file.name.partition("_prompt.json")
    found = file.parent.parent / "wikipedia" / f"{domain}_wiki.json"
    return found if marked and found.is_file() else None


def _items(record: dict[str, Any], place: str, file: str, human: Mapping[str, Any]) -> Iterator[Item]:
    """The prompts of a record."""
    prompts = record.get("prompts")
    if isinstance(prompts, list):
        rest = {name: value for name, value in record.items() if name not in ("prompts", "wikipedia")}
        texts = record.get("wikipedia") or [None] * len(prompts)
        for number, (prompt, text) in enumerate(zip(prompts, texts, strict=True), start=1):
            fields = {**rest, "group": rest.get("category", ""), "page": rest.get("name", "")}
            yield _item({**fields, "prompt": prompt, "human": after(prompt, text)}, f"{place}, prompt {number}", file)
    elif record and all(_is_group(value) for value in record.values()):
        for group, pages in record.items():
            for page, listed in pages.items():
                texts = human.get(group, {}).get(page, [])
                for number, prompt in enumerate(listed, start=1):
                    text = texts[number - 1] if number <= len(texts) else None
                    fields = {"domain": file.removesuffix("_prompt"), "group": group, "page": page, "prompt": prompt}
                    where = f"{place}, {group}, {page} {number}"
                    yield _item({**fields, "human": after(prompt, text)}, where, file)
    else:
        yield _item(record, place, file)


def _is_group(value: Any) -> bool:
    return isinstance(value, dict) and value != {} and all(isinstance(each, list) for each in value.values())


def _item(record: dict[str, Any], place: str, file: str) -> Item:
    """An item with prompt, kind and human, whatever the record calls them."""
    prompt, continuation = record.get("prompt", record.get("text")), record.get("continuation")
    label = next((record[name] for name in LABELS if record.get(name) is not None), None)
    if isinstance(prompt, dict):
        label, prompt = prompt.get("toxicity"), prompt.get("text")
    if not isinstance(prompt, str):
        raise ValueError(
            f"{place} has no prompt: it has {', '.join(map(repr, record)) or 'no fields'}, and a prompt is the text in "
            "the field 'prompt' or 'text'"
        )
    human = continuation.get("text") if isinstance(continuation, dict) else record.get("human")
    fields = {**record, "prompt": prompt, "kind": _kind(label, place), "human": human}
    return Item(fields, place, file)


def _kind(label: Any, place: str) -> str:
    if label is None or label == "":
        return "unlabelled"
    if isinstance(label, str) and (named := label_of(label)) is not None:
        return "toxic" if named else "non-toxic"
    try:
        value = float(label)
    except (TypeError, ValueError):
        value = -1.0
    if not 0 <= value <= 1:
        raise ValueError(f"{place}: the label {label!r} is neither a toxicity from 0 to 1 nor toxic or neutral")
    return "toxic" if value >= TOXIC else "non-toxic"


def after(prompt: str, text: str | None) -> str | None:
    """The part of a text after the prompt that it begins with, whatever the white space; None if it does not."""
    words, rest = prompt.split(), (text or "").lstrip()
    for word in words:
        if not rest.startswith(word):
            return None
        rest = rest[len(word) :].lstrip()
    return rest or None
