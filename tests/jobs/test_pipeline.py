"""Which stages of a pipeline run, and how one key divides their time."""

from functools import partial

import pytest

from lm.config.build import build
from lm.config.target import is_job
from lm.jobs import pipeline as job
from lm.jobs.closing_message import closing_messages
from lm.jobs.shares import Shares
from support.training_runs import composed

STAGES = ("tokenizer", "corpus", "pretrain", "instruct", "evaluate", "evaluate_answers", "generate", "chat")

ALIGNED = (*STAGES[:4], "alignment", *STAGES[4:6], "evaluate_answers, again", *STAGES[6:])
CONTINUING = ("tokenizer", "corpus", "pretrain", "evaluate", "generate")  # what runs without conversations


def run(
    monkeypatch, seconds: dict[str, float], *, tuned=True, fits=True, aligned=False, answers=(), **settings
) -> dict[str, tuple]:
    """What each stage is called with, where stages take `seconds` of a clock that stands still otherwise."""
    now, calls, answers = [100.0], {}, iter(answers)

    def stage(name, *changes):
        calls[f"{name}, again" if name in calls else name] = changes
        now[0] += seconds.get(name, 0.0)
        return next(answers, None) if name == "evaluate_answers" else None

    monkeypatch.setattr(job, "Shares", partial(Shares, clock=lambda: now[0]))
    stages = {name: partial(stage, name) for name in (*STAGES, "alignment")}
    job.pipeline(**stages, fitting=lambda: lambda: fits, **settings)
    assert [*calls] == [*(ALIGNED if aligned else STAGES if tuned else CONTINUING)]
    return calls


def test_minutes_are_divided_by_what_the_stages_before_have_left(monkeypatch):
    calls = run(monkeypatch, {"tokenizer": 30, "corpus": 30, "pretrain": 3.5 * 60})
    (pretrain,), (instruct,) = calls["pretrain"], calls["instruct"]
    assert pretrain == {"budget.remaining": pytest.approx(0.42 * 9)}
    assert instruct == {"budget.remaining": pytest.approx(0.48 / 0.58 * 5.5)}
    assert calls["evaluate"] == calls["chat"] == ()


@pytest.mark.parametrize("overrun", [0.7, 2.0, 30.0])
def test_a_pretraining_that_overruns_leaves_tuning_its_share(monkeypatch, capsys, overrun):
    calls = run(monkeypatch, {"corpus": 60, "pretrain": 60 * (0.42 * 9 + overrun), "instruct": 60 * 0.48 * 9})
    assert calls["instruct"] == ({"budget.remaining": pytest.approx(0.48 * 9)},)
    said = capsys.readouterr().out
    assert ("more than minutes=10; the results" in said) == (overrun > 1)
    assert overrun != 2.0 or "complete in 11 min 06 s, 1 min 06 s more than minutes=10; the results:" in said


def test_a_stage_that_is_complete_leaves_its_minutes_to_tuning(monkeypatch):
    (instruct,) = run(monkeypatch, {"corpus": 60})["instruct"]
    assert instruct == {"budget.remaining": pytest.approx(0.48 / 0.58 * 9)}


def scored(share: float, low: float, high: float) -> dict:
    return {"answers": {"all": {"word_for_word": share, "interval": [low, high]}}}


@pytest.mark.parametrize("given", [{"align": True}, {"preferences": "pairs.jsonl"}])
def test_alignment_takes_its_share_and_shows_the_model_before_and_after(monkeypatch, capsys, given):
    answers = [scored(0.47, 0.42, 0.52), scored(0.51, 0.46, 0.56)]
    calls = run(monkeypatch, {"corpus": 60}, aligned=True, answers=answers, **given)
    assert sum(job.SHARES_ALIGNED.values()) < 0.9
    (pretrain,), (alignment,) = calls["pretrain"], calls["alignment"]
    assert pretrain == {"budget.remaining": pytest.approx(0.36 * 9)}
    assert alignment == {"budget.remaining": pytest.approx(0.16 / 0.28 * 9)}
    assert calls["evaluate_answers"] == ()
    after = {"model.path": "outputs/align/default", "run.name": "default-aligned"}
    assert calls["evaluate_answers, again"] == (after,)
    assert calls["chat"] == ({"beside": "outputs/align/default"},)
    said = capsys.readouterr().out
    assert "47.0% (42.0 – 52.0) before alignment, 51.0% (46.0 – 56.0) after: no clear effect" in said
    assert "lm chat model.path=outputs/instruct/default beside=outputs/align/default" in said
    assert "outputs/evaluate/default-aligned" in said


