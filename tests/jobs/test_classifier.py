"""`lm classifier` trains once, deterministically, and says how good the classifier is."""

import json
import random

import pytest

from lm.classifier import ClassifierScorer
from lm.classifier.ranking import area_under_curve
from lm.cli.call import call_job
from lm.corpus import Split
from lm.directory.manifest import read_manifest
from support.training_runs import composed

KIND = ["thank", "you", "kind", "friend", "day", "sun", "the", "a", "is"]
POOR = ["fool", "stupid", "ugly", "hate", "you", "the", "a", "is"]


def sentences(count: int, seed: int) -> list[dict]:
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        words = draw.choices(POOR if number % 2 else KIND, k=6)
        rows.append({"text": " ".join(words), "label": ["neutral", "toxic"][number % 2]})
    return rows


def written(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def job(root, texts, *overrides):
    return composed("classifier", f"run.root={root}", f"texts.path={texts}", *overrides)


def test_a_classifier_is_trained_measured_and_found_complete(tmp_path, capsys):
    rows = sentences(300, 1)
    texts = written(tmp_path / "a.jsonl", rows)
    cases = written(
        tmp_path / "cases.jsonl", [{**row, "functionality": f"f{n % 3}"} for n, row in enumerate(sentences(60, 2))]
    )
    result = call_job(job(tmp_path, texts, f"cases.path={cases}"))
    directory = tmp_path / "classifier" / "default"
    assert json.loads((directory / "quality.json").read_text()) == result
    assert read_manifest(directory)["outputs"].keys() == {"classifier.npz", "quality.json"}
    scorer = ClassifierScorer(path=str(directory))
    held_out = [row for row in rows if Split(0.2).held_out(Keyed(row["text"]))]
    distinct = {row["text"]: row["label"] == "toxic" for row in held_out}
    assert result["held_out"]["texts"] == len(distinct)
    scores = {text: scorer([text])[0] for text in distinct}
    sides = [[scores[text] for text, label in distinct.items() if label is side] for side in (True, False)]
    assert result["held_out"]["auc"] == pytest.approx(area_under_curve(*sides)[0])
    assert result["held_out"]["auc"] > 0.95
    assert result["cases"]["kinds"].keys() == {"f0", "f1", "f2"}
    first = capsys.readouterr().out
    assert "held out" in first
    assert "  f0" in first
    assert call_job(job(tmp_path, texts, f"cases.path={cases}")) == result
    assert f"nothing to do → {directory}" in capsys.readouterr().out


class Keyed:
    def __init__(self, key):
        self.key = key


def test_the_order_of_texts_and_files_changes_no_weight(tmp_path):
    rows = sentences(200, 3)
    one = written(tmp_path / "a.jsonl", rows)
    two = [written(tmp_path / "b.jsonl", rows[:50:-1]), written(tmp_path / "c.jsonl", rows[50::-1])]
    for name, path in (("first", one), ("second", f"[{','.join(two)}]")):
        call_job(job(tmp_path, path, "run.name=same", f"run.root={tmp_path / name}"))
    files = [tmp_path / name / "classifier" / "same" / "classifier.npz" for name in ("first", "second")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_cases_that_were_trained_on_are_left_out_and_counted(tmp_path, capsys):
    rows = sentences(200, 4)
    texts = written(tmp_path / "a.jsonl", rows)
    result = call_job(job(tmp_path, texts, f"cases.path={texts}"))
    assert result["cases"]["texts"] == result["held_out"]["texts"]
    assert f"{result['trained_on']} cases were trained on and are left out" in capsys.readouterr().out


def test_groups_stay_together(tmp_path):
    rows = [{**row, "template": f"t{n % 40}"} for n, row in enumerate(sentences(400, 5))]
    result = call_job(job(tmp_path, written(tmp_path / "a.jsonl", rows), "texts.group_field=template"))
    kept = {row["template"] for row in rows if Split(0.2).held_out(Keyed(row["template"]))}
    texts = {row["text"] for row in rows if row["template"] in kept}
    assert result["held_out"]["texts"] == len(texts)


def test_too_few_texts_and_a_faulty_case_are_told_with_their_key(tmp_path):
    texts = written(tmp_path / "a.jsonl", sentences(30, 1))
    with pytest.raises(ValueError, match=r"texts\.path: \d texts held out have the property, and 10 are needed"):
        call_job(job(tmp_path, texts))
    cases = written(tmp_path / "cases.jsonl", [{"text": "a", "label": "rude"}])
    with pytest.raises(ValueError, match=r"cases\.jsonl:1: the label 'rude' .*'cases\.positive=\[rude\]'"):
        call_job(job(tmp_path, written(tmp_path / "b.jsonl", sentences(300, 1)), f"cases.path={cases}"))
    assert not (tmp_path / "classifier" / "default" / "classifier.npz").exists()
