"""Text to token shards: sources of documents, what is held out, and memory-mapped streams of their tokens."""

from lm.corpus.aligned import Aligned, Editions, SentencePairs
from lm.corpus.code_tree import CodeTree
from lm.corpus.datatrove_executor import DatatroveExecutor, SlurmExecutor
from lm.corpus.document import Document, Dropped, Source
from lm.corpus.executor import Executor, LocalExecutor
from lm.corpus.fate import Batched, Fate, Filter, Reporting, Unique, follow
from lm.corpus.funnel import Funnel
from lm.corpus.html import HtmlSource
from lm.corpus.hugging_face import HuggingFaceSource
from lm.corpus.jsonl import JsonlSource
from lm.corpus.ledger import Ledger
from lm.corpus.looking import explain_fate, show_fates
from lm.corpus.python import PythonSource
from lm.corpus.shards import Shards, TokenStream, recorded_tokens
from lm.corpus.split import Split, rank
from lm.corpus.survey import Survey, survey
from lm.corpus.table import TableSource
from lm.corpus.text import TextSource
from lm.corpus.token_counts import count_tokens
from lm.corpus.writer import write_shards

__all__ = [
    "Aligned",
    "Batched",
    "CodeTree",
    "DatatroveExecutor",
    "Document",
    "Dropped",
    "Editions",
    "Executor",
    "Fate",
    "Filter",
    "Funnel",
    "HtmlSource",
    "HuggingFaceSource",
    "JsonlSource",
    "Ledger",
    "LocalExecutor",
    "PythonSource",
    "Reporting",
    "SentencePairs",
    "Shards",
    "SlurmExecutor",
    "Source",
    "Split",
    "Survey",
    "TableSource",
    "TextSource",
    "TokenStream",
    "Unique",
    "count_tokens",
    "explain_fate",
    "follow",
    "rank",
    "recorded_tokens",
    "show_fates",
    "survey",
    "write_shards",
]
