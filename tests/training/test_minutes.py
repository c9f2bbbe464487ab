"""A run given in minutes gets a number of tokens once: it resumes with it, and equals the run of that number."""

import pytest
import torch

from lm.cli.call import call_job
from lm.directory.manifest import read_manifest
from lm.training import minutes
from lm.training.minutes import LABEL
from lm.training.pace import Pace, measure_pace
from support.training_runs import composed, make_corpus, of_seconds

MINUTES = ("budget=minutes", "budget.minutes=1")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture
def timed(monkeypatch):
    """How often a run was timed; whatever is measured, a step takes `step` seconds."""
    calls = []

    def measure(*parts, seconds, **options):
        calls.append(seconds)
        measure_pace(*parts, seconds=0.01, **options)
        return Pace(step=measure.step, validation=0.5)

    measure.step = 8.0
    measure.calls = calls
    monkeypatch.setattr(minutes, "measure_pace", measure)
    return measure


def config(corpus, root, name, *overrides):
    shared = [each for each in of_seconds(corpus, root, name) if not each.startswith(("budget=", "budget.steps="))]
    return composed("pretrain", *shared, *overrides)


def tokens(directory) -> int:
    return int(read_manifest(directory)["inputs"][LABEL])


def test_it_equals_bit_for_bit_the_run_of_the_tokens_it_names(corpus, tmp_path, timed, monkeypatch, capsys):
    import lm.jobs.train as job

    fix, states = job.fix_length, []

    def watched(*parts, **options):
        before = torch.get_rng_state()
        length = fix(*parts, **options)
        states.append(torch.equal(before, torch.get_rng_state()))
        return length

    monkeypatch.setattr(job, "fix_length", watched)
    call_job(config(corpus, tmp_path, "timed", *MINUTES))
    timed_run, other = tmp_path / "pretrain" / "timed", tmp_path / "pretrain" / "other"
    chosen = tokens(timed_run)
    assert chosen in [steps * 256 for steps in range(2, 8)]  # (60 - 3 × 0.5 - the time so far) / 8
    line = (
        f"budget.minutes=1: 8 s per step, 0.5 s per validation: {chosen / 1000:.2f} k tokens in {chosen // 256} steps"
    )
    output = capsys.readouterr().out
    assert f"{line}; elsewhere the same run is budget=tokens budget.tokens={chosen}\n" in output
    call_job(config(corpus, tmp_path, "other", "budget=tokens", f"budget.tokens={chosen}"))
    assert states == [True, True]
    assert len(timed.calls) == 1
    one, two = (torch.load(each / "checkpoints" / "last.ckpt", weights_only=True) for each in (timed_run, other))
    assert one["state_dict"].keys() == two["state_dict"].keys()
    assert all(torch.equal(one["state_dict"][key], two["state_dict"][key]) for key in one["state_dict"])
    assert one["steps"] == two["steps"] == chosen // 256


def test_the_same_command_resumes_and_repeats_without_timing_until_restart(corpus, tmp_path, timed, monkeypatch):
    directory = tmp_path / "pretrain" / "run"
    same = config(corpus, tmp_path, "run", *MINUTES)
    with monkeypatch.context() as stopping:
        stopping.setattr("lightning.Trainer.fit", lambda *parts, **options: (_ for _ in ()).throw(OSError("stopped")))
        with pytest.raises(OSError, match="stopped"):
            call_job(same)
    chosen = tokens(directory)
    timed.step = 20.0  # as on a machine with other work
    call_job(same)
    call_job(same)
    assert len(timed.calls) == 1
    assert read_manifest(directory)["result"]["tokens"] == tokens(directory) == chosen
    call_job(config(corpus, tmp_path, "run", *MINUTES, "run.restart=true"))
    assert len(timed.calls) == 2
    assert tokens(directory) < chosen


def test_other_minutes_are_another_run(corpus, tmp_path, timed):
    call_job(config(corpus, tmp_path, "run", *MINUTES))
    with pytest.raises(ValueError, match=r"another config:\n  budget\.minutes: 1 → 2\n.*start again$"):
        call_job(config(corpus, tmp_path, "run", "budget=minutes", "budget.minutes=2"))
    longer = ("budget=minutes", "budget.minutes=2", "run.extend=true")
    chosen = tokens(tmp_path / "pretrain" / "run")
    with pytest.raises(ValueError, match=f"budget=tokens and budget.tokens to more than {chosen}, or run.name"):
        call_job(config(corpus, tmp_path, "run", *longer))
    with pytest.raises(ValueError, match="is shorter"):
        call_job(config(corpus, tmp_path, "run", "budget=tokens", "budget.tokens=256", "run.extend=true"))
    extended = ("budget=tokens", f"budget.tokens={chosen + 512}")
    call_job(config(corpus, tmp_path, "run", *extended, "run.extend=true"))
    call_job(config(corpus, tmp_path, "run", *extended))
    assert read_manifest(tmp_path / "pretrain" / "run")["result"]["tokens"] == chosen + 512
    assert len(timed.calls) == 1


def test_the_time_left_of_a_pipeline_decides_and_is_no_other_config(corpus, tmp_path, timed):
    call_job(config(corpus, tmp_path, "run", *MINUTES), {"budget.remaining": 0.001})
    assert tokens(tmp_path / "pretrain" / "run") == 256
    call_job(config(corpus, tmp_path, "run", *MINUTES), {"budget.remaining": 1.0})
    assert len(timed.calls) == 1


def test_a_stage_without_any_time_left_is_refused_and_repeats_where_it_was_fixed(corpus, tmp_path, timed):
    with pytest.raises(ValueError, match=r"^minutes=1: the stages before took all of them: repeat the command"):
        call_job(config(corpus, tmp_path, "run", *MINUTES), {"budget.remaining": 0.0})
    assert not (tmp_path / "pretrain" / "run").exists()
    call_job(config(corpus, tmp_path, "run", *MINUTES), {"budget.remaining": 1.0})
    call_job(config(corpus, tmp_path, "run", *MINUTES), {"budget.remaining": 0.0})  # complete: nothing to do


def test_a_dry_run_counts_the_tokens_by_the_speed_it_times(corpus, tmp_path, timed, capsys):
    call_job(config(corpus, tmp_path, "run", *MINUTES, "dry_run=true"))
    output = capsys.readouterr().out
    assert "1  by the speed timed below; the run itself times its steps first\n" in output
    here = next(line for line in output.splitlines() if line.startswith("on 1 × this machine"))
    assert 55 < float(here.split()[5]) < 61
    assert here.split()[6] == "s"
    assert timed.calls == []
    assert not (tmp_path / "pretrain").exists()


def test_devices_that_share_weights_are_refused(corpus, tmp_path, timed):
    shared = ("trainer=fsdp", "trainer.accelerator=cpu", "trainer.devices=2")
    with pytest.raises(ValueError, match=r"budget\.minutes=1: a step of devices that share weights .* budget=tokens"):
        call_job(config(corpus, tmp_path, "run", *MINUTES, *shared))
