"""From documents to token shards: documents, the held-out split, writing and reading.

`layout.py` draws a corpus directory, `split.py` decides what is held out, `Source` is the interface of lm.sources.
"""

from lm.corpus.canaries import Canaries, Canary
from lm.corpus.document import Document, Dropped, Source
from lm.corpus.occurrences import count_occurrences
from lm.corpus.openings import openings, read_openings
from lm.corpus.shards import Shards, TokenStream, recorded_tokens
from lm.corpus.split import Split, hash_fraction
from lm.corpus.survey import Survey, survey
from lm.corpus.writer import write_shards

__all__ = [
    "Canaries",
    "Canary",
    "Document",
    "Dropped",
    "Shards",
    "Source",
    "Split",
    "Survey",
    "TokenStream",
    "count_occurrences",
    "hash_fraction",
    "openings",
    "read_openings",
    "recorded_tokens",
    "survey",
    "write_shards",
]
