"""Continuations and their scores: each formula against numbers that were computed by hand."""

import json
import re

import pytest

from lm.conversation import RoleTokenTemplate
from lm.evaluation import (
    AnyAbove,
    Continuations,
    HumanGap,
    HumanScore,
    MaximumScore,
    MeanScore,
    MoreWords,
    PromptReader,
)
from lm.evaluation.continued import Continued
from lm.evaluation.question import Asked
from lm.generation import Completion, Generator, Sampling
from support.asked import asking, item, network, task, tokenizer, written

SAID = Continued({"toxicity": [0.2, 0.5, 0.6, 0.1]}, {"toxicity": 0.3})
BARE = Continued({"toxicity": [0.5, 0.5]}, {})


class Marked:
    """The number that a text has between marks."""

    name, quality = "marked 1", ["marked 1: its quality is not measured"]

    def __call__(self, texts):
        return [float(found[1]) if (found := re.search(r"<([\d.]+)>", text)) else 0.0 for text in texts]


def test_the_expected_maximum_and_the_probability_of_any():
    assert MaximumScore()(SAID) == 0.6
    assert AnyAbove(0.5)(SAID) == 1.0
    assert AnyAbove(0.6)(SAID) == 0.0
    assert AnyAbove(0.5)(BARE) == 0.0  # a score of 0.5 is not above it
    assert MeanScore()(SAID) == pytest.approx(0.35)
    assert MeanScore(above=0.5)(SAID) == 0.25
    assert MeanScore(below=0.2)(SAID) == 0.25


def test_a_gap_is_the_mean_less_the_human_score_and_missing_without_one():
    assert HumanScore()(SAID) == 0.3
    assert HumanGap()(SAID) == pytest.approx(0.05)
    assert HumanGap(above=0.25)(SAID) == 0.5 - 1.0
    assert HumanScore()(BARE) is HumanGap()(BARE) is None


def test_gender_words_are_whole_words_that_outnumber_the_others():
    male = MoreWords(["he", "him", "he's"], than=["she", "her"])
    assert male(["He saw him", "he saw her", "the there", "He’s in. She is.", "", "she he he"]) == [1, 0, 0, 0, 0, 1]


METRICS = {"maximum": MaximumScore(), "any": AnyAbove(), "gap": HumanGap(), "words": MeanScore("words")}


def question(**options) -> Continuations:
    given = {"prompt": "{{ prompt }}", "scorer": Marked(), "metrics": METRICS, "sampling": Sampling(), "samples": 2}
    return Continuations(**{"opinions": {"words": None}, "human": "{{ human }}", **given, **options})


def replying(monkeypatch, *texts: str) -> None:
    said = iter(texts)

    def generate(self, prompts, **options):
        return [Completion(next(said), [1, 2], "length") for _ in prompts]

    monkeypatch.setattr(Generator, "generate", generate)


def test_each_prompt_has_its_values_and_what_was_said(monkeypatch):
    replying(monkeypatch, "a <0.7>", "", "b <0.5>", "c <0.4>")
    items = [Asked(item(prompt="the cat ", human="on <0.1>")), Asked(item(prompt="yes", human=None))]
    one, two = question().ask(items, asking())
    assert one.values == {"maximum": 0.7, "any": 1.0, "gap": pytest.approx(0.35 - 0.1)}
    assert two.values == {"maximum": 0.5, "any": 0.0, "gap": None}
    assert one.shown["continuations"] == ["a <0.7>", ""]
    assert (one.shown["empty"], one.shown["at_limit"]) == (1, 2)
    assert question().notes([one, two]) == [
        "2 continuations of each prompt, 4 in all: 4 cut at 20 tokens, 1 empty, which score 0",
        "1 of 2 prompts have no human continuation to compare with",
        "words is not measured: there is no scorer in question.opinions.words",
        "marked 1: its quality is not measured",
    ]


def test_draws_follow_from_the_prompt_and_not_from_what_else_is_asked():
    first, second = (Asked(item(prompt=text, human=None)) for text in ("the cat sat", "and the dog ran to"))
    drawing = question(samples=3, rows=2)
    together = drawing.ask([first, second], asking())
    (alone,) = question(samples=3, rows=100).ask([second], asking())
    assert together[1].shown == alone.shown
    assert len({*alone.shown["continuations"]}) > 1
    assert question(samples=3, seed=1).ask([second], asking())[0].shown != alone.shown


def test_a_chat_model_is_asked_in_its_template(monkeypatch):
    replying(monkeypatch, "x <0.9>", "y")
    (found,) = question().ask([Asked(item(prompt="Hi", human=None))], asking(template=RoleTokenTemplate()))
    assert found.values["maximum"] == 0.9


def test_toxic_and_other_prompts_stand_apart_with_intervals_over_prompts(tmp_path):
    rows = [{"prompt": {"text": f"the {n}", "toxicity": n % 2}} for n in range(8)]
    given = {"reader": PromptReader(), "groups": {"prompts": "{{ kind }}"}, "by_group": ["any", "gap"]}
    toxicity = task(written(tmp_path / "a.jsonl", rows), question(), main="maximum", **given)
    results = toxicity(network(), tokenizer())
    assert "gap" not in results["metrics"]  # no prompt has a human continuation
    assert results["groups"]["prompts"].keys() == results["grouped"]["any"]["prompts"].keys() == {"toxic", "non-toxic"}
    assert results["metrics"]["maximum"]["count"] == 8
    table = toxicity.table(json.loads(json.dumps(results)))
    assert "any by prompts" in table
    assert "gap by" not in table
    assert table.splitlines()[-1] == "marked 1: its quality is not measured"


def test_one_prompt_has_a_score_without_an_interval(tmp_path):
    single = task(written(tmp_path / "a.jsonl", [{"prompt": "the"}]), question(), main="maximum", reader=PromptReader())
    assert "–" not in single.table(single(network(), tokenizer())).partition("any")[0]


def test_another_version_of_the_scorer_is_measured_again(tmp_path):
    path = written(tmp_path / "a.jsonl", [{"prompt": "the"}])
    other = Marked()
    other.name = "marked 2"
    prints = [
        task(path, question(scorer=each), main="maximum", reader=PromptReader()).fingerprint()
        for each in (Marked(), other)
    ]
    assert prints[0] != prints[1]


def test_greedy_samples_and_unknown_scorers_are_refused():
    with pytest.raises(ValueError, match=r"evaluation\.question\.samples=2: greedy decoding gives the same"):
        question(sampling=Sampling(temperature=0))
    with pytest.raises(ValueError, match=r"question\.metrics\.x\.scorer=mood: the scorers are toxicity, words"):
        question(metrics={"x": MeanScore("mood")})
