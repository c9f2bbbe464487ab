"""After a crash at any moment the same command ends as if nothing had happened, or refuses in words."""

import csv
import json
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch

from lm.checkpoint.files import AtomicCheckpointIO, checkpoint_path, keep_last
from lm.checkpoint.sharded import read_whole, remove_parts, split_tensors, write_parts
from lm.cli.call import call_job, run_composed
from lm.cli.main import _summary
from lm.config.composition import Composition
from lm.config.outline import config_directory
from lm.files import DamagedFileError, sync
from lm.filtering.pieces import REMEDY, is_written, open_blocks, read_block, read_json
from lm.process.failure import MISTAKE, report_failure
from lm.report.run import run_page

sys.path.insert(0, str(Path(__file__).parent / "toy"))
import toy
from support.crash_ranks import run_ranks, traced_ranks
from support.file_trace import FileTrace, crash_states, leave
from support.training_runs import composed, documents, instruction, make_corpus, pretraining

CACHE = "documents"  # results of filters
FEW = 2  # states of the default run, evenly among those of a kill and as many of a power cut; the slow one tries all


def crash_everywhere(
    command: Callable[[], Any],
    root: Path,
    *,
    most: int | None,
    allowed: tuple[str, ...] = (),
    whole: tuple[str, ...] = (),
    states: list | None = None,
) -> tuple[int, int]:
    """Run a command in an empty directory, and again from the states in which a crash would have left that.

    Args:
        command: What runs; all that it writes lies in `root`.
        root: The directory.
        most: How many states to try of those of a kill, and of those of a power cut; None for all.
        allowed: What messages of a refusal may hold after a power cut. A killed command must always continue.
        whole: Endings of files that a library syncs where Python does not see it.
        states: Those of a run that has been traced already, and has left its files; None to trace one here.

    Returns:
        The number of states there are, and how many were refused.
    """
    if states is None:
        with FileTrace(root, whole=whole) as trace:
            command()
        states = crash_states(trace)
    expected, stored, refused = facts(root), cached(root), 0
    for name, _, state in [*sampled(states, most, killed=True), *sampled(states, most, killed=False)]:
        leave(state, root)
        try:
            with patch.object(os, "fsync", lambda handle: None):  # only the trace needs it, and it takes a third
                command()
        except Exception as error:
            message = str(error)
            if report_failure(error) != MISTAKE:
                pytest.fail(f"{name}: {''.join(traceback.format_exception(error))}")
            assert not name.startswith("killed"), f"{name}: {message}"
            assert any(part in message for part in allowed), f"{name}: {message}"
            refused += 1
        else:
            assert_same(facts(root), expected, name)
        for path, content in cached(root).items():
            assert content in (None, stored[path]), f"{name}: {path}"
    return len(states), refused


def sampled(states: list, most: int | None, *, killed: bool) -> list:
    """That many states, evenly; all for None."""
    chosen = [state for state in states if state[0].startswith("killed") == killed]
    if most is None or len(chosen) <= most:
        return chosen
    return [chosen[int((number + 0.5) * len(chosen) / most)] for number in range(most)]


def facts(root: Path) -> dict[str, Any]:
    """What each file says, clocks aside; files of bookkeeping and of caches by none."""
    found = {}
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        hidden = any(part.startswith(".") or part.endswith(".parts") for part in parts) or parts[0] == CACHE
        if (path.is_file() or path.is_symlink()) and not hidden:
            found[path.relative_to(root).as_posix()] = READERS.get(path.name, READERS.get(path.suffix, _bytes))(path)
    return found


def cached(root: Path) -> dict[str, bytes | None]:
    """Each file of the cache as those that read it find it; None where they refuse it, or make it again."""
    found = {}
    for path in sorted((root / CACHE).rglob("[!.]*.*")):
        name, reads = str(path.relative_to(root)), read_array if path.suffix == ".npy" else read_json
        found[name] = None
        with suppress(DamagedFileError):
            if is_written(path):
                reads(path)
                found[name] = path.read_bytes()
    return found


def read_array(path: Path) -> None:
    for number in range(len(open_blocks(path))):
        read_block(path, number)


def _bytes(path: Path) -> bytes:
    return path.read_bytes()


def _manifest(path: Path) -> Any:
    manifest = json.loads(path.read_bytes())
    ours = {name: each["hash"] for name, each in manifest["outputs"].items() if ".parts/" not in name}
    outputs = {name: None if name.endswith(".ckpt") else found for name, found in ours.items()}
    kept = {key: manifest[key] for key in ("state", "job", "name", "config", "inputs", "identity", "versions")}
    return {**kept, "outputs": outputs, "result": {k: v for k, v in manifest["result"].items() if k != "seconds"}}


