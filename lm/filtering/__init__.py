"""The engine that filters documents, on all cores or a cluster, and accounts for each of them.

The filters themselves are in `lm.filter`; sources of documents are in `lm.sources`.
"""

from lm.filtering.contract import Deduplicator, Filter, FilterLike, as_filter
from lm.filtering.executors import DatatroveExecutor, Executor, LocalExecutor, SlurmExecutor
from lm.filtering.filtered_source import FilteredSource
from lm.filtering.inspect import explain_trace, show_traces
from lm.filtering.ledger import Ledger, count_tokens
from lm.filtering.traces import DocumentTrace, trace_document

__all__ = [
    "DatatroveExecutor",
    "Deduplicator",
    "DocumentTrace",
    "Executor",
    "Filter",
    "FilterLike",
    "FilteredSource",
    "Ledger",
    "LocalExecutor",
    "SlurmExecutor",
    "as_filter",
    "count_tokens",
    "explain_trace",
    "show_traces",
    "trace_document",
]
