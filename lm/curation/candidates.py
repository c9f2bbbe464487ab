"""Candidates for training: conversations with the outcome of each rule and of the selection."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lm.conversation import Conversation, reason_of
from lm.corpus import Dropped
from lm.curation.difficulty import Difficulty
from lm.curation.features import spherical_kmeans, tfidf_features
from lm.curation.rules import text_of
from lm.curation.selection import Selection, quotas
from lm.files import write_atomically

CHOSEN, HELD_OUT, NOT_CHOSEN = "chosen", "held out", "not chosen"
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

    @property
    def messages(self) -> dict[str, Any]:
        """The conversation in the layout that data/conversations=messages reads."""
        turns = [
            {"role": turn.role, "content": turn.content}
            | ({} if turn.supervised else {"train": False})
            | ({"reasoning_content": turn.reasoning} if turn.reasoning else {})
            for turn in self.conversation.messages
        ]
        tools = {"tools": list(self.conversation.tools)} if self.conversation.tools else {}
        return {"messages": turns, **tools, "group": self.conversation.group, **self.record}


def apply_rule(
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


def drop_invalid(conversations: Sequence[Conversation]) -> dict[int, Dropped]:
    """A rule: drop the conversations that cannot be trained on."""
    dropped = {}
    for index, conversation in enumerate(conversations):
        try:
            conversation.check()
        except ValueError as error:
            fault = str(error).removeprefix(conversation.place)
            dropped[index] = Dropped(reason_of(fault), fault.lstrip(",: "))
    if 2 * len(dropped) > len(conversations):
        counts = Counter(each.reason for each in dropped.values())
        listed = "; ".join(f"{count}: {reason}" for reason, count in counts.most_common())
        first = conversations[next(iter(dropped))].place
        raise ValueError(
            f"{len(dropped)} of {len(conversations)} conversations cannot be trained on ({listed}; the first: {first})"
            ": choose another layout, as data/conversations=messages, or repair the file"
        )
    return dropped


def drop_difficult(
    difficulty: Difficulty, candidates: Sequence[Candidate], conversations: Sequence[Conversation]
) -> dict[int, Dropped]:
    """A rule: drop the conversations above the maximum difficulty; record the difficulty of all candidates."""
    dropped, limit = {}, difficulty.max_difficulty
    for index, value in enumerate(difficulty(conversations)):
        candidates[index].difficulty = value
        if limit is not None and value > limit:
            dropped[index] = Dropped("the instruction does not help", f"{value:.3f}, more than {limit:g}")
    return dropped


def select_candidates(
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


def count_tasks(candidates: Sequence[Candidate]) -> dict[str, dict[str, int]]:
    """The conversations and the chosen ones of each task, the largest task first."""
    total = Counter(each.task for each in candidates)
    chosen = Counter(each.task for each in candidates if each.outcome == CHOSEN)
    return {task: {"conversations": count, "chosen": chosen[task]} for task, count in total.most_common()}


def write_records(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write records to a JSON Lines file, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records))
