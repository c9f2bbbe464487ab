"""WinoBias: whom a pronoun refers to, where the stereotype of an occupation helps and where it misleads."""

import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lm.evaluation.bias import Overall, Row
from lm.evaluation.field_template import FieldTemplate
from lm.evaluation.items import Item, ItemReader
from lm.sources.file_patterns import find_files

MARK = re.compile(r"\[([^\]]*)\]")
ARTICLE = re.compile(r"^(the|a|an)\s+", re.IGNORECASE)
GENDERS = {"he": "male", "him": "male", "his": "male", "she": "female", "her": "female", "hers": "female"}
PRONOUNS = {*GENDERS}
NAME = re.compile(r"(pro|anti)\w*type_?(1|2)|type_?(1|2)\w*?(pro|anti)", re.IGNORECASE)
# Words before which "her" is the object of a verb: "asked her to".
AFTER_OBJECT = {"a", "about", "and", "as", "at", "back", "because", "by", "for", "from", "if", "in", "of", "on", "that"}
AFTER_OBJECT |= {"the", "to", "when", "while", "with"}


@dataclass(frozen=True)
class _Line:
    """A sentence with its marks."""

    place: str
    file: str
    stereotype: str
    type: str
    number: int
    marked: str

    @property
    def marks(self) -> list[str]:
        return [mark.strip() for mark in MARK.findall(self.marked)]

    @property
    def referent(self) -> str:
        return next(mark for mark in self.marks if mark.lower() not in PRONOUNS)

    @property
    def pronoun(self) -> str:
        return next(mark for mark in self.marks if mark.lower() in PRONOUNS)


class WinoBiasReader(ItemReader):
    """The files of WinoBias: a numbered sentence a line, with the referent and the pronouns in brackets.

    The name of a file says its kind, as pro_stereotyped_type1.txt.dev. The other referent is the first other occupation
    of the sentence; occupations are those that any line marks. Each item has sentence, pronoun, referents in the order
    of the sentence, `substituted`, which has the sentence with each of them in place of the first marked pronoun, gold,
    `stereotype` pro or anti, and type.
    """

    def records(self, path: str | Sequence[str], *, key: str):
        files = [str(file) for file in _files(path, key)]
        return super().records(files, key=key)

    def read(self, path: str | Sequence[str], *, key: str) -> Iterator[Item]:
        lines = [line for file in _files(path, key) for line in _lines(file, key)]
        occupations = {ARTICLE.sub("", line.referent.lower()) for line in lines}
        partners = {(line.type, line.number, line.stereotype): line for line in lines}
        for line in lines:
            other = "anti" if line.stereotype == "pro" else "pro"
            yield _item(line, occupations, partners.get((line.type, line.number, other)), key)


def _files(path: str | Sequence[str], key: str) -> list[Path]:
    """The files of sentences: those of a folder whose names say their kind, or those that are named."""
    found = []
    for each in [path] if isinstance(path, str) else path:
        folder = Path(each).expanduser()
        if folder.is_dir():
            inside = sorted(file for file in folder.iterdir() if file.is_file() and NAME.search(file.name))
            if not inside:
                raise ValueError(f"{key}: {each} has no file named as pro_stereotyped_type1.txt.dev: name the files")
            found += inside
        else:
            found += find_files(str(folder), key=key)
    return found


def _lines(file: Path, key: str) -> Iterator[_Line]:
    kind = NAME.search(file.name)
    if kind is None:
        raise ValueError(
            f"{key}: the name of {file} does not say whether its sentences are pro- or anti-stereotyped and of type 1 "
            "or 2: name it as pro_stereotyped_type1.txt"
        )
    stereotype, sort = (kind[1] or kind[4]).lower(), kind[2] or kind[3]
    for number, text in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not text.strip():
            continue
        counted = re.match(r"\s*(\d+)\s+(.*)", text)
        place = f"{file}:{number}"
        line = _Line(
            place, file.name, stereotype, sort, int(counted[1]) if counted else number, (counted or [0, 0, text])[2]
        )
        marks = line.marks
        pronouns = [mark for mark in marks if mark.lower() in PRONOUNS]
        if len(marks) - len(pronouns) != 1 or not pronouns:
            raise ValueError(
                f"{place}: a sentence has one referent and its pronoun in brackets, as [The cook] … [she], and this "
                f"one has {', '.join(f'[{mark}]' for mark in marks) or 'no brackets'}"
            )
        yield line


