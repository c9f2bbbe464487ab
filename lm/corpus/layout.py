"""What lies in a corpus directory: names and types for its writer and its readers.

    outputs/corpus/NAME/
    ├── corpus.json                  index: tokenizer, counts, and per shard its size and hash; written last, so
    │                                a directory without it is not a corpus
    ├── tokenizer.json               the tokenizer that made the ids
    ├── train-code-00000.bin         token ids of one split and kind, uint16 if they fit, otherwise uint32
    ├── train-code-00000.npz         per document of that shard: number of tokens, number of bytes, id
    ├── train-code-00001.bin         the next shard of the same stream; a shard ends with a document
    ├── validation-code-00000.bin    held-out documents
    ├── …
    ├── funnel.json                  of a filtered corpus: documents, bytes and tokens by step and reason
    ├── found-STEP.jsonl             of a filter that reports: one line per match
    ├── .verified.json               by user and machine: what the last full check of the shards saw
    └── manifest.json, config.json   of the run that made it; a corpus can be read without them

A stream is the shards of one split and kind in order. Every document opens with end_of_document, and one more closes
the stream:

    | a a a | b b | c |              | end_of_document    a, b, c tokens of three documents

The targets of a document are therefore its tokens and the next end_of_document: every byte is predicted exactly once,
and a mask can separate the documents without losing a target. A published model may begin documents with a token of
its own, which is never predicted: readers put it in place of the end_of_document that opens each document.
"""

import numpy as np

VERSION = 1
SPLITS = ("train", "validation")
INDEX = "corpus.json"
TOKENIZER = "tokenizer.json"
VERIFIED = ".verified.json"


def shard_name(split: str, kind: str, number: int) -> str:
    """Name of a shard without its extension."""
    return f"{split}-{kind}-{number:05d}"


def dtype_for(vocab_size: int) -> np.dtype:
    """The smallest integer type that holds every id, little-endian on every machine."""
    return np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")
