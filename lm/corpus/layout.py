"""What lies in a corpus directory: the one thing that its writer and its reader must agree on.

    corpus.json                        what is there; written last, so without it there is no corpus
    tokenizer.json                     what turned the text into these numbers
    <split>-<kind>-00000.bin           token ids, uint16 where they fit, else uint32
    <split>-<kind>-00000.npz           of each document in it: tokens, bytes, id

A stream, the files of one split and kind in their order, opens every document with end_of_document and closes
with one more: `| a a a | b b | c |`. So a document's targets are its tokens and the next end_of_document,
every byte is predicted exactly once, and a mask can part the documents without losing a target.
"""

import numpy as np

VERSION = 1
SPLITS = ("train", "validation")
INDEX = "corpus.json"
TOKENIZER = "tokenizer.json"


def shard_name(split: str, kind: str, number: int) -> str:
    """Name of a shard without its ending."""
    return f"{split}-{kind}-{number:05d}"


def dtype_for(vocab_size: int) -> np.dtype:
    """The smallest type that holds every id; little-endian on every machine."""
    return np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")
