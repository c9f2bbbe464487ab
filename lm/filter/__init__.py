"""Filters: each takes a document and returns it, a changed copy, or the reason why it is dropped.

The published rules (Gopher, C4, FineWeb, Codex and StarCoder), cleaning, deduplication, decontamination, and filters of
your own data: word lists and a trained classifier.
"""

from lm.filter.boilerplate import Boilerplate
from lm.filter.c4 import C4Quality
from lm.filter.clean import Clean
from lm.filter.code import CodeQuality
from lm.filter.decontaminate import Decontaminate
from lm.filter.duplicates import Duplicates
from lm.filter.fineweb import FineWebQuality
from lm.filter.gopher_quality import GopherQuality
from lm.filter.gopher_repetition import GopherRepetition
from lm.filter.language import Language
from lm.filter.learned import LearnedQuality
from lm.filter.near_duplicates import NearDuplicates
from lm.filter.only import Only
from lm.filter.personal import Personal
from lm.filter.repeated_lines import RepeatedLines
from lm.filter.scored import ScoredPassages
from lm.filter.word_list import WordList
from lm.filter.word_scorer import WordScorer

__all__ = [
    "Boilerplate",
    "C4Quality",
    "Clean",
    "CodeQuality",
    "Decontaminate",
    "Duplicates",
    "FineWebQuality",
    "GopherQuality",
    "GopherRepetition",
    "Language",
    "LearnedQuality",
    "NearDuplicates",
    "Only",
    "Personal",
    "RepeatedLines",
    "ScoredPassages",
    "WordList",
    "WordScorer",
]
