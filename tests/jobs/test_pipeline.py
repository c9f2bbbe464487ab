"""One key divides the time of a pipeline between its stages."""

from functools import partial

import pytest

from lm.config.build import build
from lm.config.target import is_job
from lm.jobs import pipeline as job
from lm.jobs.closing_message import closing_messages
from support.training_runs import composed

STAGES = ("tokenizer", "corpus", "pretrain", "instruct", "evaluate", "evaluate_answers", "generate", "chat")


def run(monkeypatch, seconds: dict[str, float], **settings) -> dict[str, tuple]:
    """What each stage is called with, where stages take `seconds` of a clock that stands still otherwise."""
    now, calls = [100.0], {}

    def stage(name, *changes):
        calls[name] = changes
        now[0] += seconds.get(name, 0.0)

    monkeypatch.setattr(job, "perf_counter", lambda: now[0])
    job.pipeline(**{name: partial(stage, name) for name in STAGES}, **settings)
    assert [*calls] == [*STAGES]
    return calls


def test_without_minutes_every_stage_keeps_its_budget(monkeypatch):
    assert set(run(monkeypatch, {}).values()) == {()}


def test_minutes_are_divided_by_what_the_stages_before_have_left(monkeypatch, capsys):
    calls = run(monkeypatch, {"tokenizer": 30, "corpus": 30, "pretrain": 6 * 60}, minutes=10)
    assert "minutes=10 sets the lengths of pretraining and tuning, in place of their budgets" in capsys.readouterr().out
    (pretrain,), (instruct,) = calls["pretrain"], calls["instruct"]
    assert (pretrain["budget.minutes"], instruct["budget.minutes"]) == (6.2, 2.8)  # the same in every start
    assert pretrain["budget.remaining"] == pytest.approx(0.62 * 9)
    assert instruct["budget.remaining"] == pytest.approx(0.28 / 0.38 * 3)
    assert pretrain["budget.tokens"] is pretrain["budget.steps"] is instruct["budget.epochs"] is None
    assert calls["evaluate"] == calls["chat"] == ()


def test_a_minute_that_is_over_before_pretraining_leaves_nothing_rather_than_less(monkeypatch):
    (pretrain,) = run(monkeypatch, {"corpus": 90}, minutes=1)["pretrain"]
    assert pretrain["budget.remaining"] == 0


def test_the_questions_of_the_closing_chat_are_a_part_and_no_job():
    questions = composed("pipeline")["chat"]["questions"]
    assert not is_job(questions)
    assert build(questions).func is closing_messages
