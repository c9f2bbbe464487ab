"""`lm align` from its command line to its last checkpoint."""

import json
from pathlib import Path

import pytest

from lm.cli.call import call_job
from lm.cli.main import main
from support.alignments import alignment
from support.training_runs import composed


@pytest.mark.parametrize(
    ("data", "objective", "message"),
    [
        ("pairs", "grpo", "hold pairs of answers, and Policy learns from prompts: set objective=dpo"),
        ("labels", "dpo", "hold labelled answers, .* set objective=kto"),
        ("questions", "dpo", "hold prompts, .*: set objective=grpo .* or data=preference with pairs"),
        ("pairs", "causal", "hold pairs of answers, and CausalLM learns from texts or conversations"),
    ],
)
@pytest.mark.parametrize("dry_run", [True, False])
def test_an_objective_of_other_data_is_refused_in_words_also_by_a_dry_run(
    data: str, objective: str, message: str, dry_run: bool, tuned: Path, tmp_path: Path
) -> None:
    options = alignment(tuned, tmp_path, "wrong", f"objective={objective}", f"dry_run={dry_run}", data=data)
    config = composed("align", *(each for each in options if not each.startswith(("objective.", "reward@"))))
    with pytest.raises(ValueError, match=message):
        call_job(config)
    assert not list(tmp_path.glob("**/*.ckpt"))


def test_a_sweep_has_the_highest_reward_first(tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weighted = ("+objective.reward.weights.answer=2,-1", "validations=1")
    swept = alignment(tuned, tmp_path, "sweep", *weighted, "budget.steps=1", data="questions")
    assert main(["align", "-m", *swept]) == 0
    records = json.loads((tmp_path / "align/sweep/summary.json").read_text())
    values = [each["value"] for each in records]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[1]
    assert {(each["metric"], each["mode"]) for each in records} == {("validation/reward/mean", "max")}
    assert "2 jobs by validation/reward/mean, highest first" in capsys.readouterr().out
