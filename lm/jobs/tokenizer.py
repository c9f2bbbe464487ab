"""Train a tokenizer on the training documents of a corpus."""

from collections.abc import Callable, Iterator
from time import perf_counter

from lm.corpus import Source, Split, survey
from lm.directory import Run
from lm.progress import track
from lm.tokenizer import Tokenizer, named_files

MEASURED_BYTES = 2_000_000  # of text on which bytes per token are measured


def train_tokenizer(
    run: Run, corpus: Source, tokenizer: Callable[..., Tokenizer], split: Split, sample: float = 1.0
) -> None:
    """Train a tokenizer on the documents that the split does not hold out, and write tokenizer.json.

    Args:
        run: The named run; its directory receives tokenizer.json.
        corpus: Documents to train on.
        tokenizer: Trainer, or loader of an existing tokenizer: texts → Tokenizer.
        split: Documents that are held out; the tokenizer never sees them.
        sample: Share of the training documents to train on, in (0, 1], drawn by document id. A vocabulary gains little
            beyond a gigabyte of text, so large corpora need less than 1.

    Raises:
        ValueError: `sample` is not in (0, 1], or the run was made from another corpus.
    """
    check_sample(sample)
    if run.finished({"corpus": corpus.fingerprint(), **named_files(run.config.get("tokenizer", {}))}):
        run.console.line(f"nothing to do: {run.directory} is complete")
        return
    started = perf_counter()
    contents, split = survey(corpus, split)
    read = 0

    def texts() -> Iterator[str]:
        nonlocal read
        for document in track(corpus, label="tokenizer", unit="documents", total=contents.total_documents):
            if split.in_training(document, sample=sample):
                read += len(document.text.encode())
                yield document.text

    trained = tokenizer(texts())
    path = run.directory / "tokenizer.json"
    trained.save(path)
    ratio = bytes_per_token(trained, corpus, split)
    seconds = perf_counter() - started
    run.finish(
        outputs=[path],
        result={"vocab_size": trained.vocab_size, "bytes_per_token": ratio, "bytes": read, "seconds": seconds},
    )
    origin = f"trained on {read / 1e6:.1f} MB" if read else "not trained"
    notes = f" ({'; '.join(corpus.notes)})" if read and corpus.notes else ""
    run.console.line(
        f"{trained.vocab_size} tokens, {ratio:.2f} bytes per token, {origin} in {seconds:.1f} s{notes} "
        f"→ {run.directory}"
    )


def check_sample(sample: float) -> None:
    """Raise if `sample` is not a share of the training documents."""
    if not 0 < sample <= 1:
        raise ValueError(f"sample={sample} is not a share of the documents: set more than 0 and at most 1")


def bytes_per_token(tokenizer: Tokenizer, corpus: Source, split: Split) -> float:
    """Measure bytes per token on held-out documents, or on all if none are held out."""
    texts, size = [], 0
    for document in corpus:
        if split.share == 0 or split.held_out(document):
            texts.append(document.text)
            size += len(document.text.encode())
        if size > MEASURED_BYTES:
            break
    return size / sum(len(ids) for ids in tokenizer.encode_batch(texts))
