"""After a crash at any moment the same command ends as if nothing had happened, or refuses in words."""

import csv
import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lm.cli.call import call_job
from lm.cli.main import main
from lm.config.outline import config_directory
from lm.filtering.pieces import REMEDY
from lm.process.failure import MISTAKE, report_failure

sys.path.insert(0, str(Path(__file__).parent / "toy"))
import toy
from support.file_trace import FileTrace, crash_states, leave
from support.training_runs import composed, documents, make_corpus, pretraining

CACHE = "documents"  # results of filters: what is lost is made again when it is read; the shards have the documents
FEW = 2  # states of the default run, evenly among those of a kill and as many of a power cut; the slow one tries all


def crash_everywhere(command: Callable[[], Any], root: Path, *, most: int | None, allowed: tuple[str, ...] = ()):
    """Run a command in an empty directory, and again from the states in which a crash would have left that.

    Args:
        command: What runs; all that it writes lies in `root`.
        root: The directory.
        most: How many states to try of those of a kill, and of those of a power cut; None for all.
        allowed: What messages of a refusal may hold after a power cut. A killed command must always continue.
    """
    with FileTrace(root) as trace:
        command()
    expected, states, refused = facts(root), list(crash_states(trace)), 0
    for name, state in [*sampled(states, most, killed=True), *sampled(states, most, killed=False)]:
        leave(state, root)
        try:
            command()
        except Exception as error:
            message = str(error)
            if report_failure(error) != MISTAKE:
                pytest.fail(f"{name}: {''.join(traceback.format_exception(error))}")
            assert not name.startswith("killed"), f"{name}: {message}"
            assert any(part in message for part in allowed), f"{name}: {message}"
            refused += 1
            continue
        assert_same(facts(root), expected, name)
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
        hidden = any(part.startswith(".") for part in parts) or parts[0] == CACHE
        if path.is_file() and not hidden:
            found[path.relative_to(root).as_posix()] = READERS.get(path.name, READERS.get(path.suffix, _bytes))(path)
    return found


def _bytes(path: Path) -> bytes:
    return path.read_bytes()


def _manifest(path: Path) -> Any:
    manifest = json.loads(path.read_bytes())
    outputs = {name: None if name.endswith(".ckpt") else each["hash"] for name, each in manifest["outputs"].items()}
    kept = {key: manifest[key] for key in ("state", "job", "name", "config", "inputs", "identity", "versions")}
    return {**kept, "outputs": outputs, "result": {k: v for k, v in manifest["result"].items() if k != "seconds"}}


def _metrics(path: Path) -> Any:
    with open(path, newline="") as file:
        return [{key: value for key, value in row.items() if "second" not in key} for row in csv.DictReader(file)]


def _checkpoint(path: Path) -> Any:
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint["loops"]  # counters of Lightning; a resumed run computes them from its step
    return checkpoint


READERS = {
    "manifest.json": _manifest,
    "metrics.csv": _metrics,
    ".ckpt": _checkpoint,
    "study.journal": lambda path: None,  # times; summary.json has the trials
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
    chosen = [*documents(30), *documents(5)]
    path.write_text("".join(f"{json.dumps({'text': each.text, 'kind': each.kind})}\n" for each in chosen))
    return path


@ALL_OR_FEW
def test_training_survives_a_crash_at_any_moment(most, corpus, tmp_path):
    steps = ["budget.steps=3", "budget.batch_tokens=64", "validations=2", "callbacks.checkpoints.every=1"]
    small = ["model.dim=16", "model.layers=1", "model.attention.heads=2"]
    config = pretraining(corpus, tmp_path, "run", *steps, *small)
    count, refused = crash_everywhere(lambda: call_job(config), tmp_path, most=most)
    assert count > 100
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


@pytest.mark.parametrize("search", [False, pytest.param(True, marks=pytest.mark.slow)])
@ALL_OR_FEW
def test_a_sweep_survives_a_crash_at_any_moment(most, search, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["--config-dir", str(config_directory()), "-m", "run.name=tune", "seed=2,0,1"]
    if search:
        pytest.importorskip("optuna", reason="optuna is not installed: pip install 'lightning-lm[sweep]'")
        arguments += ["hydra/sweeper=optuna", "hydra/sweeper/storage=journal", "hydra.sweeper.trials=3"]
    count, refused = crash_everywhere(lambda: lm_or_fail("train", "data.path=x", *arguments), tmp_path, most=most)
    assert count > 50
    assert refused == 0


def lm_or_fail(*arguments: str) -> None:
    code = main(arguments, directory=toy.CONF)
    if code == MISTAKE:
        raise ValueError("refused")
    assert code == 0
