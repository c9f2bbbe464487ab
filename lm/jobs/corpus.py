"""Turn a source of documents into token shards."""

import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from lm.bounds import Natural
from lm.corpus import Shards, Source, Split, survey, write_shards
from lm.corpus.layout import SPLITS
from lm.directory import Run
from lm.files import write_atomically
from lm.filtering import FilteredSource, count_tokens, explain_trace, show_traces
from lm.progress import Console, track
from lm.tokenizer import Tokenizer


def prepare_corpus(
    run: Run,
    corpus: Source,
    tokenizer: Callable[..., Tokenizer],
    split: Split,
    shard_tokens: int = 100_000_000,
    show: Natural = 0,
    explain: str | None = None,
) -> None:
    """Tokenize every document of a source into memory-mapped shards, with held-out documents in shards of their own.

    Args:
        run: The named run; its directory becomes the corpus.
        corpus: Where the documents come from.
        tokenizer: Loads the tokenizer that turns them into ids.
        split: Decides which documents are held out for validation.
        shard_tokens: Tokens per shard; a shard ends with the document that brings it to this size. 100 million tokens
            are 200 MB with a vocabulary up to 65,536.
        show: Number of documents to print for each outcome of the filters; above 0 nothing is written. For a corpus
            with filters.
        explain: Id of a document to trace through the filters; nothing is written. For a corpus with filters.
    """
    if show or explain is not None:
        if not isinstance(corpus, FilteredSource):
            raise ValueError("show and explain print what filters do, and this corpus has none: try corpus=funnel")
        if show:
            show_traces(corpus, show)
        if explain is not None:
            explain_trace(corpus, explain)
        return
    tokenizer, console = tokenizer(), run.console
    if run.finished({"corpus": corpus.fingerprint(), "tokenizer": tokenizer.fingerprint}):
        console.line(f"nothing to do: {run.directory} is complete")
        return
    started = perf_counter()
    totals, split = survey(corpus, split)
    documents = track(corpus, label="corpus", unit="documents", total=totals.total_documents)
    outputs = write_shards(documents, run.directory, tokenizer=tokenizer, split=split, shard_tokens=shard_tokens)
    seconds = perf_counter() - started
    shards = {name: Shards(run.directory, name) for name in SPLITS}
    counts = {name: part.counts for name, part in shards.items()}
    if isinstance(corpus, FilteredSource):
        outputs += _write_account(corpus, run.directory, tokenizer, split, counts, console)
    notes = list(corpus.notes)
    if lost := sum(part.lost for part in shards.values()):
        notes.append(f"decoding does not restore {lost / totals.total_bytes:.2%} of the bytes")
    run.finish(outputs=outputs, result={**counts, "notes": notes, "seconds": seconds})
    sizes = "; ".join(
        f"{name} " + ", ".join(_size(kind, numbers) for kind, numbers in kinds.items())
        for name, kinds in counts.items()
        if kinds
    )
    remarks = f" ({'; '.join(notes)})" if notes else ""
    console.line(f"{sizes} in {seconds:.1f} s by {tokenizer.engine}{remarks} → {run.directory}")


def _write_account(
    corpus: FilteredSource, directory: Path, tokenizer: Tokenizer, split: Split, counts: dict, console: Console
) -> list[Path]:
    """Write and print the documents, bytes and tokens of every filter step, and the matches that filters report."""
    ledger = corpus.ledger
    count_tokens(ledger, corpus.traces(), directory, tokenizer=tokenizer, split=split)
    funnel = directory / "funnel.json"
    write_atomically(funnel, json.dumps({"steps": ledger.steps, "shards": counts}, indent=1, ensure_ascii=False))
    if corpus.filters:
        console.block("\n".join([ledger.table(), *corpus.describe()]))
    files = [funnel]
    for name, records in corpus.account["reports"].items():
        files.append(directory / f"found-{name}.jsonl")
        write_atomically(files[-1], "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records))
        console.line(f"{name}: {len(records)} matches → {files[-1]}")
    return files


def _size(kind: str, counts: dict[str, int]) -> str:
    return f"{kind} {counts['documents']} documents {_short(counts['tokens'])} tokens {counts['bytes'] / 1e6:.2f} MB"


def _short(count: int) -> str:
    return f"{count / 1e6:.2f} M" if count >= 1e6 else f"{count / 1e3:.0f} k" if count >= 1e4 else str(count)
