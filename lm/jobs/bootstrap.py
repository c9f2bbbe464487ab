"""Grow a set of instructions from a few seed tasks, by a model that writes more of them (Self-Instruct)."""

import json
from collections import Counter
from time import perf_counter
from typing import Any

from lm.bootstrap import Journal, Known, Rounds, Task, read_tasks
from lm.bounds import Count, Natural, Positive
from lm.files import hash_json, write_atomically
from lm.progress import bar
from lm.run import Run


def bootstrap(
    run: Run,
    path: str | list[str],
    rounds: Rounds,
    tasks: Count = 100,
    patience: Count = 10,
    most_cost: Positive | None = None,
    seed: Natural = 0,
) -> dict[str, Any]:
    """Let the writer of `rounds` add to the seed tasks at `path` until there are `tasks` new ones.

    It ends before that after `patience` rounds in which nothing was new, or once `most_cost` is spent. Each round is
    kept as soon as it is over (rounds.jsonl), so whoever was ended goes on with the next, and pays for none twice.
    """
    given = read_tasks(path, key="path")
    if run.finished({"seeds": hash_json([task.record for task in given])}):
        result, told = run.result, "nothing to do"
    else:
        began = perf_counter()
        journal = Journal(run.directory / "rounds.jsonl")
        ended = _grow(journal, given, rounds, tasks=tasks, patience=patience, most_cost=most_cost, seed=seed)
        made = _made(journal)[:tasks]
        if not made:
            raise ValueError(f"{ended}, and nothing was kept:\n{_table(_account(journal, rounds))}")
        result = {**_account(journal, rounds), "tasks": len(made), "ended": ended}
        lines = "".join(f"{json.dumps(task.record, ensure_ascii=False)}\n" for task in made)
        write_atomically(run.directory / "tasks.jsonl", lines)
        write_atomically(run.directory / "bootstrap.json", json.dumps(result, indent=1, ensure_ascii=False))
        outputs = [run.directory / name for name in ("tasks.jsonl", "bootstrap.json", "rounds.jsonl")]
        run.finish(outputs=outputs, result=result)
        told = f"{ended} in {perf_counter() - began:.0f} s"
    print(f"\n{_table(result)}\n\nbootstrap   {result['tasks']} tasks, {told} → {run.directory}/tasks.jsonl")
    return result


def _grow(
    journal: Journal,
    seeds: list[Task],
    rounds: Rounds,
    *,
    tasks: int,
    patience: int,
    most_cost: float | None,
    seed: int,
) -> str:
    """Round after round; why it ended."""
    made, known = _made(journal), Known()
    for task in [*seeds, *made]:
        known.add(task.instruction)
    with bar(tasks, label="bootstrap", unit="tasks", done=min(tasks, len(made))) as shown:
        while len(made) < tasks:
            if len(journal.records) >= patience and not any(each["tasks"] for each in journal.records[-patience:]):
                return f"{patience} rounds brought nothing new"
            spent = _account(journal, rounds)["cost"]
            if most_cost is not None and spent >= most_cost:
                return f"{spent:.2f} of most_cost={most_cost:g} is spent"
            found = rounds.run(seeds, made, known, seed=seed, number=len(journal.records))
            journal.append(found.record)
            shown.update(min(len(found.tasks), tasks - len(made)))
            made += found.tasks
    return "all that were asked for"


def _made(journal: Journal) -> list[Task]:
    """The tasks of all rounds so far."""
    return [Task.of(record, str(journal.path)) for each in journal.records for record in each["tasks"]]


def _account(journal: Journal, rounds: Rounds) -> dict[str, Any]:
    """What was asked, read and written, what it cost, and what was not kept."""
    total: dict[str, Any] = {"rounds": len(journal.records)}
    total |= {what: sum(each[what] for each in journal.records) for what in ("asked", "read", "written")}
    total["cost"] = rounds.writer.cost(total["read"], total["written"])
    dropped: Counter[str] = Counter()
    for each in journal.records:
        dropped.update({reason: found["count"] for reason, found in each["dropped"].items()})
    return total | {"dropped": dict(dropped.most_common())}


def _table(result: dict[str, Any]) -> str:
    """What was spent, and what was not kept, the commonest reason first."""
    cost = f", {result['cost']:.4f} to pay" if result["cost"] else ""
    lines = [
        f"{result['rounds']} rounds, {result['asked']} requests, {result['read']} tokens read, "
        f"{result['written']} written{cost}"
    ]
    width = max(map(len, result["dropped"]), default=0)
    return "\n".join([*lines, *(f"  {reason:<{width}}  -{count}" for reason, count in result["dropped"].items())])
