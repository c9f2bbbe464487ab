"""Time to quality on the characters of tinyshakespeare, beside nanoGPT's recipe for a CPU.

`python tests/benchmark/shakespeare.py input.txt [--seeds 1 2 3 4 5] [--threads 1]`; needs the text and nothing else.

For each seed three whole processes, one after another: the recipe; `lm pretrain experiment=shakespeare`; the same with
few tokens. A row has their validation losses in nats per character, CPU seconds, and the ratios to
those of the recipe's process. On a busy machine CPU seconds count; wall seconds stand beside them.

The recipe is a plain torch equivalent of nanoGPT's README for CPUs (4 layers, 4 heads, 128 wide, context 64, batch 12,
2,000 steps; AdamW 1e-3 to 1e-4, warm-up 100, betas 0.9 and 0.99, decay 0.1, clip 1, dropout 0, fp32, evaluation of 20
batches of both parts every 250 steps). Validation is the last tenth of the file for both. nanoGPT estimates its loss
from random batches; here all of its characters are scored once, in rows of the context, each character from those
before it in its row. Only the first character is scored by `lm` and not by the recipe, which has no token before it.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DIM, LAYERS, HEADS, CONTEXT, BATCH, STEPS, WARMUP = 128, 4, 4, 64, 12, 2000, 100
PEAK, LOWEST, EVERY, ESTIMATED = 1e-3, 1e-4, 250, 20
SHORT = 163_840  # tokens of the short run


class Block(nn.Module):
    """GPT-2's block without biases, as nanoGPT has it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(DIM, bias=False), nn.LayerNorm(DIM, bias=False)
        self.joined, self.out = nn.Linear(DIM, 3 * DIM, bias=False), nn.Linear(DIM, DIM, bias=False)
        self.up, self.down = nn.Linear(DIM, 4 * DIM, bias=False), nn.Linear(4 * DIM, DIM, bias=False)

    def forward(self, residual: Tensor) -> Tensor:
        split = self.joined(self.first(residual)).split(DIM, 2)
        heads = (each.unflatten(2, (HEADS, -1)).transpose(1, 2) for each in split)
        mixed = F.scaled_dot_product_attention(*heads, is_causal=True).transpose(1, 2).flatten(2)
        residual = residual + self.out(mixed)
        return residual + self.down(F.gelu(self.up(self.second(residual))))


class GPT(nn.Module):
    """GPT-2 of characters, its output tied to its embedding."""

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(characters, DIM), nn.Embedding(CONTEXT, DIM)
        self.blocks, self.norm = nn.Sequential(*(Block() for _ in range(LAYERS))), nn.LayerNorm(DIM, bias=False)
        for name, weight in self.named_parameters():
            if weight.ndim > 1:
                writes = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * LAYERS) if writes else 0.02)

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        hidden = self.blocks(self.tokens(inputs) + self.positions.weight)
        return F.cross_entropy((self.norm(hidden) @ self.tokens.weight.T).flatten(0, 1), targets.flatten())


def rate(step: int) -> float:
    """Return the learning rate of a step."""
    if step < WARMUP:
        return PEAK * (step + 1) / (WARMUP + 1)
    return LOWEST + (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP))) / 2 * (PEAK - LOWEST)


def recipe(file: str, seed: int) -> None:
    """Train as the recipe does, and print the loss of all held-out characters."""
    text = Path(file).read_text(encoding="utf-8")
    numbers = {character: number for number, character in enumerate(sorted({*text}))}
    data = torch.tensor([numbers[character] for character in text])
    training, held_out = data[: int(0.9 * len(data))], data[int(0.9 * len(data)) :]
    torch.manual_seed(seed)
    model = GPT(len(numbers))
    groups = [[w for w in model.parameters() if (w.ndim > 1) is decays] for decays in (True, False)]
    settings = [{"params": group, "weight_decay": decay} for group, decay in zip(groups, (0.1, 0.0), strict=True)]
    optimizer = torch.optim.AdamW(settings, lr=PEAK, betas=(0.9, 0.99))

    def batch(data: Tensor) -> tuple[Tensor, Tensor]:
        rows = [data[start : start + CONTEXT + 1] for start in torch.randint(len(data) - CONTEXT, (BATCH,))]
        joined = torch.stack(rows)
        return joined[:, :-1], joined[:, 1:]

    for step in range(STEPS + 1):
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        if step % EVERY == 0:
            with torch.no_grad():
                means = [sum(model(*batch(part)).item() for _ in range(ESTIMATED)) for part in (training, held_out)]
            print(step, *(f"{mean / ESTIMATED:.4f}" for mean in means), file=sys.stderr, flush=True)
        if step < STEPS:
            loss = model(*batch(training))
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            loss.item()  # nanoGPT logs every step
    used, missing = time.process_time(), -(len(held_out) - 1) % CONTEXT
    inputs = F.pad(held_out[:-1], (0, missing)).view(-1, CONTEXT)
    targets = F.pad(held_out[1:], (0, missing), value=-100).view(-1, CONTEXT)  # -100 is not scored
    with torch.no_grad():
        print(json.dumps({"loss": model(inputs, targets).item(), "uncounted": time.process_time() - used}))


def timed(command: list[str], threads: int) -> tuple[str, float, float]:
    """Run a process; return its output, CPU seconds and wall seconds."""
    started, before = time.time(), os.times()
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return done.stdout, used, time.time() - started


def ours(file: str, seed: int, threads: int, *overrides: str) -> tuple[float, float, float]:
    """Train `experiment=shakespeare` in a process; return its last validation loss, CPU and wall seconds."""
    with tempfile.TemporaryDirectory() as root:
        given = [f"data.path={file}", f"seed={seed}", f"run.root={root}", f"compute.threads={threads}", *overrides]
        _, used, wall = timed([sys.executable, "-m", "lm", "pretrain", "experiment=shakespeare", *given], threads)
        manifest = json.loads(Path(root, "pretrain/shakespeare/manifest.json").read_text())
    return manifest["result"]["validation/loss"], used, wall


def main() -> None:
    """Print a row per seed, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--recipe", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.recipe is not None:
        recipe(given.file, given.recipe)
        return
    print(f"{torch.backends.cpu.get_cpu_capability()}, load {os.getloadavg()[0]:.1f}, {given.threads} threads")
    print("seed  recipe: loss, CPU s, wall s | whole: loss, CPU s, of the recipe | short: the same", flush=True)
    rows = []
    for seed in given.seeds:
        command = [sys.executable, __file__, given.file, "--recipe", str(seed)]
        printed, used, wall = timed(command, given.threads)
        result = json.loads(printed.splitlines()[-1])
        used -= result["uncounted"]  # the recipe does not score all of the held-out part
        row = [result["loss"], used, wall]
        for overrides in ([], [f"budget.tokens={SHORT}"]):
            loss, seconds, _ = ours(given.file, seed, given.threads, *overrides)
            row += [loss, seconds, seconds / used]
        rows.append(row)
        print(f"{seed:>4}  {said(row)}", flush=True)
    print(f"median {said([median(each) for each in zip(*rows, strict=True)])}")


def said(row: list[float]) -> str:
    """Return a row as text."""
    recipe, whole, short = ("{:.3f} {:.1f} {:.1f}", "{:.3f} {:.1f} {:.2f}", "{:.3f} {:.1f} {:.2f}")
    return f"{recipe.format(*row[:3])} | {whole.format(*row[3:6])} | {short.format(*row[6:])}"


if __name__ == "__main__":
    main()
