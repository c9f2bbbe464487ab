"""Patterns find every file once, and what cannot be read is an error."""

import os
import stat
from glob import glob
from pathlib import Path

import pytest

from lm.corpus import Document
from lm.corpus.tally import Tally
from lm.sources import TextSource
from lm.sources.file_patterns import SECOND_NAME, find_files

TREE = [
    "a.txt",
    "b.md",
    "x/a.txt",
    "x/y/a.txt",
    "x/y/z/c.txt",
    "x/.hidden/a.txt",
    ".dot.txt",
    "x-1/a.txt",
    "ü [1]/a.txt",
]
links = pytest.mark.skipif(os.name == "nt", reason="symbolic links need rights on Windows")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in TREE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def names(tree: Path, *patterns: str, tally: Tally | None = None) -> list[str]:
    found = find_files([str(tree / pattern) for pattern in patterns], tally=tally)
    return [path.relative_to(tree).as_posix() for path in found]


@pytest.mark.parametrize(
    "pattern",
    [
        "*.txt", "*/*.txt", "**/*.txt", "**/a.txt", "x/**/a.txt", "**", "**/**/a.txt", "x*/a.txt", "**/y/**",
        "[xy]/a.txt",
        "x/.*/a.txt", ".*.txt", "x/../*.md", "?/?/?.txt", "**/[a-c].*", "x/y/*", "*",
    ],
)  # fmt: skip
def test_patterns_match_what_glob_of_the_standard_library_matches_in_its_order(tree, pattern):
    expected = [name for name in sorted({*glob(str(tree / pattern), recursive=True)}) if Path(name).is_file()]
    assert [str(path) for path in find_files(str(tree / pattern))] == expected


def test_relative_patterns_and_names_with_brackets_are_found(tree, monkeypatch):
    monkeypatch.chdir(tree)
    assert [str(path) for path in find_files("x/**/a.txt")] == ["x/a.txt", "x/y/a.txt"]
    assert [str(path) for path in find_files(["./a.txt", "ü [1]/a.txt"])] == ["a.txt", "ü [1]/a.txt"]


def test_overlapping_patterns_and_a_name_twice_are_read_once_without_a_note(tree):
    tally = Tally()
    assert names(tree, "b.md", "x/y/a.txt", "x/**/*.txt", "x/y/a.txt", tally=tally) == [
        "b.md",
        "x/y/a.txt",
        "x/a.txt",
        "x/y/z/c.txt",
    ]
    assert tally.notes() == ()


@links
@pytest.mark.parametrize("target", [".", "..", "../x", "y"])
def test_a_link_loop_is_passed_once(tree, target):
    expected = names(tree, "x/**/*.txt")
    (tree / "x" / "loop").symlink_to(target)
    (tree / "x" / "y" / "again").symlink_to(tree / "x")
    found = names(tree, "x/**/*.txt")
    assert [name for name in found if "loop" not in name] == expected
    assert len({(tree / name).resolve() for name in found}) == len(found)


@links
def test_a_file_with_two_names_is_one_document_under_the_name_without_a_link_and_noted(tree):
    (tree / "a-link.txt").symlink_to(tree / "x" / "a.txt")
    (tree / "a-folder").symlink_to(tree / "x")
    os.link(tree / "a.txt", tree / "hard.txt")
    tally = Tally()
    assert names(tree, "*.txt", "*/*.txt", tally=tally) == ["a-link.txt", "a.txt", "x-1/a.txt", "ü [1]/a.txt"]
    assert tally.notes() == (f"3 {SECOND_NAME}, the first: {tree}/hard.txt",)
    assert names(tree, "**/*.txt")[:2] == ["a.txt", "x-1/a.txt"]
    assert names(tree, "a-folder/*.txt") == ["a-folder/a.txt"]


