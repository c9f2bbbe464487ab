"""Our side of alignment.py: `lm align` with a callback that takes the time."""

import csv
import sys
from pathlib import Path

from alignment_steps import GROUP, LONGEST, PROMPTS, STEPS, Steps
from lightning import Callback

from lm.cli.main import main

steps = Steps()


class Timing(Callback):
    """Takes the time at the end of each optimizer step."""

    def __init__(self, prompts: int = 0) -> None:
        self.prompts = prompts

    def on_fit_start(self, trainer, pl_module) -> None:
        sys.modules["__main__"].steps.start()

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            # the denominator of pairs is their number in the step
            sys.modules["__main__"].steps.end(self.prompts or batch.denominator)


def run(kind: str, directory: Path, *overrides: str) -> None:
    options = [f"run.root={directory}", f"run.name={kind}", "run.restart=true", f"model.path={directory}/instruct/tiny"]
    options += ["budget=steps", f"budget.steps={STEPS[kind]}", "trainer=cpu", "validations=0", "callbacks=plain"]
    options += ["trust=[alignment_ours,alignment_steps]", "+callbacks.timing._target_=alignment_ours.Timing"]
    options += ["compute.precision=32-true", "optimizer.learning_rate=1e-4", "schedule=constant", "data.split.share=0"]
    if kind == "grpo":
        options += ["data=prompts", "data/conversations=prompts", f"data.conversations.path={directory}/prompts.jsonl"]
        options += ["objective=grpo", f"objective.group_size={GROUP}", f"objective.max_tokens={LONGEST}"]
        options += ["reward@objective.reward.parts.answer=function", "budget=prompts", f"budget.batch_rows={PROMPTS}"]
        options += ["objective.reward.parts.answer.function=alignment_steps.letters"]
        options += [f"+callbacks.timing.prompts={PROMPTS}"]
    else:
        # rows of a context twice as wide hold both sides of several pairs
        options += [f"data.preferences.path={directory}/pairs.jsonl", "objective=dpo", "budget.batch_tokens=3584"]
        options += ["objective/reference=cached"] if kind == "dpo_cached" else []
    if code := main(["align", *options, *overrides]):
        sys.exit(code)
    with open(directory / f"align/{kind}/metrics.csv") as file:
        rows = [*csv.DictReader(file)]
    print(rows[-1], file=sys.stderr)
    steps.report(kind)


if __name__ == "__main__":
    run(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
