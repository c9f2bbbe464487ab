"""The engine that runs filters over documents, on all cores or on a cluster, and accounts for each document."""

from lm.filtering.datatrove_executor import DatatroveExecutor, SlurmExecutor
from lm.filtering.executor import Executor, LocalExecutor
from lm.filtering.filtered_source import FilteredSource
from lm.filtering.inspect import explain_trace, show_traces
from lm.filtering.ledger import Ledger
from lm.filtering.token_counts import count_tokens
from lm.filtering.traces import Batched, Deduplicator, DocumentTrace, Filter, Reporting, follow

__all__ = [
    "Batched",
    "DatatroveExecutor",
    "Deduplicator",
    "DocumentTrace",
    "Executor",
    "Filter",
    "FilteredSource",
    "Ledger",
    "LocalExecutor",
    "Reporting",
    "SlurmExecutor",
    "count_tokens",
    "explain_trace",
    "follow",
    "show_traces",
]
