"""Look at rows before training on them: what is supervised, where turns begin and stop.

On a terminal supervised tokens are green and special tokens, of which turns and their ends are made, reversed:
green where they are learned. Elsewhere, or where NO_COLOR asks for it (no-color.org), supervised runs stand in [[ ]].
What ends an answer ends a line, whoever's turn it ends, and padding is counted.
"""

import os
import sys
from itertools import groupby
from typing import TextIO

import numpy as np

from lm.data.batches import Row, RowSource
from lm.tokenizer import Tokenizer

SUPERVISED, SPECIAL, DIM, RESET = "\033[32m", "\033[7m", "\033[2m", "\033[0m"
PADDING = "<padding>"


def show_rows(source: RowSource, rows: int, tokenizer: Tokenizer, *, stream: TextIO | None = None) -> None:
    """Print some rows, evenly spaced."""
    stream = stream or sys.stdout
    colours = stream.isatty() and not os.environ.get("NO_COLOR")
    for index in np.linspace(0, len(source) - 1, min(rows, len(source))).round().astype(int):
        row = source.row(int(index))
        filled = len(row.tokens) if row.documents is None else int((row.documents >= 0).sum())
        head = f"row {index} of {len(source)}: {filled} of {len(row.tokens)} places filled, "
        stream.write(f"{head}{int(row.supervised.sum())} targets supervised\n")
        stream.write(picture(row, tokenizer, colours=colours) + "\n\n")


def picture(row: Row, tokenizer: Tokenizer, *, colours: bool) -> str:
    """A row as text, a document a paragraph, with what is supervised and what is no text marked."""
    documents = np.zeros(len(row.tokens), dtype=int) if row.documents is None else row.documents
    parts = []
    for document, places in groupby(range(len(row.tokens)), key=lambda place: documents[place]):
        places = list(places)
        if document < 0:
            parts.append(f"{DIM if colours else ''}{PADDING} × {len(places)}{RESET if colours else ''}")
            continue
        # A document's first token is nobody's target; each target is the token that the next place reads.
        tokens = [int(row.tokens[places[0]]), *row.targets[places].tolist()]
        supervised = [False, *row.supervised[places].tolist()]
        parts.append(_document(tokens, supervised, tokenizer, colours=colours))
    return "\n".join(parts)


def _document(tokens: list[int], supervised: list[bool], tokenizer: Tokenizer, *, colours: bool) -> str:
    names = {token: name for name, token in tokenizer.special_tokens.items()}
    names |= {token: f"<{role}>" for role, token in tokenizer.role_tokens.items()}
    names |= {
        tokenizer.end_of_document: "<document>",
        tokenizer.end_of_turn: "<end_of_turn>",
        tokenizer.padding: PADDING,
    }
    stops = {token for token, on in zip(tokens, supervised, strict=True) if on and token in names}
    text, line = "", []
    for place, (token, on) in enumerate(zip(tokens, supervised, strict=True), start=1):
        line.append((token, on))
        if place == len(tokens) or (token in stops and place > 1):
            text += _line(line, names, tokenizer, colours=colours)
            goes_on = place < len(tokens) and not tokenizer.decode(tokens[place : place + 1]).startswith("\n")
            text, line = text + ("\n" if goes_on else ""), []
    return text


def _line(tokens: list[tuple[int, bool]], names: dict[int, str], tokenizer: Tokenizer, *, colours: bool) -> str:
    text = []
    for chosen, run in groupby(tokens, key=lambda pair: pair[1]):
        shown = []
        for special, part in groupby((token for token, _ in run), key=lambda token: token in names):
            ids = [*part]
            words = "".join(names[token] for token in ids) if special else tokenizer.decode(ids)
            style = (SUPERVISED if chosen else "" if special else DIM) + (SPECIAL if special else "")
            shown.append(f"{style}{words}{RESET}" if colours else words)
        text.append(f"[[{''.join(shown)}]]" if chosen and not colours else "".join(shown))
    return "".join(text)
