"""Check callbacks before the first step: those of Lightning would fail much later, or change what the plan sets."""

from collections.abc import Mapping, Sequence

from lightning import Callback
from lightning.pytorch.callbacks import BatchSizeFinder, GradientAccumulationScheduler, LearningRateFinder

PLANNED = (BatchSizeFinder, GradientAccumulationScheduler, LearningRateFinder)


def check_callbacks(callbacks: Mapping[str, Callback], metrics: Sequence[str]) -> None:
    """Refuse a callback whose `monitor` no validation of the run gives, or that would change batches or rate.

    Args:
        callbacks: The callbacks of the config, by name.
        metrics: Names of the validation metrics; empty for a run without validation.

    Raises:
        ValueError: With the metrics there are.
    """
    for name, callback in callbacks.items():
        if isinstance(callback, PLANNED):
            raise ValueError(
                f"callbacks.{name}: {type(callback).__name__} changes what the plan of a run sets; remove it "
                f"(~callbacks.{name}), and set budget.batch_tokens, budget.rows_per_device or the optimizer's rate"
            )
        monitor = getattr(callback, "monitor", None)  # Lightning's own name for it; None waits for nothing
        if not isinstance(monitor, str) or monitor in metrics:
            continue
        if metrics:
            raise ValueError(
                f"callbacks.{name}.monitor={monitor} is not a validation metric; choose one of: {', '.join(metrics)}"
            )
        if not _is_ours(callback):
            raise ValueError(
                f"callbacks.{name}.monitor={monitor}: this run validates nothing; set validations above 0, with data "
                f"that are held out, or remove the callback: ~callbacks.{name}"
            )


def _is_ours(callback: Callback) -> bool:
    """Whether a callback is one of this package, which does without its metric in a run without validation."""
    return type(callback).__module__.startswith("lm.")
