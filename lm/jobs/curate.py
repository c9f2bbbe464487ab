"""Choose the conversations to train on, and record for each of the others why it was not chosen."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np

from lm.bounds import Count, Natural
from lm.conversation import Conversation
from lm.conversation.sources import ConversationSource
from lm.corpus import Dropped, Split
from lm.curation import Difficulty, Rule, Selection, quotas, spherical_kmeans, text_of, tfidf_features
from lm.files import write_atomically
from lm.progress import track
from lm.report import confidence_interval, curation_table, curation_verdict
from lm.run import Run
from lm.run.manifest import read_manifest

CHOSEN, HELD_OUT, NOT_CHOSEN = "chosen", "held out", "not chosen"
RANDOM = "random"
EXAMPLES = 3  # of each reason


@dataclass
class Candidate:
    """A conversation and its outcome so far."""

    conversation: Conversation
    task: str = ""
    outcome: str = NOT_CHOSEN
    dropped: Dropped | None = None
    difficulty: float | None = None

    @property
    def record(self) -> dict[str, Any]:
        """Its line in outcomes.jsonl."""
        record = {"place": self.conversation.place, "task": self.task, "outcome": self.outcome}
        if self.dropped:
            record |= {"reason": self.dropped.reason, "detail": self.dropped.detail}
        if self.difficulty is not None:
            record["difficulty"] = round(self.difficulty, 4)
        return record


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
        candidates = [Candidate(each, each.task) for each in track(conversations, label="curate", unit="conversation")]
        valid = _apply_rule(candidates, "faulty", _invalid, steps := [])
        if fits is not None:
            valid = _apply_rule(valid, "fits", fits, steps)
        first = len(steps)
        held_out = [each for each in valid if split.held_out(each.conversation)]
        for each in held_out:
            each.outcome = HELD_OUT
        available = left = [each for each in valid if each.outcome != HELD_OUT]
        for name, rule in rules.items():
            left = _apply_rule(left, name, rule, steps)
        notes = list(conversations.notes)
        if difficulty is not None:
            measured, left = left, _apply_rule(left, "difficulty", partial(_too_difficult, difficulty, left), steps)
            notes += _warnings([each.difficulty for each in measured])
        chosen = _select(left, selection, keep, per_task=per_task, groups=groups, seed=seed)
        result = {"conversations": len(candidates), "held_out": len(held_out), "held_out_after": first, "steps": steps}
        result |= {"tasks": _count_tasks(available), "chosen": len(chosen), "notes": notes}
        _write(run.directory / "conversations.jsonl", map(_messages, [*chosen, *held_out]))
        _write(run.directory / "outcomes.jsonl", (each.record for each in candidates))
        if train:
            result["learned"] = _compare(run, available, held_out, instruct, split, count=len(chosen), seeds=seeds)
        write_atomically(run.directory / "curation.json", json.dumps(result, indent=1, ensure_ascii=False))
        outputs = [run.directory / name for name in ("conversations.jsonl", "outcomes.jsonl", "curation.json")]
        run.finish(outputs=outputs, result=result)
        summary = f"{len(chosen)} of {len(available)} chosen in {perf_counter() - started_at:.0f} s"
    run.console.block(curation_table(result), curation_verdict(result.get("learned")))
    run.console.line(f"{summary} → {run.directory}/conversations.jsonl", before="\n")
    return result


def _apply_rule(
    candidates: Sequence[Candidate],
    name: str,
    rule: Callable[[Sequence[Conversation]], Mapping[int, Dropped]],
    steps: list[dict[str, Any]],
) -> list[Candidate]:
    """Return the candidates that pass a rule; append to `steps` the others by reason, with examples."""
    conversations = [each.conversation for each in candidates]
    dropped = rule(conversations)
    reasons: dict[str, dict[str, Any]] = {}
    for index, drop in sorted(dropped.items()):
        candidates[index].outcome, candidates[index].dropped = name, drop
        counts = reasons.setdefault(drop.reason, {"conversations": 0, "examples": []})
        counts["conversations"] += 1
        if len(counts["examples"]) < EXAMPLES:
            counts["examples"].append({"place": conversations[index].place, "detail": drop.detail})
    steps.append({"step": name, "conversations": len(candidates), "dropped": reasons})
    return [each for index, each in enumerate(candidates) if index not in dropped]


def _invalid(conversations: Sequence[Conversation]) -> dict[int, Dropped]:
    """The conversations that cannot be trained on."""
    dropped = {}
    for index, conversation in enumerate(conversations):
        try:
            conversation.check()
        except ValueError as error:
            detail = str(error).removeprefix(conversation.place).lstrip(",: ")
            dropped[index] = Dropped("nothing to learn from", detail)
    return dropped


def _too_difficult(
    difficulty: Difficulty, candidates: Sequence[Candidate], conversations: Sequence[Conversation]
) -> dict[int, Dropped]:
    """The conversations above the maximum difficulty; records the difficulty of all."""
    dropped, limit = {}, difficulty.max_difficulty
    for index, value in enumerate(difficulty(conversations)):
        candidates[index].difficulty = value
        if limit is not None and value > limit:
            dropped[index] = Dropped("the instruction does not help", f"{value:.3f}, more than {limit:g}")
    return dropped


def _warnings(difficulties: Sequence[float]) -> list[str]:
    """A warning if most instructions do not help the model that measures difficulty."""
    without_help = sum(value > 1 for value in difficulties)
    if 2 * without_help <= len(difficulties):
        return []
    return [
        f"{without_help} of {len(difficulties)} instructions do not help the model that measures difficulty: it may "
        "not have learned to follow instructions; set difficulty.model.path to another run"
    ]


def _select(
    candidates: Sequence[Candidate],
    selection: Selection,
    keep: int | None,
    *,
    per_task: str | None,
    groups: int,
    seed: int,
) -> list[Candidate]:
    """Select candidates, within the quota of each task, and mark them as chosen."""
    if not candidates:
        raise ValueError("no conversation passes the rules: outcomes.jsonl of a run with fewer rules says why")
    vectors = tfidf_features([text_of(each.conversation, "all") for each in candidates])
    difficulties = [each.difficulty for each in candidates]
    scores = None if None in difficulties else np.array(difficulties)
    if per_task and not any(each.task for each in candidates):
        clusters = spherical_kmeans(vectors, count=groups, seed=seed)
        for each, number in zip(candidates, clusters.tolist(), strict=True):
            each.task = f"group {number + 1}"
    keep = min(keep or len(candidates), len(candidates))
    indices: dict[str, list[int]] = {}
    for index, each in enumerate(candidates):
        indices.setdefault(each.task if per_task else "", []).append(index)
    quota = quotas({task: len(own) for task, own in indices.items()}, keep, equal=per_task == "equal")
    chosen = []
    for task, own in indices.items():
        for index in selection.select(vectors[own], None if scores is None else scores[own], quota[task]):
            candidates[own[index]].outcome = CHOSEN
            chosen.append(candidates[own[index]])
    return chosen


def _count_tasks(candidates: Sequence[Candidate]) -> dict[str, dict[str, int]]:
    """The conversations and the chosen ones of each task, the largest task first."""
    total = Counter(each.task for each in candidates)
    chosen = Counter(each.task for each in candidates if each.outcome == CHOSEN)
    return {task: {"conversations": count, "chosen": chosen[task]} for task, count in total.most_common()}


def _compare(
    run: Run,
    candidates: Sequence[Candidate],
    held_out: Sequence[Candidate],
    instruct: Callable[..., Any],
    split: Split,
    *,
    count: int,
    seeds: int,
) -> dict[str, Any]:
    """Bits per byte of held-out answers after training on the chosen conversations, and on as many random ones.

    Both use the same held-out conversations, epochs and seeds; each seed draws other random conversations. Each
    training is a named run of its own.
    """
    bits: dict[str, list[float]] = {CHOSEN: [], RANDOM: []}
    tokens: dict[str, list[int]] = {CHOSEN: [], RANDOM: []}
    chosen = [each for each in candidates if each.outcome == CHOSEN]
    root = run.directory / "learned"
    for seed in range(seeds):
        drawn = np.random.default_rng(seed).permutation(len(candidates))[:count]
        for arm, members in ((CHOSEN, chosen), (RANDOM, [candidates[index] for index in drawn.tolist()])):
            name = f"{arm}-seed-{seed}"
            file = root / f"{name}.jsonl"
            _write(file, map(_messages, [*members, *held_out]))
            overrides = {"data.conversations.path": str(file), "data.split.share": split.share, "seed": seed}
            overrides |= {"run.root": str(root), "run.name": name, "run.restart": run.restart}
            bits[arm].append(instruct(overrides))
            tokens[arm].append(read_manifest(root / "instruct" / name)["result"]["tokens"])
    differences = [one - other for one, other in zip(bits[CHOSEN], bits[RANDOM], strict=True)]
    arms = {arm: confidence_interval(values) | {"tokens": tokens[arm]} for arm, values in bits.items()}
    return arms | {"difference": confidence_interval(differences)}


def _messages(candidate: Candidate) -> dict[str, Any]:
    """A conversation in the layout that data/conversations=messages reads."""
    turns = [{"role": turn.role, "content": turn.content} for turn in candidate.conversation.messages]
    return {"messages": turns, "group": candidate.conversation.group, **candidate.record}


def _write(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records))
