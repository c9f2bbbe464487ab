"""A model from Python gives what the command gives."""

import math
import re
from pathlib import Path

import pytest

import lm
from lm.cli.call import call_job
from lm.conversation import RecordedTemplate
from lm.evaluation.text_loss import TextLoss
from lm.generation import Sampling
from lm.jobs.chat import chat
from lm.jobs.generate import generate
from lm.sources import TextSource
from support.training_runs import instruction, make_corpus, pretraining

SMALL = ("budget.steps=6", "validations=1")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    call_job(pretraining(make_corpus(root / "corpus"), root, "base", *SMALL))
    call_job(instruction(root / "pretrain" / "base", root, "tuned", *SMALL))
    return root


@pytest.fixture(scope="module")
def base(root: Path) -> lm.Model:
    return lm.load(root / "pretrain" / "base")


@pytest.fixture(scope="module")
def tuned(root: Path) -> lm.Model:
    return lm.load(root / "instruct" / "tuned")


def test_a_continuation_is_that_of_the_command(base, capsys):
    generate(
        lambda vocab_size: base.network, base.tokenizer, "alpha ", Sampling(temperature=0.8, top_p=0.95), max_tokens=12
    )
    assert capsys.readouterr().out == "alpha " + base.generate("alpha ", max_tokens=12) + "\n"


def test_a_continuation_depends_on_its_prompt_and_the_seed_alone(base):
    alone = base.generate("beta ", max_tokens=8, seed=3, samples=2)
    among = base.generate(["alpha ", "beta ", "gamma "], max_tokens=8, seed=3, samples=2)
    assert among[2:4] == alone
    assert alone[0] != alone[1]
    assert base.generate("beta ", max_tokens=8, seed=4) != alone[0]


def test_pieces_of_a_stream_join_to_the_whole(base, tuned):
    assert "".join(base.stream("alpha ", max_tokens=20)) == base.generate("alpha ", max_tokens=20)
    turns = [{"role": "user", "content": "alpha?"}]
    assert "".join(tuned.stream(turns, max_tokens=10)).strip() == tuned.chat(turns, max_tokens=10).strip()


def test_a_chat_takes_a_text_or_turns(tuned):
    answer = tuned.chat("alpha?", max_tokens=8)
    assert answer == tuned.chat([{"role": "user", "content": "alpha?"}], max_tokens=8)
    assert tuned.chat("alpha?", system="b", max_tokens=8, temperature=2.0) != answer


def test_an_answer_is_that_of_the_command(tuned, root, capsys):
    sampling = Sampling(temperature=0.8, top_p=0.95)
    recorded = RecordedTemplate(str(root / "instruct/tuned"))
    asked = {"message": "alpha?", "max_tokens": 8, "seed": 3, "recorded": recorded}
    chat(lambda vocab_size: tuned.network, tuned.tokenizer, sampling, **asked)
    assert capsys.readouterr().out.strip() == tuned.chat("alpha?", max_tokens=8, seed=3).strip()


def test_a_stop_string_ends_an_answer(tuned):
    whole = tuned.chat("alpha?", max_tokens=8, temperature=0)
    assert len(whole) > 2
    assert tuned.chat("alpha?", max_tokens=8, temperature=0, stop=whole[2]) == whole[: whole.index(whole[2])]


def test_a_conversation_that_outgrows_the_context_loses_its_oldest_turns_and_says_so(tuned, capsys):
    turns = [{"role": role, "content": f"{role} {n}"} for n in range(6) for role in ("user", "assistant")]
    last = {"role": "user", "content": "alpha?"}
    answer = tuned.chat([*turns, last], max_tokens=8, temperature=0)
    assert re.fullmatch(r"note: \d+ earlier turns no longer fit .*\n", capsys.readouterr().err)
    assert answer in {tuned.chat([*turns[n:], last], max_tokens=8, temperature=0) for n in range(2, 13, 2)}


def test_a_prompt_of_which_only_the_end_is_read_is_named(base, capsys):
    base.generate(["alpha " * 500, "beta"], max_tokens=1)
    assert "note: prompt 1 of 2 has" in (said := capsys.readouterr().err)
    assert "are not read" in said
    assert [*base.stream("alpha " * 500, max_tokens=0)] == []
    assert "note: the prompt has" in capsys.readouterr().err


def test_a_model_that_was_not_tuned_does_not_chat(base, root):
    with pytest.raises(ValueError, match=f"{root}/pretrain/base was not tuned on conversations"):
        base.chat("hello")


def test_a_conversation_ends_with_the_user(tuned):
    with pytest.raises(ValueError, match="the last message"):
        tuned.chat([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])


def test_bits_per_byte_are_those_of_the_evaluation(base, tmp_path):
    texts = ["alpha beta gamma 1.\n", "delta " * 40]
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.txt").write_text(text)
    measured = TextLoss(TextSource(str(tmp_path / "*.txt")))(base.network, base.tokenizer)
    assert base.bits_per_byte(texts) == pytest.approx(measured["all"]["bits_per_byte"], rel=1e-6)


def test_log_probabilities_sum_to_the_bits(base):
    text = "alpha beta é"
    scores = base.logprobs(text)
    assert [each.token for each in scores] == base.encode(text)
    bits = -sum(each.log_probability for each in scores) / math.log(2)
    assert bits / len(text.encode()) == pytest.approx(base.bits_per_byte(text))
    assert base.logprobs("beta", after="alpha ") != base.logprobs("beta")


def test_nothing_is_printed(base, capfd):
    base.generate("a", max_tokens=4), base.bits_per_byte("alpha"), base.decode(base.encode("alpha"))
    assert capfd.readouterr() == ("", "")


def test_a_model_says_what_it_is(base, tuned):
    assert "not tuned on conversations" in repr(base)
    assert "context 32" in repr(tuned) or f"context {tuned.context}" in repr(tuned)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: model.bits_per_byte(""), "there is no text to measure"),
        (lambda model: model.generate("a", samples=0), "samples 0 is not at least 1"),
        (lambda model: model.generate("a", top_p=2), "top_p 2 is not from"),
        (lambda model: model.generate(3), "3 is int, not a text"),
        (lambda model: model.bits_per_byte(["a", None]), "None is NoneType, not a text"),
        (lambda model: model.stream([{"content": "x"}]), "is not a turn: write"),
        (lambda model: model.chat(["x"]), "'x' is not a turn"),
        (lambda model: model.chat([{"role": "usr", "content": "x"}]), "of system, user, assistant"),
    ],
)
def test_what_cannot_be_is_refused_in_words(base, call, message):
    with pytest.raises(ValueError, match=message):
        call(base)


def test_a_path_without_a_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        lm.load(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("options", "message"),
    [({"which": "bset"}, "which='bset' is not one of best, last, stable"), ({"dtype": "int8"}, "dtype='int8' is not")],
)
def test_an_option_that_does_not_exist_is_refused(root, options, message):
    with pytest.raises(ValueError, match=message):
        lm.load(root / "pretrain" / "base", **options)


def test_a_job_without_a_run_has_no_model():
    with pytest.raises(ValueError, match="this job has no run"):
        lm.load(lm.FinishedRun("doctor", None))
