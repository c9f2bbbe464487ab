from dataclasses import replace
from pathlib import Path

import pytest

from lm.sweep import Job, Outcome
from lm.sweep.handed import carry_out_handed, hand_over, handed_back

JOB = Job("x=1", ["x=1"], "runs/x=1", {"_target_": "toy.train", "x": 1})
DONE = Outcome("x=1", ["x=1"], "runs/x=1", value=0.5)


def back(file: Path) -> Outcome:
    return handed_back(JOB, file, code=137, error="killed")


def test_a_job_arrives_as_it_was_and_its_outcome_too(tmp_path: Path) -> None:
    arrived = []
    hand_over(JOB, tmp_path / "0.json")
    assert carry_out_handed(tmp_path / "0.json", lambda job: (arrived.append(job), DONE)[1]) == 0
    assert (arrived, back(tmp_path / "0.json")) == ([JOB], DONE)


def test_what_an_earlier_process_handed_back_is_not_taken_for_this_one(tmp_path: Path) -> None:
    hand_over(JOB, tmp_path / "0.json")
    carry_out_handed(tmp_path / "0.json", lambda job: DONE)
    hand_over(JOB, tmp_path / "0.json")
    assert back(tmp_path / "0.json") == replace(DONE, value=None, code=137, error="killed")


@pytest.mark.parametrize("rank", ["RANK", "SLURM_PROCID"])
def test_only_the_first_rank_reports(rank: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hand_over(JOB, tmp_path / "0.json")
    monkeypatch.setenv(rank, "1")
    assert carry_out_handed(tmp_path / "0.json", lambda job: DONE) == 0
    assert back(tmp_path / "0.json").error == "killed"
