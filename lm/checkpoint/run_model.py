"""A trained model from a run directory: its architecture, its checkpoint, and how it trains on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file

from lm.bounds import Count
from lm.checkpoint.architecture import ADAPTATION, MERGED, build_architecture, read_architecture
from lm.checkpoint.files import WEIGHTS_PREFIX, check_identity, check_whole, checkpoint_path, read_facts
from lm.checkpoint.lineage import parent_of
from lm.checkpoint.sharded import WEIGHTS, is_parts, read_whole
from lm.directory import Run
from lm.directory.manifest import read_manifest
from lm.files import report_damage
from lm.hub import HUB
from lm.model import ModelSource, Transformer, describe_factory, freeze, merge

RUN = (
    "model.path names the directory of a run of lm pretrain, instruct or align, such as outputs/pretrain/default, or "
    "the folder of a published model with its config.json"
)
EXPORTED = "model.safetensors"  # of `lm export format=safetensors`, which has no checkpoints
TEMPLATE = "conversation.json"  # beside the weights of a model that was tuned on conversations
Change = Callable[[Transformer], None]


class RunModel(ModelSource):
    """A trained model from a run directory, in evaluation mode.

    Adapters and quantised matrices of the run are merged: a plain model comes out, as fast as any.

    Args:
        path: Run directory of a `pretrain`, `instruct` or `align` run, as outputs/pretrain/default, or of an export by
            `lm export format=safetensors`.
        which: Checkpoint to read. `best` is by validation; a run without validation has only a `last`, which is then
            read in its place. `stable` is the one before the learning rate decayed, which a schedule such as
            `warmup_stable_decay` leaves: the best start for further pretraining.
        context: Tokens that the model sees at once. None is the context it was trained with. A longer one is possible
            if nothing in the model has the size of the context, as with rotary positions; what lies beyond the trained
            context must be learned.
        quantise: Stores the matrices of the blocks in fewer bits, as `lm.model.nf4`; needs an `adapter`, since such
            matrices cannot train. None keeps them.
        adapter: Adds a few new weights that train in place of the model's own, as `lm.model.lora`. None trains all.
        head: Adds a score per position, as `lm.model.scalar_head`, which a reward model needs. None adds none, and
            keeps that of a reward model, frozen.
        freeze: Parts that do not train, as `embedding` or `blocks.0`. None or empty: all parts train.
    """

    def __init__(
        self,
        path: str,
        *,
        which: Literal["best", "last", "stable"] = "best",
        context: Count | None = None,
        quantise: Change | None = None,
        adapter: Change | None = None,
        head: Change | None = None,
        freeze: list[str] | None = None,
    ):
        self.origin = check_run(path)
        self.which, self.context = which, context
        self.quantise, self.adapter, self.head, self.freeze = quantise, adapter, head, freeze

    def build(self, *, vocab_size: int | None = None) -> Transformer:
        """Build the model with its weights.

        Raises:
            ValueError: The vocabulary has another size, the weights do not fit the context, or the checkpoint is
                missing or damaged.
        """
        model = self.unmerged(vocab_size=vocab_size)
        merge(model)
        return self._adapt(model).eval()

    def unmerged(self, *, vocab_size: int | None = None) -> Transformer:
        """Build the model as it was trained: adapters stand beside the weights that they change.

        Raises:
            ValueError: As of `build`.
        """
        model = build_architecture(self.origin, vocab_size=vocab_size, context=self.context)
        try:
            model.load_state_dict(self._read_weights())
        except RuntimeError as error:  # of torch, for another shape
            if self.context is None:
                raise
            raise ValueError(
                f"model.context={self.context}: the weights of {self.origin} fit only the context they were trained "
                f"with ({str(error).splitlines()[-1].strip()}); set model.context=null"
            ) from error
        return model.eval()

    def outline(self, *, vocab_size: int) -> Transformer:
        model = build_architecture(self.origin, vocab_size=vocab_size, context=self.context)
        merge(model)
        return self._adapt(model)

    def describe(self, *, vocab_size: int) -> dict[str, Any]:
        trained = read_architecture(self.origin)
        changes = {key: describe_factory(getattr(self, key)) for key in ADAPTATION if getattr(self, key)}
        changes |= {"context": self.context} if self.context else {}
        return {key: value for key, value in trained.items() if key not in MERGED} | changes

    def parent(self) -> dict[str, Any]:
        file = self.checkpoint
        if file.name == EXPORTED:
            return parent_of(self.origin, which=file.stem, step=read_manifest(self.origin)["result"]["step"])
        with report_damage(file, "resume its run, or copy it again"):
            step = read_facts(file)["global_step"]
        return parent_of(self.origin, which=file.stem, step=step)

    def fingerprint(self) -> dict[str, str]:
        return {"model": Run.fingerprint(self.origin)}

    def _read_weights(self) -> dict[str, torch.Tensor]:
        file = self.checkpoint
        if file.name == EXPORTED:
            with report_damage(file, "write it again with lm export, or copy it again"):
                return load_file(file)
        other = checkpoint_path(self.origin, "last" if file.stem == "best" else "best")
        instead = f", or read {other.name} by which={other.stem}" if other.exists() else ""
        with report_damage(file, f"resume its run, or copy it again{instead}"):
            check_whole(file)
            if is_parts(file):
                checkpoint = read_whole(file, prefix=WEIGHTS)
            else:
                checkpoint = torch.load(file, map_location="cpu", weights_only=True)
            state = checkpoint["state_dict"]
            names = [name for name in state if name.startswith(WEIGHTS_PREFIX)]
            weights = {name.removeprefix(WEIGHTS_PREFIX): state[name] for name in names}
        check_identity(file, checkpoint, Run.recorded_identity(self.origin))
        return weights

    @property
    def checkpoint(self) -> Path:
        """The file that is read; ValueError if it is missing. An export has one model, whatever `which` says."""
        if (self.origin / EXPORTED).is_file():
            return self.origin / EXPORTED
        file = checkpoint_path(self.origin, self.which)
        if self.which == "stable" and not file.exists():
            raise ValueError(
                f"model.which=stable: {self.origin} has no {file.name}; a run keeps one if its schedule holds the rate "
                "and then lowers it, as schedule=warmup_stable_decay: set model.which=best or last"
            )
        if not file.exists() and file.relative_to(self.origin).as_posix() in Run.made(self.origin):
            raise ValueError(f"{file} is missing, though its run made it: copy it again, or read the other by which=")
        file = file if file.exists() else checkpoint_path(self.origin, "last")
        if not file.exists():
            raise ValueError(f"{self.origin} has no checkpoint yet: finish its run first")
        return file

    def _adapt(self, model: Transformer) -> Transformer:
        if model.head is not None:
            model.head.requires_grad_(False)
        return adapt(model, quantise=self.quantise, adapter=self.adapter, head=self.head, frozen=self.freeze)


def adapt(
    model: Transformer,
    *,
    quantise: Change | None,
    adapter: Change | None,
    head: Change | None,
    frozen: list[str] | None,
) -> Transformer:
    """Quantise, adapt, head and freeze a model in place, for further training; the parameters are those of `RunModel`.

    Raises:
        ValueError: Quantised matrices would have to train.
    """
    if quantise is not None and adapter is None:
        raise ValueError(
            "model.quantise stores the matrices of the blocks so that they cannot train: put an adapter beside "
            "them, as model/adapter=lora"
        )
    for change in (quantise, adapter, head):
        if change is not None:
            change(model)
    if frozen:
        freeze(model, frozen)
    return model


def check_run(path: str | Path) -> Path:
    """The run directory at `path`; ValueError for what people name in its place: a checkpoint, a hub, other weights."""
    run = Path(path)
    inside = next((each.parent for each in (run, *run.parents) if each.name == "checkpoints"), None)
    if inside is not None and (run.exists() or run.suffix == ".ckpt"):
        which = f" which={run.stem}" if run.stem in ("best", "last", "stable") else ""
        raise ValueError(
            f"model.path={path} lies inside a run: write model.path={inside}{which and f' model.{which.strip()}'}"
        )
    if not run.exists():
        remedy = _newest_runs() or "lm pipeline makes the first run"
        hub = f"; of the Hugging Face hub, write model.path={HUB}{path}" if _may_be_on_hub(path) else ""
        raise ValueError(f"model.path={path} does not exist: {RUN}; {remedy}{hub}")
    if run.is_file():
        folder = f"; a published model is the folder of its files: write model.path={run.parent}" * _is_weights(run)
        raise ValueError(f"model.path={path} is no run of lm: {RUN}{folder}")
    return run


def _may_be_on_hub(path: str | Path) -> bool:
    """Whether a path that does not exist may be meant as a name of the hub: not one below the runs here."""
    parts = Path(path).parts
    return len(parts) <= 2 and not Path(parts[0]).is_dir() and not str(path).startswith((".", "/", "~"))


def _is_weights(file: Path) -> bool:
    return file.suffix in (".safetensors", ".bin", ".json") and (file.parent / "config.json").is_file()


def _newest_runs() -> str:
    """`write model.path=…` with the newest tuned and the newest pretrained run here: jobs differ in what they need."""
    made = [each.parent for each in Path("outputs").glob("*/**/model.json") if each.parent.is_dir()]
    made.sort(key=lambda each: each.stat().st_mtime, reverse=True)
    tuned = next((each for each in made if (each / TEMPLATE).is_file()), None)
    base = next((each for each in made if not (each / TEMPLATE).is_file()), None)
    named = [f"{path}, the newest {kind} run here" for path, kind in ((tuned, "tuned"), (base, "pretrained")) if path]
    return f"write model.path={', or '.join(named)}" if named else ""
