"""Estimate the memory of a training step by running it on fake tensors.

A formula would need a case for every option of the model. Here the parts themselves run, under PyTorch's
fake tensors, which have shapes and no memory, and every storage is counted from its creation to its release.
"""

import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from lm.model import Transformer
from lm.objective import Objective
from lm.training.trainer import Devices

PARTS = ("weights", "optimizer", "gradients", "activations", "logits")
TRANSIENT = ("gradients", "activations", "logits")  # allocated again in each step
HOLES = 0.4  # share of the transient memory; measured 0.35 to 0.45 under glibc 2.36, see tests/benchmark/README.md
STEPS = 2  # the first creates the optimizer state
TYPES = {"bf16-true": torch.bfloat16, "64-true": torch.float64}  # of the weights; else fp32


@dataclass(frozen=True)
class Footprint:
    """Bytes by part at the two peaks of a step, of which the higher one counts.

    `gradients` are those of weights, which Lightning keeps until the next step's forward pass is done, and, in the
    backward pass, of activations. `logits` is everything that belongs to the loss.

    Attributes:
        passes: Bytes by part in the forward and backward pass: weights, optimizer, gradients, activations, logits.
        update: Bytes by part while the optimizer computes, which may need copies of its own.
    """

    passes: dict[str, int]
    update: dict[str, int] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, int]:
        """Bytes by part at the higher peak."""
        return max(self.passes, self.update, key=lambda parts: sum(parts.values()))

    @property
    def total(self) -> int:
        """Bytes of all tensors."""
        return sum(self.parts.values())

    @property
    def holes(self) -> int:
        """Bytes that glibc's allocator holds beyond the tensors, on a CPU: what comes and goes leaves holes.

        What the passes leave is still there while the optimizer computes, whose own copies leave holes too.
        """
        left = HOLES * sum(self.passes[part] for part in TRANSIENT)
        held = [sum(self.passes.values()) + left]
        if self.update:
            copies = max(0, self.update["optimizer"] - self.passes["optimizer"])
            held.append(sum(self.update.values()) + left + HOLES * copies)
        return round(max(held)) - self.total


class _Ledger(TorchDispatchMode):
    """Count the bytes of every storage from its creation until nothing refers to it."""

    def __init__(self) -> None:
        super().__init__()
        self.part = "weights"  # the part that new storages count as
        self.current: Counter[str] = Counter()
        self.peaks: dict[bool, dict[str, int]] = {False: {}, True: {}}  # True: of the optimizer's computations
        self._known = WeakIdKeyDictionary()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for value in tree_leaves(made):
            if isinstance(value, Tensor):
                self.enter(value.untyped_storage())
        return made

    def enter(self, storage: torch.UntypedStorage) -> None:
        if storage in self._known:
            return
        size = storage.nbytes()
        self._known[storage] = size
        self.current[self.part] += size
        weakref.finalize(storage, self._leave, self.part, size)
        updating = self.part == "optimizer"
        if self.current.total() > sum(self.peaks[updating].values()):
            self.peaks[updating] = dict(self.current)

    def _leave(self, part: str, size: int) -> None:
        self.current[part] -= size


def estimate_footprint(
    build: Callable[[], Transformer],
    objective: Callable[[Transformer], Objective],
    *,
    rows: int,
    row_tokens: int,
    targets: int,
    separate_documents: bool,
    accumulate: int,
    precision: str,
) -> Footprint:
    """Return the peak memory of one process in an optimizer step.

    What several processes keep to exchange gradients comes on top.

    Args:
        build: Makes the network.
        objective: Makes the objective from the network.
        rows: Rows of a micro-batch.
        row_tokens: Tokens of each, padding included.
        targets: Supervised targets of a micro-batch.
        separate_documents: Whether documents in a row are masked from each other; the mask takes memory.
        accumulate: Micro-batches of the step.
        precision: Lightning's name of the precision.
    """
    with _default_type(TYPES.get(precision, torch.float32)), FakeTensorMode(), _Ledger() as ledger:
        model = build().train()
        module = objective(model)
        optimizer = module.build_optimizer(precision)
        model.norm.register_forward_hook(lambda *_: setattr(ledger, "part", "logits"))  # the loss comes after it
        for _ in range(STEPS):
            for micro in range(min(accumulate, 2)):
                ledger.part = "activations"
                batch = module.reads[0].outline(
                    rows, row_tokens, targets=targets, separate_documents=separate_documents
                )
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16-mixed"):
                    loss = module.summed_loss(batch)
                if micro == 0:
                    optimizer.zero_grad()  # Lightning does so after the forward pass
                ledger.part = "gradients"
                loss.backward()
                del loss, batch
            ledger.part = "optimizer"
            with suppress(DataDependentOutputException):  # of some optimizers, after they have created their state
                optimizer.step()
    return Footprint(*({part: ledger.peaks[updating].get(part, 0) for part in PARTS} for updating in (False, True)))


def per_device(whole: Footprint, devices: Devices) -> Footprint:
    """Return one device's share of a footprint. The activations that tensor parallelism shares are not taken off."""
    if not devices.sharded:
        return whole

    def share(parts: dict[str, int]) -> dict[str, int]:
        sharded = {part: parts[part] for part in ("weights", "optimizer")}
        sharded["gradients"] = min(parts["gradients"], parts["weights"])  # the others are of activations
        kept = {
            part: size - sharded.get(part, 0) * (devices.ranks - 1) // devices.ranks for part, size in parts.items()
        }
        return kept | {"logits": parts["logits"] // devices.tensor}

    return Footprint(share(whole.passes), share(whole.update) if whole.update else {})


@contextmanager
def _default_type(dtype: torch.dtype) -> Iterator[None]:
    """Set the default dtype: fake weights cannot be cast in place."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
