"""Commands that look like Slurm's and run jobs on this machine, for tests of the commands given to Slurm."""

import stat
from pathlib import Path

# One array of jobs, whose ranks run one after another; `requeue` starts a job once more.
SBATCH = """
cp "$1" {place}/script.sh
echo "Submitted batch job 7"
tasks=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$1")
for task in $(seq 0 $tasks); do
  SLURM_JOB_ID=7 SLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_ID=$task setsid {place}/task $task >/dev/null 2>&1 &
done
"""
TASK = """
touch {place}/started-$1
bash {place}/script.sh
while [ -e {place}/again-$1 ]; do rm {place}/again-$1; bash {place}/script.sh; done
touch {place}/done-$1
"""
SRUN = """
while [ "${{1#--}}" != "$1" ]; do
  case "$1" in --output|--error) log=$2; shift;; esac
  shift
done
log=${{log/\\%A/7}}
log=${{log/\\%a/$SLURM_ARRAY_TASK_ID}}
tasks=$(sed -n 's/^#SBATCH --ntasks-per-node=//p' {place}/script.sh)
for rank in $(seq 0 $((tasks - 1))); do
  SLURM_PROCID=$rank SLURM_NTASKS=$tasks "$@" >> "${{log/\\%t/$rank}}" 2>&1
done
"""
SQUEUE = """
for file in {place}/started-*; do
  task=${{file##*-}}
  state=RUNNING; [ -e {place}/done-$task ] && state=COMPLETED
  echo "7_$task $state"
done
"""
SCONTROL = """
[ "$1" = requeue ] && touch {place}/again-${{2#7_}}
"""


def slurm_here(place: Path) -> Path:
    """A directory for the PATH."""
    place.mkdir()
    commands = {"sbatch": SBATCH, "task": TASK, "srun": SRUN, "squeue": SQUEUE, "scontrol": SCONTROL}
    for name, text in commands.items():
        file = place / name
        file.write_text(f"#!/bin/bash\n{text.format(place=place)}")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return place
