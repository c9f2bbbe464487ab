"""Minutes asked of `budget=minutes` and minutes taken: `python tests/benchmark/minutes.py CORPUS [MINUTES …]`.

CORPUS is the directory of a prepared corpus with its tokenizer (`lm corpus`), or `pipeline` for `lm pipeline`.
Nothing else may run on the machine. The start of Python counts, as it does where a user waits.
"""

import subprocess
import sys
from tempfile import TemporaryDirectory
from time import perf_counter


def main(corpus: str, minutes: list[float]) -> None:
    """Print a line for each length asked for: what it took, and the error."""
    for asked in minutes:
        with TemporaryDirectory() as root:
            if corpus == "pipeline":
                job = ["pipeline", f"minutes={asked}", f"root={root}"]
            else:
                job = [
                    "pretrain",
                    "budget=minutes",
                    f"budget.minutes={asked}",
                    f"data.path={corpus}",
                    f"run.root={root}",
                ]
            started = perf_counter()
            subprocess.run([sys.executable, "-m", "lm", *job], check=True, stdout=subprocess.DEVNULL)
            taken = (perf_counter() - started) / 60
        print(f"asked {asked:6.2f} min   taken {taken:6.2f} min   {taken / asked - 1:+.0%}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], [float(each) for each in sys.argv[2:]] or [0.5, 1, 3])
