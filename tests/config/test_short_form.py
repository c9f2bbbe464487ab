"""A short form means the full one where a job has one group of that name, and nothing elsewhere."""

import pytest

from lm.config.short_form import compared, full_forms

GROUPS = {"evaluation@evaluations": "bits", "sampling": "greedy", "model@a.model": None, "data/x@evaluations.y": None}


@pytest.mark.parametrize(
    ("typed", "full"),
    [
        ("evaluation=blimp", "evaluation@evaluations=blimp"),
        ("evaluation=[bits,blimp]", "evaluation@evaluations=[bits,blimp]"),
        ("evaluation=blimp evaluation.path=x", "evaluation@evaluations=blimp evaluations.blimp.path=x"),
        ("evaluation.path=x evaluation=blimp", "evaluations.blimp.path=x evaluation@evaluations=blimp"),
        ("evaluation=blimp +evaluation.groups.a=b", "evaluation@evaluations=blimp +evaluations.blimp.groups.a=b"),
        ("evaluation=blimp evaluation.blimp.path=x", "evaluation@evaluations=blimp evaluations.blimp.path=x"),
        ("evaluation=[a,b] evaluation.b.path=x", "evaluation@evaluations=[a,b] evaluations.b.path=x"),
        ("evaluation.stride=1", "evaluations.bits.stride=1"),
        ("evaluation@evaluations=a evaluation.path=x", "evaluation@evaluations=a evaluations.a.path=x"),
        (
            "evaluation=gsm8k sampling@evaluation.question.sampling=plain",
            "evaluation@evaluations=gsm8k sampling@evaluations.gsm8k.question.sampling=plain",
        ),
        ("evaluation=a,b", "evaluation@evaluations=a,b"),
        ("sampling=plain sampling.top_k=3 model=tiny x.y=1 --cfg job", None),
        ("evaluations.bits.stride=1 evaluation@evaluations=bits data/x@evaluations.y=z", None),
    ],
)
def test_words_are_written_out(typed, full):
    assert full_forms(typed.split(), GROUPS) == (full or typed).split()


def test_texts_with_line_breaks_and_brackets_stay():
    words = ["prompt=a\nevaluation=b", "evaluation.question.prompt=a {{ b }}\n= c"]
    assert full_forms(words, GROUPS) == [words[0], "evaluations.bits.question.prompt=a {{ b }}\n= c"]


def test_a_group_at_several_keys_has_no_short_form():
    groups = {"evaluation@one.evaluations": None, "evaluation@two": None, "evaluation@three": None}
    assert full_forms(["evaluation=a"], groups) == ["evaluation=a"]


def test_a_comparison_is_a_job_of_its_own():
    assert compared(["evaluate", "compare=[a,b]", "run.name=x"]) == ["compare", "runs=[a,b]", "run.name=x"]
    assert compared(["evaluate", "model.path=a"]) == ["evaluate", "model.path=a"]
    assert compared(["pretrain", "compare=[a,b]"]) == ["pretrain", "compare=[a,b]"]
