"""What happens beside training: saving, measuring, showing."""

from lm.callbacks.checkpoints import Checkpoints
from lm.callbacks.final_validation import FinalValidation
from lm.callbacks.interruption import Interruption
from lm.callbacks.loss_spike_guard import LossSpikeGuard
from lm.callbacks.metrics import Metrics
from lm.callbacks.metrics_file import MetricsFile
from lm.callbacks.non_finite_guard import NonFiniteGuard
from lm.callbacks.progress import Progress
from lm.callbacks.random_state import RandomState
from lm.callbacks.rank_consistency import RankConsistency
from lm.callbacks.replies import Replies
from lm.callbacks.samples import Samples
from lm.callbacks.step_counters import StepCounters
from lm.callbacks.text_logger import TextLogger
from lm.callbacks.wandb import Wandb

__all__ = [
    "Checkpoints",
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
    "Samples",
    "StepCounters",
    "TextLogger",
    "Wandb",
]