@pytest.mark.parametrize(
    ("after", "effect"),
    [((0.60, 0.55, 0.65), "higher"), ((0.35, 0.3, 0.4), "lower"), ((0.53, 0.46, 0.56), "no clear effect")],
)
def test_the_effect_of_alignment_is_clear_only_outside_the_intervals(monkeypatch, capsys, after, effect):
    run(monkeypatch, {"corpus": 60}, aligned=True, answers=[scored(0.47, 0.42, 0.52), scored(*after)], align=True)
    assert f" after: {effect}\n" in capsys.readouterr().out


@pytest.mark.parametrize("given", [{"align": True}, {"preferences": "pairs.jsonl"}])
def test_alignment_without_conversations_is_refused_before_anything_is_trained(monkeypatch, given):
    (key, value), *_ = given.items()
    with pytest.raises(ValueError, match=rf"{key}={str(value).lower()} aligns a tuned model, .*conversations=chat"):
        job.pipeline(
            **{name: lambda: pytest.fail("a stage ran") for name in (*STAGES, "alignment")},
            fitting=lambda: lambda: True,
            text="a.txt",
            **given,
        )


def test_the_stage_of_alignment_reads_what_the_pipeline_has():
    config = composed("pipeline", "conversations=chat.jsonl", "align=true", "name=mine", "root=out")
    stage, tuning = config["alignment"], config["instruct"]
    assert stage["data"]["conversations"] == tuning["data"]["conversations"]
    assert stage["data"]["split"] == tuning["data"]["split"]
    assert stage["model"]["path"] == stage["tokenizer"]["path"] == "out/instruct/mine"
    assert (stage["run"]["job"], stage["run"]["name"], stage["run"]["root"]) == ("align", "mine", "out")
    assert stage["objective"]["reward"]["parts"].keys() == {"answer", "words"}
    pairs = composed("pipeline", "preferences=[a.jsonl,b.jsonl]")["alignment"]
    assert pairs["data"]["preferences"]["path"] == ["a.jsonl", "b.jsonl"]
    assert pairs["objective"]["_target_"] == "lm.objective.Preference"


def test_the_time_of_a_run_follows_from_the_minutes_of_all_stages():
    config = composed("pipeline", "minutes=20")
    assert config["pretrain"]["budget"]["minutes"] == config["instruct"]["budget"]["minutes"] == 20
    assert composed("pretrain", "budget=minutes")["budget"]["minutes"] == 10


def test_one_seed_is_that_of_every_stage():
    config = composed("pipeline", "seed=7", "align=true")
    stages = ("pretrain", "instruct", "alignment", "generate", "chat")
    assert {stage: config[stage]["seed"] for stage in stages} == dict.fromkeys(stages, 7)


@pytest.mark.parametrize(
    ("chosen", "lengths"),
    [
        ("experiment=minute", ("tokens", "epochs")),
        ("debug/stages=fast", ("steps", "steps")),
        ("budget@pretrain.budget=tokens", ("tokens", "minutes")),
    ],
)
def test_a_length_of_its_own_takes_the_place_of_minutes(chosen, lengths):
    config = composed("pipeline", chosen)
    for stage, length in zip(("pretrain", "instruct"), lengths, strict=True):
        assert length in config[stage]["budget"]
        assert (length == "minutes") == ("minutes" in config[stage]["budget"])


def test_a_minute_that_is_over_before_pretraining_leaves_nothing_rather_than_less(monkeypatch):
    (pretrain,) = run(monkeypatch, {"corpus": 90}, minutes=1)["pretrain"]
    assert pretrain["budget.remaining"] == 0


def test_the_questions_of_the_closing_chat_are_a_part_and_no_job():
    questions = composed("pipeline")["chat"]["questions"]
    assert not is_job(questions)
    assert build(questions).func is closing_messages


def test_a_text_without_conversations_ends_with_its_continuation_and_a_line_says_so(monkeypatch, capsys):
    run(monkeypatch, {}, text=["a.txt", "b.txt"], tuned=False)
    said = capsys.readouterr().out
    assert "text=[a.txt,b.txt] has no conversations" in said
    assert "add conversations=chat.jsonl" in said
    assert "lm generate model.path=outputs/pretrain/default" in said
    assert "outputs/instruct" not in said
    run(monkeypatch, {}, fits=False, tuned=False)  # another corpus, chosen otherwise
    assert "this corpus has no conversations" in capsys.readouterr().out


def test_conversations_of_the_users_own_end_with_a_chat(monkeypatch, capsys):
    run(monkeypatch, {}, text="a.txt", conversations="chat.jsonl", fits=False)
    assert "lm chat model.path=outputs/instruct/default" in capsys.readouterr().out


def test_conversations_added_later_leave_the_pretraining_as_it_is(monkeypatch):
    before = run(monkeypatch, {}, text="a.txt", tuned=False)["pretrain"]
    assert run(monkeypatch, {}, text="a.txt", conversations="chat.jsonl")["pretrain"] == before
