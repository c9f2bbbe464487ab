"""Look at rows before training on them: what is supervised, where turns begin and stop.

On a terminal supervised tokens are green and special tokens reversed; elsewhere supervised runs stand in [[
]].
"""

import sys
from itertools import groupby
from typing import TextIO

import numpy as np

from lm.data.batches import Row, RowSource
from lm.tokenizer import Tokenizer

SUPERVISED, SPECIAL, DIM, RESET = "\033[32m", "\033[7m", "\033[2m", "\033[0m"


def show_rows(source: RowSource, rows: int, tokenizer: Tokenizer, *, stream: TextIO | None = None) -> None:
    """Print some rows, evenly spaced."""
    stream = stream or sys.stdout
    for index in np.linspace(0, len(source) - 1, min(rows, len(source))).round().astype(int):
        row = source.row(int(index))
        filled = len(row.tokens) if row.documents is None else int((row.documents >= 0).sum())
        head = f"row {index} of {len(source)}: {filled} of {len(row.tokens)} places filled, "
        stream.write(f"{head}{int(row.supervised.sum())} targets supervised\n")
        stream.write(picture(row, tokenizer, colours=stream.isatty()) + "\n\n")


def picture(row: Row, tokenizer: Tokenizer, *, colours: bool) -> str:
    """A row as text, a document a paragraph, with what is supervised and what is no text marked."""
    documents = np.zeros(len(row.tokens), dtype=int) if row.documents is None else row.documents
    parts = []
    for document, places in groupby(range(len(row.tokens)), key=lambda place: documents[place]):
        if document < 0:
            continue
        places = list(places)
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
        tokenizer.padding: "<padding>",
    }
    text = []
    for chosen, run in groupby(zip(tokens, supervised, strict=True), key=lambda pair: pair[1]):
        shown = []
        for special, part in groupby((token for token, _ in run), key=lambda token: token in names):
            if special:
                shown += [f"{SPECIAL}{names[token]}{RESET}" if colours else names[token] for token in part]
            else:
                words = tokenizer.decode(part)
                shown.append(f"{SUPERVISED if chosen else DIM}{words}{RESET}" if colours else words)
        marked = chosen and not colours
        text.append(f"[[{''.join(shown)}]]" if marked else "".join(shown))
    return "".join(text)
