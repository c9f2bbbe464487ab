"""Grow a set of instructions from a few seed tasks, by a model that writes more of them (Self-Instruct)."""

import json
from time import perf_counter
from typing import Any

from lm.bootstrap import Journal, RougeIndex, Rounds, Task, read_tasks
from lm.bounds import Count, Natural, Positive
from lm.directory import Run
from lm.files import hash_json, write_atomically
from lm.progress import bar


def bootstrap(
    run: Run,
    path: str | list[str],
    rounds: Rounds,
    tasks: Count = 100,
    patience: Count = 10,
    max_cost: Positive | None = None,
    seed: Natural = 0,
) -> dict[str, Any]:
    """Have a writer add new tasks to seed tasks, and write them to tasks.jsonl.

    Each round is recorded in rounds.jsonl as soon as it ends, so a killed run resumes with the next one and pays for
    none twice. The account is written to bootstrap.json.

    Args:
        run: The run, whose directory is written to.
        path: Seed tasks in the JSON Lines of Self-Instruct, or the tasks.jsonl of an earlier run; one file, pattern, or
            several.
        rounds: How tasks are requested, from which writer, and by which rules they are dropped.
        tasks: New tasks to write.
        patience: Rounds without a new task after which the run ends.
        max_cost: Cost, in the currency of the writer's prices, after which the run ends; null for no limit.
        seed: Seed of all draws.

    Returns:
        The content of bootstrap.json.

    Raises:
        ValueError: If no task is kept.
    """
    seeds = read_tasks(path, key="path")
    if run.finished({"seeds": hash_json([task.record for task in seeds])}):
        result, outcome = run.result, "nothing to do"
    else:
        started = perf_counter()
        journal = Journal(run.directory / "rounds.jsonl")
        ended = _grow(journal, seeds, rounds, tasks=tasks, patience=patience, max_cost=max_cost, seed=seed)
        new = journal.tasks[:tasks]
        account = journal.account(rounds.writer)
        if not new:
            raise ValueError(f"{ended}, and nothing was kept:\n{_table(account)}")
        result = {**account, "tasks": len(new), "ended": ended}
        lines = "".join(f"{json.dumps(task.record, ensure_ascii=False)}\n" for task in new)
        write_atomically(run.directory / "tasks.jsonl", lines)
        write_atomically(run.directory / "bootstrap.json", json.dumps(result, indent=1, ensure_ascii=False))
        outputs = [run.directory / name for name in ("tasks.jsonl", "bootstrap.json", "rounds.jsonl")]
        run.finish(outputs=outputs, result=result)
        outcome = f"{ended} in {perf_counter() - started:.0f} s"
    run.console.block(_table(result))
    run.console.line(f"{result['tasks']} tasks, {outcome} → {run.directory}/tasks.jsonl", before="\n")
    return result


def _grow(
    journal: Journal,
    seeds: list[Task],
    rounds: Rounds,
    *,
    tasks: int,
    patience: int,
    max_cost: float | None,
    seed: int,
) -> str:
    """Run rounds until a condition ends them; return which one."""
    new, known = journal.tasks, RougeIndex()
    for task in [*seeds, *new]:
        known.add(task.instruction)
    with bar(tasks, label="bootstrap", unit="tasks", done=min(tasks, len(new))) as progress:
        while len(new) < tasks:
            if journal.is_stuck(patience):
                return f"{patience} rounds brought nothing new"
            cost = journal.account(rounds.writer)["cost"]
            if max_cost is not None and cost >= max_cost:
                return f"{cost:.2f} of max_cost={max_cost:g} is spent"
            result = rounds.run(seeds, new, known, seed=seed, number=len(journal.records))
            journal.append(result.record)
            progress.update(min(len(result.tasks), tasks - len(new)))
            new += result.tasks
    return "all requested tasks"


def _table(result: dict[str, Any]) -> str:
    """Requests, tokens and cost, then the dropped candidates, most frequent reason first."""
    cost = f", cost {result['cost']:.4f}" if result["cost"] else ""
    lines = [
        f"{result['rounds']} rounds, {result['asked']} requests, {result['read']} prompt tokens, "
        f"{result['written']} generated tokens{cost}"
    ]
    width = max(map(len, result["dropped"]), default=0)
    return "\n".join([*lines, *(f"  {reason:<{width}}  -{count}" for reason, count in result["dropped"].items())])
