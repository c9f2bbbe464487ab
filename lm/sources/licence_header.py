"""Remove the licence at the head of a source file: the same text in ten thousand files.

Only the first comment is considered, and only if it begins with the language's own comment sign: `#include` is no
comment in C. A licence in a docstring, or in a second comment, stays.
"""

import re

HASH = ("#",)
SLASHES = ("//", "/*")
# What begins a comment, by file extension: a sign that holds to the end of the line, or one of PAIRS.
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
# Lines that must stay first: the interpreter, the encoding, the opening of PHP or HTML.
FIRST = re.compile(r"(?:#!.*\n|#.*coding[:=].*\n|<\?php\b[ \t]*\n?|<!doctype.*\n)*\s*", re.IGNORECASE)


def cut_licence(text: str, *, extension: str) -> str:
    """Return the text without its first comment if that is a licence; lines that must stay first stay."""
    start = FIRST.match(text).end()
    end = _comment_end(text, start, COMMENTS.get(extension, ()))
    if end == start or not WORDS.search(text, start, end):
        return text
    return text[:start] + text[end:].lstrip("\r\n")


def _comment_end(text: str, start: int, signs: tuple[str, ...]) -> int:
    """End of the comment that begins at `start`; `start` if none begins there."""
    for sign in signs:
        if sign in PAIRS and text.startswith(sign, start):
            end = text.find(PAIRS[sign], start + len(sign))
            return start if end < 0 else end + len(PAIRS[sign])
        if sign not in PAIRS and text.startswith(sign, start):
            lines = re.compile(rf"(?:[ \t]*{re.escape(sign)}.*(?:\n|\Z))+")
            return lines.match(text, start).end()
    return start
