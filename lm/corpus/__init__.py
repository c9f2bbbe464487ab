"""Text to token shards: sources of documents, what is held out, and memory-mapped streams of their tokens."""

from lm.corpus.document import Document, Dropped, Source
from lm.corpus.shards import Shards, TokenStream, recorded_tokens
from lm.corpus.split import Split, rank
from lm.corpus.survey import Survey, survey
from lm.corpus.writer import write_shards

__all__ = [
    "Document",
    "Dropped",
    "Shards",
    "Source",
    "Split",
    "Survey",
    "TokenStream",
    "rank",
    "recorded_tokens",
    "survey",
    "write_shards",
]
