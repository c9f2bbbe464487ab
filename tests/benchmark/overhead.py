"""What `lm pretrain` takes beyond a bare loop over the same model: `python tests/benchmark/overhead.py [STEPS]`.

A callback of the run alternates it with a bare loop: a block of its steps, a block of bare ones, in one process. The
bare loop has its batches ready and does forward, backward, clipping and the update, nothing else; the run has its
metrics, bar, guard and checkpoints on. Three sizes of a step, the optimizer of the default recipe, one thread.

Milliseconds are medians over steps, of CPU time, which other work on the machine changes least, and of wall time; the
mean over blocks has the steps that log as well. The stall is what a step that saves takes beyond the median.
`--profile` prints where the time of our steps goes instead.
"""

import argparse
import copy
import cProfile
import gc
import pstats
import sys
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import torch
from lightning import Callback

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from lm.__main__ import COLLECT_EVERY
from lm.cli.call import call_job
from lm.hardware.processor import instruction_sets
from lm.process.machine import processor_name
from support.training_runs import composed, make_corpus

BLOCK, WARM_UP = 20, 2  # steps of a block; first blocks that do not count
SIZES = {
    "2 ms": (16, 1, 2),
    "10 ms": (64, 2, 4),
    "20 ms": (96, 3, 4),
    "30 ms": (128, 3, 5),
}  # width, layers, rows of 64 tokens


@dataclass
class Times:
    """Seconds of steps by kind, and of blocks."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    blocks: list[float] = field(default_factory=list)


class BareBlocks(Callback):
    """Run a block of bare steps after each block of the run's own.

    Args:
        profile: Whether to profile the run's own steps.
    """

    results = None  # of the last run: ours, bare, and the stall of each checkpoint
    profiler = None

    def __init__(self, *, profile: bool = False):
        self.ours, self.bare, self.stalls = Times(), Times(), []
        self.saved = False
        BareBlocks.results = self
        BareBlocks.profiler = cProfile.Profile() if profile else None

    def on_train_start(self, trainer, pl_module) -> None:
        precision = trainer.precision_plugin
        self.model = copy.deepcopy(pl_module.model)
        bare = copy.copy(pl_module)  # its optimizer is built over the copied model
        bare._modules = {**pl_module._modules, "model": self.model}
        self.optimizer = bare.build_optimizer(trainer.precision)
        self.loss, self.context = bare.summed_loss, precision.forward_context
        plan = trainer.datamodule.data_plan
        batches = plan.training_batches(0)
        self.batches = [batches[index] for index in range(BLOCK)]
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.factors = [pl_module.schedule(step, pl_module.steps) for step in range(pl_module.steps + BLOCK)]
        self.read()

    def on_save_checkpoint(self, trainer, pl_module, checkpoint) -> None:
        self.saved = True

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        if batch_idx == 0:
            self.begin()
            return
        if BareBlocks.profiler:
            BareBlocks.profiler.disable()
        self.note(self.ours)
        if self.saved:  # not a step among others
            self.stalls.append(self.ours.wall.pop())
            self.ours.cpu.pop()
        self.saved = False
        if batch_idx % BLOCK == 0:
            self.ours.blocks.append(perf_counter() - self.block)
            self.bare_block(batch_idx)
            if batch_idx == WARM_UP * BLOCK:
                self.ours, self.bare, self.stalls = Times(), Times(), []
                BareBlocks.profiler = cProfile.Profile() if BareBlocks.profiler else None
            self.begin()
        self.read()
        if BareBlocks.profiler:
            BareBlocks.profiler.enable()

    def on_validation_start(self, trainer, pl_module) -> None:
        if BareBlocks.profiler:
            BareBlocks.profiler.disable()

    def bare_block(self, step: int) -> None:
        self.begin()
        for number, batch in enumerate(self.batches):
            for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
                group["lr"] = rate * self.factors[step + number]
            with self.context():
                loss = self.loss(batch) / batch.denominator
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.note(self.bare)
        self.bare.blocks.append(perf_counter() - self.block)

    def begin(self) -> None:
        self.block = perf_counter()
        self.read()

    def read(self) -> None:
        self.wall, self.cpu = perf_counter(), process_time()

    def note(self, times: Times) -> None:
        wall, cpu = perf_counter(), process_time()
        times.wall.append(wall - self.wall)
        times.cpu.append(cpu - self.cpu)
        self.wall, self.cpu = wall, cpu


def measure(corpus: Path, root: Path, name: str, *, steps: int, profile: bool, extra: list[str]) -> BareBlocks:
    """Train a run of a size and return its times."""
    dim, layers, rows = SIZES[name]
    words = [
        f"run.root={root}", f"run.name={name.replace(' ', '-')}", f"data.path={corpus}", "model=tiny",
        f"model.dim={dim}", "model.attention.heads=2", f"model.layers={layers}", "model.context=64",
        "compute.precision=32-true",
        "compute.threads=1", "trainer=cpu", "budget=steps", f"budget.steps={steps}", f"budget.batch_tokens={64 * rows}",
        f"budget.rows_per_device={rows}", "validations=1", "callbacks=plain", "callbacks.checkpoints.every=150",
        "+callbacks.bare._target_=overhead.BareBlocks", f"+callbacks.bare.profile={profile}", *extra,
    ]  # fmt: skip
    with redirect_stderr(StringIO()):
        call_job(composed("pretrain", *words))
    from overhead import BareBlocks as Measured  # the class that the config names

    return Measured.results


def describe(name: str, run: BareBlocks) -> str:
    """A line of the table."""
    parts = [f"{name:>6}"]
    for kind in ("cpu", "wall"):
        ours, bare = (1000 * median(getattr(times, kind)) for times in (run.ours, run.bare))
        parts.append(f"{bare:6.2f} → {ours:6.2f} {ours - bare:+5.2f} {ours / bare - 1:+6.1%}")
    ours, bare = (1000 * median(times.blocks) / BLOCK for times in (run.ours, run.bare))
    parts.append(f"{bare:6.2f} → {ours:6.2f} {ours - bare:+5.2f}")
    stalls = [1000 * (stall - median(run.ours.wall)) for stall in run.stalls]
    parts.append(f"{mean(stalls):6.1f} (most {max(stalls):.1f})" if stalls else "")
    return "   ".join(parts)


def main() -> None:
    """Print a line per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("steps", nargs="?", type=int, default=600)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--size", choices=SIZES, action="append")
    parser.add_argument("--set", action="append", default=[], help="more overrides of the run")
    asked = parser.parse_args()
    load = Path("/proc/loadavg").read_text().split()[0] if Path("/proc/loadavg").exists() else "?"
    print(f"{processor_name()}, {instruction_sets()}, fp32, 1 thread, load {load}, torch {torch.__version__}")
    print(f"{'step':>6}   {'CPU ms: bare → ours':^31}   {'wall ms: bare → ours':^31}   mean of blocks, ms   save, ms")
    gc.set_threshold(COLLECT_EVERY)  # as `lm` does
    with TemporaryDirectory() as folder:
        corpus = make_corpus(Path(folder) / "corpus", count=2000)
        for name in asked.size or SIZES:
            run = measure(corpus, Path(folder), name, steps=asked.steps, profile=asked.profile, extra=asked.set)
            print(describe(name, run), flush=True)
            if asked.profile:
                from overhead import BareBlocks as Measured

                stats = pstats.Stats(Measured.profiler)
                stats.sort_stats("tottime").print_stats(60)
                stats.sort_stats("cumulative").print_stats(
                    r"(lightning|lm/(callbacks|data|objective)|progress|process)", 90
                )


if __name__ == "__main__":
    main()
