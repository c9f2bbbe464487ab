"""What has become of jobs, by Slurm's queue alone: sacct answers only where a cluster keeps accounts."""

import re
import subprocess
from collections.abc import Iterable

# From all others, as SUSPENDED, REQUEUED or CONFIGURING, a job comes back.
ENDED = {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT"}
GONE = "UNKNOWN"  # the queue forgets a job some minutes after its end


def ended(jobs: Iterable[str]) -> dict[str, str]:
    """The states of those of the `jobs` (7, or 7_0 of an array) that have come to their end; none if Slurm is away."""
    waited_for = set(jobs)
    numbers = ",".join(sorted({each.partition("_")[0] for each in waited_for}))
    command = ["squeue", "--noheader", "--array", "--states=all", "--format=%i %T", f"--jobs={numbers}"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if asked.returncode and "Invalid job id" not in asked.stderr:
        return {}
    found = dict(re.findall(r"^(\S+) (\S+)", asked.stdout, re.MULTILINE))
    states = {each: found.get(each, GONE) for each in waited_for}
    return {each: state for each, state in states.items() if state in {*ENDED, GONE}}
