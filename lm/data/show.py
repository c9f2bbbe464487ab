"""Print rows before training on them: what is supervised, and where turns start and end.

On a terminal, supervised tokens are green and special tokens reversed. Elsewhere, or if NO_COLOR is set (no-color.org),
supervised runs stand in [[ ]]. A token that ends an answer ends a line wherever it occurs, and padding is counted.
"""

import os
import sys
from collections.abc import Iterator
from itertools import groupby, takewhile
from typing import NamedTuple, TextIO

import numpy as np

from lm.data.row_source import Row, RowSource
from lm.tokenizer import Tokenizer

SUPERVISED, SPECIAL, DIM, RESET = "\033[32m", "\033[7m", "\033[2m", "\033[0m"
PADDING = "<padding>"


def show_rows(source: RowSource, rows: int, tokenizer: Tokenizer, *, stream: TextIO | None = None) -> None:
    """Print `rows` rows of a source, evenly spaced."""
    stream = stream or sys.stdout
    colours = stream.isatty() and not os.environ.get("NO_COLOR")
    for index in np.linspace(0, len(source) - 1, min(rows, len(source))).round().astype(int):
        row = source.row(int(index))
        filled = len(row.tokens) if row.documents is None else int((row.documents >= 0).sum())
        head = f"row {index} of {len(source)}: {filled} of {len(row.tokens)} positions filled, "
        stream.write(f"{head}{int(row.supervised.sum())} targets supervised\n")
        stream.write(picture(row, tokenizer, colours=colours) + "\n\n")


def picture(row: Row, tokenizer: Tokenizer, *, colours: bool) -> str:
    """Return a row as text, one paragraph per document, with supervised and special tokens marked.

    What the sides of a pair begin with is written once.
    """
    documents = np.zeros(len(row.tokens), dtype=int) if row.documents is None else row.documents
    parts, texts = [], []
    for document, positions in groupby(range(len(row.tokens)), key=lambda position: documents[position]):
        positions = list(positions)
        if document < 0:
            parts.append(f"{DIM if colours else ''}{PADDING} × {len(positions)}{RESET if colours else ''}")
            continue
        # The first token of a document is no target; each target is the input of the next position.
        tokens = [int(row.tokens[positions[0]]), *row.targets[positions].tolist()]
        texts.append(_Text(tokens, [False, *row.supervised[positions].tolist()], row.heading(int(document))))
        if len(texts) == row.sides:
            parts += _sides(texts, tokenizer, colours=colours)
            texts = []
    return "\n".join(parts)


class _Text(NamedTuple):
    """The tokens of a document, which of them are supervised, and what stands before it."""

    tokens: list[int]
    supervised: list[bool]
    heading: str


def _sides(texts: list[_Text], tokenizer: Tokenizer, *, colours: bool) -> Iterator[str]:
    """What several texts begin with, then the rest of each under its heading; or the one text."""
    shared = _shared(texts) if len(texts) > 1 else 0
    ends = {token for text in texts for token, on in zip(text.tokens, text.supervised, strict=True) if on}

    def written(text: _Text, part: slice) -> str:
        return _document(text.tokens[part], text.supervised[part], tokenizer, ends=ends, colours=colours)

    if shared:
        yield written(texts[0], slice(shared))
    for each in texts:
        text, heading = written(each, slice(shared, None)), each.heading
        yield f"{heading}: {text}" if heading else text


def _shared(texts: list[_Text]) -> int:
    """Tokens that all texts begin with, before any is supervised."""
    positions = zip(*(zip(text.tokens, text.supervised, strict=True) for text in texts), strict=False)
    same = takewhile(lambda here: len(set(here)) == 1 and not here[0][1], positions)
    return sum(1 for _ in same)


def _document(tokens: list[int], supervised: list[bool], tokenizer: Tokenizer, *, ends: set[int], colours: bool) -> str:
    names = {token: name for name, token in tokenizer.special_tokens.items()}
    names |= {token: f"<{role}>" for role, token in tokenizer.role_tokens.items()}
    names |= {
        tokenizer.padding: PADDING,  # a published model may pad with its end of document
        tokenizer.end_of_document: "<document>",
        tokenizer.end_of_turn: "<end_of_turn>",
    }
    stops = ends & names.keys()
    text, line = "", []
    for position, (token, on) in enumerate(zip(tokens, supervised, strict=True), start=1):
        line.append((token, on))
        if position == len(tokens) or (token in stops and position > 1):
            text += _line(line, names, tokenizer, colours=colours)
            breaks = tokenizer.decode(tokens[position : position + 1]).startswith("\n")
            continues = position < len(tokens) and not breaks
            text, line = text + ("\n" if continues else ""), []
    return text


def _line(tokens: list[tuple[int, bool]], names: dict[int, str], tokenizer: Tokenizer, *, colours: bool) -> str:
    text = []
    for chosen, run in groupby(tokens, key=lambda pair: pair[1]):
        parts = []
        for special, part in groupby((token for token, _ in run), key=lambda token: token in names):
            ids = [*part]
            words = "".join(names[token] for token in ids) if special else tokenizer.decode(ids)
            style = (SUPERVISED if chosen else "" if special else DIM) + (SPECIAL if special else "")
            parts.append(f"{style}{words}{RESET}" if colours else words)
        text.append(f"[[{''.join(parts)}]]" if chosen and not colours else "".join(parts))
    return "".join(text)
