"""Peak memory and time of runs against what `dry_run=true` says: `python tests/benchmark/estimates.py [SETTING …]`.

Settings that tune need one that pretrains before them, and settings that align one that tunes.

Each run takes a few steps in a process of its own, right after its dry run. Its memory is what the system holds for it
at the peak (VmHWM), its time the mean of the steps after the second. Needs Linux. The texts are random words; a
vocabulary of 32,768 takes half a minute to train, once.
"""

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from tempfile import gettempdir
from time import perf_counter

from lightning import Callback

from lm.checkpoint import context_of  # noqa: F401  (imports what a run imports)
from lm.cli.call import call_job
from lm.config.check import examine
from lm.config.composition import Composition
from lm.config.outline import config_directory
from lm.corpus import Document, Split, write_shards
from lm.tokenizer import train_bpe

STEPS = 8
HERE = Path(gettempdir()) / "lm-estimates"
FP32, BF16 = ["compute.precision=32-true"], ["compute.precision=bf16-mixed"]
RECOMPUTED = ["compute.activation_checkpointing=true"]
PROMPTS = ["data=prompts", "objective=grpo", "budget=prompts", "budget.batch_rows=32", "objective.max_tokens=64"]
PROMPTS += ["reward@objective.reward.parts.answer=length"]
SETTINGS: dict[str, tuple[int, list[str]]] = {  # vocabulary, overrides
    "nano": (4096, ["model=nano", *FP32, "budget.rows_per_device=8"]),
    "tiny": (4096, ["model=tiny", *FP32, "budget.rows_per_device=8"]),
    "tiny, 32 rows": (4096, ["model=tiny", *FP32, "budget.batch_tokens=8192", "budget.rows_per_device=32"]),
    "tiny, bf16": (4096, ["model=tiny", *BF16, "budget.batch_tokens=4096", "budget.rows_per_device=16"]),
    "tiny, 32k words": (32768, ["model=tiny", *FP32, "budget.rows_per_device=4"]),
    "tiny, 32k words, bf16": (32768, ["model=tiny", *BF16, "budget.rows_per_device=8"]),
    "tiny, packed": (
        4096,
        ["model=tiny", *FP32, "budget.rows_per_device=8", "data.packing._target_=lm.data.packing.best_fit"],
    ),
    "small": (4096, ["model=small", *FP32, "budget.rows_per_device=2"]),
    "small, bf16": (4096, ["model=small", *BF16, "budget.batch_tokens=4096", "budget.rows_per_device=4"]),
    "small, recomputed": (
        4096,
        ["model=small", *FP32, *RECOMPUTED, "budget.batch_tokens=4096", "budget.rows_per_device=4"],
    ),
    "tiny, tuned": (4096, ["TUNE", *FP32, "budget.rows_per_device=8"]),
    "tiny, LoRA": (4096, ["TUNE", "model/adapter=lora", *FP32, "budget.rows_per_device=8"]),
    "tiny, LoRA, bf16": (4096, ["TUNE", "model/adapter=lora", *BF16, "budget.rows_per_device=8"]),
    "tiny, QLoRA": (
        4096,
        ["TUNE", "model/adapter=lora", "model/quantise=nf4", *FP32, "budget.rows_per_device=8"],
    ),
    "tiny, LoRA, accumulated": (
        4096,
        ["TUNE", "model/adapter=lora", *FP32, "budget.rows_per_device=4", "budget.batch_tokens=8192"],
    ),
    "tiny, accumulated": (4096, ["TUNE", *FP32, "budget.rows_per_device=4", "budget.batch_tokens=8192"]),
    "tiny, DPO": (4096, ["ALIGN", *FP32, "budget.rows_per_device=4"]),
    "tiny, DPO, bf16": (4096, ["ALIGN", *BF16, "budget.rows_per_device=4"]),
    "tiny, DPO, LoRA": (4096, ["ALIGN", "model/adapter=lora", *FP32, "budget.rows_per_device=4"]),
    "tiny, GRPO": (4096, ["ALIGN", *PROMPTS, *FP32, "budget.rows_per_device=8"]),
}


class Watch(Callback):
    """Measure the memory before training, and the time of the steps."""

    def __init__(self):
        self.times: list[float] = []

    def on_train_start(self, trainer, pl_module) -> None:
        self.before = resident("VmRSS")

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            self.times.append(perf_counter())

    def on_train_end(self, trainer, pl_module) -> None:
        steps = self.times[1:]
        seconds = (steps[-1] - steps[0]) / (len(steps) - 1)
        Path(os.environ["LM_ESTIMATES"]).write_text(
            json.dumps({"before": self.before, "peak": resident("VmHWM"), "seconds": seconds})
        )


