"""Ranks that are launched together end together, and the first failure is reported."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from subprocess import Popen

import pytest

from lm.process.failure import REPORT, Failure, report_failure, write_report
from lm.process.ranks import this_rank
from lm.process.supervisor import START_SPREAD, RankSupervisor, _report, supervised_ranks

sys.path.insert(0, str(Path(__file__).parents[1] / "toy"))
import toy

GONE = "[gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:29597"
MISTAKE = (
    "error: run.name=../else: must lie inside outputs: a plain name such as first, or small/first (on rank 1 of {})"
)
Ranks = Callable[..., None]


@pytest.fixture
def ranks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ranks]:
    """Start ranks of a toy job, with the behaviour of each."""
    monkeypatch.chdir(tmp_path)
    places = os.pathsep.join([str(toy.CONF.parent), str(Path(__file__).parents[2])])
    model = {
        "_target_": "toy.Model",
        "dim": 8,
        "attention": {"_target_": "toy.Attention", "_partial_": True, "heads": 2},
    }

    def start(launch: RankSupervisor, *behaviours: str) -> None:
        monkeypatch.setenv("WORLD_SIZE", str(len(behaviours) + 1))
        monkeypatch.setenv("LOCAL_RANK", "0")
        for rank, behave in enumerate(behaviours, 1):
            run = {"_target_": "lm.directory.Run", "job": "train", "name": f"of-{rank}", "root": "outputs"}
            data = {"_target_": "toy.Text", "path": "x"}
            if behave == "mistake":
                run["name"] = "../else"
            node = {"_target_": "toy.train", "run": run, "model": model, "data": data, "behave": behave}
            node = {"_target_": "toy.greet"} if behave == "well" else node
            launch.config.write_text(json.dumps(node))
            launch.start(rank, {**os.environ, "PYTHONPATH": places})
            while behaviours[rank:] and launch.others[rank].poll() is None and behave != "wait":
                time.sleep(0.02)
        started.extend(launch.others.values())

    started = []
    yield start
    assert all(process.poll() is not None for process in started), "one is left behind"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".rank")]


def report_of(
    ranks: Ranks, capsys: pytest.CaptureFixture[str], *behaviours: str, own: Exception
) -> tuple[int, list[str]]:
    """Exit code and words of the process that launched, once its job came to fail with `own`."""
    code = 0
    try:
        with supervised_ranks(Path("config.json")) as supervisor:
            ranks(supervisor, *behaviours)
            raise own
    except Exception as error:
        code = report_failure(error)
    return code, capsys.readouterr().err.splitlines()


def test_a_bug_of_another_rank_is_reported_with_its_traceback_and_rank(ranks, capsys):
    code, words = report_of(ranks, capsys, "bug", own=RuntimeError(GONE))
    assert code == 1
    assert words[0] == "Traceback (most recent call last):"
    assert words[-2:] == ["RuntimeError: a bug of ours", "on rank 1 of 2"]
    assert not any("gloo" in line for line in words)


def test_a_mistake_on_another_rank_is_reported_in_one_line(ranks, capsys):
    report = report_of(ranks, capsys, "mistake", own=RuntimeError(GONE))
    assert report == (2, [MISTAKE.format(2)])


def test_a_killed_rank_is_reported_with_its_signal(ranks, capsys):
    code, (line,) = report_of(ranks, capsys, "killed", own=RuntimeError(GONE))
    assert code == 137
    assert line.startswith("error: rank 1 of 2 was killed by SIGKILL, as the system does when memory runs out")


def test_the_first_failure_is_reported(ranks, capsys):
    report = report_of(ranks, capsys, "mistake", "bug", own=RuntimeError(GONE))
    assert report == (2, [MISTAKE.format(3)])


def test_a_failure_of_this_rank_is_reported_and_the_others_end(ranks, capsys):
    code, words = report_of(ranks, capsys, "wait", own=KeyError("mine"))
    assert code == 1
    assert words[-2:] == ["KeyError: 'mine'", "on rank 0 of 2"]


def test_a_lost_rank_that_others_started_is_reported_in_one_line(ranks, capsys):
    code, words = report_of(ranks, capsys, own=RuntimeError(GONE))
    assert (code, words[-1]) == (1, f"RuntimeError: {GONE}"), "one process has lost nobody"
    os.environ["WORLD_SIZE"] = "2"
    report = report_of(lambda *_: None, capsys, own=RuntimeError(GONE))
    assert report == (1, [f"error: rank 0 of 2 has lost another rank, which reports why ({GONE})"])


def test_a_process_that_waits_for_a_failed_rank_is_ended(ranks, capfd, monkeypatch):
    """As in a library that no exception reaches."""
    monkeypatch.setattr("lm.process.supervisor.LONG_WAIT", 0.5)
    if child := os.fork():
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
        assert capfd.readouterr().err == MISTAKE.format(2) + "\n"
        return
    with supervised_ranks(Path("config.json")) as supervisor:
        ranks(supervisor, "mistake")
        supervisor.watch()
        time.sleep(60)
    os._exit(0)


def test_ranks_that_have_done_their_part_are_waited_for(ranks):
    with supervised_ranks(Path("config.json")) as supervisor:
        ranks(supervisor, "well")
        (process,) = supervisor.others.values()
    assert process.returncode == 0


def test_a_rank_that_was_interrupted_has_not_failed(ranks):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background ignores
    try:
        with supervised_ranks(Path("config.json")) as supervisor:
            ranks(supervisor, "interrupt")
            assert supervisor.others[1].wait() == 128 + signal.SIGINT
            assert supervisor._first_failure() is None
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_report_of_an_earlier_launch_is_ignored(ranks):
    with supervised_ranks(Path("config.json")) as supervisor:
        old = Failure("error: old\n", "old", code=1)
        _report(Path("config.json"), 1).write_text(json.dumps(asdict(old)))
        ranks(supervisor, "well")
        assert supervisor._first_failure() is None


def test_a_rank_that_only_lost_another_is_not_the_one_that_failed(tmp_path, monkeypatch):
    launch = RankSupervisor(tmp_path / "config.json")
    for rank, follows in ((2, True), (1, False)):  # the one that failed is the last to say so
        launch.others[rank] = Popen(["true"])
        monkeypatch.setenv(REPORT, str(_report(launch.config, rank)))
        assert write_report(Failure(f"error: {rank}\n", str(rank), code=1, follows=follows))
    assert launch._first_failure().line == "1"
    launch.end(at_once=True)


@pytest.fixture
def first_of_two(monkeypatch):
    """As others start it, Slurm say."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")


