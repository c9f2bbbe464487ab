"""Choose the conversations to train on, and record for each of the others why it was not chosen."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any, Literal

from lm.bounds import Count, Natural
from lm.config.faults import errors_at, notes_at
from lm.conversation.sources import ConversationSource
from lm.corpus import Split
from lm.curation import Difficulty, Rule, Selection
from lm.curation.candidates import (
    HELD_OUT,
    Candidate,
    apply_rule,
    count_tasks,
    drop_difficult,
    drop_invalid,
    select_candidates,
    write_records,
)
from lm.directory import Run
from lm.files import write_atomically
from lm.progress import track
from lm.report import curation_table, curation_verdict
from lm.training.selection_trials import run_selection_trials


def curate(
    run: Run,
    conversations: ConversationSource,
    rules: Mapping[str, Rule],
    selection: Selection,
    split: Split,
    fits: Rule | None = None,
    difficulty: Difficulty | None = None,
    keep: Count | None = 1000,
    per_task: Literal["proportional", "equal"] | None = None,
    groups: Count = 16,
    instruct: Callable[..., Any] | None = None,
    train: bool = False,
    seeds: Count = 3,
    seed: Natural = 0,
) -> dict[str, Any]:
    """Apply rules to a set of conversations, select some of those that pass, and write them to conversations.jsonl.

    Conversations that `split` holds out are neither judged nor selected; they are written as well, for validation.

    Args:
        run: The run, whose directory is written to.
        conversations: The set to choose from.
        rules: Rules by name, applied in this order.
        selection: How `keep` conversations are selected of those that pass.
        split: Which conversations are held out.
        fits: Rule that is applied before the split, since what it drops is neither trained on nor held out: null, or
            `lm.curation.Fits`.
        difficulty: Measures the difficulty of conversations that pass; it drops some, and gives the selection its
            scores. Null to skip.
        keep: Conversations to select; null for all that pass.
        per_task: Divide `keep` among tasks: `proportional` to their sizes, or `equal`. Null ignores tasks.
        groups: Clusters that serve as tasks if no conversation has a task.
        instruct: The job that trains on the chosen conversations, for `train`.
        train: Also train on the chosen conversations and on as many random ones, `seeds` times each, and compare bits
            per byte on the held-out conversations.
        seeds: Trainings of each kind; each draws other random conversations.
        seed: Seed of the clusters.

    Returns:
        The content of curation.json.
    """
    if run.finished({"conversations": conversations.fingerprint()}):
        result = run.result
        summary = "nothing to do"
    else:
        started_at = perf_counter()
        with errors_at("conversations", conversations):
            read = track(conversations, label="curate", unit="conversations")
            candidates = [Candidate(each, each.task) for each in read]
            valid = apply_rule(candidates, "faulty", drop_invalid, steps := [])
        if fits is not None:
            valid = apply_rule(valid, "fits", fits, steps)
        first = len(steps)
        held_out = [each for each in valid if split.held_out(each.conversation)]
        for each in held_out:
            each.outcome = HELD_OUT
        available = left = [each for each in valid if each.outcome != HELD_OUT]
        for name, rule in rules.items():
            left = apply_rule(left, name, rule, steps)
        notes = notes_at("conversations", conversations)
        if difficulty is not None:
            measured, left = left, apply_rule(left, "difficulty", partial(drop_difficult, difficulty, left), steps)
            notes += _warnings([each.difficulty for each in measured])
        chosen = select_candidates(left, selection, keep, per_task=per_task, groups=groups, seed=seed)
        result = {"conversations": len(candidates), "held_out": len(held_out), "held_out_after": first, "steps": steps}
        result |= {"tasks": count_tasks(available), "chosen": len(chosen), "notes": notes}
        write_records(run.directory / "conversations.jsonl", (each.messages for each in [*chosen, *held_out]))
        write_records(run.directory / "outcomes.jsonl", (each.record for each in candidates))
        if train:
            result["learned"] = run_selection_trials(
                run.directory,
                available,
                held_out,
                instruct,
                split,
                count=len(chosen),
                seeds=seeds,
                restart=run.restart,
            )
        write_atomically(run.directory / "curation.json", json.dumps(result, indent=1, ensure_ascii=False))
        outputs = [run.directory / name for name in ("conversations.jsonl", "outcomes.jsonl", "curation.json")]
        run.finish(outputs=outputs, result=result)
        summary = f"{len(chosen)} of {len(available)} chosen in {perf_counter() - started_at:.0f} s"
    run.console.block(curation_table(result), curation_verdict(result.get("learned")))
    run.console.line(f"{summary} → {run.directory}/conversations.jsonl", before="\n")
    return result


def _warnings(difficulties: Sequence[float]) -> list[str]:
    """A warning if most instructions do not help the model that measures difficulty."""
    without_help = sum(value > 1 for value in difficulties)
    if 2 * without_help <= len(difficulties):
        return []
    return [
        f"{without_help} of {len(difficulties)} instructions do not help the model that measures difficulty: it may "
        "not have learned to follow instructions; set difficulty.model.path to another run"
    ]
