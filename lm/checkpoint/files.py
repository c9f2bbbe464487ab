"""Lightning's checkpoints as files that are whole or absent, and hold plain data only (`weights_only=True`)."""

import os
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from copy import copy
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch
from lightning import Trainer
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from lm.checkpoint.sharded import check_parts, is_parts, move_directory_aside, read_rest, read_whole, remove_parts
from lm.files import atomic_path, report_damage
from lm.process.limits import available_memory

IDENTITY = "run"  # the key under which a checkpoint says which run it is of
WEIGHTS_PREFIX = "model."  # the objective holds the network under this name

ROOM = 0.25  # of the free memory that copies of a checkpoint may take
AGAIN = "set run.restart=true to start again"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write checkpoints under a temporary name, sync them to disk, then rename them.

    Within `behind`, a thread writes copies of the tensors while training continues. One checkpoint is written at a
    time, in the order in which they were saved, and every other use of checkpoints waits for it. The room for copies is
    kept from one to the next: pages of fresh memory take five times as long as the copy. Where it exceeds a quarter of
    the free memory, the checkpoint is written at once.
    """

    def __init__(self) -> None:
        self.is_behind = False
        self._writer: ThreadPoolExecutor | None = None
        self._written: Future | None = None
        self._rooms: dict[tuple, list[Tensor]] = {}  # for copies, by shape and type
        self._first: list[Callable[[], None]] = []

    @contextmanager
    def behind(self) -> Iterator[None]:
        """Write what is saved in here while training continues."""
        self.is_behind = True
        try:
            yield
        finally:
            self.is_behind = False
            self._first.clear()  # of a rank that writes nothing

    def first(self, action: Callable[[], None]) -> None:
        """Do something before the checkpoint that is being saved is written: at once, or in the thread."""
        self._first.append(action) if self.is_behind else action()

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        self.wait()
        first, self._first = self._first, []
        if self.is_behind and (copied := self._copied(checkpoint)) is not None:
            self._writer = self._writer or ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
            self._written = self._writer.submit(_write, copied, path, first)
        else:
            _write(checkpoint, path, first)

    def load_checkpoint(self, path: str | Path, **options: Any) -> dict[str, Any]:
        self.wait()
        with report_checkpoint_damage(path):
            check_whole(path)
            return read_whole(path) if is_parts(path) else super().load_checkpoint(path, **options)

    def wait(self) -> None:
        """Return once every checkpoint is on disk.

        Raises:
            OSError: One could not be written, as on a full disk.
        """
        written, self._written = self._written, None
        if written is not None:
            written.result()

    def teardown(self) -> None:
        writer, self._writer, self._rooms = self._writer, None, {}
        try:
            self.wait()
        finally:
            if writer is not None:
                writer.shutdown()

    def _copied(self, checkpoint: dict[str, Any]) -> dict[str, Any] | None:
        """The checkpoint with copies of its tensors on the CPU; None where there is no room for them."""
        tensors: dict[tuple, Tensor] = {}  # those that are one in memory are one copy
        _mapped(checkpoint, lambda tensor: tensors.setdefault(_place(tensor), tensor))
        free, size = available_memory(), sum(tensor.nbytes for tensor in tensors.values())
        if not self._rooms and free is not None and size > ROOM * free:
            return None
        before, self._rooms, copies = self._rooms, {}, {}
        for place, tensor in tensors.items():
            kind = (tensor.shape, tensor.dtype)
            room = before[kind].pop() if before.get(kind) else torch.empty(tensor.shape, dtype=tensor.dtype)
            copies[place] = room.copy_(tensor.detach())
            self._rooms.setdefault(kind, []).append(room)
        return _mapped(checkpoint, lambda tensor: copies[_place(tensor)])


def _place(tensor: Tensor) -> tuple:
    """What is the same of two tensors that are one in memory."""
    return tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype, tensor.numel() or id(tensor)


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Plain data with other tensors; its containers are copied, so that what changes later is not in it."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        same = copy(value)  # with the attributes of a state dict
        same.update((key, _mapped(each, change)) for key, each in value.items())
        return same
    if type(value) in (list, tuple):
        return type(value)(_mapped(each, change) for each in value)
    return value


def _write(checkpoint: dict[str, Any], path: str | Path, first: Sequence[Callable[[], None]]) -> None:
    for action in first:
        action()
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        torch.save(checkpoint, file)
        move_directory_aside(Path(path))
    remove_parts(Path(path).parent, stem=Path(path).stem)  # of a run that started with distributed checkpoints


def check_whole(path: str | Path) -> None:
    """Raise ValueError if the file differs from what was written: torch stores checksums, but does not check them."""
    if is_parts(path):
        check_parts(path)
        return
    with ZipFile(path) as file:
        if damaged := file.testzip():
            raise ValueError(f"its {damaged} is not what was written")


def read_facts(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint but for the content of its tensors, which stay on disk: a moment, whatever the size."""
    if is_parts(path):
        return read_rest(path)
    with ZipFile(path):  # else torch complains about mmap
        pass
    return torch.load(path, map_location="cpu", weights_only=True, mmap=True)


