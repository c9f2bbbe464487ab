"""The answers that a policy learns from are written with their rewards, once a step, also where a run resumes."""

import json
from types import SimpleNamespace

import pytest

from lm.callbacks import Answers

RECORD = {"prompt": [{"role": "user", "content": "1 + 1 ="}], "answer": "2", "reward": 1.0}


def trainer(directory, **state) -> SimpleNamespace:
    common = {"max_steps": 9, "accumulate_grad_batches": 2, "is_global_zero": True, "loggers": []}
    return SimpleNamespace(default_root_dir=str(directory), **common | state)


def steps(directory) -> list[int]:
    return [json.loads(line)["step"] for line in (directory / "answers.jsonl").read_text().splitlines()]


def trained(callback: Answers, directory, first: int, last: int, answered=(RECORD,) * 6, **state) -> None:
    module = SimpleNamespace(answered=answered)
    callback.on_train_start(trainer(directory, global_step=first - 1), module)
    for step in range(first, last + 1):
        for micro, global_step in ((0, step - 1), (1, step)):
            callback.on_train_batch_end(
                trainer(directory, global_step=global_step, **state), module, None, None, 2 * (step - 1) + micro
            )


def test_the_first_the_last_and_every_nth_step_have_answers(tmp_path):
    trained(Answers(every=4, count=2), tmp_path, 1, 9)
    assert steps(tmp_path) == [1, 1, 4, 4, 8, 8, 9, 9]
    assert json.loads((tmp_path / "answers.jsonl").read_text().splitlines()[0]) == {"step": 1, **RECORD}


def test_a_resumed_run_repeats_no_answer_and_drops_a_torn_line(tmp_path):
    trained(Answers(every=2, count=1), tmp_path, 1, 5)
    with open(tmp_path / "answers.jsonl", "a") as file:
        file.write('{"step": 6, "ans')
    trained(Answers(every=2, count=1), tmp_path, 4, 9)
    assert steps(tmp_path) == [1, 2, 4, 6, 8, 9]


@pytest.mark.parametrize("state", [{"answered": ()}, {"is_global_zero": False}])
def test_an_objective_that_answers_nothing_and_other_ranks_write_no_file(state, tmp_path):
    trained(Answers(), tmp_path, 1, 9, **state)
    assert not (tmp_path / "answers.jsonl").exists()
