"""The one command: what it says, and the exit code of every way to end."""

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from omegaconf import DictConfig

import lm.__main__ as process
from lm.cli.main import SIGNALS, main
from lm.config.outline import config_directory
from lm.process.signals import on_signal

sys.path.insert(0, str(Path(__file__).parents[1] / "toy"))
import toy

JOBS = sorted(path.stem for path in config_directory().glob("*.yaml") if path.name[0] != "_")
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{toy.CONF.parent}{os.pathsep}{Path(__file__).parents[2]}"}
BEHAVE = """# Behave as asked.
_target_: toy.train
run: {_target_: lm.directory.Run, job: behave, name: default, root: outputs, restart: false}
model: {_target_: toy.Model, dim: 8, attention: {_target_: toy.Attention, _partial_: true, heads: 2}}
data: {_target_: toy.Text, path: x}
behave: well
"""


@dataclass
class Said:
    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def lm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`lm …` on the toy jobs, in this process and an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LM_DEBUG", raising=False)

    def command(*arguments: str, directory: Path | None = toy.CONF) -> Said:
        try:
            code = main(arguments, directory=directory)
        except SystemExit as end:
            code = end.code
        return Said(code, *capsys.readouterr())

    return command


@pytest.fixture
def train(lm: Command) -> Command:
    return lambda *arguments: lm("train", "data.path=x", *arguments)


def start(*arguments: str, directory: Path, stdout: int = subprocess.PIPE, **environment: str) -> Said:
    """`python -m lm …` as it is, with a job `behave` of the user's own in `directory`."""
    (directory / "own").mkdir(exist_ok=True)
    (directory / "own" / "behave.yaml").write_text(BEHAVE)
    done = subprocess.run(
        [sys.executable, "-m", "lm", *arguments],
        cwd=directory,
        env={**ENVIRONMENT, **environment},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    return Said(done.returncode, done.stdout or "", done.stderr)


def runs(directory: str | Path) -> set[str]:
    """The runs below a directory, by where they lie in it."""
    return {path.parent.relative_to(directory).as_posix() for path in Path(directory).rglob("manifest.json")}


# what there is


def test_lm_lists_every_job_with_its_purpose(tmp_path: Path) -> None:
    said = start(directory=tmp_path)
    lines = said.out.split("jobs\n")[1].split("\n\n")[0].splitlines()
    listed = dict(line.split(maxsplit=1) for line in lines if line[2] != " ")
    assert sorted(listed) == JOBS
    assert all(len(output.split()) > 2 for output in listed.values())
    assert (said.code, said.err) == (0, "")


@pytest.mark.parametrize("asking", [["--help"], ["-h"], ["--help", "--config-dir", str(toy.CONF)]])
def test_help_without_a_job_is_the_list_of_jobs(asking: list[str], lm: Command) -> None:
    assert lm(*asking) == lm()
    assert lm().code == 0


def test_help_of_a_job_is_also_a_word(lm: Command) -> None:
    assert lm("help", "train") == lm("train", "--help")


def test_an_experiment_of_another_job_is_not_offered(tmp_path: Path, lm: Command) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "wide.yaml").write_text("# lm train experiment=wide: wider\n# @package _global_\n")
    (tmp_path / "experiment" / "deep.yaml").write_text("# lm both experiment=deep: deeper\n# @package _global_\n")
    place = ("--config-dir", str(tmp_path))
    assert "lm train experiment=wide: wider" in lm("train", "--help", "experiment", *place).out
    assert "deep" not in lm("train", "--help", "all", *place).out + lm("train", "--help", *place).out


def test_help_of_a_job_lists_its_groups_options_and_keys(lm: Command) -> None:
    said = lm("train", "--help", "all")
    assert said.code == 0
    for line in ["Train a toy.", "model=small", "* small  8 wide", "  big    64 wide", "model/attention=grouped"]:
        assert line in said.out
    assert "  learning_rate=0.001\n" in said.out
    assert lm("--help", "train", "all") == said
    assert lm("--help", "train") == lm("train", "--help") != said


@pytest.mark.parametrize("job", JOBS)
def test_help_has_a_comment_for_each_option_of_a_job(job: str, lm: Command) -> None:
    said = lm(job, "--help", "all", directory=None)
    assert said.code == 0
    groups = said.out.partition("\nkeys (")[0].splitlines()
    offered = [
        line.replace("*", " ").split() for line in groups if line.startswith(("      ", "    * ")) and line[6] != " "
    ]
    assert [words for words in offered if len(words) < 3] == []


