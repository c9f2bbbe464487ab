"""Questions about a piece of Python that the question shows, so that a small model can answer them.

A model of a few million parameters cannot remember what thousands of functions do, but it can learn to read: the answer
follows from the prompt alone. By `task`:

    arguments   the arguments of a function that is shown, or how it is called
    default     the default of one argument
    count       how many arguments there are
    yes or no   whether a name is among the arguments, or a word in the docstring
    name        the name of the function, or of the function that a description fits
    lookup      what a function does, given the descriptions of several
    returns     what a function returns or raises, given its code
    imports     the module that a name is imported from
    list        the methods of a class, in their order or sorted
    correct     a line of code with one mistake in it
"""

import ast
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from lm.conversation.sources.draw import Draw
from lm.conversation.sources.python_api import Entry

ARGUMENTS = ("What are its arguments?", "List its arguments.", "Which arguments does it take?")
CALL = ("How is it called?", "Call it.", "Write a call of it.")
DEFAULT = ("What is the default of {}?", "Which default does {} have?", "What is {} if it is not given?")
COUNT = ("How many arguments does it take?", "How many arguments does it have?", "Count its arguments.")
HAS = ("Does it have the argument {}?", "Is {} one of its arguments?", "Does it take {}?")
MENTIONS = ("Is there the word {} in the docstring?", "Does the docstring have the word {}?")
NAME = ("What is the name of this function?", "What is this function called?")
FITS = ("Which of them does this: {}", "Which one does this: {}")
LOOKUP = ("What does {} do?", "What is {} for?", "Tell me what {} does.")
RETURNS = ("What does it return?", "What is returned?")
RAISES = ("What does it raise?", "Which exception does it raise?")
FROM = ("Where does {} come from?", "Which module is {} from?", "From where is {} imported?")
METHODS = ("Which methods does it have?", "List its methods.", "What are its methods?")
SORTED = ("Sort its methods by name.", "List its methods in alphabetical order.")
CORRECT = ("Correct this line:", "Fix this line:", "What is wrong here?")
OTHER_IMPORTS = ("import os", "import sys", "import re", "from collections import deque", "from io import StringIO",
                 "from time import sleep", "from math import pi", "import json")  # fmt: skip
MISSPELLED = {"return": "retrun", "def": "dfe", "class": "calss", "import": "improt", "for": "fro", "while": "whlie",
              "None": "Nnoe", "True": "Ture", "False": "Flase", "not": "nto", "raise": "riase", "self": "slef",
              "else": "esle", "elif": "elfi", "with": "wiht", "try": "tyr", "except": "excpet"}  # fmt: skip
MAX_CODE = 400  # characters shown
MAX_SUMMARY = 90  # characters


@dataclass(frozen=True)
class Question:
    """A question about what is shown, and its answer."""

    task: str
    question: str
    answer: str


@dataclass(frozen=True)
class Reading:
    """A piece of Python and one question about it or several."""

    entry: Entry
    shown: str
    questions: tuple[Question, ...]

    @property
    def task(self) -> str:
        """The kind of the last question, which evaluation asks."""
        return self.questions[-1].task

    @property
    def turns(self) -> list[str]:
        """User and assistant in turn; what is shown stands before or after the first question."""
        first, *others = self.questions
        both = [first.question, self.shown]
        opening = "\n".join(both if Draw(self.entry.name)(first.question, 2) else reversed(both))
        return [opening, first.answer, *(text for other in others for text in (other.question, other.answer))]


@dataclass(frozen=True)
class Signature:
    """A function's parameters as its header spells them."""

    names: tuple[str, ...]  # with the stars of *args and **kwargs
    defaults: dict[str, str]


