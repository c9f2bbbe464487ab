"""Train a tokenizer on what a corpus gives to training."""

from collections.abc import Callable, Iterator
from time import perf_counter

from lm.corpus import Source, Split, survey
from lm.progress import track
from lm.run import Run
from lm.tokenizer import Tokenizer, named_files

MEASURED = 2_000_000  # bytes of text by which bytes a token are told


def train_tokenizer(
    run: Run, corpus: Source, tokenizer: Callable[..., Tokenizer], split: Split, sample: float = 1.0
) -> None:
    """Train a tokenizer; documents that `split` holds out are never seen.

    `sample` is the share of the training documents to learn from, chosen as the split chooses. Training holds
    every distinct word in memory and gains little past a gigabyte, so a large corpus wants less than 1.
    """
    if not 0 < sample <= 1:
        raise ValueError(f"sample {sample} is not a share of the documents: give more than 0 and at most 1")
    if run.finished({"corpus": corpus.fingerprint(), **named_files(run.config.get("tokenizer", {}))}):
        print(f"tokenizer   nothing to do: {run.directory} is complete")
        return
    began = perf_counter()
    found, split = survey(corpus, split)
    read = 0

    def texts() -> Iterator[str]:
        nonlocal read
        documents = track(corpus, label="tokenizer", unit="document", total=found.total_documents)
        for document in documents:
            if split.trains(document, sample=sample):
                read += len(document.text.encode())
                yield document.text

    trained = tokenizer(texts())
    path = run.directory / "tokenizer.json"
    trained.save(path)
    rate = bytes_per_token(trained, corpus, split)
    seconds = perf_counter() - began
    run.finish(
        outputs=[path],
        result={"vocab_size": trained.vocab_size, "bytes_per_token": rate, "bytes": read, "seconds": seconds},
    )
    origin = f"from {read / 1e6:.1f} MB" if read else "as it was"
    notes = f" ({'; '.join(corpus.notes)})" if read and corpus.notes else ""
    print(
        f"tokenizer   {trained.vocab_size} tokens, {rate:.2f} bytes a token, {origin} in {seconds:.1f} s{notes} "
        f"→ {run.directory}"
    )


def bytes_per_token(tokenizer: Tokenizer, corpus: Source, split: Split) -> float:
    """What a token stands for on average, on held-out documents if there are any."""
    texts, size = [], 0
    for document in corpus:
        if split.share == 0 or split.held_out(document):
            texts.append(document.text)
            size += len(document.text.encode())
        if size > MEASURED:
            break
    return size / sum(len(ids) for ids in tokenizer.encode_batch(texts))
