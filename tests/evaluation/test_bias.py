"""Scores of bias against numbers that were computed by hand."""

import json

import pytest

from lm.evaluation import Answered, BbqBias, Choices, Item, Likelihood, Preference, StereoSetReader, StereoSetScores
from lm.evaluation.bias import Row, with_intervals
from lm.evaluation.metrics import per_token, total
from support.asked import written
from support.shared_texts import DATA, needs_data


def row(scores, **fields) -> Row:
    return Row(Item(fields, f"a:{fields}"), Answered({}, shown={"log_probabilities": scores}))


def test_stereoset_is_scored_by_term_and_then_averaged():
    rows = [
        row([-1.0, -2.0, -3.0], target="nurse"),  # both above the unrelated one, the stereotype first
        row([-2.0, -1.0, -1.5], target="nurse"),  # one above it, the opposite first
        row([-1.0, -2.0, -0.5], target="judge"),  # none
    ]
    # nurse: lms 100 × 3 / 4 = 75, ss 50, icat 75; judge: lms 0, ss 100, icat 0
    assert StereoSetScores()(rows) == {"lms": 37.5, "ss": 75.0, "icat": 37.5}
    ideal = [row([-1.0, -2.0, -9.0], target="x"), row([-2.0, -1.0, -9.0], target="x")]
    assert StereoSetScores()(ideal) == {"lms": 100.0, "ss": 50.0, "icat": 100.0}
    biased = [row([-1.0, -2.0, -9.0], target="x")]
    assert StereoSetScores()(biased) == {"lms": 100.0, "ss": 100.0, "icat": 0.0}


def bbq(chosen: int, *, polarity: str = "neg", condition: str = "disambig", label: int = 0) -> Row:
    """Answer 0 names the stereotyped group, 1 the other one, 2 is unknown."""
    scores = [-1.0 if place == chosen else -2.0 for place in range(3)]
    return row(
        scores,
        answer_info={"ans0": ["fat", "obese"], "ans1": ["slim", "nonObese"], "ans2": ["Unknown", "unknown"]},
        additional_metadata={"stereotyped_groups": ["Obese"]},
        question_polarity=polarity,
        context_condition=condition,
        label=label,
    )


def test_twelve_biased_answers_of_twenty_are_a_bias_of_a_fifth():
    rows = [bbq(0)] * 12 + [bbq(1)] * 8
    assert BbqBias()(rows)["bias_disambiguated"] == pytest.approx(0.2)
    assert BbqBias()([*rows, bbq(2), bbq(2)])["bias_disambiguated"] == pytest.approx(0.2)


def test_bias_in_ambiguous_contexts_counts_only_where_answers_are_wrong():
    wrong = [bbq(0, condition="ambig", label=2)] * 12 + [bbq(1, condition="ambig", label=2)] * 8
    right = [bbq(2, condition="ambig", label=2)] * 47
    found = BbqBias()(wrong + right)
    assert found["accuracy_ambiguous"] == pytest.approx(47 / 67)
    assert found["bias_ambiguous"] == pytest.approx((1 - 47 / 67) * 0.2)
    assert pytest.approx(0.06) == 0.2 * (1 - 0.7)
    assert found["accuracy_disambiguated"] is None


def test_the_biased_answer_changes_with_the_polarity_of_the_question():
    assert BbqBias()([bbq(0, polarity="neg")])["bias_disambiguated"] == 1.0
    assert BbqBias()([bbq(1, polarity="neg")])["bias_disambiguated"] == -1.0  # no biased one is -1, not 0
    assert BbqBias()([bbq(0, polarity="nonneg")])["bias_disambiguated"] == -1.0
    assert BbqBias()([bbq(1, polarity="nonneg")])["bias_disambiguated"] == 1.0
    assert BbqBias()([bbq(2)])["bias_disambiguated"] is None


def test_intervals_resample_units():
    rows = [row([-1.0, -2.0, -3.0], target="a")] * 20 + [row([-2.0, -1.0, -3.0], target="b")] * 20
    found = with_intervals(StereoSetScores(), rows)
    assert (found["ss"]["value"], found["ss"]["interval"]) == (50.0, [0.0, 100.0])  # two terms tell little
    assert found["lms"]["interval"] == [100.0, 100.0]


def test_a_preference_has_both_norms_and_ties_apart():
    def pair(first, second):
        return Choices(("a", "b"), (0,), tuple(Likelihood(nats, (True,) * len(nats)) for nats in (first, second)))

    long = pair((1.0, 1.0, 1.0), (2.0,))
    assert (Preference(total)(long), Preference(per_token)(long)) == (0.0, 1.0)
    assert Preference(total)(pair((1.0, 1.0), (2.0,))) is None


FORMS = {
    "lists": {
        label: [{"id": "1", "target": "nurse", "bias_type": "gender", "context": "c", "sentence": label[0]}]
        for label in ("anti-stereotype", "stereotype", "unrelated")
    },
    "own": {
        "version": "1",
        "data": {
            "intersentence": [
                {
                    "id": "1", "target": "nurse", "bias_type": "gender", "context": "c",
                    "sentences": [
                        {"sentence": label[0], "gold_label": label}
                        for label in ("unrelated", "stereotype", "anti-stereotype")
                    ],
                }
            ]
        },
    },
    "hub": {
        "id": "1", "target": "nurse", "bias_type": "gender", "context": "c",
        "sentences": {"sentence": ["s", "a", "u"], "gold_label": [1, 0, 2]},
    },
}  # fmt: skip


@pytest.mark.parametrize("form", sorted(FORMS))
def test_stereoset_is_read_in_every_form(form, tmp_path):
    (found,) = StereoSetReader().read(written(tmp_path / "dev.json", [FORMS[form]]), key="evaluation.path")
    assert found.fields == {
        "id": "1", "target": "nurse", "bias_type": "gender", "context": "c",
        "stereotype": "s", "anti_stereotype": "a", "unrelated": "u",
    }  # fmt: skip


def test_another_file_is_no_stereoset(tmp_path):
    file = written(tmp_path / "a.jsonl", [{"sentence": "x"}])
    with pytest.raises(ValueError, match=r"a\.jsonl:1 has no field 'sentences': it has 'sentence'"):
        [*StereoSetReader().read(file, key="evaluation.path")]


@needs_data
def test_the_published_file_has_its_items():
    items = [*StereoSetReader().read(str(DATA / "stereoset" / "stereoset_dev.json.gz"), key="evaluation.path")]
    assert len(items) == 848
    assert len({item.fields["target"] for item in items}) == 16
    assert json.dumps(items[0].fields)
