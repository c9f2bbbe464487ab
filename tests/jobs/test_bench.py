"""lm bench: a table, and the same as one line of JSON."""

import json

import pytest

from lm.cli.call import call_job
from lm.jobs import bench as job
from lm.training.step_times import PARTS
from support.training_runs import composed

SHORT = ["model=nano", "model.context=32", "budget.batch_tokens=128", "compute.threads=1", "trainer=cpu", "seconds=0.1"]


@pytest.mark.parametrize("more", [["budget.rows_per_device=1", "compute.precision=32-true"], ["optimizer=adamw"]])
def test_a_step_is_split_and_compared_with_the_peak_and_the_last_line_is_json(more, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(job, "PEAK", 0.0)
    monkeypatch.chdir(tmp_path)
    found = call_job(composed("bench", *SHORT, *more))
    *table, last = capsys.readouterr().out.splitlines()
    assert json.loads(last) == found
    assert found["batch_tokens"] == 128
    assert found["tokens_per_second"] == pytest.approx(128 / found["step_seconds"])
    assert [*found["split_seconds"]] == [*PARTS]
    assert all(seconds > 0 for seconds in found["split_seconds"].values())
    assert sum(found["split_seconds"].values()) == pytest.approx(found["step_seconds"], rel=0.9)
    assert found["share_of_peak"] == pytest.approx(found["flops_per_second"] / found["peak_flops_per_second"])
    assert found["peak_memory_bytes"] > 1e8
    assert all(any(word in line for line in table) for word in (*PARTS, "load", found["precision"], "tokens/s"))
    assert not [*tmp_path.iterdir()]  # it needs no files and leaves none


def test_several_devices_are_refused():
    with pytest.raises(ValueError, match=r"trainer.devices=2: lm bench measures one device; set trainer.devices=1"):
        call_job(composed("bench", *SHORT, "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"))
