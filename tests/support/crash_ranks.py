"""A job in two ranks of one group, whose changes of files are traced together."""

import os
import pickle
from pathlib import Path

from support.file_trace import FileTrace, State, crash_states, tell_syncs
from support.ranks_here import as_ranks

RANKS = 2


def run_ranks(config: dict) -> None:
    """Run the job of a config in two processes."""
    codes = as_ranks(RANKS, _run, config)
    assert codes == [0] * RANKS, codes


def traced_ranks(config: dict, root: Path, scratch: Path) -> list[tuple[str, int, State]]:
    """Run the job in two processes, and return the states in which a crash could leave `root`.

    Args:
        config: Of the job.
        root: Directory of all that the job writes.
        scratch: A directory outside of it.
    """
    (scratch / "told").touch()
    codes = as_ranks(RANKS, _trace, config, root, scratch)
    assert codes == [0] * RANKS, codes
    return pickle.loads((scratch / "states").read_bytes())


def _run(config: dict, environment: dict[str, str]) -> None:
    from lm.cli.call import call_job

    os.environ.update(environment)
    call_job(config)


def _trace(config: dict, root: Path, scratch: Path, environment: dict[str, str]) -> None:
    if environment["RANK"] != "0":
        with tell_syncs(scratch / "told"):
            _run(config, environment)
        return
    with FileTrace(root, others=scratch / "told") as trace:
        _run(config, environment)
    (scratch / "states").write_bytes(pickle.dumps(crash_states(trace)))