@links
def test_the_note_of_second_names_is_counted_once_in_parts(tree):
    (tree / "link.txt").symlink_to(tree / "a.txt")
    source = TextSource(str(tree / "**/*.txt"))
    documents, total = list(source), Tally()
    for part in source.parts(1):
        assert [document for document in part if isinstance(document, Document)]
        total.merge(part.tally)
    assert len(documents) == 6
    assert (
        total.notes()
        == source.notes
        == (f"1 {SECOND_NAME.replace('files were', 'file was')}, the first: {tree}/link.txt",)
    )


def test_equal_files_are_two_documents(tree):
    (tree / "copy.txt").write_bytes((tree / "a.txt").read_bytes())
    assert names(tree, "*.txt") == ["a.txt", "copy.txt"]


@pytest.mark.parametrize("pattern", ["**/*.txt", "x/**", "x/*/*.txt", "x/y/*.txt", "*/y/*.txt"])
def test_a_closed_folder_on_the_way_is_refused_by_name(tree, monkeypatch, pattern):
    scan = os.scandir

    def closed(folder):
        if str(folder).endswith("x/y"):
            raise PermissionError(13, "Permission denied", str(folder))
        return scan(folder)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(ValueError, match=r"corpus\.path .*: .*x/y cannot be read \(Permission denied\): get access"):
        find_files(str(tree / pattern))
    assert names(tree, "x/*.txt", "*.txt", "x/y/a.txt") == ["x/a.txt", "a.txt", "x/y/a.txt"]


def as_nobody(patterns: list[str]) -> list[str]:
    """What each pattern finds for a user without rights, or its error, from a child process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        for pattern in patterns:
            try:
                line = str(find_files(pattern))
            except Exception as error:
                line = repr(error)
            os.write(writing, f"{line}\n".encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as lines:
        found = lines.read().splitlines()
    os.waitpid(child, 0)
    return found


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can become another user")
def test_another_users_folders_and_files_are_refused_by_name(tree):
    for folder in (tree, *tree.parents):
        if not folder.stat().st_mode & stat.S_IXOTH and folder.owner() == "root" and "pytest" in str(folder):
            folder.chmod(folder.stat().st_mode | 0o055)
    (tree / "x" / "y").chmod(0o000)
    (tree / "x-1").chmod(0o744)
    (tree / "b.md").chmod(0o600)
    patterns = ["**/*.txt", "x/*/*.txt", "x/y/a.txt", "x/y/*.txt", "x-1/*.txt", "*.md", "x/*.txt"]
    lines = as_nobody([str(tree / pattern) for pattern in patterns])
    assert ["cannot be read (Permission denied)" in line for line in lines] == [True] * 6 + [False], lines
    assert all(line.startswith("ValueError") for line in lines[:-1])
    assert "x/y cannot be read" in lines[0]


@links
def test_a_link_to_nothing_is_refused_by_name(tree):
    (tree / "gone.txt").symlink_to("missing")
    with pytest.raises(ValueError, match=r"gone\.txt cannot be read \(a link to missing: No such file or directory\)"):
        names(tree, "*.txt")
    (tree / "gone.txt").unlink()
    (tree / "self.txt").symlink_to("self.txt")
    with pytest.raises(ValueError, match=r"self\.txt cannot be read \(a link to self\.txt: Too many levels"):
        names(tree, "self.txt")


def test_bad_patterns_are_refused_by_what_is_there(tree):
    for pattern, message in {
        "none*": "matches no file",
        "none.txt": "does not exist",
        "none/x.txt": "does not exist",
        "x": r"is a folder: name the files, for example .*x/\*\*/\*\.txt",
        "?": "matches only folders: name the files",
    }.items():
        with pytest.raises(ValueError, match=message):
            names(tree, pattern)
    with pytest.raises(ValueError, match="is not a regular file"):
        find_files(os.devnull)
    with pytest.raises(ValueError, match=r"filter\.path is empty"):
        find_files([], key="filter.path")
