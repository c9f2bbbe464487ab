"""How fast text becomes ids: `python tests/benchmark/encoding.py` on the default corpus, in interleaved rounds."""

from statistics import median
from time import perf_counter

from lm.sources import PythonSource
from lm.tokenizer import train_bpe

ROUNDS = 5


def main() -> None:
    """Megabytes a second of each way, and how many times that of one text at a time."""
    texts = [document.text for document in PythonSource()]
    tokenizer = train_bpe(texts, vocab_size=4096)
    few = texts[:: max(1, len(texts) // 200)]
    ways = {
        "tokenizers, one at a time": (few, lambda given: [tokenizer.encode(text) for text in given]),
        "tokenizers, batches": (few, tokenizer._encode_batch),
        f"lm corpus ({tokenizer.engine})": (texts, tokenizer.encode_batch),
    }
    speeds = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, (given, encode) in ways.items():
            began = perf_counter()
            encode(given)
            speeds[way].append(sum(len(text.encode()) for text in given) / 1e6 / (perf_counter() - began))
    alone = median(speeds["tokenizers, one at a time"])
    for way, found in speeds.items():
        print(f"{way:<28} {median(found):7.1f} MB/s  {median(found) / alone:5.1f}×")


if __name__ == "__main__":
    main()
