"""The library and its documentation, and no module on both sides of the split."""

import ast
import sysconfig
import textwrap
from pathlib import Path

import pytest

from lm.corpus import Split
from lm.sources import PythonSource
from lm.sources.python_library import LibraryFile, group_of, help_topics, library_files
from lm.sources.python_prose import compiled_modules, compiled_page, source_page


@pytest.fixture(scope="module")
def library() -> PythonSource:
    return PythonSource()


@pytest.fixture(scope="module")
def documents(library):
    return list(library)


def test_the_library_is_read_without_tests_and_packages(documents):
    code = {document.id: document for document in documents if document.kind == "code"}
    assert {"os.py", "json/decoder.py", "asyncio/tasks.py"} < code.keys()
    assert not [name for name in code if {"test", "tests", "idle_test", "__pycache__"} & set(name.split("/"))]
    assert not [name for name in code if "site-packages" in name or name.startswith(("_sysconfig", "pydoc_data"))]
    assert code["json/decoder.py"].group == "json.decoder"
    directory = Path(sysconfig.get_paths()["stdlib"])
    assert code["os.py"].text.encode() == (directory / "os.py").read_bytes()
    assert len(library_files(tests=True)) > len(library_files())


def test_modules_that_share_text_share_a_group():
    assert group_of("_pydecimal") == group_of("_decimal") == group_of("decimal") == "decimal"
    assert group_of("_pyio") == group_of("_io") == "io"
    assert group_of("encodings.cp1252") == group_of("encodings.utf_8") == "encodings"
    assert group_of("json.decoder") == "json.decoder"
    assert group_of("_") == "_"


def test_a_module_and_its_docstrings_are_held_out_together(documents):
    split = Split(0.05)
    training = "\0".join(d.text for d in documents if not split.held_out(d))
    held_out = [d for d in documents if split.held_out(d)]
    assert {d.kind for d in held_out} == {"code", "prose"}
    assert not [d.id for d in held_out if d.text in training]
    pages = {d.id.removeprefix("module "): d.group for d in documents if d.source == "docstrings"}
    modules = {file.relative: file.module for file in library_files()}
    for document in (d for d in documents if d.source == "library"):
        assert pages.get(modules[document.id], document.group) == document.group
    for document in (d for d in held_out if d.source == "library"):
        description = ast.get_docstring(ast.parse(document.text)) or ""
        assert len(description) < 60 or description not in training, document.id


def test_topics_that_share_a_paragraph_share_a_group():
    groups: dict[str, set[str]] = {}
    for topic in help_topics():
        for paragraph in topic.text.split("\n\n"):
            words = " ".join(paragraph.split())
            if len(words) >= 100:
                groups.setdefault(words, set()).add(topic.group)
    assert groups
    assert all(len(names) == 1 for names in groups.values())


def test_a_page_shows_docstrings_under_their_signatures(tmp_path):
    (tmp_path / "m.py").write_text(
        textwrap.dedent(
            '''
            """What it is for."""
            def plain(a, *, b: int = 1) -> str:
                """Do it.

                In two paragraphs."""
            def silent(a): ...
            if True:
                class Thing(Base):
                    def method(self): "Say so."
                    async def wait(self): "Wait."
                class Dumb: pass
            '''
        )
    )
    assert source_page(LibraryFile("m", tmp_path / "m.py", "m.py")) == textwrap.dedent(
        """\
        m

        What it is for.

        def plain(a, *, b: int=1)
            Do it.

            In two paragraphs.

        class Thing(Base)
            def method(self)
                Say so.

            async def wait(self)
                Wait.
        """
    )


def test_pages_of_compiled_modules_contain_nothing_of_this_process():
    assert {"math", "builtins", "itertools", "_io"} <= set(compiled_modules())
    assert "def acos(x, /)\n    Return the arc cosine" in compiled_page("math")
    assert compiled_page("no_such_module") == ""
    pages = "\n".join(compiled_page(name) for name in compiled_modules())
    assert " at 0x" not in pages
    assert str(Path.home()) not in pages


def test_duplicates_are_dropped_and_counted(library, documents):
    assert len({d.text for d in documents}) == len(documents)
    assert len({d.id for d in documents}) == len(documents)
    assert list(library) == documents
    assert all(note.endswith("dropped") and "exact duplicate" in note for note in library.notes)


def test_packages_add_their_descriptions_and_change_nothing_else(library, documents):
    source = PythonSource(packages=True)
    read = list(source)
    assert [d for d in read if d.source != "packages"] == documents
    assert any(d.id == "package numpy" for d in read if d.source == "packages")
    assert source.fingerprint() != library.fingerprint() == PythonSource().fingerprint()
