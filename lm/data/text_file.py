"""Rows from one text file whose end is held out, tokenized when a run starts: no corpus is needed."""

import numpy as np

from lm.bounds import BelowOne, Natural, Positive
from lm.corpus.openings import first_words
from lm.data.mixing import Mixing
from lm.data.module import TrainingData
from lm.data.packing import cut
from lm.data.row_source import Documents, PackedRows, evenly_spaced
from lm.data.rows import Rows
from lm.sources import TextSource
from lm.tokenizer import Tokenizer

KIND = "text"
OPENINGS = 4  # held-out lines that samples begin with
SEARCHED = 2**16  # characters of the held-out part in which they are looked for


class TextDocument(Documents):
    """One text, each of whose tokens is predicted once; the first follows `beginning`.

    Args:
        tokens: Tokens of the text.
        beginning: Token in front of it.
        named: Name of the text.
    """

    def __init__(self, tokens: np.ndarray, *, beginning: int, named: str):
        self.tokens, self.named = np.concatenate([[beginning], tokens]).astype(np.int64), named

    def read(self, document: int, start: int, length: int) -> tuple[np.ndarray, bool]:
        return self.tokens[start : start + length + 1], True

    def name(self, document: int) -> str:
        return self.named


class TextFileData(TrainingData):
    """Rows cut from one text file, of which the last part is held out.

    For experiments on one small text, such as the characters of tinyshakespeare: the file is read and tokenized at each
    start, in memory. Use a corpus for anything larger, or for several documents. Validation predicts every character of
    the held-out part once, in rows side by side: each token sees what precedes it in its row.

    Args:
        path: A text file; a compressed one is unpacked. It is one document.
        share: Share of the characters that is held out, at the end. 0.1 is nanoGPT's: the first int(0.9 × characters)
            are trained on.
        validation_rows: Held-out rows measured while training, evenly spaced; null for all.
        max_epochs: The run is refused where the budget reads the text more often; null for no limit.
        workers: Processes that read rows ahead of training, per rank; 0 reads them in the training process.
    """

    def __init__(
        self,
        path: str,
        *,
        share: BelowOne = 0.1,
        validation_rows: Natural | None = None,
        max_epochs: Positive | None = None,
        workers: Natural = 0,
    ):
        super().__init__(workers=workers)
        self.source = TextSource(path, kind=KIND, bad_files=0)
        self.path, self.share, self.validation_rows = path, share, validation_rows
        self.mixing = Mixing(None, max_epochs, "refuse")

    def open(self, *, tokenizer: Tokenizer, context: int) -> Rows:
        documents = [*self.source]
        if len(documents) != 1:
            raise ValueError(
                f"data.path={self.path} names {len(documents)} texts: give one file, or make a corpus of them"
            )
        text = documents[0].text
        trained = int((1 - self.share) * len(text))
        training, held_out = text[:trained], text[trained:]
        if not training:
            raise ValueError(
                f"data.share={self.share} of the {len(text)} characters of {self.path} leaves none to train on: set "
                "less, or give a longer text"
            )
        rows = {part: self._rows(part, tokenizer, context) for part in (training, held_out) if part}
        tokens = sum(int(each.counts.sum()) for each in rows.values())
        note = f"{self.path}: {len(text):,} characters, {len(held_out):,} of them held out"
        if tokens != len(text):
            note += f"; they are {tokens:,} tokens, and losses are per token"
        lines = held_out[:SEARCHED].splitlines()[1:]
        return Rows(
            sources={KIND: rows[training]},
            tokenizer=tokenizer,
            validation=evenly_spaced(rows[held_out], self.validation_rows) if held_out else None,
            kinds=[KIND],
            separate_documents=False,
            mixing=self.mixing,
            prompts=[*dict.fromkeys(filter(None, map(first_words, lines)))][:OPENINGS],
            notes=[*self.source.notes, note],
        )

    def fingerprint(self) -> str:
        return self.source.fingerprint()

    def _rows(self, text: str, tokenizer: Tokenizer, context: int) -> PackedRows:
        tokens = tokenizer.encode_batch([text])[0]
        return PackedRows(
            TextDocument(tokens, beginning=tokenizer.beginning, named=self.path),
            cut(np.array([len(tokens)]), context),
            padding=tokenizer.padding,
            separate_documents=False,
            kinds=np.zeros(1, dtype=np.int64),
            token_bytes=tokenizer.token_bytes,
        )
