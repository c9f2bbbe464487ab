from dataclasses import replace
from pathlib import Path

import pytest

from lm.sweep import Job, Outcome
from lm.sweep.job import read_outcome, run_job_file, write_job

JOB = Job("x=1", ["x=1"], "runs/x=1", {"_target_": "toy.train", "x": 1})
DONE = Outcome("x=1", ["x=1"], "runs/x=1", value=0.5)


def back(file: Path) -> Outcome:
    return read_outcome(JOB, file, code=137, error="killed")


def test_a_job_and_its_outcome_are_read_as_written(tmp_path: Path) -> None:
    arrived = []
    write_job(JOB, tmp_path / "0.json")
    assert run_job_file(tmp_path / "0.json", lambda job: (arrived.append(job), DONE)[1]) == 0
    assert (arrived, back(tmp_path / "0.json")) == ([JOB], DONE)


def test_the_outcome_of_an_earlier_process_is_not_read(tmp_path: Path) -> None:
    write_job(JOB, tmp_path / "0.json")
    run_job_file(tmp_path / "0.json", lambda job: DONE)
    write_job(JOB, tmp_path / "0.json")
    assert back(tmp_path / "0.json") == replace(DONE, value=None, code=137, error="killed")


@pytest.mark.parametrize("rank", ["RANK", "SLURM_PROCID"])
def test_only_the_first_rank_writes_the_outcome(rank: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_job(JOB, tmp_path / "0.json")
    monkeypatch.setenv(rank, "1")
    assert run_job_file(tmp_path / "0.json", lambda job: DONE) == 0
    assert back(tmp_path / "0.json").error == "killed"
