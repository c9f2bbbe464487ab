"""What lies in a run directory, `<root>/<job>/<name>/`, and the names of its files.

    manifest.json        state (started, complete), config, inputs, versions, outputs with sizes and hashes, result;
                         lineage; written first, and again when the run is complete
    config.json          the config of the last execution, from which other ranks start
    .lock                held by the process that executes the run
    .rank-*              failures of ranks, while one ends the others

    pretrain, instruct   tokenizer.json, model.json (the architecture), checkpoints/{last,best,stable}.ckpt,
                         metrics.csv, samples.txt, conversation.json (chat template, of a model tuned on conversations);
                         answers.jsonl (what a policy answered, with rewards);
                         .metrics.json (how much of metrics.csv is on disk), and metrics.damaged.csv, as it was found
    tokenizer            tokenizer.json
    corpus               corpus.json, tokenizer.json, <split>-<kind>-00000.{bin,npz}, funnel.json; see lm.corpus.layout
    evaluate             results.json

    report.html          the page of a finished run, which any browser opens; `lm report` writes it again

A sweep's runs lie below, one directory each, beside what the sweep records:

    multirun.yaml        the config of the sweep
    summary.csv, .json   its jobs, best first
    summary.html         their curves and results side by side
    study.*              the trials of a search
"""

import re
from pathlib import Path

MANIFEST, CONFIG, LOCK = "manifest.json", "config.json", ".lock"
REPORT = "report.html"
BOOKKEEPING = {MANIFEST, CONFIG, LOCK}  # what a run has before it has made anything
SWEEP = re.compile(r"multirun\.yaml|summary\.(csv|json|html)|study\..*")


def own_files(directory: Path) -> list[Path]:
    """What lies in the directory of a run, without the runs and records of a sweep."""
    inside = directory.iterdir() if directory.is_dir() else ()
    there = [path for path in inside if not SWEEP.fullmatch(path.name)]
    return [path for path in there if not (path.is_dir() and any(path.rglob(MANIFEST)))]
