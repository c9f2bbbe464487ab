"""Texts with a label each, from files in the forms in which such data is published."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lm.classifier.fields import LABELS, TEXTS, found_field, number_of, value_of, word_of
from lm.classifier.lines import NO, YES, label_of, text_lines
from lm.conversation.sources.records import FileRecords, HubDataset, Records, optional_field
from lm.corpus.tally import Tally
from lm.files import hash_json
from lm.sources.file_patterns import find_files
from lm.sources.hugging_face import HUB_ID

KIND = "functionality"  # of HateCheck
REPEATED = "repeated texts were read once"
CONTRADICTORY = "texts were found with both labels"
EMPTY = "rows with an empty text were left out"


@dataclass(frozen=True)
class LabelledText:
    """A text and whether it has the property that a classifier learns, such as being toxic.

    Args:
        text: The text.
        positive: Whether it has it.
        place: File and line, for messages.
        kind: What kind of case it is, such as a functionality of HateCheck; "" without.
        group: What it must not be separated from when texts are held out; "" for nothing.
    """

    text: str
    positive: bool
    place: str
    kind: str = ""
    group: str = ""

    @property
    def key(self) -> str:
        """What decides whether it is held out."""
        return self.group or self.text


class LabelledTexts:
    """Texts with labels: JSON in any arrangement, CSV, TSV, Parquet, or lines of text, any of which may be packed.

    The fields of Surge's toxicity data, HateCheck, ToxiGen, Jigsaw and other common ones are found by their names. A
    file of lines, as ToxiGen's demonstrations, has its label in its name: hate_… or neutral_…. Labels may be words,
    true and false, or numbers. Numbers from 0 to 1 count from `threshold` or 0.5 on.

    Args:
        path: A file, a pattern, a list of these, or a hub id; null: none.
        text_field: Field of the text, as prompt.text; null finds it.
        label_field: Field of the label; null finds it.
        positive: Labels that count as having the property, as [positive]; all others count as not having it. null:
            common words, such as toxic, hateful, yes, 1 and true.
        threshold: Least number that counts as having it. null: 0.5, for numbers from 0 to 1.
        kind_field: Field by whose values results are listed apart; null: `functionality`, where a file has it.
        group_field: Field whose equal values mark texts that are held out together, as templ_id of HateCheck, since
            texts of one template give each other away; null: only equal texts are.
        delimiter: Character between cells of CSV and TSV; null finds it.
        encoding: Encoding of the files, as windows-1252.
        hub: Which part of a hub data set to read, if the path is the id of one; null for files.
        key: Config key of these options, for messages.
    """

    def __init__(
        self,
        path: str | list[str] | None = None,
        *,
        text_field: str | None = None,
        label_field: str | None = None,
        positive: list[str | int | float | bool] | None = None,
        threshold: float | None = None,
        kind_field: str | None = None,
        group_field: str | None = None,
        delimiter: str | None = None,
        encoding: str = "utf-8",
        hub: HubDataset | None = None,
        key: str = "texts",
    ):
        self.path, self.text_field, self.label_field = path, text_field, label_field
        self.positive = None if positive is None else {word_of(each) for each in positive}
        self.threshold, self.kind_field, self.group_field = threshold, kind_field, group_field
        self.delimiter, self.encoding, self.hub = delimiter, encoding, hub
        self.key = key

    def __bool__(self) -> bool:
        """Whether there is anything to read."""
        return bool(self.path)

    def __iter__(self) -> Iterator[LabelledText]:
        return iter(self._read[0])

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out or looks wrong, with its number."""
        return self._read[1].notes()

    def fingerprint(self) -> str:
        """Return a hash of the files and of how they are read."""
        if not self.path:
            return hash_json([])
        asked = [self.text_field, self.label_field, self.kind_field, self.group_field, self.threshold]
        asked.append(self.positive and sorted(self.positive))
        return hash_json([asked, *(records.identity() for _, records in self._sources())])

    @cached_property
    def _read(self) -> tuple[list[LabelledText], Tally]:
        tally, kept, labels = Tally(), {}, {}
        for file, records in self._sources() if self.path else ():
            lines = None if file is None else self._lines(file)
            for each in self._labelled(records) if lines is None else lines:
                if not each.text.strip():
                    tally.count(EMPTY, where=each.place)
                elif (each.text, each.positive) in kept:
                    tally.count(REPEATED, where=each.place)
                else:
                    kept[each.text, each.positive] = each
                    if labels.setdefault(each.text, each.positive) != each.positive:
                        tally.count(CONTRADICTORY, where=each.place)
        return [*kept.values()], tally

    def _sources(self) -> Iterator[tuple[Path | None, Records]]:
        """Each file with its records, or those of a hub data set."""
        paths = [self.path] if isinstance(self.path, str) else [*self.path]
        if len(paths) == 1 and self.hub is not None and HUB_ID.fullmatch(paths[0]) and not Path(paths[0]).exists():
            if self.hub.part["revision"] is None:
                raise ValueError(
                    f"{self.key}.path: there is no {paths[0]} in {Path.cwd()}; if it is a data set of the Hugging Face "
                    f"hub, set {self.key}.hub.revision to a commit of 40 digits"
                )
            yield None, self.hub.records(paths[0], key=self.key)
            return
        for file in find_files([str(Path(each).expanduser()) for each in paths], key=f"{self.key}.path"):
            yield (
                file,
                FileRecords(
                    [str(file)],
                    delimiter=self.delimiter,
                    encoding=self.encoding,
                    loose_quotes=True,
                    key=self.key,
                    path_key=f"{self.key}.path",
                ),
            )

    def _lines(self, file: Path) -> list[LabelledText] | None:
        """The lines of files of lines, whose names have the label; None for other files."""
        lines = text_lines(file, encoding=self.encoding, key=f"{self.key}.encoding")
        return lines and [
            LabelledText(line, _label_of_name(name, place, self.key), place, Path(name).stem.partition("_")[2])
            for name, place, line in lines
        ]

    def _labelled(self, records: Records) -> Iterator[LabelledText]:
        """The texts of a file of records."""
        rows = [*records]
        if not rows:
            return
        place, first = rows[0]
        text = self.text_field or found_field(TEXTS, first, place, f"{self.key}.text_field")
        label = self.label_field or found_field(LABELS, first, place, f"{self.key}.label_field")
        values = [value_of(record, label, f"{self.key}.label_field", place) for place, record in rows]
        numbers = [*filter(None.__ne__, map(number_of, values))]
        for (place, record), value in zip(rows, values, strict=True):
            found = value_of(record, text, f"{self.key}.text_field", place)
            if not isinstance(found, str):
                raise ValueError(f"{place}: the field {text!r} has {found!r}, not a text: set {self.key}.text_field")
            yield LabelledText(
                found,
                self._is_positive(value, label, place, share=all(0 <= number <= 1 for number in numbers)),
                place,
                kind=f"{optional_field(record, self.kind_field or KIND) or ''}",
                group=""
                if self.group_field is None
                else f"{value_of(record, self.group_field, f'{self.key}.group_field', place)}",
            )

    def _is_positive(self, value: Any, label: str, place: str, *, share: bool) -> bool:
        if self.positive is not None:
            return word_of(value) in self.positive
        number = number_of(value)
        if number is not None and (share or self.threshold is not None):
            return number >= (0.5 if self.threshold is None else self.threshold)
        word = word_of(value)
        if number is None and word in YES | NO:
            return word in YES
        remedy = (
            f"set {self.key}.threshold to the least number that counts as having it, as {self.key}.threshold={number:g}"
            if number is not None
            else f"name those that count as having it in {self.key}.positive, as '{self.key}.positive=[{value}]'"
        )
        raise ValueError(f"{place}: the label {value!r} of the field {label!r} may mean anything: {remedy}")


def _label_of_name(name: str, place: str, key: str) -> bool:
    label = label_of(name)
    if label is None:
        raise ValueError(
            f"{key}.path: {place} is in a file of lines, and its name does not begin with their label: begin it with "
            "hate_ or neutral_, or give a CSV or JSON Lines with a text and a label in each row"
        )
    return label