def readings(entries: Sequence[Entry]) -> Iterator[Reading]:
    """Yield what is shown and asked about each name; it depends on names of the same module alone."""
    by_module: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_module[entry.module].append(entry)
    for entry in entries:
        draw = Draw(entry.name)
        if entry.header and (signature := read_signature(entry.header)):
            yield from _about_signature(entry, signature, draw)
        if entry.body:
            yield from _about_code(entry, draw)
        if entry.kind in ("function", "class") and entry.module != "builtins":
            yield from _about_imports(entry, by_module[entry.module], draw)
        if entry.kind != "module" and 0 < len(entry.summary) <= MAX_SUMMARY:
            yield from _about_summaries(entry, by_module[entry.module], draw)
        if entry.kind == "class":
            yield from _about_methods(entry, by_module[entry.module], draw)


def read_signature(header: str) -> Signature | None:
    """Return the parameters of `def name(…):` without self and cls; None if it is long."""
    if len(header) > MAX_CODE // 2:
        return None
    arguments = ast.parse(f"{header} pass").body[0].args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = dict(
        zip((one.arg for one in reversed(positional)), map(ast.unparse, reversed(arguments.defaults)), strict=False)
    )
    defaults |= {
        one.arg: ast.unparse(value)
        for one, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if value
    }
    if positional and positional[0].arg in ("self", "cls"):
        del positional[0]
    names = [one.arg for one in positional]
    names += [f"*{arguments.vararg.arg}"] if arguments.vararg else []
    names += [one.arg for one in arguments.kwonlyargs]
    names += [f"**{arguments.kwarg.arg}"] if arguments.kwarg else []
    return Signature(tuple(names), defaults)


def _about_signature(entry: Entry, signature: Signature, draw: Draw) -> Iterator[Reading]:
    """Questions that the header answers, in two conversations of up to three; half of the headers have a docstring."""
    names, name = signature.names, entry.path.split(".")[-1]
    documented = bool(entry.summary) and draw("docstring", 2) == 0
    shown = f'{entry.header}\n    """{entry.summary}"""' if documented else entry.header
    plain = [one for one in names if not one.startswith("*")]
    possible = [
        Question("arguments", draw.choose(ARGUMENTS), ", ".join(names) or "It takes none."),
        Question("arguments", draw.choose(CALL), f"{name}({', '.join(names)})"),
        Question("count", draw.choose(COUNT), str(len(names))),
        Question("name", draw.choose(NAME), name),
    ]
    if plain:
        asked = draw.pick("default", plain)
        if signature.defaults and draw("with default", 4):
            asked = draw.pick("default", [one for one in plain if one in signature.defaults] or plain)
        answer = signature.defaults.get(asked, f"{asked} has no default.")
        possible += [Question("default", draw.choose(DEFAULT).format(asked), answer)] * (2 if signature.defaults else 1)
    yes, code = draw("yes", 2), f"{entry.summary} {entry.body}"
    if word := draw.pick("has", plain if yes else words(code, without={*names, name, "self"})):
        possible.append(Question("yes or no", draw.choose(HAS).format(word), "Yes." if yes else "No."))
    said = words(entry.summary)
    if documented and (word := draw.pick("mentions", said if yes else words(entry.body, without={*said}))):
        possible.append(Question("yes or no", draw.choose(MENTIONS).format(word), "Yes." if yes else "No."))
    questions = tuple(dict.fromkeys(draw.shuffled("ask", possible)))
    first, second = 1 + draw("first", 3), 1 + draw("second", 3)
    yield Reading(entry, shown, questions[:first])
    if questions[first:]:
        yield Reading(entry, shown, questions[first : first + second])


