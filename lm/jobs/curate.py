"""Choose the conversations that are worth learning from, and say of every other why not."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np

from lm.bounds import Count, Natural
from lm.conversation import Conversation
from lm.conversation.sources.conversation_source import ConversationSource
from lm.corpus import Dropped, Split
from lm.curation import Difficulty, Rule, Selection, clusters, features, quotas, said
from lm.files import write_atomically
from lm.progress import track
from lm.report import curation_table, curation_verdict
from lm.run import Run
from lm.run.manifest import read_manifest
from lm.training.learning import interval

CHOSEN, HELD_OUT, NOT_CHOSEN = "chosen", "held out", "not chosen"
EXAMPLES = 3  # of each reason


@dataclass
class Candidate:
    """A conversation, and what has become of it so far."""

    conversation: Conversation
    task: str = ""
    outcome: str = NOT_CHOSEN
    why: Dropped | None = None
    difficulty: float | None = None

    @property
    def record(self) -> dict[str, Any]:
        """All that is known of it, in plain data."""
        told = {"place": self.conversation.place, "task": self.task, "outcome": self.outcome}
        told |= {"reason": self.why.reason, "detail": self.why.detail} if self.why else {}
        return told | ({} if self.difficulty is None else {"difficulty": round(self.difficulty, 4)})


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
    """Hold conversations against `rules`, one after another, and let `selection` choose `keep` of what is left.

    `difficulty` also leaves out those whose instruction does not help, and is what the selection goes by. With
    `per_task` each task has its share of what is chosen; where conversations have no task they are put into `groups` by
    what they say. Those that `split` holds out are neither judged nor chosen; what `fits` leaves out nobody learns
    from, so it is not drawn either. With `train` the job `instruct` learns from the chosen ones, and from as many drawn
    at random, `seeds` times each: see `_learn`.
    """
    if run.finished({"conversations": conversations.fingerprint()}):
        result = run.result
        told = "nothing to do"
    else:
        began = perf_counter()
        candidates = [Candidate(each, each.task) for each in track(conversations, label="curate", unit="conversation")]
        whole = _passed(candidates, "faulty", _faulty, steps := [])
        if fits is not None:
            whole = _passed(whole, "fits", fits, steps)
        first = len(steps)
        held_out = [each for each in whole if split.held_out(each.conversation)]
        for each in held_out:
            each.outcome = HELD_OUT
        learnable = left = [each for each in whole if each.outcome != HELD_OUT]
        for name, rule in rules.items():
            left = _passed(left, name, rule, steps)
        notes = list(conversations.notes)
        if difficulty is not None:
            judged, left = left, _passed(left, "difficulty", partial(_too_difficult, difficulty, left), steps)
            notes += _in_doubt([each.difficulty for each in judged])
        chosen = _choose(left, selection, keep, per_task=per_task, groups=groups, seed=seed)
        result = {"conversations": len(candidates), "held_out": len(held_out), "held_out_after": first, "steps": steps}
        result |= {"tasks": _tasks(learnable), "chosen": len(chosen), "notes": notes}
        _write(run.directory / "conversations.jsonl", map(_messages, [*chosen, *held_out]))
        _write(run.directory / "outcomes.jsonl", (each.record for each in candidates))
        if train:
            result["learned"] = _learn(run, learnable, held_out, instruct, split, count=len(chosen), seeds=seeds)
        write_atomically(run.directory / "curation.json", json.dumps(result, indent=1, ensure_ascii=False))
        outputs = [run.directory / name for name in ("conversations.jsonl", "outcomes.jsonl", "curation.json")]
        run.finish(outputs=outputs, result=result)
        told = f"{len(chosen)} of {len(learnable)} chosen in {perf_counter() - began:.0f} s"
    parts = [curation_table(result), curation_verdict(result.get("learned"))]
    print("", *filter(None, parts), f"curate      {told} → {run.directory}/conversations.jsonl", sep="\n\n")
    return result


def _passed(
    candidates: Sequence[Candidate],
    name: str,
    rule: Callable[[Sequence[Conversation]], Mapping[int, Dropped]],
    steps: list[dict[str, Any]],
) -> list[Candidate]:
    """The candidates that a rule does not leave out; `steps` gets those it does, by reason and with examples."""
    conversations = [each.conversation for each in candidates]
    dropped = rule(conversations)
    reasons: dict[str, dict[str, Any]] = {}
    for place, why in sorted(dropped.items()):
        candidates[place].outcome, candidates[place].why = name, why
        found = reasons.setdefault(why.reason, {"conversations": 0, "examples": []})
        found["conversations"] += 1
        if len(found["examples"]) < EXAMPLES:
            found["examples"].append({"place": conversations[place].place, "detail": why.detail})
    steps.append({"step": name, "conversations": len(candidates), "dropped": reasons})
    return [each for place, each in enumerate(candidates) if place not in dropped]


def _faulty(conversations: Sequence[Conversation]) -> dict[int, Dropped]:
    """Those that could not be learned from at all."""
    found = {}
    for place, conversation in enumerate(conversations):
        try:
            conversation.check()
        except ValueError as fault:
            found[place] = Dropped("nothing to learn from", str(fault).removeprefix(conversation.place).lstrip(",: "))
    return found


def _too_difficult(
    difficulty: Difficulty, candidates: Sequence[Candidate], conversations: Sequence[Conversation]
) -> dict[int, Dropped]:
    """Those whose instruction does not help; all are told how difficult they are."""
    found = {}
    for place, value in enumerate(difficulty(conversations)):
        candidates[place].difficulty = value
        if difficulty.most is not None and value > difficulty.most:
            found[place] = Dropped("the instruction does not help", f"{value:.3f}, more than {difficulty.most:g}")
    return found


def _in_doubt(difficulties: Sequence[float]) -> list[str]:
    """What is to be said of a judge to whom most instructions are no help."""
    helpless = sum(value > 1 for value in difficulties)
    if 2 * helpless <= len(difficulties):
        return []
    return [
        f"to the model that judges {helpless} of {len(difficulties)} instructions are no help: has it learned to "
        "follow any? difficulty.model.path names another"
    ]


def _choose(
    candidates: Sequence[Candidate],
    selection: Selection,
    keep: int | None,
    *,
    per_task: str | None,
    groups: int,
    seed: int,
) -> list[Candidate]:
    """The candidates chosen, task by task where each has its share, and marked as such."""
    if not candidates:
        raise ValueError(
            "the rules leave no conversation to choose from: outcomes.jsonl of a run with fewer says which"
        )
    vectors = features([said(each.conversation, "all") for each in candidates])
    difficulties = [each.difficulty for each in candidates]
    worth = None if None in difficulties else np.array(difficulties)
    if per_task and not any(each.task for each in candidates):
        for each, number in zip(candidates, clusters(vectors, count=groups, seed=seed).tolist(), strict=True):
            each.task = f"group {number + 1}"
    keep = min(keep or len(candidates), len(candidates))
    places: dict[str, list[int]] = {}
    for place, each in enumerate(candidates):
        places.setdefault(each.task if per_task else "", []).append(place)
    shares = quotas({task: len(own) for task, own in places.items()}, keep, equal=per_task == "equal")
    chosen = []
    for task, own in places.items():
        for place in selection.choose(vectors[own], None if worth is None else worth[own], shares[task]):
            candidates[own[place]].outcome = CHOSEN
            chosen.append(candidates[own[place]])
    return chosen


def _tasks(candidates: Sequence[Candidate]) -> dict[str, dict[str, int]]:
    """By task, how many there were and how many were chosen, the largest first."""
    had = Counter(each.task for each in candidates)
    got = Counter(each.task for each in candidates if each.outcome == CHOSEN)
    return {task: {"conversations": count, "chosen": got[task]} for task, count in had.most_common()}


def _learn(
    run: Run,
    candidates: Sequence[Candidate],
    held_out: Sequence[Candidate],
    instruct: Callable[..., Any],
    split: Split,
    *,
    count: int,
    seeds: int,
) -> dict[str, Any]:
    """Bits per byte of held-out answers after learning from the chosen, and from as many drawn at random.

    The same held-out conversations, epochs and seeds; each seed draws others. Each training is a named run.
    """
    found: dict[str, list[float]] = {CHOSEN: [], "random": []}
    tokens: dict[str, list[int]] = {CHOSEN: [], "random": []}
    chosen = [each for each in candidates if each.outcome == CHOSEN]
    for seed in range(seeds):
        drawn = np.random.default_rng(seed).permutation(len(candidates))[:count]
        for arm, each in ((CHOSEN, chosen), ("random", [candidates[place] for place in drawn.tolist()])):
            name = f"{arm}-seed-{seed}"
            file = run.directory / "learned" / f"{name}.jsonl"
            _write(file, map(_messages, [*each, *held_out]))
            changes = {"data.conversations.path": str(file), "data.split.share": split.share, "seed": seed}
            place = {"run.root": str(run.directory / "learned"), "run.name": name, "run.restart": run.restart}
            found[arm].append(instruct({**changes, **place}))
            made = read_manifest(run.directory / "learned" / "instruct" / name)
            tokens[arm].append(made["result"]["tokens"])
    differences = [one - other for one, other in zip(found[CHOSEN], found["random"], strict=True)]
    arms = {arm: interval(values) | {"tokens": tokens[arm]} for arm, values in found.items()}
    return arms | {"difference": interval(differences)}


def _messages(candidate: Candidate) -> dict[str, Any]:
    """As data/conversations=messages reads it."""
    turns = [{"role": turn.role, "content": turn.content} for turn in candidate.conversation.messages]
    return {"messages": turns, "group": candidate.conversation.group, **candidate.record}


def _write(path: Path, records: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records))
