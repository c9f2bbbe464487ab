"""Speed of encoding text to token ids on the default corpus: `python tests/benchmark/encoding.py`."""

from statistics import median
from time import perf_counter

from lm.sources import PythonSource
from lm.tokenizer import train_bpe

ROUNDS = 5


def main() -> None:
    """Print MB/s of each way, in interleaved rounds, and the ratio to one text at a time."""
    texts = [document.text for document in PythonSource()]
    tokenizer = train_bpe(texts, vocab_size=4096)
    sample = texts[:: max(1, len(texts) // 200)]
    ways = {
        "tokenizers, one at a time": (sample, lambda batch: [tokenizer.encode(text) for text in batch]),
        "tokenizers, batches": (sample, tokenizer._encoder.encode_all),
        f"lm corpus ({tokenizer.engine})": (texts, tokenizer.encode_batch),
    }
    speeds = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, (batch, encode) in ways.items():
            started = perf_counter()
            encode(batch)
            speeds[way].append(sum(len(text.encode()) for text in batch) / 1e6 / (perf_counter() - started))
    alone = median(speeds["tokenizers, one at a time"])
    for way, rates in speeds.items():
        print(f"{way:<28} {median(rates):7.1f} MB/s  {median(rates) / alone:5.1f}×")


if __name__ == "__main__":
    main()