def _about_code(entry: Entry, draw: Draw) -> Iterator[Reading]:
    """What the code returns or raises; one of its lines with a mistake."""
    code = f"{entry.header}\n{entry.body}"
    if len(code) <= MAX_CODE:
        returned = re.findall(r"^ +return (.+)$", entry.body, re.M)
        raised = set(re.findall(r"\braise ([A-Z]\w*)\b", entry.body))
        questions = []
        if len(returned) == 1 and len(returned[0]) <= 40 and _is_expression(returned[0]):
            questions.append(Question("returns", draw.choose(RETURNS), returned[0]))
        if len(raised) == 1:
            questions.append(Question("returns", draw.choose(RAISES), *raised))
        if questions:
            yield Reading(entry, code, tuple(draw.shuffled("code", questions)))
    lines = [line.strip() for line in code.splitlines() if 12 <= len(line.strip()) <= 60]
    line = draw.pick("line", lines)
    if line and draw("correct", 3) == 0 and (wrong := draw.pick("mistake", spoilt(line))):
        yield Reading(entry, wrong, (Question("correct", draw.choose(CORRECT), line),))


def _about_imports(entry: Entry, module: Sequence[Entry], draw: Draw) -> Iterator[Reading]:
    """Which module a name is imported from."""
    if draw("from", 2):
        return
    others = [one.path for one in module if one.kind in ("function", "class") and one is not entry]
    names = draw.shuffled("names", [entry.path, *draw.some("others", others, draw("how many", 3))])
    lines = [
        f"from {entry.module} import {', '.join(names)}",
        *draw.some("lines", OTHER_IMPORTS, 1 + draw("more", 2)),
    ]
    question = Question("imports", draw.choose(FROM).format(entry.path), entry.module)
    yield Reading(entry, "\n".join(draw.shuffled("imports", lines)), (question,))


def _about_summaries(entry: Entry, module: Sequence[Entry], draw: Draw) -> Iterator[Reading]:
    """What one of several names does, and which one a description fits."""
    short = [one for one in module if 0 < len(one.summary) <= MAX_SUMMARY and one.kind != "module"]
    others = [one for one in short if one.summary != entry.summary and one.path != entry.path]
    if draw("lookup", 3) or not others:
        return
    shown = draw.shuffled("shown", [entry, *draw.some("described", others, 1 + draw("two", 2))])
    lines = "\n".join(f"{one.path}: {one.summary}" for one in shown)
    questions = [
        Question("lookup", draw.choose(LOOKUP).format(entry.path), entry.summary),
        Question("name", draw.choose(FITS).format(entry.summary), entry.path),
    ]
    yield Reading(entry, lines, (draw.pick("fits", questions),))


def _about_methods(entry: Entry, module: Sequence[Entry], draw: Draw) -> Iterator[Reading]:
    """The methods of a class, in their order or sorted."""
    methods = [one for one in module if one.kind == "method" and one.path.split(".")[0] == entry.path and one.header]
    methods = methods[: 2 + draw("methods", 4)]
    names = list(dict.fromkeys(one.path.split(".")[-1] for one in methods))
    code = "\n".join([f"class {entry.path}:", *(f"    {one.header} ..." for one in methods)])
    if 1 < len(names) == len(methods) and len(code) <= MAX_CODE:
        questions = [
            Question("list", draw.choose(METHODS), ", ".join(names)),
            Question("list", draw.choose(SORTED), ", ".join(sorted(names))),
        ]
        yield Reading(entry, code, tuple(draw.shuffled("methods", questions)))


def _is_expression(text: str) -> bool:
    try:
        ast.parse(text, mode="eval")
    except SyntaxError:
        return False
    return True


def spoilt(line: str) -> list[str]:
    """Return the line with one mistake: a keyword misspelled, or a colon or bracket left out."""
    wrong = [re.sub(rf"\b{word}\b", other, line, count=1) for word, other in MISSPELLED.items()]
    if line.endswith(":"):
        wrong.append(line[:-1])
    if line.count("(") == line.count(")") > 0:
        last = line.rindex(")")
        wrong.append(line[:last] + line[last + 1 :])
    return [each for each in dict.fromkeys(wrong) if each != line]


def words(text: str, *, shortest: int = 3, without: Collection[str] = ()) -> list[str]:
    """Return the words of at least `shortest` letters, each once."""
    found = dict.fromkeys(word for word in re.findall(r"\w+", text) if len(word) >= shortest)
    return [word for word in found if word not in without]
