"""Train three steps of small models, each in a process of its own, and print the memory that they took."""

import json
import os
from functools import partial
from pathlib import Path

import torch

from lm.batch import Batch
from lm.model import Attention, SwiGLU, Transformer
from lm.objective import CausalLM
from lm.optimizer import adamw

# dim, layers, vocabulary, context, rows, micro-batches: mostly activations, logits, weights
CHOSEN = {"long": (192, 4, 2048, 256, 8, 2), "wordy": (128, 2, 16384, 256, 4, 1), "heavy": (512, 4, 8192, 128, 1, 1)}


def build(dim: int, layers: int, vocabulary: int, *, context: int) -> Transformer:
    attention = partial(Attention, heads=dim // 32, key_value_heads=1)
    return Transformer(
        vocab_size=vocabulary, context=context, dim=dim, layers=layers, attention=attention, feedforward=SwiGLU
    )


def objective(model: Transformer) -> CausalLM:
    return CausalLM(model, optimizer=partial(adamw, learning_rate=1e-3), schedule=lambda step, steps: 1.0, steps=3)


def real_step(
    dim: int, layers: int, vocabulary: int, *, context: int, rows: int, accumulate: int, precision: str, steps: int = 2
) -> None:
    """Train; with two steps, the optimizer state exists at the peak of memory."""
    before = torch.get_default_dtype()
    torch.set_default_dtype({"64-true": torch.float64}.get(precision, before))
    try:
        module = objective(build(dim, layers, vocabulary, context=context).train())
        optimizer = module.build_optimizer(precision)
        for _ in range(steps):
            for micro in range(accumulate):
                tokens = torch.randint(vocabulary, (rows, context))
                supervised = torch.ones(rows, context, dtype=torch.bool)
                batch = Batch(tokens, tokens, supervised, denominator=1.0, documents=tokens // (vocabulary // 2))
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16-mixed"):
                    loss = module.summed_loss(batch)
                if micro == 0:
                    optimizer.zero_grad()  # Lightning does so after the forward pass
                loss.backward()
                del loss, batch
            optimizer.step()
    finally:
        torch.set_default_dtype(before)


def peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def measured(name: str) -> int:
    """The memory that three steps take."""
    sizes = CHOSEN[name]
    # memory that libraries take at first use
    real_step(32, 1, 64, context=8, rows=1, accumulate=1, precision="32-true")
    before = peak()
    real_step(*sizes[:3], context=sizes[3], rows=sizes[4], accumulate=sizes[5], precision="32-true", steps=3)
    return peak() - before


if __name__ == "__main__":
    found = {}
    for name in CHOSEN:
        reader, writer = os.pipe()
        if not os.fork():  # each in a process of its own, in which torch has computed nothing yet
            os.write(writer, str(measured(name)).encode())
            os._exit(0)
        os.close(writer)
        with open(reader) as file:
            found[name] = int(file.read())
    print(json.dumps(found))
