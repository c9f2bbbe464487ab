"""Callbacks and loggers of a training run: what saves, guards, measures and shows it.

`RunCallback` is the contract of callbacks that undo steps or save the last checkpoint.
"""

from lm.callbacks.answers import Answers
from lm.callbacks.benchmarks import Benchmarks
from lm.callbacks.check import check_callbacks
from lm.callbacks.checkpoints import Checkpoints, FinalValidation
from lm.callbacks.comet import Comet
from lm.callbacks.interruption import Interruption
from lm.callbacks.loggers import TextLogger
from lm.callbacks.loss_spike_guard import LossSpikeGuard
from lm.callbacks.metrics import Metrics
from lm.callbacks.metrics_file import MetricsFile
from lm.callbacks.mlflow import mlflow_logger
from lm.callbacks.non_finite_guard import NonFiniteGuard
from lm.callbacks.progress import Progress, judge_by_peak
from lm.callbacks.rank_consistency import RankConsistency
from lm.callbacks.resume import RandomState, RunRecord, StepCounters
from lm.callbacks.run_callback import RunCallback, order_callbacks, saves_last, steps_without_effect
from lm.callbacks.samples import Replies, Samples
from lm.callbacks.wandb import Wandb

__all__ = [
    "Answers",
    "Benchmarks",
    "Checkpoints",
    "Comet",
    "FinalValidation",
    "Interruption",
    "LossSpikeGuard",
    "Metrics",
    "MetricsFile",
    "NonFiniteGuard",
    "Progress",
    "RandomState",
    "RankConsistency",
    "Replies",
    "RunCallback",
    "RunRecord",
    "Samples",
    "StepCounters",
    "TextLogger",
    "Wandb",
    "check_callbacks",
    "judge_by_peak",
    "mlflow_logger",
    "order_callbacks",
    "saves_last",
    "steps_without_effect",
]
