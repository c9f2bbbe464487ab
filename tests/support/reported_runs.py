"""Run directories with everything that a page shows, made by hand in a moment."""

import json
from pathlib import Path
from typing import Any

from lm.directory import Run

SAMPLE = "── step {} ──\n{}\n\n"


def make_run(
    name: str,
    *,
    job: str = "pretrain",
    root: Path | str = "outputs",
    loss: float = 4.0,
    seed: int = 0,
    steps: int = 40,
    finish: bool = True,
    **config: Any,
) -> Path:
    """Make the directory of a run whose loss falls from `loss` + 3 to `loss`; return it."""
    run = Run(job, name=name, root=str(root))
    run.open({"_target_": "lm.jobs.train.train", "run": {"root": str(root)}, "seed": seed, **config})
    run.finished({"data": "abc"})
    rows = ["step,train/loss,train/learning_rate,train/tokens,validation/bits_per_byte,validation/bits_per_byte/code"]
    rows += [f"{step},{loss + 3 * (1 - step / steps)},0.01,{step * 512},," for step in range(1, steps + 1)]
    rows += [f"{step},,,,{loss / 2},{loss / 3}" for step in (steps // 2, steps)]
    (run.directory / "metrics.csv").write_text("\n".join(rows) + "\n")
    texts = [SAMPLE.format(step, f"text of step {step} </script><b>") for step in (steps // 2, steps)]
    (run.directory / "samples.txt").write_text("".join(texts), encoding="utf-8")
    if finish:
        result = {"tokens": steps * 512, "parameters": 1234, "validation/loss": loss}
        metric = {"name": "validation/bits_per_byte", "value": loss / 2, "mode": "min"}
        run.finish(outputs=[run.directory / "metrics.csv"], result=result, metric=metric)
    run.close()
    return run.directory


def make_corpus_run(name: str, *, root: Path | str = "outputs") -> Path:
    """Make the directory of a corpus with a funnel; return it."""
    run = Run("corpus", name=name, root=str(root))
    run.open({"run": {"root": str(root)}, "corpus": {"path": "texts/*.txt"}})
    run.finished({})
    dropped = {"too short": {"documents": 2, "bytes": 300, "examples": [{"id": "a.txt:1", "text": "<i>hi"}]}}
    step = {"step": "length", "documents": 10, "bytes": 1000, "documents_out": 8, "bytes_out": 700, "dropped": dropped}
    (run.directory / "funnel.json").write_text(json.dumps({"steps": [step]}))
    kinds = {"code": {"documents": 8, "tokens": 175, "bytes": 700}}
    (run.directory / "corpus.json").write_text(json.dumps({"splits": {"train": kinds}}))
    run.finish(outputs=[run.directory / "corpus.json"], result={})
    run.close()
    return run.directory
