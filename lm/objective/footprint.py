"""What a training step will hold in memory, found by taking it with tensors that have shapes and no memory.

A formula must be written anew for every option of the model; here the parts themselves run, under PyTorch's fake
tensors, and whatever autograd keeps of them is counted as it comes and goes.
"""

import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from lightning import LightningModule
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from lm.batch import Batch
from lm.model import Transformer

PARTS = ("weights", "optimizer", "gradients", "activations", "logits")
TYPES = {"bf16-true": torch.bfloat16, "64-true": torch.float64}  # of the weights; else fp32


@dataclass(frozen=True)
class Footprint:
    """Bytes by part at the moment when most is held.

    `gradients` are those of weights and, on their way back, of activations; with one micro-batch a step there are none
    while the forward pass fills the memory. `logits` is all that belongs to the loss. What an allocator adds by not
    giving back is not in it (on a CPU under glibc, 1.1 to 1.6 times as much was measured), nor a library's own buffers.
    """

    parts: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.parts.values())


class _Ledger(TorchDispatchMode):
    """Counts the bytes of every storage from its first appearance until nothing refers to it."""

    def __init__(self) -> None:
        super().__init__()
        self.part = "weights"  # what is made now counts as this
        self.held: Counter[str] = Counter()
        self.most: dict[str, int] = {}
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
        self.held[self.part] += size
        weakref.finalize(storage, self._leave, self.part, size)
        if self.held.total() > sum(self.most.values()):
            self.most = dict(self.held)

    def _leave(self, part: str, size: int) -> None:
        self.held[part] -= size


def footprint(
    build: Callable[[], Transformer],
    objective: Callable[[Transformer], LightningModule],
    *,
    rows: int,
    targets: int,
    separate: bool,
    accumulate: int,
    precision: str,
) -> Footprint:
    """Bytes that one device holds at most in a step of `accumulate` micro-batches of `rows` with `targets` supervised.

    `separate` is whether documents in a row are told apart: the mask for it takes memory. It is the step of one
    process; what several keep to exchange gradients comes on top.
    """
    with _default_type(TYPES.get(precision, torch.float32)), FakeTensorMode(), _Ledger() as ledger:
        model = build().train()
        module = objective(model)
        optimizer = module.configure_optimizers()["optimizer"]
        ledger.part = "gradients"
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
        ledger.part = "optimizer"
        optimizer.step()  # makes its state
        if accumulate == 1:
            optimizer.zero_grad()  # before the first micro-batch of the next step
        ledger.part = "activations"
        batch = _batch(rows, model.context, targets=targets, separate=separate)
        model.norm.register_forward_hook(lambda *_: setattr(ledger, "part", "logits"))  # the loss comes after it
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16-mixed"):
            loss = module.summed_loss(batch)
        ledger.part = "gradients"
        loss.backward()
    return Footprint({part: ledger.most.get(part, 0) for part in PARTS})


@contextmanager
def _default_type(dtype: torch.dtype) -> Iterator[None]:
    """What is made without a type has this one: weights, as fake ones cannot be cast in their place."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _batch(rows: int, context: int, *, targets: int, separate: bool) -> Batch:
    """A batch in shape only: which targets are supervised is given by place, as a mask's number is not in its shape."""
    tokens = torch.zeros(rows, context, dtype=torch.int64)
    places = torch.arange(targets)
    return Batch(
        tokens=tokens,
        targets=tokens,
        supervised=(places // context, places % context),
        denominator=float(targets),
        documents=tokens if separate else None,
    )
