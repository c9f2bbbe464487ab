"""What a policy answers while it trains, with the rewards of the answers, step by step."""

import json
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer

from lm.batch import Batch
from lm.bounds import Count
from lm.callbacks.loggers import TextLogger
from lm.files import write_atomically

FILE = "answers.jsonl"


class Answers(Callback):
    """Append answers of training steps to the run's answers.jsonl: prompt, answer, reference, rewards, length.

    The answers are those that the step learned from, nothing is generated for it, so an objective that generates
    nothing writes no file. Loggers that take texts receive them as a table. A resumed run first removes the answers of
    steps that it repeats.

    Args:
        every: Optimizer steps between answers; those of the first and the last step are always written.
        count: Answers of a step, at most: all of the first prompt before those of the next, so that a group is seen.
    """

    def __init__(self, *, every: Count = 10, count: Count = 4):
        self.every, self.count = every, count

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        file = Path(trainer.default_root_dir, FILE)
        if trainer.is_global_zero and file.exists():
            lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
            write_atomically(file, "".join(each for each in lines if _is_of_step(each, at_most=trainer.global_step)))

    def on_train_batch_end(self, trainer, pl_module, outputs, batch: Batch, batch_idx: int) -> None:
        step = trainer.global_step
        due = step % self.every == 0 or step in (1, trainer.max_steps)
        if (batch_idx + 1) % trainer.accumulate_grad_batches or not due or not trainer.is_global_zero:
            return
        answered = pl_module.answered[: self.count]
        if not answered:
            return
        with open(Path(trainer.default_root_dir, FILE), "a", encoding="utf-8") as file:
            file.writelines(json.dumps({"step": step, **each}, ensure_ascii=False) + "\n" for each in answered)
        for logger in trainer.loggers:
            if isinstance(logger, TextLogger):
                logger.log_texts("answers", [_as_text(each) for each in answered], step=step)


def _as_text(record: dict[str, Any]) -> dict[str, str]:
    """A record as a row of texts, with the last turn of the prompt."""
    return {key: str(value) for key, value in {**record, "prompt": record["prompt"][-1]["content"]}.items()}


def _is_of_step(line: str, *, at_most: int) -> bool:
    """Whether a line is whole and of a step that is done."""
    try:
        return json.loads(line)["step"] <= at_most
    except ValueError:  # torn by a kill
        return False
