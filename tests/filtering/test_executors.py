"""Every executor writes the same files."""

import importlib.util
import os
import sys
from functools import partial
from pathlib import Path
from shutil import which

import pytest

from lm.corpus import Document
from lm.filter import Duplicates
from lm.filtering import DatatroveExecutor, Executor, FilteredSource, LocalExecutor, SlurmExecutor, stages
from support.given import Given
from support.toy_filters import BothLetters, Letters, Shout

WORDS = ["some", "words", "that", "make", "texts", "of", "many", "kinds"]
DOCUMENTS = [
    Document(
        " ".join(WORDS[i * k % 8] for k in range(1, 3 + i % 9)) + f" {i % 60}", f"d{i}", "code" if i % 3 else "prose"
    )
    for i in range(300)
]
FILTERS = {"letters": Letters(min_letters=12), "unique": Duplicates(), "shout": Shout(), "both": BothLetters()}


def made(root: Path, executor: Executor, **more) -> dict[str, bytes]:
    """The files that a funnel writes with this executor."""
    sources = {"first": Given(DOCUMENTS[:100]), "second": Given(DOCUMENTS[100:])}
    filters = {**FILTERS, **more}
    assert list(FilteredSource(sources, filters=filters, directory=str(root), executor=executor))
    found = (path for path in root.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


@pytest.fixture
def expected(tmp_path, monkeypatch) -> dict[str, bytes]:
    monkeypatch.setattr(stages, "PIECE", 500)
    return made(tmp_path / "here", LocalExecutor(workers=1))


@pytest.mark.parametrize("tasks", [1, 3])
def test_tasks_of_datatrove_make_the_same_files(tasks, tmp_path, expected):
    executors = pytest.importorskip("datatrove.executor")
    make = partial(executors.LocalPipelineExecutor, tasks=tasks, workers=2)
    assert made(tmp_path / "there", DatatroveExecutor(make, logs=str(tmp_path / "logs"))) == expected


def test_a_killed_worker_is_reported_with_a_remedy(tmp_path, expected):
    with pytest.raises(ValueError, match=r"filtering: a worker process was killed.*fewer corpus\.executor\.workers"):
        made(tmp_path / "there", LocalExecutor(workers=2), letters=Letters(min_letters=12, killed_at="d250"))


@pytest.mark.slow
def test_a_ray_cluster_makes_the_same_files(tmp_path, expected, monkeypatch):
    if importlib.util.find_spec("ray") is None:
        pytest.skip("needs ray: pip install ray")
    executors = pytest.importorskip("datatrove.executor")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    make = partial(executors.RayPipelineExecutor, tasks=3, mem_per_cpu_gb=0.5)
    assert made(tmp_path / "there", DatatroveExecutor(make, logs=str(tmp_path / "logs"))) == expected


@pytest.mark.slurm
def test_jobs_of_slurm_make_the_same_files(tmp_path, expected, monkeypatch):
    """Needs sbatch and a partition that SLURM_PARTITION names."""
    if which("sbatch") is None:
        pytest.skip("needs Slurm, as Debian's slurm-wlm is")
    executors = pytest.importorskip("datatrove.executor")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    make = partial(
        executors.SlurmPipelineExecutor,
        tasks=3,
        time="00:05:00",
        partition=os.environ["SLURM_PARTITION"],
        mem_per_cpu_gb=1,
        qos="",
        venv_path=f"{sys.prefix}/bin/activate",
    )
    assert made(tmp_path / "there", SlurmExecutor(make, logs=str(tmp_path / "logs"))) == expected


@pytest.mark.skipif(which("sbatch") is not None, reason="Slurm is here")
def test_missing_slurm_is_reported_with_a_remedy(tmp_path):
    executors = pytest.importorskip("datatrove.executor")
    make = partial(executors.SlurmPipelineExecutor, tasks=3, time="1", partition="none")
    with pytest.raises(ValueError, match=r"Slurm rejected the job .*sbatch.*that sbatch is installed"):
        made(tmp_path / "there", SlurmExecutor(make, logs=str(tmp_path / "logs")))


def test_a_filter_that_fails_in_a_task_fails_here(tmp_path, expected):
    executors = pytest.importorskip("datatrove.executor")
    make = partial(executors.LocalPipelineExecutor, tasks=3, workers=1)
    failing = Letters(min_letters=12, fails_at="d250")
    with pytest.raises(ZeroDivisionError):
        made(tmp_path / "there", DatatroveExecutor(make, logs=str(tmp_path / "logs")), letters=failing)