def test_version_is_that_of_the_package(lm: Command) -> None:
    assert lm("--version").out.startswith("lm 0.")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--help"],
        ["--version"],
        ["pretrain", "--help"],
        ["pipeline", "--help", "all"],
        ["help"],
        ["help", "tree"],
        ["help", "corpus"],
        ["--complete", "pretrain", "model="],
        ["--completion", "bash"],
        ["no-such-job"],
    ],
)
def test_commands_that_only_read_yaml_import_no_library(arguments: list[str], tmp_path: Path) -> None:
    script = (
        "import sys; from lm.cli.main import main; main(sys.argv[1:]); "
        "print('loaded', *sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    *_, output = done.stdout.splitlines()
    heavy = {"torch", "lightning", "hydra", "omegaconf", "pydantic", "tokenizers", "numpy", "wandb"}
    assert "lm" in output.split(), done.stderr
    assert {*output.split()} & heavy == set()


# what is wrong


MISTAKES = {
    "trian": "there is no job trian; did you mean train?",
    "xyz": "there is no job xyz; there is both, greet, train",
    "seed=1": "there is no job seed=1; there is both, greet, train",
    "greet nmae=you": "nmae: unknown key of toy.greet; did you mean name?",
    "greet --hlep": "unrecognized arguments: --hlep; see lm --help and lm JOB --help",
    "greet --multi": "unrecognized arguments: --multi; see lm --help and lm JOB --help",
    "greet --cfg jbo": "argument --cfg/-c: invalid choice: 'jbo' (choose from",
    "greet --config-dir": "argument --config-dir/-cd: expected one argument",
    "greet --config-dir /nowhere": "--config-dir=/nowhere: no such directory",
    "--completion ksh": "argument --completion: invalid choice: 'ksh' (choose from",
    "greet model=big": "model=big: lm greet has no group model",
    "train data.path=x model.dropout=0.5": "model.dropout: is not in the YAML; to add it, write +model.dropout=0.5",
    "train data.path=x model=null": "model: missing: toy.train needs it; set model=…",
    "greet name": "name: it has no =; write name=you",
    "greet name=a,b": "name=a,b: has several values: add -m to run each in turn; or write [a,b] for a list",
    "greet --cfg job name=a,b": "name=a,b: has several values: add -m",
    "train data.path=x model=bgi": "model=bgi: no such option; did you mean big?",
    "train": "data.path: missing: set data.path=…",
    "train data.path=x run.name=../up": "run.name=../up: must lie inside outputs",
}  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), MISTAKES.items())
def test_a_mistake_is_reported_in_one_line(line: str, expected: str, lm: Command) -> None:
    said = lm(*line.split())
    first, *others = said.err.splitlines()
    assert first.startswith(f"error: {expected}")
    assert others in ([], ["nothing was run"])
    assert (said.code, said.out) == (2, "")
    assert not Path("outputs").exists()


def test_the_real_command_ends_with_2_after_a_mistake(tmp_path: Path) -> None:
    said = start("behave", "modle.dim=4", "--config-dir", "own", directory=tmp_path)
    assert said == Said(2, "", "error: modle: unknown key of toy.train; did you mean model?\nnothing was run\n")


def test_all_faults_are_reported_and_then_that_nothing_was_run(train: Command) -> None:
    said = train("modle=1", "model.dim=abc", "callbacks=sya", "seed=1,2")
    *faults, last = said.err.splitlines()
    assert {fault.split(":")[1].strip() for fault in faults} == {"modle", "model.dim", "callbacks=sya", "seed=1,2"}
    assert last == "nothing was run"
    assert said.code == 2
    assert not Path("outputs").exists()


def test_a_missing_file_is_reported_by_its_name(tmp_path: Path, lm: Command) -> None:
    (tmp_path / "hash.yaml").write_text("# Hash a file.\n_target_: lm.files.hash_file\npath: nowhere.txt\n")
    said = lm("hash", "--config-dir", str(tmp_path))
    assert said == Said(2, "", "error: nowhere.txt: No such file or directory\n")