def _metrics(path: Path) -> Any:
    with open(path, newline="") as file:
        return [{key: value for key, value in row.items() if "second" not in key} for row in csv.DictReader(file)]


def _checkpoint(path: Path) -> Any:
    checkpoint = AtomicCheckpointIO().load_checkpoint(path, weights_only=True)
    del checkpoint["loops"]  # counters of Lightning; a resumed run computes them from its step
    return checkpoint


def _page(path: Path) -> bool:
    """Whether the page is that of its directory: it names times."""
    return path.read_text(encoding="utf-8") == run_page(path.parent)


READERS = {
    "report.html": _page,
    "summary.html": lambda path: None,
    "manifest.json": _manifest,
    "metrics.csv": _metrics,
    ".ckpt": _checkpoint,
    "study.journal": lambda path: None,  # times; summary.json has the trials
    "study.db": lambda path: None,
    ".npz": lambda path: {name: array.tolist() for name, array in np.load(path).items()},
}


def assert_same(here: Any, there: Any, name: str, path: str = "") -> None:
    assert type(here) is type(there), f"{name}: {path}"
    if isinstance(here, dict):
        assert set(here) == set(there), f"{name}: {path}"
        for key in here:
            assert_same(here[key], there[key], name, f"{path}/{key}")
    elif isinstance(here, list | tuple):
        assert len(here) == len(there), f"{name}: {path}"
        for number, pair in enumerate(zip(here, there, strict=True)):
            assert_same(*pair, name, f"{path}/{number}")
    elif isinstance(here, torch.Tensor):
        assert torch.equal(here, there), f"{name}: {path}"
    else:
        assert here == there, f"{name}: {path}"


ALL_OR_FEW = pytest.mark.parametrize("most", [FEW, pytest.param(None, marks=pytest.mark.slow)])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> Path:
    """A file of documents, some of them twice."""
    path = tmp_path_factory.mktemp("texts") / "texts.jsonl"
    chosen = [*documents(14), *documents(3)]
    path.write_text("".join(f"{json.dumps({'text': each.text, 'kind': each.kind})}\n" for each in chosen))
    return path


SMALL = ["model.dim=16", "model.layers=1", "model.attention.heads=2"]
STEPS = ["budget.steps=3", "budget.batch_tokens=64", "validations=2", "callbacks.checkpoints.every=1"]


@ALL_OR_FEW
def test_training_survives_a_crash_at_any_moment(most, corpus, tmp_path):
    config = pretraining(corpus, tmp_path, "run", *STEPS, *SMALL)
    count, refused = crash_everywhere(lambda: call_job(config), tmp_path, most=most)
    assert count > 100
    assert refused == 0


def test_a_distributed_checkpoint_survives_a_crash_at_any_moment(tmp_path):
    last, best, done = checkpoint_path(tmp_path, "last"), checkpoint_path(tmp_path, "best"), []
    with FileTrace(tmp_path) as trace:
        last.parent.mkdir()
        sync(tmp_path)
        for step in (1, 2, 3):
            weights = {"model.a": torch.full((4,), float(step))}
            checkpoint = {"global_step": step, "state_dict": weights, "optimizer_states": []}
            write_parts(last, *split_tensors(checkpoint), name=f"step-{step}", first=True)
            done.append(len(trace.moments))
            if step == 2:
                keep_last(tmp_path, "best")
    states = crash_states(trace)
    assert len(states) > 50
    for name, moment, state in states:
        leave(state, tmp_path)
        remove_parts(last.parent)
        steps = sum(each <= moment for each in done)
        if steps or last.exists():
            found = read_whole(last)
            assert found["global_step"] in (steps, steps + 1), name
            assert found["state_dict"]["model.a"].tolist() == 4 * [float(found["global_step"])], name
        if steps == 3 or best.exists():
            assert read_whole(best)["state_dict"]["model.a"].tolist() == 4 * [2.0], name


@pytest.mark.slow
def test_training_with_distributed_checkpoints_survives_a_crash(corpus, tmp_path):
    fsdp = ["trainer=fsdp", "trainer.accelerator=cpu", "trainer.devices=1"]
    config = pretraining(
        corpus, tmp_path, "run", *STEPS, *SMALL, *fsdp, "trainer.strategy.distributed_checkpoints=true"
    )
    _, refused = crash_everywhere(lambda: call_job(config), tmp_path, most=12)
    assert refused == 0


