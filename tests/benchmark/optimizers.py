"""Share of a step that the optimizer takes, and tokens per second: `python tests/benchmark/optimizers.py [fp32]`.

Two shapes, Muon and AdamW, several batches, in interleaved rounds on one core; medians. bf16 where the hardware has it,
unless fp32 is given, Muon's products included. Seconds are CPU time, so that other work on the machine counts less.
"""

import statistics
import sys
from collections import defaultdict
from functools import partial
from time import process_time

import torch
from torch.optim import Optimizer

from lm.hardware import Compute
from lm.model import Attention, SwiGLU, Transformer
from lm.objective.loss import summed_cross_entropy
from lm.optimizer import adamw, make_optimizer, muon

CONTEXT, ROUNDS = 256, 5
SHAPES = {
    "2.4 M": {"dim": 192, "layers": 4, "attention": partial(Attention, heads=3, key_value_heads=1)},
    "12 M": {"dim": 384, "layers": 6, "attention": partial(Attention, heads=6)},
}
OPTIMIZERS = {"AdamW": partial(adamw, learning_rate=3e-3), "Muon": partial(muon, learning_rate=0.02)}
BATCHES = {"2.4 M": [1024, 2048, 4096], "12 M": [4096]}


def main() -> None:
    """Print a line per shape, optimizer and batch."""
    torch.set_num_threads(1)
    bf16 = sys.argv[1:] != ["fp32"] and Compute().resolve_precision("cpu", 10_000_000) == "bf16-mixed"
    print(
        f"{torch.backends.cpu.get_cpu_capability()}, {'bf16' if bf16 else 'fp32'}, one core, torch {torch.__version__}"
    )
    for shape, batches in BATCHES.items():
        runs = {}
        for name, factory in OPTIMIZERS.items():
            torch.manual_seed(0)
            model = Transformer(vocab_size=4096, context=CONTEXT, feedforward=SwiGLU, **SHAPES[shape])
            optimizer = make_optimizer(factory, model, precision="bf16-mixed" if bf16 else "32-true")
            runs |= {(name, batch): (model, optimizer) for batch in batches}
        seconds = defaultdict(list)
        for _ in range(ROUNDS):
            for (name, batch), run in runs.items():
                seconds[name, batch].append(measure(*run, batch, bf16=bf16))
        for (name, batch), rounds in seconds.items():
            whole, update = (statistics.median(each) for each in zip(*rounds[1:], strict=True))
            print(
                f"{shape:>6}  {name:<5} {batch:>5} tokens  {batch / whole:>5.0f} a second, update {update / whole:.0%}"
            )


def measure(model: Transformer, optimizer: Optimizer, batch: int, *, bf16: bool) -> tuple[float, float]:
    """Train a step; return the seconds of all of it and of the update."""
    tokens = torch.randint(4096, (batch // CONTEXT, CONTEXT))
    started = process_time()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        hidden = model.hidden(tokens).flatten(0, 1)
        loss = summed_cross_entropy(hidden, model.projection, tokens.flatten())
        (loss / batch).backward()
    computed = process_time()
    optimizer.step()
    optimizer.zero_grad()
    done = process_time()
    return done - started, done - computed


if __name__ == "__main__":
    main()
