"""Killed at random moments, by the clock or at a place in the code, once or more, a run ends bit for bit the same.

Weights, optimizer, what callbacks keep, metrics, result; of each micro-batch its ids, its loss and the draws after it,
so its dropout; and the ids of the next hundred after each start. The moments come from seeds. Fifty of them take some
minutes: `pytest -m slow tests/test_resume_anywhere.py`; the default run has one.
"""

import csv
import json
import random
import signal
from pathlib import Path
from time import monotonic

import pytest
import torch

from lm.directory.manifest import read_manifest
from lm.files import hash_bytes, hash_json
from support.training_runs import composed, make_corpus, of_seconds, run, start

STEPS, MICRO_BATCHES, SAVES = 20, 80, 26  # of a run, each step of 4 micro-batches; saved as last and as best
AHEAD = 100  # micro-batches whose ids are compared after each start, though the run may end before them
WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")
KINDS = ("clock", "batch", "while saving", "after saving")


class Job:
    """A job with its inputs, and the run of it that nobody has killed."""

    def __init__(self, root: Path, name: str, workers: int, *inputs: str):
        self.root, self.name, self.workers, self.inputs = root, name, workers, inputs
        began = monotonic()
        directory = root / f"{name}-{workers}"
        assert run(self.config(directory, ahead=AHEAD + MICRO_BATCHES)) == 0
        self.seconds = monotonic() - began
        self.trail, self.end = Trail(directory / "trail"), ending(directory / name / "run")

    def config(self, root: Path, *more: str, ahead: int = AHEAD) -> dict:
        root.mkdir(parents=True, exist_ok=True)
        trail = f"+callbacks.trail={{_target_: support.killers.Trail, file: {root / 'trail'}, ahead: {ahead}}}"
        common = of_seconds(root, root, "run", f"budget.steps={STEPS}", f"data.workers={self.workers}", trail, *more)
        of_pretraining = ("data.path=", *(("model=", "model.") if self.name == "instruct" else ()))
        return composed(self.name, *[each for each in common if not each.startswith(of_pretraining)], *self.inputs)


class Trail:
    """What the processes of a run have written down."""

    def __init__(self, file: Path):
        lines = [line for line in file.read_text().splitlines() if line]
        whole = [json.loads(line) for line in lines if line.endswith("}")]
        self.torn = len(lines) - len(whole)
        self.batches = [record for record in whole if "batch" in record]
        self.starts = [record for record in whole if "planned" in record]


def ending(directory: Path) -> dict[str, str]:
    """Hashes of all that a finished run has made."""
    assert read_manifest(directory)["state"] == "complete"
    assert not list((directory / "checkpoints").glob(".*")), "half a checkpoint was left"
    found = {}
    for which in ("last", "best"):
        saved = torch.load(directory / "checkpoints" / f"{which}.ckpt", weights_only=True)
        for part in ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "callbacks"):
            found[f"{which}: {part}"] = hash_of(saved[part])
    with open(directory / "metrics.csv", newline="") as file:
        rows = [{key: value for key, value in row.items() if "second" not in key} for row in csv.DictReader(file)]
    result = {key: value for key, value in read_manifest(directory)["result"].items() if key != "seconds"}
    return {**found, "metrics": hash_json(rows), "result": hash_json(result)}


def hash_of(tree) -> str:
    """Of nested tensors and plain data; equal only if equal to the last bit."""
    if isinstance(tree, torch.Tensor):
        return hash_bytes(repr((tree.dtype, tree.shape)).encode() + tree.contiguous().numpy().tobytes())
    if isinstance(tree, dict):
        return hash_json([[repr(key), hash_of(value)] for key, value in tree.items()])
    if isinstance(tree, list | tuple):
        return hash_json([hash_of(value) for value in tree])
    return hash_bytes(repr(tree).encode())


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """Pretraining, and tuning what that has made, each with and without data workers; made when first asked for."""
    root = tmp_path_factory.mktemp("jobs")
    corpus = f"data.path={make_corpus(root / 'corpus')}"
    draw = random.Random(0)
    talks = root / "talks.jsonl"
    with open(talks, "w") as file:
        for number in range(150):
            asked, said = (" ".join(draw.choices(WORDS, k=draw.randint(1, 6))) for _ in range(2))
            turns = [{"role": "user", "content": f"{asked} {number}?"}, {"role": "assistant", "content": f"{said}."}]
            file.write(json.dumps({"messages": turns}) + "\n")
    asked_for: dict[tuple[str, int], Job] = {}

    def job(name: str, workers: int) -> Job:
        if (name, workers) not in asked_for:
            inputs = [corpus]
            if name == "instruct":
                model = job("pretrain", 0).root / "pretrain-0" / "pretrain" / "run"
                inputs = [f"model.path={model}", "data/conversations=messages", f"data.conversations.path={talks}"]
            asked_for[name, workers] = Job(root, name, workers, *inputs)
        return asked_for[name, workers]

    return job


def kill(job: Job, root: Path, kind: str, draw: random.Random) -> None:
    """One process of the run, ended by SIGKILL at a moment that `draw` chooses."""
    batches, saves = draw.randint(1, MICRO_BATCHES), draw.randint(1, SAVES)
    killer = {
        "clock": "",
        "batch": f"support.killers.KillAfterBatch, batches: {batches}",
        "while saving": f"support.killers.KillWhileSaving, saves: {saves}, share: {draw.random()}",
        "after saving": f"support.killers.KillAfterSaving, saves: {saves}",
    }[kind]
    process = start(job.config(root, *([f"+callbacks.killer={{_target_: {killer}}}"] if killer else [])))
    if kind == "clock":
        process.join(draw.uniform(0, job.seconds))
        process.kill()
    process.join(240)
    assert process.exitcode in (-signal.SIGKILL, 0)  # a resumed run may end before the moment of the kill


def assert_resumes(seed: int, jobs, tmp_path: Path) -> None:
    draw = random.Random(seed)
    job = jobs(("pretrain", "instruct")[seed % 2], (0, 2)[seed // 2 % 2])
    kinds = [KINDS[seed // 4 % 4], *draw.choices(KINDS, k=draw.choice([0, 0, 1, 2]))]
    for kind in kinds:
        kill(job, tmp_path, kind, draw)
    assert run(job.config(tmp_path)) == 0
    assert ending(tmp_path / job.name / "run") == job.end, kinds
    trail = Trail(tmp_path / "trail")
    expected = {record["batch"]: record for record in job.trail.batches}
    assert trail.torn <= len(kinds)
    assert {record["batch"] for record in trail.batches} == {*expected}
    assert all(record == expected[record["batch"]] for record in trail.batches), kinds
    [whole] = job.trail.starts
    for begun in trail.starts:
        assert begun["planned"] == whole["planned"][begun["start"] :][:AHEAD]


def test_tuning_with_workers_killed_at_random_moments_ends_bit_for_bit_the_same(jobs, tmp_path):
    assert_resumes(7, jobs, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 150))
def test_fifty_runs_killed_at_random_moments_end_bit_for_bit_the_same(seed, jobs, tmp_path):
    assert_resumes(seed, jobs, tmp_path)
