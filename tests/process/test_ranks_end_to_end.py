"""A rank that fails ends the whole job, which prints its error, under every launcher."""

import os
import socket
import time
from pathlib import Path

import pytest

from lm.directory.manifest import read_manifest
from support.commands import Begun
from support.training_runs import make_corpus, of_seconds

TWO_RANKS = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
FAILED = "RuntimeError: it had to be"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


def begin(corpus: Path, root: Path, failing: str, *more: str, **environment: str) -> Begun:
    killer = f"+callbacks.killer={{_target_: support.killers.FailOnRank, {failing}}}"
    places = os.pathsep.join(map(str, (Path(__file__).parents[1], Path(__file__).parents[2])))
    words = of_seconds(corpus, root, "run", *TWO_RANKS, killer, *more)
    return Begun("pretrain", *words, PYTHONPATH=places, **environment)


def told_by(process: Begun) -> tuple[int, list[str]]:
    """Exit code and words. It returns once every process that could still write them has ended."""
    ended = process.ended()
    return ended.returncode, ended.stderr.splitlines()


def test_the_job_ends_with_the_report_of_the_rank_that_failed(corpus, tmp_path):
    code, words = told_by(begin(corpus, tmp_path, "rank: 1, batches: 6"))
    assert code == 1
    assert [line for line in words if line[0] != " "] == [
        "Traceback (most recent call last):",
        FAILED,
        "on rank 1 of 2",
    ]
    assert sorted(path.name for path in (tmp_path / "pretrain" / "run").glob(".*")) == [".lock", ".metrics.json"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("failing", "code", "last"),
    [
        ("rank: 0, batches: 6", 1, "on rank 0 of 2"),
        ("rank: 1, batches: 6, idle: true", 1, "on rank 1 of 2"),
        (
            "rank: 1, batches: 6, killed: true",
            137,
            "error: rank 1 of 2 was killed by SIGKILL, as the system does when memory runs out; run the same "
            "command again to resume from the last checkpoint",
        ),
        ("rank: 0, batches: 6, killed: true", -9, None),
    ],
)
def test_every_way_to_fail_ends_the_job_with_its_reason(failing, code, last, corpus, tmp_path):
    found, words = told_by(begin(corpus, tmp_path, failing))
    assert (found, words[-1] if words else None) == (code, last)


@pytest.mark.slow
def test_a_sweep_continues_with_its_next_job(corpus, tmp_path):
    code, words = told_by(begin(corpus, tmp_path, "rank: 1, batches: '${seed}'", "-m", "seed=6,99"))
    assert code == 1
    assert words.count(FAILED) == 1
    states = {path.name: read_manifest(path)["state"] for path in (tmp_path / "pretrain" / "run").glob("seed=*")}
    assert states == {"seed=6": "started", "seed=99": "complete"}


@pytest.mark.slow
@pytest.mark.parametrize("failing", ["rank: 1, batches: 6", "rank: 0, batches: 6"])
def test_ranks_that_others_started_all_end_and_say_which_they_are(failing, corpus, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    ranks = [begin(corpus, tmp_path, failing, **group, LOCAL_RANK=str(r), RANK=str(r), NODE_RANK="0") for r in (0, 1)]
    began = time.monotonic()
    ends = [told_by(rank) for rank in ranks]
    assert time.monotonic() - began < 200, "no rank waits for one that has gone"
    failed = int(failing[6])
    assert ends[failed][1][-2:] == [FAILED, f"on rank {failed} of 2"]
    (line,) = ends[1 - failed][1]
    assert line.startswith(f"error: rank {1 - failed} of 2 has lost another rank, which reports why")
    assert [code for code, _ in ends] == [1, 1]