def check_identity(path: str | Path, checkpoint: Mapping[str, Any], identity: str | None) -> None:
    """Raise ValueError if the checkpoint says that it is of another run; one of an earlier version says nothing."""
    found = checkpoint.get(IDENTITY)
    if None not in (found, identity) and found != identity:
        raise ValueError(
            f"{path} is a checkpoint of another run, made from another config or other inputs (run {found[:8]}, and "
            f"this one is {identity[:8]}): copy this run's own back, or {AGAIN}"
        )


def is_lost(path: Path) -> bool:
    """Whether `path` is a link to a distributed checkpoint that is not there, as after an incomplete copy."""
    return path.is_symlink() and not path.exists()


@contextmanager
def report_checkpoint_damage(path: str | Path) -> Iterator[None]:
    """Turn any error of the enclosed reader into one ValueError with what to do; `best` may stand in for `last`."""
    try:
        yield
    except Exception:
        with report_damage(path, _damage_remedy(Path(path))):
            raise


def _damage_remedy(path: Path) -> str:
    best = path.with_name(f"best{path.suffix}")
    with suppress(Exception):
        if path.stem == "last":
            check_whole(best)
            step, here, there = read_facts(best)["global_step"], *(shlex.quote(str(each)) for each in (path, best))
            return f"to resume from step {step}, the best validation: rm -r {here} && cp -rP {there} {here}; or {AGAIN}"
    return f"copy it again, or {AGAIN}"


def checkpoint_path(directory: str | Path, which: str) -> Path:
    """Return where a run directory has its `last`, `best` or `stable` checkpoint."""
    return Path(directory) / "checkpoints" / f"{which}.ckpt"


def keep_last(directory: str | Path, which: str) -> None:
    """Keep `last.ckpt` of a run directory under a second name. Both names share one file until `last` is replaced."""
    last = checkpoint_path(directory, "last")
    with atomic_path(checkpoint_path(directory, which)) as temporary:
        if last.is_symlink():  # distributed: the parts stay as long as a link names them
            temporary.symlink_to(os.readlink(last))
            return
        try:
            os.link(last, temporary)
        except OSError:  # a file system without hard links
            shutil.copyfile(last, temporary)


def save(trainer: Trainer, which: str, *, wait: bool = True) -> None:
    """Write the state of the run after the current step.

    Args:
        trainer: Lightning's trainer.
        which: Name of the checkpoint.
        wait: Whether it is on disk on return; else it is written while training continues, but for a distributed one.
    """
    strategy = trainer.strategy
    at_once = wait or getattr(strategy, "distributed_checkpoints", False)
    with nullcontext() if at_once else strategy.checkpoint_io.behind():
        trainer.save_checkpoint(checkpoint_path(trainer.default_root_dir, which), weights_only=False)
