"""lm runs: the list, and what may be removed."""

from pathlib import Path

import pytest

from lm.directory import Run
from lm.jobs.runs import list_runs


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for job, name, size, config in (
        ("pretrain", "a", 10, {}),
        ("pretrain", "b", 5000, {}),
        ("instruct", "a", 100, {"model": {"path": "outputs/pretrain/a"}}),
    ):
        run = Run(job, name=name)
        run.open({"run": {"root": "outputs"}, **config})
        run.finished({}, parent={"run": config["model"]["path"]} if config else None)
        (run.directory / "out").write_bytes(b"x" * size)
        run.finish(outputs=[run.directory / "out"], result={}, metric={"name": "loss", "value": 1.5, "mode": "min"})
        run.close()


def test_the_list_names_state_size_metric_parent_and_readers(capsys: pytest.CaptureFixture[str]):
    list_runs(order="size")
    heading, *lines, _, total = capsys.readouterr().out.strip().splitlines()
    assert heading.split() == ["run", "state", "size", "changed", "metric", "from", "read", "by"]
    assert [line.split()[0] for line in lines] == ["pretrain/b", "instruct/a", "pretrain/a"]
    assert lines[1].split()[-3:] == ["1.5", "loss", "outputs/pretrain/a"]
    assert lines[2].split()[-3:] == ["1.5", "loss", "1"]
    assert "3 runs" in total


def test_a_pattern_chooses(capsys: pytest.CaptureFixture[str]):
    assert [run.place for run in list_runs(only="pretrain/*")] == ["pretrain/a", "pretrain/b"]
    with pytest.raises(ValueError, match="only=x: outputs has 3 runs, and none at such a place"):
        list_runs(only="x")
    with pytest.raises(ValueError, match=r"none at such a place: write 'only=pretrain/\*'"):
        list_runs(only="pretrain")


def test_runs_are_removed_by_place_path_or_pattern():
    list_runs(remove="outputs/pretrain/b")
    assert [run.place for run in list_runs()] == ["instruct/a", "pretrain/a"]
    list_runs(remove=["*/a"])
    assert not Path("outputs/pretrain").exists()


def test_what_others_stand_on_or_does_not_exist_is_refused_before_anything_goes():
    with pytest.raises(ValueError, match="instruct/a stands on pretrain/a: keep it, or remove that too"):
        list_runs(remove=["pretrain/*"])
    with pytest.raises(ValueError, match=r"no run b in outputs; did you mean pretrain/b\?"):
        list_runs(remove=["b"])
    with pytest.raises(ValueError, match=r"did you mean 'pretrain/\*'\?"):
        list_runs(remove="pretrain")
    with pytest.raises(ValueError, match=r"did you mean instruct/a\?"):
        list_runs(remove="instrct/a")
    assert len(list_runs()) == 3
    with pytest.raises(ValueError, match="root=nowhere: no runs lie there"):
        list_runs(root="nowhere")
