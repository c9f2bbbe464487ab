"""`lm compare` pairs the items that runs of `lm evaluate` have measured."""

import json

import pytest

from lm.cli.call import call_job
from lm.directory import Run
from lm.evaluation.comparison import compare
from lm.evaluation.record import EvaluationRecord
from support.training_runs import composed

FIRST, SECOND = [1.0, 0.0, 1.0, 0.0, 1.0], [1.0, 1.0, 1.0, 0.0, 0.0]


def evaluated(root, name: str, benchmark: str, values: list[float], *, config: str = "c", items=None) -> None:
    """A finished run of `lm evaluate`, as the job leaves it."""
    run = Run("evaluate", name=name, root=str(root))
    run.open({"name": name})
    run.finished({"model": name})
    mean = sum(values) / len(values)
    metric = {"value": mean, "chance": 0.25, "stderr": 0.1, "centred": (mean - 0.25) / 0.75}
    results = {"main": "accuracy", "metrics": {"accuracy": metric, "bits": metric}}
    ids = items or range(len(values))
    records = [
        {"id": f"{n}", "values": {"accuracy": value, "bits": 2 * value}} for n, value in zip(ids, values, strict=True)
    ]
    record = EvaluationRecord(benchmark, {"model": name, "config": config}, results, records, "table")
    record.write(run.directory, benchmark)
    run.finish(outputs=record.files(run.directory, benchmark), result={})
    run.close()


def compared(root, *runs: str, **more: str) -> dict:
    words = [f"{key}={value}" for key, value in more.items()]
    return call_job(composed("compare", f"run.root={root}", f"runs=[{','.join(runs)}]", *words))


@pytest.fixture
def root(tmp_path):
    evaluated(tmp_path, "before", "blimp", FIRST)
    evaluated(tmp_path, "after", "blimp", SECOND[::-1], items=range(4, -1, -1))
    return tmp_path


def test_differences_are_paired_by_item_and_printed(root, capsys):
    found = compared(root, "before", "after")
    expected = compare(FIRST, SECOND)
    assert found == {"after": {"blimp": {"accuracy": expected.plain()}}}
    assert json.loads((root / "compare" / "default" / "results.json").read_text()) == found
    out = capsys.readouterr().out
    assert "after − before" in out
    assert f"{expected.difference:+.3f}" in out
    by_place = compared(root, str(root / "evaluate" / "before"), str(root / "evaluate" / "after"))
    assert [*by_place.values()] == [*found.values()]


def test_any_metric_and_more_than_two_runs(root):
    evaluated(root, "third", "blimp", FIRST)
    found = compared(root, "before", "after", "third", metrics="[bits]")
    assert found["after"]["blimp"]["bits"]["difference"] == pytest.approx(2 * compare(FIRST, SECOND).difference)
    assert found["third"]["blimp"]["bits"]["difference"] == 0.0


def test_items_that_only_one_run_has_and_other_configs_are_told(root, capsys):
    evaluated(root, "fewer", "blimp", SECOND[:3], config="other")
    assert compared(root, "before", "fewer")["fewer"]["blimp"]["accuracy"]["count"] == 3
    out = capsys.readouterr().out
    assert "blimp: 3 items are in both, of 5 and 3" in out
    assert "measured with another config" in out


def test_several_benchmarks_have_a_centred_mean(tmp_path, capsys):
    for name, values in {"a": FIRST, "b": SECOND}.items():
        evaluated(tmp_path, name, "blimp", values)
        run = tmp_path / "evaluate" / name / "evaluations"
        for file in [*run.iterdir()]:
            (run / file.name.replace("blimp", "copa")).write_bytes(file.read_bytes())
    assert compared(tmp_path, "a", "b")["b"].keys() == {"blimp", "copa"}
    assert "centred mean of 2: 0.467, 0.467" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("runs", "more", "message"),
    [
        (["before"], {}, r"runs=\['before'\]: name at least two runs"),
        (["before", "aftr"], {}, r"runs: aftr is no run of lm evaluate .*did you mean after\?"),
        (["before", "after"], {"metrics": "[acuracy]"}, r"blimp has no acuracy; did you mean accuracy\?"),
        (["before", "other"], {}, "were measured on other items"),
        (["before", "copa"], {}, "before has measured blimp and copa copa: there is nothing to compare"),
    ],
)
def test_what_cannot_be_compared_is_told(root, runs, more, message):
    evaluated(root, "other", "blimp", FIRST, items=range(10, 15))
    evaluated(root, "copa", "copa", FIRST)
    with pytest.raises(ValueError, match=message):
        compared(root, *runs, **more)
