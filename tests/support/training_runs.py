"""Tiny runs for tests: a corpus made in a moment, and training in processes that can be killed."""

import json
import multiprocessing
import os
import random
from functools import partial
from pathlib import Path

from lm.config.check import examine
from lm.corpus import Document, Source, Split, write_shards
from lm.files import hash_json
from lm.tokenizer import train_bpe
from support.compositions import composition
from support.forks import forks

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"]


def documents(count: int = 120, seed: int = 0) -> list[Document]:
    """Texts of two kinds, of lengths that differ a lot."""
    draw = random.Random(seed)
    return [
        Document(
            text=" ".join(draw.choices(WORDS, k=draw.choice([3, 9, 27, 81]))) + f" {number}.\n",
            id=f"document {number}",
            kind=draw.choice(["code", "prose"]),
        )
        for number in range(count)
    ]


class Texts(Source):
    """Documents given in a list."""

    def __init__(self, documents: list[Document]):
        self.documents = documents

    def __iter__(self):
        return iter(self.documents)

    def fingerprint(self) -> str:
        return hash_json([document.text for document in self.documents])


def make_corpus(directory: Path, *, count: int = 120, share: float = 0.1) -> Path:
    """A prepared corpus with its tokenizer."""
    texts = documents(count)
    tokenizer = train_bpe((document.text for document in texts), vocab_size=300)
    directory.mkdir(parents=True, exist_ok=True)
    write_shards(Texts(texts), directory, tokenizer=tokenizer, split=Split(share), shard_tokens=10_000)
    tokenizer.save(directory / "tokenizer.json")
    return directory


def composed(job: str, *overrides: str) -> dict:
    """The plain config of a job, without faults."""
    config, faults = examine(composition(job).compose(overrides))
    assert not faults, faults
    return config


def pretraining(corpus: Path, root: Path, name: str, *overrides: str) -> dict:
    """The plain config of a pretraining run of seconds."""
    return composed("pretrain", *of_seconds(corpus, root, name, *overrides))


def of_seconds(corpus: Path, root: Path, name: str, *overrides: str) -> list[str]:
    """Overrides for a run of seconds: dropout on, several micro-batches a step, fp32, one thread."""
    return [
        f"run.root={root}",
        f"run.name={name}",
        f"data.path={corpus}",
        "model=nano",
        "model.context=32",
        "model.dropout=0.1",
        "budget=steps",
        "budget.steps=12",
        "budget.batch_tokens=256",
        "budget.rows_per_device=2",
        "compute=exact",
        "compute.threads=1",
        "callbacks=quiet",
        "callbacks.checkpoints.every=2",
        "callbacks.metrics.every=1",
        "validations=3",
        "trainer=cpu",
        *overrides,
    ]


def instruction(pretrained: Path, root: Path, name: str, *overrides: str) -> dict:
    """The plain config of an instruction tuning of seconds."""
    turns = [
        [{"role": "user", "content": f"{word}?"}, {"role": "assistant", "content": f"{word} and {word}"}]
        for word in WORDS
    ]
    file = root / "conversations.jsonl"
    file.write_text("\n".join(json.dumps({"messages": each}) for each in turns * 3))
    options = ["data/conversations=messages", f"data.conversations.path={file}", "budget=steps", "budget.steps=4"]
    exact = ["budget.batch_tokens=128", "compute=exact", "compute.threads=1", "callbacks=quiet", "trainer=cpu"]
    often = ["callbacks.metrics.every=1", "validations=1"]
    return composed(
        "instruct",
        f"run.root={root}",
        f"run.name={name}",
        f"model.path={pretrained}",
        *options,
        *exact,
        *often,
        *overrides,
    )


def call(config: dict, environment: dict) -> None:
    """A job in this very process, with that environment."""
    multiprocessing.set_start_method("fork", force=True)  # so that data workers are its own and end when it is killed
    os.environ.update(environment)
    from lm.cli.call import call_job

    call_job(config)


def start(config: dict, **environment: str) -> multiprocessing.Process:
    """Run a job in a process of its own."""
    process = forks.Process(target=partial(call, config, environment))
    process.start()
    return process


def run(config: dict, **environment: str) -> int:
    """Run a job in a process of its own to its end; its exit code."""
    process = start(config, **environment)
    process.join(240)
    return process.exitcode
