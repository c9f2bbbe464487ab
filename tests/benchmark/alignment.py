"""Steps of DPO and GRPO, ours and trl's: `python tests/benchmark/alignment.py DIRECTORY [ROUNDS [OVERRIDE …]]`.

Both train the same small random model (Llama) on the same token ids in fp32, with the same batches, threads
(OMP_NUM_THREADS) and sampling. Sides alternate, each in a process of its own, which alignment_ours.py and
alignment_trl.py are. It needs trl in the environment. OVERRIDE changes our runs only, as compute.precision=bf16-mixed.

    cpu_seconds, seconds   of a step of 16 pairs or of 8 prompts × 8 answers of 64 tokens, data and logging included;
                           other processes slow the second, not much the first
    peak_mb, growth_mb     peak memory of the process, and its growth since the model and the data were loaded
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
WORDS = [f"{a}{b}{c}" for a in ("ba", "do", "ki", "lu", "ne") for b in ("ra", "ti", "mo", "") for c in ("n", "s", "")]
KINDS = ("grpo", "dpo", "dpo_cached")  # dpo_cached: log-probabilities of the reference are computed before training
RECORDS, VOCAB, CONTEXT = 512, 4096, 256


def prepare(directory: Path) -> None:
    """Write the data, and a model that was tuned for one step at a rate of 0, so that its weights are random."""
    draw = random.Random(0)

    def text(least: int, most: int) -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(least, most)))

    directory.mkdir(parents=True, exist_ok=True)
    questions = [f"{number} {text(4, 24)}" for number in range(RECORDS)]
    records = {
        "conversations": [
            {"messages": [{"role": "user", "content": each}, {"role": "assistant", "content": text(2, 9)}]}
            for each in questions[:64]
        ],
        "pairs": [{"prompt": each, "chosen": text(4, 60), "rejected": text(4, 60)} for each in questions],
        "prompts": [{"prompt": each} for each in questions],
    }
    for name, lines in records.items():
        (directory / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    root, quiet = f"run.root={directory}", ["callbacks=quiet", "validations=0", "trainer=cpu", "budget=steps"]
    still = ["budget.steps=1", "optimizer.learning_rate=1e-12", "run.name=tiny"]
    talks = ["data/conversations=messages", f"data.conversations.path={directory}/conversations.jsonl"]
    for job in (
        ["tokenizer", root, f"tokenizer.vocab_size={VOCAB}", "sample=0.2"],
        ["corpus", root],
        ["pretrain", root, f"data.path={directory}/corpus/default", f"model.context={CONTEXT}", *quiet, *still],
        ["instruct", root, f"model.path={directory}/pretrain/tiny", *quiet, *still, *talks],
    ):
        subprocess.run([sys.executable, "-m", "lm", *job], check=True, stdout=subprocess.DEVNULL)


def measure(side: str, kind: str, directory: Path, overrides: list[str]) -> dict:
    """Run one side in its own process, and return what it measured."""
    command = [sys.executable, HERE / f"alignment_{side}.py", kind, directory, *(overrides if side == "ours" else [])]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def main(directory: Path, rounds: int = 3, *overrides: str) -> None:
    if not (directory / "instruct/tiny/checkpoints").exists():
        prepare(directory)
    load, threads = os.getloadavg()[0], os.environ.get("OMP_NUM_THREADS", "all")
    print(f"threads {threads}, load at the start {load:.1f}", flush=True)
    for kind in KINDS:
        found = []
        for _ in range(rounds):
            found.append({side: measure(side, kind, directory, [*overrides]) for side in ("ours", "trl")})
            for side, measured in found[-1].items():
                numbers = "".join(f"  {name} {value:.4g}" for name, value in measured.items())
                print(f"{kind:<11}{side:<5}{numbers}", flush=True)
        for name in found[0]["ours"]:
            ratios = sorted(each["ours"][name] / each["trl"][name] for each in found)
            print(f"{kind:<11}ratio  {name} {median(ratios):.2f}  ({ratios[0]:.2f} to {ratios[-1]:.2f})", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), *map(int, sys.argv[2:3]), *sys.argv[3:])