@pytest.mark.slow
@pytest.mark.parametrize("distributed", [True, False])
def test_training_in_two_ranks_survives_a_crash_of_all(distributed, corpus, tmp_path_factory, tmp_path):
    ranks = ["trainer=fsdp", "trainer.accelerator=cpu", "trainer.devices=2"]
    ranks.append(f"trainer.strategy.distributed_checkpoints={str(distributed).lower()}")
    config = pretraining(corpus, tmp_path, "run", *STEPS, *SMALL, *ranks, "budget.rows_per_device=1")
    states = traced_ranks(config, tmp_path, tmp_path_factory.mktemp("scratch"))
    _, refused = crash_everywhere(lambda: run_ranks(config), tmp_path, most=6, states=states)
    assert len(states) > 100
    assert refused == 0


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("trained")
    call_job(pretraining(corpus, root, "run", *STEPS, *SMALL))
    return root / "pretrain" / "run"


def adapting(trained: Path, root: Path) -> dict:
    """The config of a tuning of two steps that trains an adapter."""
    few = ["budget.steps=2", "budget.batch_tokens=64", "callbacks.checkpoints.every=1"]
    return instruction(trained, root, "adapted", *few, "model/adapter=lora", "model.adapter.rank=2")


@pytest.fixture(scope="module")
def adapted(trained, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("adapted")
    call_job(adapting(trained, root))
    return root / "instruct" / "adapted"


@pytest.mark.slow
def test_the_training_of_an_adapter_survives_a_crash_at_any_moment(trained, tmp_path):
    config = adapting(trained, tmp_path)  # which writes conversations: they are there before
    count, refused = crash_everywhere(lambda: call_job(config), tmp_path, most=None)
    assert count > 50
    assert refused == 0


@pytest.mark.parametrize("source", ["trained", "adapted"])
@ALL_OR_FEW
def test_a_gathered_checkpoint_survives_a_crash_at_any_moment(most, source, request, tmp_path):
    config = composed("consolidate", f"run.root={tmp_path}", f"path={request.getfixturevalue(source)}")
    count, refused = crash_everywhere(lambda: call_job(config), tmp_path, most=most)
    assert count > 30
    assert refused == 0


@ALL_OR_FEW
def test_a_filtered_corpus_survives_a_crash_at_any_moment(most, corpus, texts, tmp_path):
    source = ["+corpus@corpus.sources.mine=jsonl", f"corpus.sources.mine.path={texts}"]
    filters = ["+filter@corpus.filters.clean=clean", "+filter@corpus.filters.copies=duplicates"]
    places = [f"run.root={tmp_path}", f"tokenizer.path={corpus}", f"corpus.directory={tmp_path / CACHE}"]
    small = ["corpus.executor.workers=1", "shard_tokens=200", "corpus.sources.mine.kind_field=kind"]
    config = composed("corpus", "corpus=funnel", *source, *filters, *places, *small)
    count, _ = crash_everywhere(lambda: call_job(config), tmp_path, most=most, allowed=(REMEDY,))
    assert count > 100


@ALL_OR_FEW
def test_a_tokenizer_survives_a_crash_at_any_moment(most, texts, tmp_path):
    source = ["corpus=jsonl", f"corpus.path={texts}"]
    config = composed("tokenizer", *source, f"run.root={tmp_path}", "tokenizer.vocab_size=280")
    count, refused = crash_everywhere(lambda: call_job(config), tmp_path, most=most)
    assert count > 20
    assert refused == 0


@pytest.mark.parametrize(
    "storage", [None, *(pytest.param(each, marks=pytest.mark.slow) for each in ("journal", "sqlite"))]
)
@ALL_OR_FEW
def test_a_sweep_survives_a_crash_at_any_moment(most, storage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    overrides = ["data.path=x", "run.name=tune", "seed=1,0"]
    if storage:
        pytest.importorskip("optuna", reason="optuna is not installed: pip install 'lightning-lm[sweep]'")
        overrides += ["hydra/sweeper=optuna", f"hydra/sweeper/storage={storage}", "hydra.sweeper.trials=2"]
    composition = Composition("train", directory=toy.CONF, extra=config_directory())  # once: it reads no outputs
    count, refused = crash_everywhere(lambda: sweep(composition, overrides), tmp_path, most=most, whole=(".db",))
    assert count > 50
    assert refused == 0


def sweep(composition: Composition, overrides: list[str]) -> None:
    outcomes = composition.run(partial(run_composed, node=None), overrides, multirun=True)
    assert _summary(composition, overrides, outcomes) == 0