def resident(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])


def corpus(vocab_size: int) -> Path:
    """A corpus of random words, made once."""
    directory = HERE / f"corpus-{vocab_size}"
    if not (directory / "tokenizer.json").exists():
        draw = random.Random(0)
        words = ["".join(draw.choices("etaoinshrdlucmf", k=draw.randint(3, 9))) for _ in range(vocab_size)]
        texts = [Document(" ".join(draw.choices(words, k=draw.choice([40, 200, 800]))), f"{n}") for n in range(3000)]
        tokenizer = train_bpe((text.text for text in texts), vocab_size=vocab_size)
        directory.mkdir(parents=True, exist_ok=True)
        write_shards(texts, directory, tokenizer=tokenizer, split=Split(0.01), shard_tokens=10_000_000)
        tokenizer.save(directory / "tokenizer.json")
    return directory


def written(name: str, records: list[dict]) -> Path:
    """A file of records, one a line."""
    file = HERE / f"{name}.jsonl"
    file.write_text("\n".join(map(json.dumps, records)))
    return file


def command(name: str, *, dry_run: bool) -> dict:
    """The config of a setting."""
    vocab_size, overrides = SETTINGS[name]
    common = [f"budget.steps={STEPS}", "validations=0", "callbacks=quiet", "trainer=cpu"]
    common += [f"run.root={HERE / 'outputs'}", "run.name=run", "run.restart=true", f"dry_run={str(dry_run).lower()}"]
    common += [] if "budget=prompts" in overrides else ["budget=steps"]
    if overrides[0] == "TUNE":  # the model that was pretrained last
        turns = [{"role": "user", "content": "ab " * 30}, {"role": "assistant", "content": "cd " * 90}]
        file = written("conversations", [{"messages": turns}] * 400)
        data = ["data/conversations=messages", f"data.conversations.path={file}"]
        job, own = "instruct", [f"model.path={HERE / 'outputs/pretrain/run'}", *data, *overrides[1:]]
    elif overrides[0] == "ALIGN":  # the model that was tuned last
        asked, model = f"{'ab ' * 30}?", f"model.path={HERE / 'outputs/instruct/run'}"
        pairs = [{"prompt": f"{asked} {n}", "chosen": "cd " * 60, "rejected": "de " * 90} for n in range(400)]
        questions = [{"question": f"{asked} {n}", "answer": "cd"} for n in range(400)]
        data = [f"data.preferences.path={written('pairs', pairs)}"]
        if "data=prompts" in overrides:
            data = [f"data.conversations.path={written('questions', questions)}"]
        job, own = "align", [model, *overrides[1:], *data, "callbacks.checkpoints.monitor=null"]
    else:
        job, own = "pretrain", [f"data.path={corpus(vocab_size)}", *overrides]
    config, faults = examine(Composition(job, directory=config_directory()).compose([*common, *own]))
    assert not faults, faults
    return config


def measure(name: str) -> None:
    config = command(name, dry_run=False)
    config["callbacks"] |= {"watch": {"_target_": "estimates.Watch"}}
    call_job(config)


def main() -> None:
    """Print a line per setting."""
    HERE.mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "LM_ESTIMATES": str(HERE / "result.json")}
    for name in sys.argv[1:] or SETTINGS:
        corpus(SETTINGS[name][0])
        done = [
            subprocess.run([sys.executable, __file__, mode, name], env=environment, capture_output=True, text=True)
            for mode in ("--estimate", "--measure")
        ]
        assert not any(each.returncode for each in done), done[-1].stderr
        output = done[0].stdout
        found = json.loads((HERE / "result.json").read_text())
        memory, unit = re.search(r"^memory +([\d.]+) (\w+)", output, re.M).groups()
        estimated = float(memory) * {"MB": 1e6, "GB": 1e9}[unit]
        time, unit = re.search(r"^on 1 × this machine +([\d.e+-]+) (\w+)", output, re.M).groups()
        seconds = float(time) * {"s": 1, "min": 60, "h": 3600}[unit] / STEPS
        print(
            f"{name:<24} {estimated / 1e6:>6.0f} MB estimated, {found['peak'] / 1e6:>6.0f} MB at the peak "
            f"({found['peak'] / estimated:.2f} ×), {found['before'] / 1e6:.0f} before; "
            f"{seconds:.3g} s a step estimated, {found['seconds']:.3g} measured ({found['seconds'] / seconds:.2f} ×)",
            flush=True,
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2])
    elif sys.argv[1:2] == ["--estimate"]:
        call_job(command(sys.argv[2], dry_run=True))
    else:
        main()
