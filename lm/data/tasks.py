"""The tasks that validation reports one by one."""

from collections import Counter
from collections.abc import Sequence

OTHER = "other"  # tasks too rare to be reported on their own


def frequent_tasks(tasks: Sequence[str], count: int | None) -> list[str]:
    """Return the tasks with the rarer ones renamed to "other".

    Args:
        tasks: Task of each example.
        count: Tasks that keep their names, the most frequent ones; None for all.
    """
    counts = sorted(Counter(tasks).items(), key=lambda item: (-item[1], item[0]))
    if count is None or len(counts) <= count:
        return [*tasks]
    frequent = {task for task, _ in counts[:count]}
    return [task if task in frequent else OTHER for task in tasks]