def test_with_lm_debug_a_mistake_has_a_traceback_too(train: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LM_DEBUG", "1")
    said = train("run.name=../up")
    assert "Traceback" in said.err
    assert "\nerror: run.name=../up" in said.err
    assert said.code == 2


@pytest.mark.parametrize(("behave", "output"), {"bug": "a bug of ours", "library": "invalid literal for int()"}.items())
def test_a_bug_has_a_traceback_and_exit_code_1(behave: str, output: str, train: Command) -> None:
    said = train(f"behave={behave}")
    assert said.err.startswith("Traceback")
    assert output in said.err
    assert said.code == 1


def test_a_full_disk_is_not_a_bug_even_if_a_writer_raises_again_as_it_closes(train: Command) -> None:
    said = train("behave=full_disk")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "No space left on device: no partial file is left" in said.err


def test_the_real_command_ends_with_1_after_a_bug(tmp_path: Path) -> None:
    said = start("behave", "behave=bug", "--config-dir", "own", directory=tmp_path)
    assert "RuntimeError: a bug of ours" in said.err
    assert said.code == 1


def test_ctrl_c_exits_with_130_and_prints_how_to_resume(tmp_path: Path) -> None:
    said = start("behave", "behave=interrupt", "model.dim=4", "--config-dir", "own", directory=tmp_path)
    again = "lm behave behave=interrupt model.dim=4 --config-dir own"
    assert said == Said(130, "", f"\ninterrupted; run the same command again to resume: {again}\n")


def test_the_command_that_resumes_can_be_pasted(train: Command) -> None:
    assert train("behave=interrupt", "model={dim: 4}").err.endswith("behave=interrupt 'model={dim: 4}'\n")


def test_a_run_that_saved_after_a_signal_exits_with_128_plus_its_number(train: Command) -> None:
    said = train("behave=saved")
    assert (said.code, said.out) == (128 + signal.SIGTERM, "")
    assert said.err.startswith("\nsaved at step 3; run the same command again to resume: lm train ")


def test_a_terminated_job_prints_how_to_resume(train: Command) -> None:
    before = signal.getsignal(signal.SIGTERM)
    said = train("behave=terminate")
    assert said.code == 128 + signal.SIGTERM
    assert said.err.startswith("\ninterrupted; run the same command again to resume: lm train ")
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("number", [*SIGNALS, signal.SIGINT])
def test_a_signal_right_after_its_handler_is_set_is_not_a_bug(
    number: signal.Signals, train: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, catch = [signal.getsignal(each) for each in SIGNALS], signal.signal

    def catch_and_come(which: signal.Signals, handler: Callable) -> Callable:
        replaced = catch(which, handler)
        if which in (number, SIGNALS[-1]) and handler == on_signal:
            signal.raise_signal(number)
        return replaced

    monkeypatch.setattr(signal, "signal", catch_and_come)
    said = train()
    assert said.code == 128 + number
    assert said.err.startswith("\ninterrupted; run the same command again to resume: lm train ")
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_the_command_that_resumes_does_not_restart(train: Command) -> None:
    said = train("behave=saved", "run.restart=true")
    assert "run the command without restart to resume: lm train" in said.err
    assert "restart=true" not in said.err


@pytest.mark.parametrize(("behave", "code"), [("saved", 0), ("interrupt", 130)])
def test_only_the_first_rank_prints_how_to_resume(
    behave: str, code: int, train: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    said = train(f"behave={behave}")
    assert said.err == ""
    assert said.code == code  # one that has saved is no fault, for which a launcher would kill the first


@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize("line", ["", "pretrain --help", "behave -cd own", "behave -cd own -c job"])
def test_a_closed_pipe_is_not_a_bug(line: str, buffered: str, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    said = start(*line.split(), directory=tmp_path, stdout=writing, PYTHONUNBUFFERED=buffered)
    os.close(writing)
    assert (said.code, said.err) == (128 + signal.SIGPIPE, "")


# what is run


def test_the_real_command_runs_a_job_with_its_overrides(tmp_path: Path) -> None:
    said = start("behave", "+seed=3", "run.name=a/b", "--config-dir", "own", directory=tmp_path)
    assert said == Said(0, "train       10 steps, dim 8, seed 3 → outputs/behave/a/b\n", "")


def test_flags_and_overrides_may_stand_in_any_order(lm: Command, tmp_path: Path) -> None:
    assert lm("--config-dir", str(tmp_path), "greet", "name=you").out == "hello you\n"
    assert lm("greet", "-cd", str(tmp_path), "name=you").out == "hello you\n"


def test_the_same_command_again_has_nothing_to_do(train: Command) -> None:
    assert "10 steps" in train("seed=1").out
    assert train("seed=1") == Said(0, "train       nothing to do: outputs/train/default is complete\n", "")


def test_another_config_under_a_name_is_refused_with_the_keys_and_both_remedies(train: Command) -> None:
    train("run.name=a", "seed=1")
    said = train("run.name=a", "seed=2", "model=big")
    lines = said.err.splitlines()
    assert lines[0] == "error: run outputs/train/a exists with another config:"
    assert {"  seed: 1 → 2", "  model.dim: 8 → 64"} < {*lines}
    assert lines[-1].startswith("set run.name to another name to keep both, or run.restart=true to")
    assert (said.code, said.out) == (2, "")
    assert "seed 2" in train("run.name=b", "seed=2", "model=big").out
    assert "seed 2" in train("run.name=a", "seed=2", "model=big", "run.restart=true").out
    assert runs("outputs/train") == {"a", "b"}


def test_a_pipeline_runs_its_stages_with_their_own_parts(lm: Command) -> None:
    said = lm("both", "first.data.path=x", "second.seed=4", "run.name=p")
    assert [line.split()[-1] for line in said.out.splitlines()] == ["outputs/train/p", "outputs/train/p-again"]
    assert "seed 4" in said.out.splitlines()[1]
    assert runs("outputs") == {"both/p", "train/p", "train/p-again"}


def test_another_rank_runs_the_frozen_config_of_the_first(train: Command, lm: Command) -> None:
    train("seed=7", "run.name=frozen")
    assert (
        "nothing to do: outputs/train/frozen" in lm("_rank", "outputs/train/frozen/config.json", str(os.getppid())).out
    )


def test_a_failure_of_another_rank_names_the_rank(lm: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert lm("_rank", "gone.json", str(os.getppid())) == Said(
        2, "", "error: gone.json: No such file or directory (on rank 1)\n"
    )


# the config shown, and the user's own


def test_cfg_prints_the_config_and_runs_nothing(train: Command) -> None:
    said = train("model=big", "--cfg", "job")
    assert said.code == 0
    assert "model:\n  attention:\n    _target_: toy.Attention\n" in said.out
    assert "  dim: 64\n" in said.out
    assert "hydra" not in said.out
    assert not Path("outputs").exists()


def test_cfg_shows_a_part_and_resolves_it(lm: Command) -> None:
    shown = lm("both", "first.data.path=here", "-c", "job", "-p", "second.data")
    assert "path: ${...first.data.path}" in shown.out
    assert "path: here" in lm("both", "first.data.path=here", "-c", "job", "-p", "second.data", "--resolve").out


def test_a_config_that_has_faults_can_be_shown(lm: Command) -> None:
    assert "  path: ???\n" in lm("train", "--cfg", "job").out


def test_jobs_and_options_of_the_users_own_are_listed_described_and_run(tmp_path: Path, lm: Command) -> None:
    own = tmp_path / "own"
    (own / "model").mkdir(parents=True)
    (own / "model" / "mine.yaml").write_text("# my own\ndefaults: [attention: full]\n_target_: toy.Model\ndim: 6\n")
    (own / "behave.yaml").write_text(BEHAVE)
    place = ("--config-dir", str(own))
    assert "  behave  Behave as asked.\n" in lm(*place).out
    assert "    mine   my own\n" in lm("train", "--help", "model", *place).out
    assert "dim 6" in lm("train", "data.path=x", "model=mine", *place).out
    assert runs(tmp_path / "outputs") == {"train/default"}


def test_a_typo_in_a_file_of_the_users_own_is_refused_by_its_full_key(tmp_path: Path, train: Command) -> None:
    own = tmp_path / "own"
    (own / "experiment").mkdir(parents=True)
    (own / "experiment" / "mine.yaml").write_text(
        "# @package _global_\n# mine\nlearning_rte: 1\nmodel: {attention: {hedas: 2}}\n"
    )
    said = train("experiment=mine", "--config-dir", str(own))
    assert said.err.splitlines() == [
        "error: learning_rte: unknown key of toy.train; did you mean learning_rate?",
        "error: model.attention.hedas: unknown key of toy.Attention; did you mean heads?",
        "nothing was run",
    ]
    assert said.code == 2


# sweeps

SWEEP = {"multirun.yaml", "summary.csv", "summary.json", "summary.html"}


def test_a_sweep_makes_one_directory_an_override(lm: Command) -> None:
    said = lm("train", "-m", "data.path=x", "run.name=tune", "seed=1,2", "model=small,big")
    names = {f"seed={seed},model={model}" for seed in (1, 2) for model in ("small", "big")}
    assert runs("outputs/train/tune") == names
    assert {path.name for path in Path("outputs/train/tune").iterdir()} == names | SWEEP
    config = json.loads(Path("outputs/train/tune/seed=2,model=big/config.json").read_text())
    assert (config["seed"], config["model"]["dim"]) == (2, 64)
    assert (said.code, said.err) == (0, "")


def test_a_sweep_of_one_value_is_named_by_all_that_was_typed(train: Command) -> None:
    train("-m", "seed=3")
    assert runs("outputs/train/default") == {"data.path=x,seed=3"}


def test_a_sweep_again_has_nothing_to_do(train: Command) -> None:
    train("-m", "seed=1,2")
    assert train("-m", "seed=1,2").out.count("nothing to do") == 2


def test_a_sweep_of_names_makes_a_directory_each(train: Command) -> None:
    assert train("-m", "run.name=a,b").code == 0
    assert {name.split("/")[0] for name in runs("outputs/train")} == {"a", "b"}


@pytest.mark.parametrize(("failing", "code"), {"behave=bug,well": 1, "run.name=a,../up,b": 2}.items())
def test_a_failed_job_of_a_sweep_is_reported_and_the_others_run(failing: str, code: int, train: Command) -> None:
    said = train("-m", failing, "seed=1,2")
    assert said.code == code
    assert said.out.count("10 steps") == (2 if code == 1 else 4)
    assert said.err.count("a bug of ours\n" if code == 1 else "must lie inside") >= 2
    output = said.err.splitlines()[-1]
    assert output == f"error: 2 of {4 if code == 1 else 6} jobs of the sweep failed, see above"
    assert "Error executing job" not in said.err


def test_a_sweep_refuses_a_typo_in_any_value_before_the_first_job_runs(train: Command) -> None:
    said = train("-m", "seed=1,2,x", "model=small,bgi", "experiment=fast,hasty")
    assert [line.removeprefix("error: ").split(":")[0] for line in said.err.splitlines()] == [
        "seed", "model=bgi", "lerning_rate", "model.dmi", "nothing was run",
    ]  # fmt: skip
    assert (said.code, said.out) == (2, "")
    assert not Path("outputs").exists()


@pytest.mark.parametrize(("behave", "code"), {"interrupt": 130, "saved": 143}.items())
def test_an_interrupted_sweep_starts_no_further_job(behave: str, code: int, train: Command) -> None:
    said = train("-m", f"behave={behave},well")
    assert said.code == code
    assert "10 steps" not in said.out


def test_a_job_without_a_run_can_be_swept(lm: Command) -> None:
    said = lm("greet", "-m", "name=you,me")
    assert "hello you\n" in said.out
    assert "hello me\n" in said.out
    assert (said.code, said.err) == (0, "")


@pytest.mark.parametrize("raised", [None, SystemExit(3)])
def test_garbage_is_collected_rarely_and_not_at_exit(monkeypatch: pytest.MonkeyPatch, raised: SystemExit | None):
    thresholds, before = [], gc.get_threshold()

    def command() -> int:
        thresholds.append(gc.get_threshold()[0])
        if raised:
            raise raised
        return 3

    monkeypatch.setattr("lm.cli.main.main", command)
    monkeypatch.setattr(process, "end_in_words", lambda arguments: None)  # this process is that of the tests
    monkeypatch.setattr(process, "ignore_signals", lambda: None)
    try:
        with pytest.raises(SystemExit, match=r"^3$"):
            process.start()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
    assert thresholds == [process.COLLECT_EVERY]


def test_a_command_is_composed_once(train: Command, monkeypatch: pytest.MonkeyPatch):
    composed, load = [], ConfigLoaderImpl.load_configuration

    def counted(loader: ConfigLoaderImpl, name: str, overrides: list[str], *others: object) -> DictConfig:
        composed.append(overrides)
        return load(loader, name, overrides, *others)

    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", counted)
    assert train("model.dim=16").code == 0
    assert len(composed) == 1
