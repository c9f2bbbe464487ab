"""Alignments of seconds: a tiny tuned model, pairs, labelled answers and questions, and the config of their runs."""

import csv
import json
from pathlib import Path

import torch

from lm.cli.call import call_job
from support.training_runs import WORDS, composed, instruction, make_corpus, pretraining

TIMES = ("second", "wall")  # columns of metrics.csv that differ from run to run


def make_tuned(root: Path) -> Path:
    """The run of a tiny model that was tuned for a moment, beside files of pairs, labels and questions."""
    corpus = make_corpus(root / "corpus")
    call_job(pretraining(corpus, root, "base", "budget.steps=2", "validations=0", "model.dropout=0"))
    call_job(instruction(root / "pretrain/base", root, "tuned", "validations=0"))
    # answers of unequal length, so that rows and micro-batches hold unequal numbers of tokens
    asked = [(f"{word} {number}?", word, " ".join([word] * (1 + number % 3))) for number in range(3) for word in WORDS]
    pairs = [{"prompt": prompt, "chosen": good, "rejected": f"{bad} no"} for prompt, good, bad in asked]
    labels = [
        {"prompt": f"{prompt} {label}", "completion": good if label else bad, "label": label}
        for prompt, good, bad in asked
        for label in (True, False)
    ]
    questions = [{"question": prompt, "answer": good} for prompt, good, _ in asked]
    for name, records in {"pairs": pairs, "labels": labels, "questions": questions}.items():
        (root / f"{name}.jsonl").write_text("\n".join(map(json.dumps, records)))
    return root / "instruct/tuned"


def align(tuned: Path, root: Path, name: str, *overrides: str, data: str = "pairs") -> dict:
    """The plain config of an alignment of seconds, of 4 steps that two ranks can share."""
    return composed("align", *alignment(tuned, root, name, *overrides, data=data))


def alignment(tuned: Path, root: Path, name: str, *overrides: str, data: str = "pairs") -> list[str]:
    """Overrides of an alignment of seconds; `data` is pairs, labels or questions."""
    file = tuned.parents[1] / f"{data}.jsonl"
    if data == "questions":
        chosen = ["data=prompts", f"data.conversations.path={file}", "objective=grpo", "budget=prompts"]
        chosen += ["budget.batch_rows=8", "budget.steps=4", "objective.max_tokens=6", "data.validation_rows=4"]
        # nearly all answers are wrong: their length gives what differs
        chosen += ["reward@objective.reward.parts.answer=length", "objective.validation_samples=2"]
    else:
        chosen = [f"data.preferences.path={file}", "budget=steps", "budget.steps=4", "budget.batch_tokens=256"]
    return [
        f"run.root={root}",
        f"run.name={name}",
        f"model.path={tuned}",
        *chosen,
        "budget.rows_per_device=2",
        "optimizer.learning_rate=1e-2",
        "data.split.share=0.2",
        "compute=exact",
        "compute.threads=1",
        "callbacks=quiet",
        "callbacks.checkpoints.monitor=null",
        "callbacks.checkpoints.every=2",
        "callbacks.metrics.every=1",
        "validations=2",
        "trainer=cpu",
        *overrides,
    ]


def weights(directory: Path, which: str = "last") -> dict[str, torch.Tensor]:
    return torch.load(directory / f"checkpoints/{which}.ckpt", weights_only=True)["state_dict"]


def measured(directory: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv without times."""
    with open(directory / "metrics.csv", newline="") as file:
        return [
            {key: value for key, value in row.items() if not any(each in key for each in TIMES)}
            for row in csv.DictReader(file)
        ]
