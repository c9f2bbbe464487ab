"""Benchmarks while training: at each validation, logged by the tokens seen so far."""

from collections.abc import Mapping

from lightning import Callback, LightningModule, Trainer

from lm.config.faults import errors_at
from lm.evaluation import Evaluation
from lm.parallel import placement_of
from lm.tokenizer import load_tokenizer


class Benchmarks(Callback):
    """Run evaluations at each validation and log the main metric of each as `evaluation/NAME`.

    Each row has `train/tokens`, the tokens seen. The evaluations read the weights as they are and change no later
    step. They take their time from training: bound their items by `max_items`.

    Args:
        evaluations: Benchmarks by name, as `lm evaluate` has them.
        model: What stands for `model` in their YAML: `path` is a run whose recorded template they use, null for plain
            text.
    """

    def __init__(self, evaluations: Mapping[str, Evaluation], *, model: Mapping[str, str | None] | None = None):
        self.evaluations, self.model = evaluations, model

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for name, evaluation in self.evaluations.items():
            with errors_at(f"callbacks.benchmarks.evaluations.{name}", evaluation):
                evaluation.fingerprint()
                evaluation.check()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        model = placement_of(trainer.strategy).whole_model() if self.evaluations else None
        if model is None or trainer.sanity_checking:
            return
        tokenizer, plan = load_tokenizer(trainer.default_root_dir), trainer.datamodule.data_plan.plan
        row = {"train/tokens": trainer.global_step * plan.rows_per_step * plan.row_tokens}
        for name, evaluation in self.evaluations.items():
            row |= {
                f"evaluation/{key}": value for key, value in main_values(name, evaluation(model, tokenizer)).items()
            }
        for logger in trainer.loggers:
            logger.log_metrics(row, step=trainer.global_step)


def main_values(name: str, results: Mapping) -> dict[str, float]:
    """The main metric of a benchmark, or the numbers that an evaluation of another kind has for each of its parts.

    Args:
        name: Name of the evaluation.
        results: Its results.
    """
    if "main" in results:
        return {name: results["metrics"][results["main"]]["value"]}
    parts = {f"{name}/{part}": found for part, found in results.items() if isinstance(found, Mapping)}
    chosen = ("model", "bits_per_byte", "gain", "word_for_word")
    return {
        f"{part}/{key}": found[key]
        for part, found in parts.items()
        for key in chosen
        if isinstance(found.get(key), int | float)
    }
