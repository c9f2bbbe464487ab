"""The licence at the head of a source file, which says the same in ten thousand files and teaches little else.

Only the first comment is looked at, and only where the language's own marks begin it: `#include` begins no
comment. A licence in a docstring, or in a second comment, stays.
"""

import re

HASH = ("#",)
SLASHES = ("//", "/*")
# What begins a comment, by the ending of the file: a mark that holds for a line, or one of PAIRS.
COMMENTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".cu", ".cuh", ".m", ".mm"), SLASHES),
    **dict.fromkeys((".java", ".kt", ".scala", ".groovy", ".cs", ".fs", ".swift", ".dart", ".go", ".rs"), SLASHES),
    **dict.fromkeys((".js", ".jsx", ".mjs", ".ts", ".tsx", ".css", ".scss", ".proto", ".zig", ".sol"), SLASHES),
    **dict.fromkeys((".py", ".pyi", ".rb", ".pl", ".pm", ".r", ".jl", ".sh", ".bash", ".zsh", ".nim"), HASH),
    **dict.fromkeys((".ex", ".exs", ".cmake", ".tcl", "Makefile", "Dockerfile", "CMakeLists.txt"), HASH),
    **dict.fromkeys((".html", ".vue", ".svelte"), ("<!--",)),
    **dict.fromkeys((".hs", ".elm"), ("--", "{-")),
    **dict.fromkeys((".lisp", ".clj", ".scm", ".rkt", ".el", ".asm", ".s"), (";",)),
    **dict.fromkeys((".f90", ".f95", ".f03"), ("!",)),
    **dict.fromkeys((".ml", ".mli"), ("(*",)),
    ".php": ("//", "/*", "#"),
    ".erl": ("%",),
    ".lua": ("--",),
    ".sql": ("--", "/*"),
    ".ps1": ("#", "<#"),
}
PAIRS = {"/*": "*/", "<!--": "-->", "{-": "-}", "(*": "*)", "<#": "#>"}
WORDS = re.compile(r"copyright|©|\(c\) *\d|licen[cs]e|SPDX-|all rights reserved", re.IGNORECASE)
# Lines that have to stay first: how to run it, how it is encoded, that it is PHP or HTML.
FIRST = re.compile(r"(?:#!.*\n|#.*coding[:=].*\n|<\?php\b[ \t]*\n?|<!doctype.*\n)*\s*", re.IGNORECASE)


def cut_licence(text: str, *, ending: str) -> str:
    """The text without its first comment, if that holds the words of a licence; what has to stand first stays."""
    start = FIRST.match(text).end()
    end = _comment_end(text, start, COMMENTS.get(ending, ()))
    if end == start or not WORDS.search(text, start, end):
        return text
    return text[:start] + text[end:].lstrip("\r\n")


def _comment_end(text: str, start: int, marks: tuple[str, ...]) -> int:
    """Where the comment that begins at `start` ends; `start` where none begins there."""
    for mark in marks:
        if mark in PAIRS and text.startswith(mark, start):
            end = text.find(PAIRS[mark], start + len(mark))
            return start if end < 0 else end + len(PAIRS[mark])
        if mark not in PAIRS and text.startswith(mark, start):
            lines = re.compile(rf"(?:[ \t]*{re.escape(mark)}.*(?:\n|\Z))+")
            return lines.match(text, start).end()
    return start
