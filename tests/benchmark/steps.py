"""A training step beside transformers' and the price of documents: `python tests/benchmark/steps.py [ROUNDS] [fp32]`.

A Llama of 14 M parameters (6 layers, 384 wide, context 256, vocabulary 4096, 16 rows), the same tokens, AdamW of
torch (fused) for both, on one thread, in alternating rounds; medians of CPU seconds, so that other work counts less.
bf16 (autocast) where the hardware has it, unless fp32 is given. `packed` has four documents in each row. Then the peak
memory of a step with a vocabulary of 32,768, over that of logits held at once. Needs the test extra.
"""

import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from time import process_time

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lm.hardware import Compute
from lm.model import Attention, SwiGLU, Transformer
from lm.objective.loss import summed_cross_entropy

LAYERS, DIM, HEADS, HIDDEN, CONTEXT, VOCABULARY, ROWS = 6, 384, 6, 1024, 256, 4096, 16
LARGE = 32_768

Loss = Callable[[Tensor, Tensor], Tensor]


def ours(vocab_size: int = VOCABULARY) -> Transformer:
    """Return our model."""
    feedforward = partial(SwiGLU, hidden=HIDDEN)
    sizes = {"vocab_size": vocab_size, "context": CONTEXT, "dim": DIM, "layers": LAYERS}
    return Transformer(**sizes, attention=partial(Attention, heads=HEADS), feedforward=feedforward)


def our_loss(model: Transformer, tokens: Tensor, targets: Tensor, documents: Tensor | None = None) -> Tensor:
    """Return the mean loss by our chunks."""
    hidden = model.hidden(tokens, documents).flatten(0, 1)
    return summed_cross_entropy(hidden, model.projection, targets.flatten()) / targets.numel()


def naive_loss(model: nn.Module, tokens: Tensor, targets: Tensor) -> Tensor:
    """Return the mean loss with all logits at once."""
    return F.cross_entropy(model(tokens).flatten(0, 1).float(), targets.flatten())


def theirs() -> tuple[nn.Module, Loss]:
    """Return transformers' model of the same shape, and its own loss."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=DIM,
        intermediate_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        attn_implementation="sdpa",
        use_cache=False,
    )
    model = LlamaForCausalLM(config)
    return model, lambda tokens, targets: naive_loss(lambda each: model(each).logits, tokens, targets)


def step(loss: Loss, optimizer: torch.optim.Optimizer, batch: tuple[Tensor, Tensor], *, bf16: bool) -> float:
    """Train a step; return its CPU seconds."""
    started = process_time()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        value = loss(*batch)
    value.backward()
    optimizer.step()
    optimizer.zero_grad()
    return process_time() - started


def peak(kind: str) -> None:
    """Print how many bytes a forward and backward pass with a large vocabulary add to a small one's peak."""
    torch.manual_seed(0)
    tokens = torch.randint(LARGE, (ROWS, CONTEXT))
    model = ours(LARGE)
    loss = {"ours": our_loss, "naive": naive_loss}[kind]
    loss(model, tokens[:1], tokens[:1]).backward()  # weights, gradients and libraries
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    loss(model, tokens, tokens).backward()
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)


def matmul_speed(*, bf16: bool) -> float:
    """Return FLOP/s of the machine's own product of two square matrices, in the same precision."""
    left, right = (torch.randn(1024, 1024, dtype=torch.bfloat16 if bf16 else torch.float32) for _ in range(2))
    started = process_time()
    for _ in range(4):
        left @ right
    return 4 * 2 * 1024**3 / (process_time() - started)


def main() -> None:
    """Print the medians and their ratios."""
    rounds = next((int(each) for each in sys.argv[1:] if each.isdigit()), 5)
    bf16 = "fp32" not in sys.argv and Compute().resolve_precision("cpu", 10_000_000) == "bf16-mixed"
    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokens = torch.randint(VOCABULARY, (ROWS, CONTEXT + 1))
    batch = tokens[:, :-1], tokens[:, 1:]
    documents = (torch.arange(CONTEXT) * 4 // CONTEXT).expand(ROWS, -1)
    model, (other, other_loss) = ours(), theirs()
    update = {each: torch.optim.AdamW(each.parameters(), lr=1e-4, fused=True) for each in (model, other)}
    sides = {
        "ours": (partial(our_loss, model), update[model]),
        "transformers": (other_loss, update[other]),
        "packed": (partial(our_loss, model, documents=documents), update[model]),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    speeds = []
    for _ in range(rounds + 1):
        for name, (loss, optimizer) in sides.items():
            seconds[name].append(step(loss, optimizer, batch, bf16=bf16))
        speeds.append(matmul_speed(bf16=bf16))
    medians = {name: statistics.median(each[1:]) for name, each in seconds.items()}
    weights = sum(weight.numel() for weight in model.parameters())
    flops = tokens[:, 1:].numel() * (6 * weights + 6 * LAYERS * CONTEXT * DIM)
    print(
        f"{torch.backends.cpu.get_cpu_capability()}, {'bf16' if bf16 else 'fp32'}, 1 thread, torch {torch.__version__}"
    )
    print("CPU seconds a step: " + ", ".join(f"{name} {each:.3f}" for name, each in medians.items()))
    print(
        f"transformers / ours {medians['transformers'] / medians['ours']:.2f}; packed / ours "
        f"{medians['packed'] / medians['ours']:.3f}; share of the matmul speed "
        f"{flops / medians['ours'] / statistics.median(speeds):.0%}"
    )
    sizes = {
        kind: int(subprocess.check_output([sys.executable, __file__, "peak", kind], text=True))
        for kind in ("ours", "naive")
    }
    print(f"vocabulary 32,768: ours {sizes['ours'] / 1e6:.0f} MB, naive {sizes['naive'] / 1e6:.0f} MB of activations")


if __name__ == "__main__":
    if sys.argv[1:2] == ["peak"]:
        peak(sys.argv[2])
    else:
        main()