def _item(line: _Line, occupations: set[str], partner: _Line | None, key: str) -> Item:
    plain = _spaced(MARK.sub(lambda mark: mark[1].strip(), line.marked))
    own = ARTICLE.sub("", line.referent.lower())
    place_of_own = re.search(rf"\b{re.escape(own)}\b", plain, re.IGNORECASE).start()
    others = [
        (found.start(), -len(name), found[0])
        for name in occupations - {own}
        if (found := re.search(rf"\b(?:(?:the|a|an)\s+)?{re.escape(name)}\b", plain, re.IGNORECASE))
    ]
    if not others:
        raise ValueError(
            f"{line.place}: there is no second occupation beside {line.referent!r}: occupations are those in brackets "
            f"in any line of {key}; name all files of WinoBias"
        )
    start, _, other = min(others)
    referents = [line.referent, other] if place_of_own < start else [other, line.referent]
    substituted = [_substituted(line, referent, partner) for referent in referents]
    fields = {
        "sentence": plain,
        "pronoun": line.pronoun,
        "referents": referents,
        "substituted": substituted,
        "gold": referents.index(line.referent),
        "stereotype": line.stereotype,
        "type": line.type,
        "number": line.number,
    }
    return Item(fields, line.place, line.file)


def _substituted(line: _Line, referent: str, partner: _Line | None) -> str:
    """The sentence with a referent in place of the first marked pronoun."""
    found = next(mark for mark in MARK.finditer(line.marked) if mark[1].strip().lower() in PRONOUNS)
    before, after = line.marked[: found.start()], line.marked[found.end() :]
    name = ARTICLE.sub(lambda article: article[0].lower(), referent)
    name = f"{name[0].upper()}{name[1:]}" if not MARK.sub("", before).strip() and before.strip() == "" else name
    name += "'s" if _possessive(line.pronoun.lower(), after, partner) else ""
    return _spaced(MARK.sub(lambda mark: mark[1].strip(), f"{before}{name}{after}"))


def _possessive(pronoun: str, after: str, partner: _Line | None) -> bool:
    """Whether a pronoun stands for "the cook's"; "her" as the sentence of the other stereotype says with his or him."""
    if pronoun != "her":
        return pronoun in ("his", "hers")
    if partner is not None and partner.pronoun.lower() in ("his", "him"):
        return partner.pronoun.lower() == "his"
    following = re.match(r"\s+([a-z'-]+)", MARK.sub(lambda mark: mark[1], after))
    return following is not None and following[1] not in AFTER_OBJECT


def _spaced(text: str) -> str:
    return " ".join(text.split())


class WinoBiasScores(Overall):
    """Accuracy where the stereotype helps and where it misleads, and the gap between both, of each type.

    In type 1 the referent follows from the meaning, in type 2 from the syntax. A gap of 0 is unbiased.
    Intervals are over the sentences that differ in the pronoun only, as pairs.
    """

    def __call__(self, rows: Sequence[Row]) -> dict[str, float | None]:
        found: dict[str, float | None] = {}
        for sort in ("1", "2"):
            shares = {}
            for stereotype in ("pro", "anti"):
                here = [
                    row
                    for row in rows
                    if (row.item.fields["type"], row.item.fields["stereotype"]) == (sort, stereotype)
                ]
                right = [
                    row.log_probabilities.index(max(row.log_probabilities)) == row.item.fields["gold"] for row in here
                ]
                shares[stereotype] = sum(right) / len(right) if right else None
                found[f"type {sort} {stereotype}"] = shares[stereotype]
            whole = None not in shares.values()
            found[f"type {sort} gap"] = shares["pro"] - shares["anti"] if whole else None
        return found

    def unit(self, row: Row) -> Hashable:
        return row.item.fields["type"], row.item.fields["number"]


class PronounGap(Overall):
    """Accuracy by the gender of a pronoun, and the gap between both, as in Winogender; 0 is unbiased.

    Args:
        pronoun: Template of the pronoun of an item; those that are neither male nor female are left out.
    """

    def __init__(self, *, pronoun: str):
        self.pronoun = FieldTemplate(pronoun, key="evaluation.overall.pronoun")

    def __call__(self, rows: Sequence[Row]) -> dict[str, float | None]:
        right: dict[str, list[bool]] = {"male": [], "female": []}
        for row in rows:
            gender = GENDERS.get(self.pronoun.text(row.item).strip().lower())
            if gender is not None:
                scores = row.log_probabilities
                right[gender].append(scores.index(max(scores)) in row.answered.shown["gold"])
        shares = {gender: sum(each) / len(each) if each else None for gender, each in right.items()}
        gap = None if None in shares.values() else shares["male"] - shares["female"]
        return {**shares, "gap": gap}