def test_only_a_marker_of_another_rank_of_this_job_is_a_failure(first_of_two, tmp_path):
    own, other = (tmp_path / f".rank-{rank}-of-2-failed" for rank in range(2))
    own.write_text(f"{time.time()} rank 0 of 2")
    launch = RankSupervisor(tmp_path / "config.json")
    assert not own.exists(), "it is of an earlier job"
    other.write_text(f"{time.time() - 2 * START_SPREAD} rank 1 of 2")
    own.write_text(f"{time.time()} rank 0 of 2")
    assert launch._first_failure() is None
    other.write_text(f"{time.time()} rank 1 of 2")
    assert launch._first_failure().line == "rank 0 of 2 ends because rank 1 of 2 has failed, which reports why"


def test_of_jobs_within_jobs_the_rank_is_noted_once(first_of_two, tmp_path):
    with (
        pytest.raises(KeyError) as caught,
        supervised_ranks(tmp_path / "outer" / "config.json"),
        supervised_ranks(tmp_path / "config.json"),
    ):
        raise KeyError("mine")
    assert caught.value.__notes__ == ["on rank 0 of 2"]


def test_launch_variables_are_removed_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.delenv("MASTER_PORT", raising=False)
    with supervised_ranks(tmp_path / "config.json"):
        os.environ |= {"WORLD_SIZE": "2", "MASTER_PORT": "29500"}
    assert os.environ["WORLD_SIZE"] == "1"
    assert "MASTER_PORT" not in os.environ


def test_a_rank_writes_its_first_report_only(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(REPORT, str(tmp_path / "report"))
    for words in ("first", "second"):
        report_failure(RuntimeError(words))
    assert json.loads((tmp_path / "report").read_text())["line"] == "RuntimeError: first"
    assert capsys.readouterr().err == ""


def test_ranks_of_slurm_know_which_they_are(monkeypatch):
    for name, value in {"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4"}.items():
        monkeypatch.setenv(name, value)
    assert this_rank() == "rank 3 of 4"


def test_a_rank_that_failed_before_there_was_a_group_ends_those_that_wait_for_it(tmp_path, monkeypatch, capfd):
    """Started by others, as by Slurm, which may let them wait."""
    monkeypatch.setattr("lm.process.supervisor.LONG_WAIT", 0.3)
    monkeypatch.setenv("WORLD_SIZE", "2")
    if child := os.fork():
        monkeypatch.setenv("RANK", "1")
        with pytest.raises(KeyError), supervised_ranks(tmp_path / "run" / "config.json"):
            raise KeyError("early")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
        assert capfd.readouterr().err == "error: rank 0 of 2 ends because rank 1 of 2 has failed, which reports why\n"
        return
    os.environ["RANK"] = "0"
    with supervised_ranks(tmp_path / "run" / "config.json") as supervisor:
        supervisor.watch()
        time.sleep(60)
    os._exit(0)
