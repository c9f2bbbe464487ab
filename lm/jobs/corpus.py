"""Turn a source of documents into token shards."""

import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from lm.bounds import Natural
from lm.corpus import Shards, Source, Split, survey, write_shards
from lm.files import write_atomically
from lm.filtering import FilteredSource, count_tokens, explain_trace, show_traces
from lm.progress import track
from lm.run import Run
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
    """Tokenize every document of a source into memory-mapped shards, training and held-out apart.

    For a filtered corpus, `show` prints that many documents of each outcome, and `explain` traces the document with
    that id; both write nothing.
    """
    if show or explain is not None:
        if not isinstance(corpus, FilteredSource):
            raise ValueError("show and explain are for what filters do: corpus=funnel has them")
        if show:
            show_traces(corpus, show)
        if explain is not None:
            explain_trace(corpus, explain)
        return
    tokenizer = tokenizer()
    if run.finished({"corpus": corpus.fingerprint(), "tokenizer": tokenizer.fingerprint}):
        print(f"corpus      nothing to do: {run.directory} is complete")
        return
    began = perf_counter()
    found, split = survey(corpus, split)
    documents = track(corpus, label="corpus", unit="document", total=found.total_documents)
    outputs = write_shards(documents, run.directory, tokenizer=tokenizer, split=split, shard_tokens=shard_tokens)
    seconds = perf_counter() - began
    written = {name: Shards(run.directory, name) for name in ("train", "validation")}
    counts = {name: shards.counts for name, shards in written.items()}
    if isinstance(corpus, FilteredSource):
        outputs = [*outputs, *_account(corpus, run.directory, tokenizer, split, counts)]
    told_of = list(corpus.notes)
    if lost := sum(shards.lost for shards in written.values()):
        told_of.append(f"{lost / found.total_bytes:.2%} of the bytes do not come back from this tokenizer")
    run.finish(outputs=outputs, result={**counts, "notes": told_of, "seconds": seconds})
    told = "; ".join(
        f"{name} " + ", ".join(_in_words(kind, numbers) for kind, numbers in kinds.items())
        for name, kinds in counts.items()
        if kinds
    )
    notes = f" ({'; '.join(told_of)})" if told_of else ""
    print(f"corpus      {told} in {seconds:.1f} s by {tokenizer.engine}{notes} → {run.directory}")


def _account(corpus: FilteredSource, directory: Path, tokenizer: Tokenizer, split: Split, counts: dict) -> list[Path]:
    """Write and print what became of the documents of a funnel, and what its filters found in them."""
    ledger = corpus.ledger
    count_tokens(ledger, corpus.traces(), directory, tokenizer=tokenizer, split=split)
    funnel = directory / "funnel.json"
    write_atomically(funnel, json.dumps({"steps": ledger.steps, "shards": counts}, indent=1, ensure_ascii=False))
    if corpus.filters:
        print("\n".join([ledger.table(), *corpus.told]))
    written = [funnel]
    for name, records in corpus.account["reports"].items():
        written.append(directory / f"found-{name}.jsonl")
        write_atomically(written[-1], "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in records))
        print(f"{name}: {len(records)} records of what was found where → {written[-1]}")
    return written


def _in_words(kind: str, counts: dict[str, int]) -> str:
    return f"{kind} {counts['documents']} documents {_short(counts['tokens'])} tokens {counts['bytes'] / 1e6:.2f} MB"


def _short(count: int) -> str:
    return f"{count / 1e6:.2f} M" if count >= 1e6 else f"{count / 1e3:.0f} k" if count >= 1e4 else str(count)
