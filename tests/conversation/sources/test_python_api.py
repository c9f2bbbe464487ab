"""Entries of the standard library say what its source says, and nothing written in Python is run."""

import re
import subprocess
import sys

import pytest

from lm.conversation.sources.python_api import Entry, _entries, first_sentence, library_entries


@pytest.fixture(scope="module")
def entries() -> dict[str, Entry]:
    made = library_entries()
    found = {entry.name: entry for entry in made}
    assert len(found) == len(made), "each name has one entry"
    return found


@pytest.mark.parametrize(
    ("docstring", "sentence"),
    [
        ("Return the square root of x.", "Return the square root of x."),
        ("return it, now; and then\n\n  more", "Return it, now; and then."),
        ("Do just this. Then that.", "Do just this."),
        ("Do this, e.g. That one. More.", "Do this, e.g. That one."),
        ("Read\n    over lines\n    of text.\n    ", "Read over lines of text."),
        ("sqrt(x) -> float\n\nReturn the root of x.", "Return the root of x."),
        ("Use ``x`` for that purpose!", "Use x for that purpose!"),
        ("", ""),
        (None, ""),
        ("Too short.", ""),
        ("The arguments are these:", ""),
        (">>> an example of it", ""),
        ("42 is the first word here.", ""),
        ("sqrt(x) -> float", ""),
        ("A title over a rule\n=============", ""),
    ],
)
def test_the_summary_is_the_first_sentence_if_there_is_one(docstring, sentence):
    assert first_sentence(docstring) == sentence


class File:
    """A module as the corpus has it."""

    module, group = "made_up", "made_up"

    def __init__(self, text: str):
        self.text = text

    def read(self) -> str:
        return self.text


MODULE = '''
"""What the module is for, in a sentence."""
def plain(a: int, b=1, *, c: str = "x") -> int:
    """Add all of them together."""
    # why
    return a + b

def _hidden(): return 1
def main(): return 1
class Thing:
    """Something that can be made."""
    def __init__(self, size, /, *more): self.size = size
    def method(self, a): "Do what is asked."
    @staticmethod
    def free(a): return a
    @property
    def name(self): return "n"
    async def wait(self): await it
class _Hidden: pass
'''


def test_public_names_are_read_from_the_source_with_parameters_and_summary():
    found = {entry.path: entry for entry in _entries(File(MODULE))}
    assert list(found) == ["", "plain", "Thing", "Thing.method", "Thing.free", "Thing.name", "Thing.wait"]
    assert {path: entry.kind for path, entry in found.items() if path in ("", "plain", "Thing", "Thing.free")} == {
        "": "module", "plain": "function", "Thing": "class", "Thing.free": "method",
    }  # fmt: skip
    assert found[""].summary == "What the module is for, in a sentence."
    assert {path: entry.arguments for path, entry in found.items()} == {
        "": None, "plain": "a, b=1, *, c='x'", "Thing": "size, /, *more", "Thing.method": "a", "Thing.free": "a",
        "Thing.name": None, "Thing.wait": "",
    }  # fmt: skip
    assert found["plain"].header == "def plain(a, b=1, *, c='x'):"
    assert found["plain"].body == "    # why\n    return a + b"
    assert found["Thing.method"].body == ""
    assert found["Thing.wait"].header == "async def wait(self):"
    assert found["plain"].name == "made_up.plain"
    assert Entry("function", "builtins", "len", "builtins").name == "len"


def test_known_facts_are_right(entries):
    assert entries["math.sqrt"].summary == "Return the square root of x."
    assert (entries["math.sqrt"].kind, entries["math.sqrt"].arguments) == ("function", "x, /")
    assert entries["len"].module == "builtins"
    assert entries["textwrap.dedent"].arguments == "text"
    assert entries["os.path.join"].module == "os.path"
    assert entries["str.upper"].arguments == ""
    assert entries["json"].kind == "module"
    assert entries["json.encoder.JSONEncoder.encode"].arguments == "o"
    assert "dataclasses.dataclass" in entries
    assert entries["itertools.chain"].kind == "class"


def test_private_names_and_applications_are_excluded(entries):
    parts = [name.split(".") for name in entries]
    assert not [name for name in parts if any(part.startswith("_") for part in name)]
    assert not {"idlelib", "encodings", "distutils", "turtledemo"} & {name[0] for name in parts}


def test_no_entry_depends_on_this_process(entries):
    for entry in entries.values():
        text = f"{entry.summary} {entry.arguments or ''}"
        assert not re.search(r"<\w+( object)? at|<function|<built-in|<class|\bobject at 0x", text), entry


def test_code_can_be_parsed_under_its_header(entries):
    written = [entry for entry in entries.values() if entry.body]
    assert len(written) > 3000
    for entry in written:
        compile(f"{entry.header}\n{entry.body}", entry.name, "exec", dont_inherit=True, flags=0x400)  # parse only


def test_modules_entries_in_python_are_parsed_and_never_run():
    script = (
        "import sys; from lm.conversation.sources.python_api import library_entries; "
        "found = {e.module for e in library_entries()}; "
        "print(sorted({'this', 'antigravity', 'turtle', 'tkinter', 'smtplib', 'imaplib'} & found - sys.modules.keys()))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "['antigravity', 'imaplib', 'smtplib', 'this', 'tkinter', 'turtle']"
    assert ran.stderr == ""
