"""One round of growing a set of tasks: what is asked follows from the seed, the round and the tasks there are."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from lm.bootstrap import prompts
from lm.bootstrap.likeness import Known
from lm.bootstrap.screen import Screen
from lm.bootstrap.task import Task
from lm.bootstrap.writer import Writer, Written
from lm.bounds import Count, Natural

EXAMPLES = 3  # of each reason, that are kept
LINE, ANSWER = 60, 4  # tokens for an instruction, and for a yes or no


@dataclass
class Round:
    """What a round has made, and what it took."""

    tasks: list[Task] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    read: int = 0
    written: int = 0
    asked: int = 0

    def drop(self, reason: str, example: str) -> None:
        """Count what is not taken."""
        self.dropped[reason] += 1
        shown = self.examples.setdefault(reason, [])
        if len(shown) < EXAMPLES:
            shown.append(example)

    @property
    def record(self) -> dict[str, Any]:
        """In plain data."""
        spent = {"asked": self.asked, "read": self.read, "written": self.written}
        dropped = {why: {"count": count, "examples": self.examples[why]} for why, count in self.dropped.items()}
        return {"tasks": [task.record for task in self.tasks], "dropped": dropped, **spent}


class Rounds:
    """Asks `writer` for instructions, whether they are classifications, and for instances of each.

    Every one of `prompts_a_round` prompts shows `examples` tasks, `of_seeds` of them from the seeds, and asks for
    `new_tasks` more, as in the paper (8, 6 and 8); of each task that is new, `instances` are asked for.
    """

    def __init__(
        self,
        writer: Writer,
        *,
        screen: Screen,
        examples: Count = 8,
        of_seeds: Count = 6,
        new_tasks: Count = 8,
        instances: Count = 1,
        prompts_a_round: Count = 8,
        max_tokens: Count = 300,
    ):
        if of_seeds > examples:
            raise ValueError(f"rounds.of_seeds={of_seeds} is more than the rounds.examples={examples} that are shown")
        self.writer, self.screen = writer, screen
        self.examples, self.of_seeds, self.new_tasks = examples, of_seeds, new_tasks
        self.instances, self.prompts_a_round, self.max_tokens = instances, prompts_a_round, max_tokens

    def run(self, seeds: Sequence[Task], made: Sequence[Task], known: Known, *, seed: Natural, number: int) -> Round:
        """Round `number`; `known` has the instructions of all tasks, and gets those of the new ones."""
        draw, found = Random(f"{seed}:{number}"), Round()
        instructions = self._instructions(draw, seeds, made, known, found)
        examples = _balanced(draw, seeds, self.examples)
        asked = [prompts.is_classification(examples, each) for each in instructions]
        replies = self._ask(found, draw, asked, stop=["\n"], max_tokens=ANSWER)
        kinds = [reply.text.strip().casefold().startswith("yes") for reply in replies]
        tasks = [Task(text, classification=kind) for text, kind in zip(instructions, kinds, strict=True)]
        wanted = [task for task in tasks for _ in range(self.instances)]
        asked = [prompts.instance(_alike(draw, seeds, task, self.examples), task) for task in wanted]
        replies = self._ask(found, draw, asked, stop=[prompts.NEXT], max_tokens=self.max_tokens)
        for number, task in enumerate(tasks):
            own = replies[number * self.instances : (number + 1) * self.instances]
            whole = [each.text for each in own if each.ended]
            read = [prompts.read_instance(each, classification=task.classification) for each in whole]
            instances, reasons = self.screen.instances(read)
            for reason in [*reasons, *["unfinished answer"] * (len(own) - len(whole))]:
                found.drop(reason, task.instruction)
            if instances:
                found.tasks.append(Task(task.instruction, tuple(instances), task.classification))
        return found

    def _instructions(
        self, draw: Random, seeds: Sequence[Task], made: Sequence[Task], known: Known, found: Round
    ) -> list[str]:
        """New ones, each unlike all before it."""
        asked = []
        for _ in range(self.prompts_a_round):
            ours = draw.sample(made, min(self.examples - self.of_seeds, len(made)))
            shown = [*draw.sample(seeds, min(self.examples - len(ours), len(seeds))), *ours]
            draw.shuffle(shown)
            asked.append((prompts.more_tasks(shown, wanted=self.new_tasks), len(shown) + 1))
        replies = self._ask(found, draw, [text for text, _ in asked], stop=["\n\n"], max_tokens=LINE * self.new_tasks)
        new = []
        for (_, first), reply in zip(asked, replies, strict=True):
            texts = prompts.read_tasks(reply.text, first=first)
            for text in texts[: self.new_tasks if reply.ended else -1]:  # what was cut off is no task
                if reason := self.screen.instruction(text, known):
                    found.drop(reason, text[:200])
                else:
                    known.add(text)
                    new.append(text)
        return new

    def _ask(self, found: Round, draw: Random, asked: list[str], *, stop: list[str], max_tokens: int) -> list[Written]:
        seed = draw.getrandbits(31)
        replies = self.writer.write(asked, stop=stop, max_tokens=max_tokens, seed=seed) if asked else []
        found.asked += len(replies)
        found.read += sum(reply.read for reply in replies)
        found.written += sum(reply.written for reply in replies)
        return replies


def _balanced(draw: Random, seeds: Sequence[Task], count: int) -> list[Task]:
    """Seeds of both kinds, as many of each as can be, mixed."""
    sides = [[seed for seed in seeds if seed.classification == kind] for kind in (True, False)]
    chosen = [task for side in sides for task in draw.sample(side, min(-(-count // 2), len(side)))]
    draw.shuffle(chosen)
    return chosen[:count]


def _alike(draw: Random, seeds: Sequence[Task], task: Task, count: int) -> list[Task]:
    """Seeds of the same kind, for it is their form that is followed."""
    same = [seed for seed in seeds if seed.classification == task.classification] or list(seeds)
    return draw.sample(same, min(count, len(same)))
