"""Small jobs and parts without torch, for the tests of the command and the config."""

import errno
import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal, Protocol

from lm.directory import Interrupted, Run

CONF = Path(__file__).with_name("conf")


class Attention:
    def __init__(self, *, dim: int, heads: int, bias: bool = False):
        self.dim, self.heads, self.bias = dim, heads, bias


class Norm:
    def __init__(self, *, eps: float = 1e-5):
        self.eps = eps


class Model:
    def __init__(
        self,
        *,
        dim: int,
        attention: Callable[..., Attention],
        norm: Norm | None = None,
        layers: int = 2,
        dropout: float = 0.0,
        activation: Literal["swiglu", "relu"] = "swiglu",
        sizes: list[int] | None = None,
        betas: tuple[float, float] = (0.9, 0.95),
    ):
        if dim % 2:
            raise ValueError(f"model.dim={dim}: must be even")
        self.dim, self.layer = dim, attention(dim=dim)


class Source(Protocol):
    def __iter__(self) -> Iterator[str]: ...


class Text:
    def __init__(self, path: str | Path, *, encoding: str = "utf-8"):
        self.path = path

    def __iter__(self) -> Iterator[str]:
        yield str(self.path)


class Callback(ABC):
    @abstractmethod
    def call(self) -> str: ...


class Say(Callback):
    def __init__(self, *, word: str = "hello", times: int = 1):
        self.word, self.times = word, times

    def call(self) -> str:
        return self.word * self.times


class Open:
    def __init__(self, project: str = "lm", **more: object):
        self.project, self.more = project, more


def scale(x: float, *, by: float = 2.0) -> float:
    return x * by


def train(
    run: Run,
    model: Model,
    data: Source,
    callbacks: Mapping[str, Callback] | None = None,
    logger: Open | None = None,
    rate: Callable[[float], float] | None = None,
    learning_rate: float = 1e-3,
    steps: int = 10,
    seed: int = 0,
    behave: str = "well",
) -> float:
    """Do what `behave` says, so that every end of a job can be seen."""
    if run.finished({"data": str(list(data))}):
        print(f"train       nothing to do: {run.directory} is complete")
        return run.result["loss"]
    match behave:
        case "bug":
            raise RuntimeError("a bug of ours")
        case "library":
            int("twelve")
        case "no file":
            Path("nowhere.txt").read_text()
        case "full_disk":
            try:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                raise RuntimeError("unexpected position")  # as torch.save does
        case "interrupt":
            os.kill(os.getpid(), signal.SIGINT)
        case "terminate":
            os.kill(os.getpid(), signal.SIGTERM)
        case "time_is_up" if not Path("asked").exists():
            Path("asked").write_text("again")
            raise Interrupted(signal.SIGUSR1, "saved at step 3")
        case "wait":
            Path("waiting").write_text(str(os.getpid()))
            time.sleep(60)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "saved":
            raise Interrupted(signal.SIGTERM, "saved at step 3")
    loss = learning_rate * model.dim * (seed + 1)
    output = run.directory / "loss.txt"
    output.write_text(str(loss))
    run.finish(outputs=[output], result={"loss": loss})
    print(f"train       {steps} steps, dim {model.dim}, seed {seed} → {run.directory}")
    return loss


def both(
    run: Run, first: Callable[[], float], second: Callable[[], float], note: str | None = None
) -> dict[str, float]:
    """Two stages, the second built only when the first has run."""
    if run.finished({}):
        return run.result
    result = {"first": first(), "second": second()}
    run.finish(outputs=[], result=result)
    return result


def greet(name: str = "you") -> None:
    """A job without a run."""
    print(f"hello {name}")
