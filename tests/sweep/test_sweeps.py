"""A sweep can be interrupted, resumed and extended, and ends with a summary."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lm.cli.main import main
from lm.config.outline import config_directory
from lm.directory.manifest import read_manifest
from lm.process.distribution import install_command

sys.path.insert(0, str(Path(__file__).parents[1] / "toy"))
import toy
from support.commands import lm as command
from support.training_runs import make_corpus, of_seconds

Train = Callable[..., int]


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """`lm train …` on the toy job, in this process and an empty directory."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: main(["train", "data.path=x", *arguments], directory=toy.CONF)


def summary(directory: str | Path) -> list[dict]:
    return json.loads((Path(directory) / "summary.json").read_text())


def values(directory: str | Path) -> dict[str, float]:
    return {record["name"]: record["value"] for record in summary(directory)}


def test_a_sweep_ends_with_a_table_best_first(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("-m", "run.name=tune", "seed=2,0,1") == 0
    *_, first, second, third, _, output = capsys.readouterr().out.splitlines()
    assert [line.split() for line in (first, second, third)] == [
        ["0.008", "outputs/train/tune/seed=0"],
        ["0.016", "outputs/train/tune/seed=1"],
        ["0.024", "outputs/train/tune/seed=2"],
    ]
    assert output == "sweep       3 jobs → outputs/train/tune/summary.csv"
    with open("outputs/train/tune/summary.csv", newline="") as file:
        assert [row["seed"] for row in csv.DictReader(file)] == ["0", "1", "2"]


def test_no_option_is_one_of_the_values_of_a_sweep(train: Train) -> None:
    assert train("-m", "run.name=tune", "callbacks=null,say") == 0
    assert {each["name"]: each["overrides"] for each in summary("outputs/train/tune")} == {
        "callbacks=null": ["callbacks=null"],
        "callbacks=say": ["callbacks=say"],
    }
    said = {each["name"]: read_manifest(each["directory"])["config"] for each in summary("outputs/train/tune")}
    assert ["callbacks" in said[f"callbacks={option}"] for option in ("null", "say")] == [False, True]


def test_a_job_that_failed_is_last_with_its_reason_and_run_again_by_the_same_command(train: Train) -> None:
    command = ("-m", "run.name=tune", "behave=no file,well", "seed=2,0")
    assert train(*command) == 1
    output = summary("outputs/train/tune")
    assert [record["status"] for record in output] == ["complete", "complete", "failed", "failed"]
    assert output[2]["error"] == "FileNotFoundError: [Errno 2] No such file or directory: 'nowhere.txt'"
    assert output[2]["overrides"][1] == "seed=2"
    assert Path(output[2]["directory"]).is_dir()
    Path("nowhere.txt").touch()
    assert train(*command) == 0
    assert [record["status"] for record in summary("outputs/train/tune")] == ["complete"] * 4


def test_more_values_run_only_the_new_jobs(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    train("-m", "seed=1,2", "model=small,big")
    before = {path: path.stat().st_mtime_ns for path in Path("outputs").rglob("loss.txt")}
    capsys.readouterr()
    train("-m", "seed=1,2,3", "model=small,big")
    said = capsys.readouterr().out
    assert (said.count("nothing to do"), said.count("10 steps")) == (4, 2)
    assert before.items() < {path: path.stat().st_mtime_ns for path in Path("outputs").rglob("loss.txt")}.items()
    assert len(summary("outputs/train/default")) == 6


def test_values_that_differ_in_a_slash_are_two_runs(train: Train) -> None:
    assert train("-m", "data.path=a/b,a-b", "run.name=tune") == 0
    assert {record["directory"] for record in summary("outputs/train/tune")} == {
        "outputs/train/tune/data.path=a%2Fb",
        "outputs/train/tune/data.path=a-b",
    }


def test_a_fault_of_two_values_together_is_reported_before_the_first_job_runs(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("-m", "model=small,big", "data.path=x,${model.norm._target_}") == 2  # big has no norm
    output, last = capsys.readouterr().err.splitlines()
    assert output.startswith("error: data.path: ${model.norm._target_} cannot be resolved")
    assert last == "nothing was run"
    assert not Path("outputs").exists()


def test_a_run_may_have_the_name_of_a_sweep(train: Train) -> None:
    assert train("-m", "seed=1,2") == 0
    assert train("seed=3") == 0
    assert train("seed=4", "run.restart=true") == 0
    assert {"summary.csv", "seed=1", "loss.txt"} < {path.name for path in Path("outputs/train/default").iterdir()}


def test_a_job_without_a_number_is_in_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["greet", "-m", "name=you,me"], directory=toy.CONF) == 0
    assert values("outputs/greet/default") == {"name=you": None, "name=me": None}


def lm(*arguments: str) -> subprocess.CompletedProcess:
    return command(*arguments, PYTHONPATH=str(Path(__file__).parents[1]))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


def test_a_sweep_killed_in_its_second_job_resumes_there_and_ends_as_an_uninterrupted_one(
    corpus: Path, tmp_path: Path
) -> None:
    seeds = "seed=1000,20"  # of 48 micro-batches; the killer strikes after as many as the seed says
    killer = ("+callbacks.kill._target_=support.killers.KillAfterBatch", "+callbacks.kill.batches=${seed}")
    broken = of_seconds(corpus, tmp_path / "broken", "tune", "-m", seeds)
    assert lm("pretrain", *broken, *killer).returncode == -9
    sweep, other = tmp_path / "broken/pretrain/tune", tmp_path / "unbroken/pretrain/tune"
    before = {path: path.stat().st_mtime_ns for path in (sweep / "seed=1000/checkpoints").iterdir()}
    assert not (sweep / "summary.json").exists()
    said = lm("pretrain", *broken)
    assert said.returncode == 0, said.stderr
    assert (said.stdout.count("nothing to do"), said.stdout.count("resuming from")) == (1, 1)
    assert before == {path: path.stat().st_mtime_ns for path in (sweep / "seed=1000/checkpoints").iterdir()}
    assert lm("pretrain", *of_seconds(corpus, tmp_path / "unbroken", "tune", "-m", seeds)).returncode == 0
    assert values(sweep) == values(other)
    for seed in ("1000", "20"):
        one, same = (
            torch.load(each / f"seed={seed}/checkpoints/last.ckpt", weights_only=True)["state_dict"]
            for each in (sweep, other)
        )
        assert all(torch.equal(one[name], same[name]) for name in one)


# searches by Optuna


@pytest.fixture
def search(train: Train) -> Train:
    pytest.importorskip("optuna", reason="optuna is not installed: pip install 'lightning-lm[sweep]'")
    ours = ("--config-dir", str(config_directory()), "-m", "hydra/sweeper=optuna", "run.name=found")
    return lambda *arguments: train(*ours, *arguments)


SPACE = (
    "learning_rate=tag(log,interval(1e-4,1e-1))",
    "seed=int(interval(0,3))",
    "steps=range(10,40,10)",
    "model=small,big",
)


def test_a_search_takes_its_space_from_the_command_line_and_names_each_run_by_it(search: Train) -> None:
    assert search(*SPACE, "hydra.sweeper.trials=12") == 0
    assert len(summary("outputs/train/found")) == 12
    assert [record["value"] for record in summary("outputs/train/found")] == sorted(
        values("outputs/train/found").values()
    )
    rates = [float(record["overrides"][0].partition("=")[2]) for record in summary("outputs/train/found")]
    assert sum(rate < 0.01 for rate in rates) >= 5  # a tenth of the interval, two thirds of its logarithms
    for record in summary("outputs/train/found"):
        chosen = dict(text.split("=") for text in record["overrides"])
        assert record["directory"] == f"outputs/train/found/{','.join(record['overrides'])}"
        config = json.loads((Path(record["directory"]) / "config.json").read_text())
        assert config["learning_rate"] == float(chosen["learning_rate"])
        assert 1e-4 <= float(chosen["learning_rate"]) <= 1e-1
        assert chosen["seed"] in "0123"
        assert chosen["steps"] in ("10", "20", "30")
        assert config["model"]["dim"] == {"small": 8, "big": 64}[chosen["model"]]


def test_a_search_with_more_trials_runs_only_the_new_ones(search: Train, capsys: pytest.CaptureFixture[str]) -> None:
    assert search(*SPACE, "hydra.sweeper.trials=3") == 0
    first = values("outputs/train/found")
    capsys.readouterr()
    assert search(*SPACE, "hydra.sweeper.trials=5", "hydra/sweeper/storage=sqlite") == 0
    assert capsys.readouterr().out.count("10 steps") <= 2
    assert first.items() < values("outputs/train/found").items()
    assert len(values("outputs/train/found")) == 5


@pytest.mark.parametrize("sampler", ["tpe", "random", "cma_es", "grid"])
def test_each_sampler_and_storage_is_an_option(sampler: str, search: Train) -> None:
    chosen = ("hydra/sweeper/storage=journal", "hydra.sweeper.trials=3", "hydra.sweeper.direction=maximize")
    assert search(f"hydra/sweeper/sampler={sampler}", "seed=range(0,4)", *chosen) == 0
    assert Path("outputs/train/found/study.journal").exists()
    output = [record["value"] for record in summary("outputs/train/found")]
    assert output == sorted(output, reverse=True)


def test_a_search_that_restarts_forgets_all_trials(search: Train, capsys: pytest.CaptureFixture[str]) -> None:
    assert search("seed=range(0,4)", "hydra.sweeper.trials=2") == 0
    capsys.readouterr()
    assert search("seed=range(0,4)", "hydra.sweeper.trials=2", "run.restart=true") == 0
    assert capsys.readouterr().out.count("10 steps") == 2


REFUSED = {
    "seed=range(0,4) hydra.sweeper.trials=many": "hydra.sweeper.trials: expected int, at least 1, got 'many'",
    "seed=range(0,4) hydra.sweeper.direction=up": "hydra.sweeper.direction: expected",
    "seed=range(0,4) hydra/sweeper/sampler=gird": "hydra/sweeper/sampler=gird: no such option; did you mean grid?",
    "seed=range(0,4) hydra/sweeper=optima": "hydra/sweeper=optima: no such option; did you mean optuna?",
    "learning_rte=interval(0,1)": "learning_rte: unknown key of toy.train; did you mean learning_rate?",
    "seed=1": "hydra/sweeper=optuna has nothing to search",
    "learning_rate=interval(0,1) hydra/sweeper/sampler=grid": "learning_rate: a grid needs countable values",
    "seed=range(0,4) hydra/sweeper/pruner=medain": "hydra/sweeper/pruner=medain: no such option; did you mean median?",
    "seed=range(0,4) hydra/sweeper/pruner=median hydra.sweeper.pruner.start=1": "hydra.sweeper.pruner.start=1: Could",
    "seed=range(0,4) hydra/sweeper/pruner=median": "hydra/sweeper/pruner: this job reports nothing before its end",
    "seed=range(0,4) hydra/sweeper/pruner=median hydra.sweeper.pruner.startup=-1": "hydra.sweeper.pruner.startup: exp",
    "seed=range(0,4) hydra/sweeper/pruner=hyperband hydra.sweeper.pruner.factor=1": "hydra.sweeper.pruner.factor: exp",
}  # fmt: skip


@pytest.mark.parametrize(("line", "output"), REFUSED.items(), ids=REFUSED)
def test_a_mistake_in_a_search_is_reported_in_one_line_before_any_job_runs(
    line: str, output: str, search: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search(*line.split()) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"error: {output}")
    assert "10 steps" not in said.out


SETTLED = ["hydra/sweeper=optuna", "hydra/sweeper/pruner=median", "hydra.sweeper.pruner.startup=2"]


@pytest.mark.parametrize("chosen", [SETTLED, SETTLED[::-1]], ids=["sweeper first", "sweeper last"])
def test_a_mistake_beside_options_of_a_search_is_the_only_one_reported(
    chosen: list[str], train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("optuna", reason="optuna is not installed: pip install 'lightning-lm[sweep]'")
    others = ("hydra.sweeper.trials=5", "hydra/sweeper/sampler=gird", "seed=range(0,4)")
    assert train("--config-dir", str(config_directory()), "-m", *chosen, *others) == 2
    output = ["error: hydra/sweeper/sampler=gird: no such option; did you mean grid?", "nothing was run"]
    assert capsys.readouterr().err.splitlines() == output


def test_without_optuna_the_extra_that_brings_it_is_named(
    search: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "optuna"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert search("seed=range(0,4)") == 2
    assert capsys.readouterr().err.endswith(f"; {install_command('sweep')}\n")


# searches that end unpromising runs


RATE = "optimizer.learning_rate=tag(log,interval(1e-6,1e-1))"
SEARCH = ("hydra/sweeper=optuna", "hydra/sweeper/sampler=random", "hydra.sweeper.trials=6", "validations=4")
SET_ON = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "hydra/launcher=local")
MEDIAN = ("hydra/sweeper/pruner=median", "hydra.sweeper.pruner.startup=2")


def searching(corpus: Path, root: Path, *more: str) -> list[str]:
    pytest.importorskip("optuna", reason="optuna is not installed: pip install 'lightning-lm[sweep]'")
    return ["pretrain", *of_seconds(corpus, root, "found", "-m", *SEARCH, *more, RATE)]


def studied(directory: Path) -> list[tuple]:
    """All that a study knows of its trials."""
    import optuna

    study = optuna.load_study(study_name=None, storage=f"sqlite:///{directory}/study.db")
    return [(each.state.name, each.params, each.value, each.intermediate_values) for each in study.get_trials()]


@pytest.fixture(scope="module")
def pruned(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pruned")
    assert main(searching(corpus, root, *MEDIAN)) == 0
    return root / "pretrain/found"


def test_a_search_that_prunes_finds_the_same_best_in_fewer_steps(pruned: Path, corpus: Path, tmp_path: Path) -> None:
    assert main(searching(corpus, tmp_path)) == 0
    whole, output = summary(tmp_path / "pretrain/found"), summary(pruned)
    assert {each["name"] for each in whole} == {each["name"] for each in output}
    assert (output[0]["name"], output[0]["value"]) == (whole[0]["name"], whole[0]["value"])
    ended = [each for each in output if each["status"] == "pruned"]
    assert len(ended) >= 2
    assert output[-len(ended) :] == ended
    assert {each["pruned_at"] for each in ended} <= {3, 6, 9}
    whole_values = values(tmp_path / "pretrain/found")
    for each in output:
        with open(Path(each["directory"]) / "metrics.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert int(rows[-1]["step"]) == (each["pruned_at"] or 12)
        assert float([row for row in rows if row["validation/loss"]][-1]["validation/bits_per_byte"]) == each["value"]
        assert (each["value"] == whole_values[each["name"]]) == (each["status"] == "complete")
        state = json.loads((Path(each["directory"]) / "manifest.json").read_text())["state"]
        assert state == ("started" if each["pruned_at"] else "complete")
        rate = each["overrides"][0].partition("=")[2]
        assert each["name"] == f"optimizer.learning_rate={rate}"
    worst = max(float(each["overrides"][0].partition("=")[2]) for each in ended)
    assert worst < float(output[0]["overrides"][0].partition("=")[2]), "the small rates are the bad ones"


def test_a_study_records_each_validation(pruned: Path) -> None:
    by_name = {each["name"]: each for each in summary(pruned)}
    for state, params, value, found in studied(pruned):
        output = by_name[f"optimizer.learning_rate={params['optimizer.learning_rate']}"]
        assert (state.lower(), value) == (output["status"], output["value"])
        assert [*found] == [*range(1, (output["pruned_at"] or 12) // 3 + 1)]
        assert [*found.values()][-1] == value


def test_a_pruned_trial_is_not_run_again_by_the_same_command(
    pruned: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, output = studied(pruned), summary(pruned)
    files = {path: path.stat().st_mtime_ns for path in pruned.glob("*/checkpoints/*")}
    assert main(searching(corpus, pruned.parents[1], *MEDIAN)) == 0
    assert "steps of" not in capsys.readouterr().out
    assert (studied(pruned), summary(pruned)) == (before, output)
    assert files == {path: path.stat().st_mtime_ns for path in pruned.glob("*/checkpoints/*")}


@pytest.mark.slow
def test_a_search_killed_in_a_trial_resumes_with_the_same_results(pruned: Path, corpus: Path, tmp_path: Path) -> None:
    sweep = tmp_path / "pretrain/found"
    assert main(searching(corpus, tmp_path, *MEDIAN, "hydra.sweeper.trials=3")) == 0
    killer = "+callbacks.kill={_target_: support.killers.KillAfterBatch, batches: 26}"  # of 4 a step: past a validation
    assert lm(*searching(corpus, tmp_path, *MEDIAN, killer)).returncode == -9
    assert "RUNNING" in [state for state, *_ in studied(sweep)]
    assert main(searching(corpus, tmp_path, *MEDIAN)) == 0
    assert studied(sweep) == studied(pruned)
    assert [(each["name"], each["pruned_at"]) for each in summary(sweep)] == [
        (each["name"], each["pruned_at"]) for each in summary(pruned)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("more", [("hydra.launcher.at_once=2", "hydra.sweeper.at_once=2"), SET_ON])
def test_a_search_prunes_jobs_in_other_processes_and_of_several_ranks(
    more: tuple[str, ...], corpus: Path, tmp_path: Path
) -> None:
    same = ("model.dropout=0.0", "hydra/sweeper/pruner=successive_halving")
    asked = ("hydra.sweeper.at_once=2",) if more is not SET_ON else ()
    assert main(searching(corpus, tmp_path / "here", *same, *asked)) == 0
    said = lm(*searching(corpus, tmp_path / "there", *same, "hydra/launcher=local", *more))
    assert said.returncode == 0, said.stderr
    here, there = (studied(tmp_path / name / "pretrain/found") for name in ("here", "there"))
    assert {"COMPLETE", "PRUNED"} == {state for state, *_ in here}
    assert [(state, params, [*found]) for state, params, _, found in here] == [
        (state, params, [*found]) for state, params, _, found in there
    ]
    assert [value for _, _, value, _ in there] == pytest.approx([value for _, _, value, _ in here], rel=1e-2)


# jobs in processes of their own


@pytest.fixture
def processes(train: Train, monkeypatch: pytest.MonkeyPatch) -> Train:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(toy.CONF.parent), str(Path(__file__).parents[2])]))
    ours = ("--config-dir", str(config_directory()), "-m", "hydra/launcher=local", "run.name=tune")
    return lambda *arguments: train(*ours, *arguments)


def test_jobs_in_other_processes_return_the_same(processes: Train, train: Train) -> None:
    assert train("-m", "run.name=here", "seed=2,1", "model=small,big") == 0
    assert processes("seed=2,1", "model=small,big", "hydra.launcher.at_once=3") == 0
    assert values("outputs/train/tune") == values("outputs/train/here")
    assert [each["name"] for each in summary("outputs/train/tune")] == [
        each["name"] for each in summary("outputs/train/here")
    ]


def test_each_of_several_jobs_at_once_prints_to_a_file(processes: Train, capsys: pytest.CaptureFixture[str]) -> None:
    assert processes("seed=1,2", "hydra.launcher.at_once=2") == 0
    assert "10 steps" not in capsys.readouterr().out
    logs = [Path(f"outputs/train/tune/.jobs/{number}.log").read_text() for number in (0, 1)]
    assert ["seed 1" in logs[0], "seed 2" in logs[1]] == [True, True]


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_process_that_fails_or_is_killed_does_not_keep_the_others_from_being_run(
    at_once: int, processes: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    assert processes("behave=bug,killed,full_disk,well", f"hydra.launcher.at_once={at_once}") == 1
    output = {record["name"]: record["error"] for record in summary("outputs/train/tune")}
    assert output["behave=well"] == ""
    assert output["behave=bug"] == "RuntimeError: a bug of ours"
    assert output["behave=killed"] == "its process exited with 137, as if it was killed"
    assert output["behave=full_disk"].startswith("No space left on device")
    assert capsys.readouterr().err.endswith("error: 3 of 4 jobs of the sweep failed, see above\n")


def test_a_job_that_is_typed_twice_is_run_once(processes: Train) -> None:
    assert processes("seed=1,1", "hydra.launcher.at_once=2") == 0
    assert [record["name"] for record in summary("outputs/train/tune")] == ["seed=1", "seed=1"]


def test_a_search_may_have_several_jobs_at_once(processes: Train, train: Train) -> None:
    pytest.importorskip("optuna", reason="optuna is not installed: pip install 'lightning-lm[sweep]'")
    chosen = ("hydra/sweeper=optuna", "hydra.sweeper.trials=5", "hydra.sweeper.at_once=2", "seed=range(0,100)")
    assert processes(*chosen, "hydra.launcher.at_once=2") == 0
    assert train("--config-dir", str(config_directory()), "-m", "run.name=here", *chosen) == 0
    assert values("outputs/train/tune") == values("outputs/train/here")


def test_devices_are_named_for_each_of_the_jobs_at_once(processes: Train, capsys: pytest.CaptureFixture[str]) -> None:
    assert processes("seed=1,2", "hydra.launcher.at_once=2", "hydra.launcher.devices=['0']") == 2
    assert "needs one entry for each of 2 jobs at once" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -9}.items())
def test_ending_a_sweep_ends_its_jobs_and_starts_no_other(number: int, code: int, tmp_path: Path) -> None:
    arguments = ["train", "data.path=x", "--config-dir", str(config_directory()), "-m", "hydra/launcher=local"]
    script = "import sys, toy; from lm.cli.main import main; sys.exit(main(sys.argv[1:], directory=toy.CONF))"
    command = [sys.executable, "-c", script, *arguments, "behave=wait,well"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(toy.CONF.parent), str(Path(__file__).parents[2])])}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as sweep:
        until(lambda: (tmp_path / "waiting").exists() and (tmp_path / "waiting").read_text())
        job = int((tmp_path / "waiting").read_text())
        assert job != sweep.pid
        sweep.send_signal(number)
        said = sweep.communicate(timeout=30)[1]
    assert sweep.returncode == code
    assert ("run the same command again to resume: lm train data.path=x" in said) == (number != signal.SIGKILL)
    until(lambda: not Path(f"/proc/{job}").exists())
    assert not (tmp_path / "outputs/train/default/behave=well").exists()


def until(holds: Callable[[], object]) -> None:
    for _ in range(600):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to that in 30 seconds")


@pytest.mark.slow
def test_four_jobs_of_two_ranks_are_four_runs_and_eight_processes_and_only_the_killed_one_resumes(
    corpus: Path, tmp_path: Path
) -> None:
    sweep = tmp_path / "pretrain/tune"
    noted = ("+callbacks.note._target_=support.killers.NoteRank", f"+callbacks.note.directory={tmp_path}")
    killer = ("+callbacks.kill._target_=support.killers.KillAfterBatch", "+callbacks.kill.batches=${seed}")
    command = of_seconds(corpus, tmp_path, "tune", "-m", "seed=1000,2000,9,3000", *SET_ON)
    said = lm("pretrain", *command, *noted, *killer)
    assert said.returncode == 137, said.stderr
    runs = {f"seed={seed}" for seed in (1000, 2000, 9, 3000)}
    assert {path.parent.name for path in sweep.glob("*/manifest.json")} == runs
    notes = [json.loads(path.read_text()) for path in tmp_path.glob("rank-*.json")]
    assert len({note["process"] for note in notes}) == 8
    assert sorted((note["directory"], note["seed"], note["rank"]) for note in notes) == sorted(
        (str(sweep / run), int(run.partition("=")[2]), rank) for run in runs for rank in (0, 1)
    )
    assert [record["status"] for record in summary(sweep)] == ["complete"] * 3 + ["failed"]
    assert summary(sweep)[-1]["name"] == "seed=9"
    said = lm("pretrain", *command)
    assert said.returncode == 0, said.stderr
    assert (said.stdout.count("nothing to do"), said.stdout.count("resuming from")) == (3, 1)
    assert len(values(sweep)) == 4
