"""One rank of `lm evaluate`, as torchrun starts it, for its tests."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch

from lm.cli.call import call_job
from lm.model import Transformer


def measure(node: dict, directory: Path, environment: Mapping[str, str]) -> None:
    """Run the job, and write its results and the number of rows that this rank read."""
    os.environ.update(environment)
    torch.set_num_threads(1)
    rows, hidden = 0, Transformer.hidden

    def counted(self, tokens, *others, **more):
        nonlocal rows
        rows += len(tokens)
        return hidden(self, tokens, *others, **more)

    Transformer.hidden = counted
    results = call_job(node)
    (directory / f"rank-{environment['RANK']}.json").write_text(json.dumps({"results": results, "rows": rows}))
