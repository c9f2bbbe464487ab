"""A code tree yields the source files that somebody wrote, and nothing else."""

import os
from pathlib import Path
from shutil import which
from subprocess import run

import pytest

from lm.corpus import Document
from lm.sources import CodeTree
from lm.sources.licence_header import cut_licence


def plant(folder: Path, **files: str | bytes) -> str:
    """Files by name, in which __ stands for a slash and DOT for a dot."""
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("DOT", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(folder)


def names(folder: str, **options: object) -> list[str]:
    return [document.id for document in CodeTree(folder, **options)]


def test_documents_are_named_by_path_and_sorted_by_it(tmp_path):
    path = plant(
        tmp_path, zDOTpy="z\n", a__bDOTrs="b\r\n", aDOTpy=b"\xef\xbb\xbfa\n", Makefile="all:\n", dataDOTjson="{}"
    )
    assert list(CodeTree(path)) == [
        Document("all:\n", "Makefile", "code", source=path),
        Document("a\n", "a.py", "code", source=path),
        Document("b\n", "a/b.rs", "code", source=path),
        Document("z\n", "z.py", "code", source=path),
    ]
    assert names(path, extensions=[".json", "Makefile"]) == ["Makefile", "data.json"]


def test_the_nearest_gitignore_decides(tmp_path):
    path = plant(
        tmp_path,
        DOTgitignore="build/\n*.gen.py\n/only_here.py\n# a comment\nsecret*\n!secret_not.py\n",
        aDOTpy="1",
        a__build__bDOTpy="1",
        build__keepDOTpy="1",
        build__DOTgitignore="!keep.py\n",
        xDOTgenDOTpy="1",
        only_hereDOTpy="1",
        sub__only_hereDOTpy="1",
        secretDOTpy="1",
        secret_notDOTpy="1",
        sub__DOTgitignore="!special.gen.py\nlocal.py\n",
        sub__specialDOTgenDOTpy="1",
        sub__deep__localDOTpy="1",
        localDOTpy="1",
    )
    assert names(path) == ["a.py", "local.py", "secret_not.py", "sub/only_here.py", "sub/special.gen.py"]
    if which("git"):
        run(["git", "init", "-q", path], check=True)
        command = ["git", "-C", path, "ls-files", "-o", "--exclude-per-directory=.gitignore", "*.py"]
        assert sorted(run(command, check=True, capture_output=True, text=True).stdout.split()) == names(path)


def test_version_control_packages_binaries_and_large_files_are_skipped_and_counted(tmp_path):
    path = plant(
        tmp_path,
        aDOTpy="print()\n",
        DOTgit__hooks__xDOTpy="1",
        node_modules__m__iDOTjs="1",
        binaryDOTpy=b"a\0b",
        emptyDOTpy=" \n",
        largeDOTpy="x" * 101,
        latinDOTpy=b"gr\xfcn",
    )
    source = CodeTree(path, max_file_bytes=100)
    assert [(d.id, d.text) for d in source] == [("a.py", "print()\n"), ("latin.py", "gr\ufffdn")]
    assert source.notes == (
        f"1 binary file was skipped, the first: {path}/binary.py is binary data, not text",
        "1 file over 100 bytes was skipped",
        "1 file without text was skipped",
        f"1 invalid UTF-8 byte sequence was replaced by �, the first: {path}/latin.py",
    )


def test_sources_in_utf16_and_in_a_named_encoding_are_read(tmp_path):
    path = plant(tmp_path, aDOTpy="x = 'é'\r\n".encode("utf-16"), bDOTpy="y = 'é'\n".encode("utf-16-le"))
    assert [d.text for d in CodeTree(path)] == ["x = 'é'\n", "y = 'é'\n"]
    path = plant(tmp_path / "old", aDOTpy=b"x = '\xe9'\rz\r")
    assert [d.text for d in CodeTree(path, encoding="latin-1")] == ["x = 'é'\nz\n"]
    assert CodeTree(path, encoding="latin-1").fingerprint() != CodeTree(path).fingerprint()


def test_a_file_with_some_nul_bytes_is_still_binary(tmp_path):
    path = plant(tmp_path, aDOTpy=b"x" * 1000 + b"\0", bDOTpy="1")
    source = CodeTree(path)
    assert [d.id for d in source] == ["b.py"]
    assert source.notes == (f"1 binary file was skipped, the first: {path}/a.py has NUL bytes",)


def test_a_folder_that_cannot_be_read_is_refused_by_name(tmp_path, monkeypatch):
    path, scan = plant(tmp_path, aDOTpy="1", sub__bDOTpy="1"), os.scandir

    def closed(folder):
        if str(folder).endswith("sub"):
            raise PermissionError(13, "Permission denied", str(folder))
        return scan(folder)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(ValueError, match=r"corpus\.path .*/sub cannot be read \(Permission denied\): get access"):
        CodeTree(path)


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need rights on Windows")
def test_symbolic_links_are_not_followed(tmp_path):
    outside = plant(tmp_path / "outside", secretDOTpy="1")
    path = plant(tmp_path / "tree", aDOTpy="1", sub__bDOTpy="1")
    (tmp_path / "tree" / "out").symlink_to(outside)
    (tmp_path / "tree" / "loop").symlink_to(path)
    (tmp_path / "tree" / "c.py").symlink_to(Path(outside) / "secret.py")
    assert names(path) == ["a.py", "sub/b.py"]


def test_the_fingerprint_is_of_names_content_and_options(tmp_path):
    one = plant(tmp_path / "one", aDOTpy="1", ignoredDOTtxt="1")
    two = plant(tmp_path / "two", aDOTpy="1", ignoredDOTtxt="2")
    assert CodeTree(one).fingerprint() == CodeTree(two).fingerprint()
    assert CodeTree(one).fingerprint() != CodeTree(one, licence_headers="cut").fingerprint()
    plant(tmp_path / "two", aDOTpy="2")
    assert CodeTree(one).fingerprint() != CodeTree(two).fingerprint()


@pytest.mark.parametrize(
    ("extension", "text", "left"),
    [
        (".py", "# Copyright 2020 Me\n# SPDX-License-Identifier: MIT\n\nx = 1\n", "x = 1\n"),
        (".py", "#!/bin/python\n# coding: utf-8\n# (c) 2020\nx\n", "#!/bin/python\n# coding: utf-8\nx\n"),
        (".py", "#!/bin/python\n# Licensed under the X\nx = 1\n", "#!/bin/python\nx = 1\n"),
        (".py", "# What this is for.\nx = 1\n", None),
        (".py", "# What this is for.\n\n# Copyright\nx = 1\n", None),
        (".py", '"""Copyright."""\n', None),
        (".c", "/* Copyright\n * (c) 2020 */\n\n#include <x>\n", "#include <x>\n"),
        (".c", "#include <licence.h>\n", None),
        (".c", "/* Copyright, and never closed\n", None),
        (".rs", "// Licence: see LICENSE\n//\n// more\nfn main() {}\n", "fn main() {}\n"),
        (".rs", '#[doc = "licence"]\nfn main() {}\n', None),
        (".php", "<?php\n/** @license MIT */\necho 1;\n", "<?php\necho 1;\n"),
        (".hs", "{- Copyright -}\nmain = x\n", "main = x\n"),
        (".html", "<!doctype html>\n<!-- Copyright -->\n<p>\n", "<!doctype html>\n<p>\n"),
        (".sql", "-- All rights reserved\nselect 1\n", "select 1\n"),
        (".unknown", "# Licence\n", None),
    ],
)
def test_a_licence_is_cut_where_it_is_the_first_comment(extension, text, left):
    assert cut_licence(text, extension=extension) == (text if left is None else left)


def test_licences_stay_by_default(tmp_path):
    path = plant(tmp_path, aDOTpy="# Copyright\nx\n", bDOTpy="# Copyright\n")
    assert [d.text for d in CodeTree(path)] == ["# Copyright\nx\n", "# Copyright\n"]
    assert [d.text for d in CodeTree(path, licence_headers="cut")] == ["x\n"]


def test_bad_inputs_are_refused_by_name(tmp_path):
    path = plant(tmp_path, aDOTpy="1")
    with pytest.raises(ValueError, match=r"corpus\.path .*none does not exist .*: name a folder"):
        CodeTree(str(tmp_path / "none"))
    with pytest.raises(ValueError, match=r"corpus\.path .*a\.py is a file .*: name a folder"):
        CodeTree(str(tmp_path / "a.py"))
    with pytest.raises(ValueError, match=r"corpus\.extensions is empty"):
        CodeTree(path, extensions=[])
    with pytest.raises(ValueError, match=r"corpus\.max_file_bytes 0 is below 1"):
        CodeTree(path, max_file_bytes=0)
    with pytest.raises(ValueError, match=r"no file with one of corpus\.extensions \(py, …\).*begin with a dot"):
        list(CodeTree(path, extensions=["py"]))
