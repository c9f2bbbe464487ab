"""`lm align` from its command line to its last checkpoint."""

import json
import math
import os
from pathlib import Path

import pytest
import torch

from lm.cli.call import call_job
from lm.cli.main import main
from support.alignments import align, alignment, measured, weights
from support.ranks_here import as_ranks
from support.training_runs import composed, instruction, run


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


RUNS = {  # what the data are, and what differs from the usual run
    "dpo with a cached reference and LoRA": ("pairs", "objective/reference=cached", "model/adapter=lora"),
    "grpo with LoRA": ("questions", "model/adapter=lora", "objective.group_size=4"),
    "ppo": ("questions", "objective=ppo", "model/head=scalar"),
}


@pytest.fixture(scope="module", params=RUNS.values(), ids=RUNS)
def whole(request: pytest.FixtureRequest, tuned: Path, tmp_path_factory: pytest.TempPathFactory):
    """A run that nothing has interrupted: its directory, and the config of another one like it."""
    data, *overrides = request.param
    root = tmp_path_factory.mktemp("whole")
    overrides = [*overrides, "compute.precision=64-true", "objective.gradient_clip=null", "validations=1"]
    call_job(align(tuned, root, "whole", *overrides, data=data))

    def another(place: Path, *more: str) -> dict:
        return align(tuned, place, "other", *overrides, *more, data=data)

    return root / "align/whole", another


def test_a_killed_alignment_ends_as_an_uninterrupted_one_bit_for_bit(whole, tmp_path: Path) -> None:
    directory, another = whole
    per_step = another(tmp_path)["budget"].get("batch_rows") or 4
    batches = 3 * (per_step // 2) - 1  # within the third step, after the checkpoint of the second
    killer = f"+callbacks.kill={{_target_: support.killers.KillAfterBatch, batches: {batches}}}"
    assert run(another(tmp_path, killer)) == -9
    killed = tmp_path / "align/other"
    assert torch.load(killed / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 2
    call_job(another(tmp_path))
    one, same = weights(directory), weights(killed)
    assert one.keys() == same.keys()
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert measured(killed) == measured(directory)


def on_a_rank(config: dict, environment: dict) -> None:
    os.environ.update(environment)
    call_job(config)


def test_two_ranks_align_as_one_does(whole, tmp_path: Path) -> None:
    directory, another = whole
    two = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "budget.rows_per_device=1")
    assert as_ranks(2, on_a_rank, another(tmp_path, *two)) == [0, 0]
    one, same = weights(directory), weights(tmp_path / "align/other")
    for name in one:
        torch.testing.assert_close(same[name], one[name], rtol=0, atol=1e-10)


def test_ppo_trains_its_value_head(tuned: Path, tmp_path: Path) -> None:
    answers = "+callbacks.answers={_target_: lm.callbacks.Answers, every: 1, count: 3}"
    head = (answers, "objective=ppo", "model/head=scalar", "budget.steps=2", "validations=1")
    call_job(align(tuned, tmp_path, "ppo", *head, data="questions"))
    found = weights(tmp_path / "align/ppo")
    (value,) = [weight for name, weight in found.items() if name.endswith("head.weight")]
    assert value.abs().max() > 0  # begins at zero
    records = [*map(json.loads, (tmp_path / "align/ppo/answers.jsonl").read_text().splitlines())]
    assert [each["step"] for each in records] == [1, 1, 1, 2, 2, 2]
    assert all(each["rewards"]["answer"] == each["reward"] for each in records)
    assert all(each["prompt"][-1]["role"] == "user" and each["reference"] for each in records)
    last = measured(tmp_path / "align/ppo")[-1]
    assert math.isfinite(float(last["validation/reward/mean"]))
    assert {"train/reward/mean", "train/entropy", "train/clip_fraction", "train/response_length"} <= last.keys()
    assert main(["chat", f"model.path={tmp_path}/align/ppo", "message=hi", "max_tokens=3"]) == 0


@pytest.mark.parametrize(
    ("reference", "adapter"), [("frozen", ()), ("cached", ()), ("frozen", ("model/adapter=lora",))]
)
def test_the_reference_of_a_continued_adapter_is_the_model_with_that_adapter(
    reference: str, adapter: tuple[str, ...], tuned: Path, tmp_path: Path
) -> None:
    # published: huggingface/trl#3194, where the reference is the model with its adapter switched off
    call_job(instruction(tuned, tmp_path, "adapted", "model/adapter=lora", "optimizer.learning_rate=0.05"))
    adapted = tmp_path / "instruct/adapted"
    first = {}
    for name, start in {"adapted": adapted, "base": tuned}.items():
        file = f"data.preferences.path={tuned.parents[1]}/pairs.jsonl"
        more = (*adapter, f"objective/reference={reference}", "budget.steps=1", "validations=0", file)
        call_job(align(start, tmp_path, name, *more))
        first[name] = measured(tmp_path / f"align/{name}")[0]
    assert float(first["adapted"]["train/loss"]) == pytest.approx(math.log(2), abs=1e-6)
    chosen = [float(each["train/logps/chosen"]) for each in first.values()]
    assert abs(chosen[0] - chosen[1]) > 0.1  # so the loss would not be ln 2 against the model without the adapter
