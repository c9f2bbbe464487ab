"""What becomes of a document before it is learned from: each a callable that gives it back, changed or not, or says why
it is dropped."""

from lm.filter.c4 import C4Quality
from lm.filter.code import CodeQuality
from lm.filter.duplicates import Duplicates
from lm.filter.fineweb import FineWebQuality
from lm.filter.gopher_quality import GopherQuality
from lm.filter.gopher_repetition import GopherRepetition
from lm.filter.near_duplicates import NearDuplicates
from lm.filter.only import Only

__all__ = [
    "C4Quality",
    "CodeQuality",
    "Duplicates",
    "FineWebQuality",
    "GopherQuality",
    "GopherRepetition",
    "NearDuplicates",
    "Only",
]
