"""Where documents come from: files, tables, web pages, code, the hub, Python itself.

A source yields `Document`s in a fixed order and hashes what it reads; `conf/corpus/` has one YAML per source.
"""

from lm.sources.aligned import Aligned, Editions, SentencePairs
from lm.sources.code_tree import CodeTree
from lm.sources.html import HtmlSource
from lm.sources.hugging_face import HuggingFaceSource
from lm.sources.jsonl import JsonlSource
from lm.sources.own_text import own_text
from lm.sources.pieces import Pieces
from lm.sources.planted_noise import PlantedNoise
from lm.sources.python import PythonSource
from lm.sources.selected import Selected
from lm.sources.table import TableSource
from lm.sources.text import TextSource
from lm.sources.with_canaries import WithCanaries

__all__ = [
    "Aligned",
    "CodeTree",
    "Editions",
    "HtmlSource",
    "HuggingFaceSource",
    "JsonlSource",
    "Pieces",
    "PlantedNoise",
    "PythonSource",
    "Selected",
    "SentencePairs",
    "TableSource",
    "TextSource",
    "WithCanaries",
    "own_text",
]
