"""The share of the machine's peak is that of the model's arithmetic, and is recorded."""

from types import SimpleNamespace

from lm.callbacks import Progress
from lm.hardware import Compute
from lm.training.judging import judge


def test_the_share_of_all_devices_is_told_and_recorded():
    noted, progress = {}, Progress()
    run = SimpleNamespace(note=lambda **facts: noted.update(facts))
    devices = SimpleNamespace(accelerator="cpu", threads=1, ranks=4)
    cost = SimpleNamespace(flops_per_token=2000)
    for peak, share in ((1e6, 2000 / 4e6), (None, 0.0)):
        noted.clear()
        progress.share_per_token = 0.0
        setup = SimpleNamespace(compute=Compute(peak_flops=peak), devices=devices)
        judge(run, setup, cost, precision="32-true", callbacks=[progress])
        assert progress.share_per_token == share
        assert noted.get("peak_flops") == peak
    assert noted == {}
