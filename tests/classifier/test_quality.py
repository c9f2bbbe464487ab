"""The quality of a classifier, counted by hand, and how it is told."""

import pytest

from lm.classifier import LabelledText
from lm.classifier.quality import quality_lines, quality_of, quality_table
from lm.interval import wilson_interval

TEXTS = [
    LabelledText(f"{place}", positive, "a:1", kind)
    for place, (positive, kind) in enumerate([(True, "slur"), (True, "slur"), (True, "implied"), (False, "negated")])
]
SCORES = [0.9, 0.5, 0.6, 0.55]  # right, wrong since 0.5 is not above 0.5, right, wrong


def test_decisions_are_strictly_above_a_half_and_counted_by_kind():
    found = quality_of(TEXTS, SCORES)
    assert (found["texts"], found["positive"], found["right"]) == (4, 3, 0.5)
    assert found["auc"] == pytest.approx(2 / 3)  # of three pairs, 0.5 against 0.55 is in the wrong order
    assert (found["found"], found["flagged"]) == (2 / 3, 1.0)
    slur = {"texts": 2, "positive": 1.0, "right": 1, "interval": [*wilson_interval(1, 2)]}
    assert found["kinds"]["slur"] == slur
    assert found["kinds"]["negated"]["right"] == 0


def test_the_lines_beside_a_result_have_auc_interval_and_every_kind():
    found = quality_of(TEXTS, SCORES)
    lines = quality_lines("toxicity 1a2b", {"held_out": found, "cases": found})
    assert lines[0].startswith("scorer toxicity 1a2b: AUC 0.667 (")
    assert "on 4 held-out texts" in lines[0]
    few = quality_lines("x", {"held_out": {**found, "flagged": 0.1}, "cases": None})
    assert few[1].endswith("flags at least one in 92.8% of cases")  # 1 - 0.9 ** 25
    assert lines[-1].split() == ["implied", "1/1", "negated", "0/1", "slur", "1/2"]
    assert "no cases" in few[2]
    assert quality_table(found, found).count("slur") == 1


def test_cases_of_one_label_have_no_area():
    found = quality_of(TEXTS[:3], SCORES[:3])
    assert (found["auc"], found["auc_interval"], found["flagged"]) == (None, None, None)
    assert "AUC" not in quality_lines("x", {"held_out": quality_of(TEXTS, SCORES), "cases": found})[2]
