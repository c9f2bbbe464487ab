"""By what the speed of a training run is judged: the share of the machine's peak that it reaches (MFU)."""

from collections.abc import Iterable

from lightning import Callback

from lm.callbacks import judge_by_peak
from lm.directory import Run
from lm.model import Cost
from lm.training.setup import Setup


def judge(run: Run, setup: Setup, cost: Cost, *, precision: str, callbacks: Iterable[Callback]) -> None:
    """Record what the run has to compute for a token and what its devices can do, and tell the bars.

    The share counts the arithmetic of the model, not what recomputation adds (Chowdhery et al. 2022, arXiv:2204.02311,
    appendix B). Where the peak is not known nothing is recorded or shown.

    Args:
        run: The run.
        setup: Its parts.
        cost: Arithmetic of its model.
        precision: Lightning's name of the precision.
        callbacks: Its callbacks.
    """
    devices = setup.devices
    here = {"accelerator": devices.accelerator, "precision": precision, "threads": devices.threads}
    peak = setup.compute.find_peak(**here)
    if peak is None:
        return
    judge_by_peak(callbacks, cost.flops_per_token / (peak.flops * devices.ranks))
    run.note(
        devices=devices.ranks, flops_per_token=cost.flops_per_token, peak_flops=peak.flops, peak_source=peak.source
    )
