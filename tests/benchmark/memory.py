"""Peak memory of training a tokenizer on 10 MB, 100 MB and 1 GB: `python tests/benchmark/memory.py [FAMILY …]`.

The text is generated: half of its words follow Zipf's law over a fixed vocabulary, half are new. That is harder than
natural text, since the number of distinct words grows with the size without bound.
"""

import random
import resource
import subprocess
import sys
from collections.abc import Iterator
from time import perf_counter

from lm.tokenizer import train_bpe, train_characters, train_unigram, train_wordpiece

TRAINERS = {"bpe": train_bpe, "wordpiece": train_wordpiece, "unigram": train_unigram, "characters": train_characters}
SIZES = [10, 100, 1000]  # megabytes
LETTERS = str.maketrans("0123456789", "ghijklmnop")


def main() -> None:
    """Print a line per family and size, each measured in a process of its own."""
    for family in sys.argv[1:] or TRAINERS:
        for size in SIZES:
            subprocess.run([sys.executable, __file__, "--measure", family, str(size)], check=True)


def measure(family: str, size: int) -> None:
    before, started = _peak(), perf_counter()
    trained = TRAINERS[family](_texts(size * 1_000_000), vocab_size=8192)
    seconds = perf_counter() - started
    print(
        f"{family:<10} {size:>5} MB of text  {_peak():>6.0f} MB peak, {before:.0f} MB before; {seconds:.0f} s, "
        f"{trained.vocab_size} tokens",
        flush=True,
    )


def _texts(size: int) -> Iterator[str]:
    draw = random.Random(0)
    common = ["".join(draw.choices("etaoinshrdlu", k=draw.randint(2, 9))) for _ in range(20_000)]
    weights = [1 / (rank + 1) for rank in range(len(common))]
    while size > 0:
        words = draw.choices(common, weights, k=5_000)
        words += [f"{draw.getrandbits(48):x}".translate(LETTERS) for _ in range(len(words))]
        draw.shuffle(words)
        text = " ".join(words)
        size -= len(text)
        yield text


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], int(sys.argv[3]))
    else:
        main()
