"""Rounds of Self-Instruct: new instructions, whether they are classifications, and instances of each.

The prompts of a round follow from the seed, the number of the round and the tasks so far.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from lm.bootstrap import prompts
from lm.bootstrap.rouge import RougeIndex
from lm.bootstrap.screen import Screen
from lm.bootstrap.task import Task
from lm.bootstrap.writer import Reply, Writer
from lm.bounds import Count, Natural

EXAMPLES = 3  # recorded per reason of a drop
INSTRUCTION_TOKENS, LABEL_TOKENS = 60, 4  # of an instruction, and of a yes or no


@dataclass
class Round:
    """The tasks of a round, what was dropped and why, and the requests and tokens it took."""

    tasks: list[Task] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    requests: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0

    def drop(self, reason: str, example: str) -> None:
        """Count a drop, and record an example of each reason."""
        self.dropped[reason] += 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < EXAMPLES:
            examples.append(example)

    @property
    def record(self) -> dict[str, Any]:
        """The round as a line of rounds.jsonl."""
        tokens = {"asked": self.requests, "read": self.prompt_tokens, "written": self.reply_tokens}
        dropped = {why: {"count": count, "examples": self.examples[why]} for why, count in self.dropped.items()}
        return {"tasks": [task.record for task in self.tasks], "dropped": dropped, **tokens}


class Rounds:
    """Ask a writer for new tasks, round after round. The defaults are those of the paper.

    Args:
        writer: The model that writes: `lm.bootstrap.LocalWriter` or `lm.bootstrap.Endpoint`.
        screen: Rules for instructions and instances.
        examples: Tasks listed in a prompt.
        seed_examples: How many of those are seed tasks; the others are new ones.
        new_tasks: Instructions requested per prompt.
        instances: Instances requested per task.
        prompts_per_round: Prompts for instructions per round.
        max_tokens: Most tokens of an instance.
    """

    def __init__(
        self,
        writer: Writer,
        *,
        screen: Screen,
        examples: Count = 8,
        seed_examples: Count = 6,
        new_tasks: Count = 8,
        instances: Count = 1,
        prompts_per_round: Count = 8,
        max_tokens: Count = 300,
    ):
        if seed_examples > examples:
            raise ValueError(f"rounds.seed_examples={seed_examples} is more than rounds.examples={examples}")
        self.writer, self.screen = writer, screen
        self.examples, self.seed_examples, self.new_tasks = examples, seed_examples, new_tasks
        self.instances, self.prompts_per_round, self.max_tokens = instances, prompts_per_round, max_tokens

    def run(
        self, seeds: Sequence[Task], tasks: Sequence[Task], known: RougeIndex, *, seed: Natural, number: int
    ) -> Round:
        """Run round `number`.

        Args:
            seeds: The seed tasks.
            tasks: The new tasks of earlier rounds.
            known: The instructions of all tasks; those of this round are added.
            seed: Seed of the run.
            number: Number of the round, from 0.
        """
        draw, result = Random(f"{seed}:{number}"), Round()
        instructions = self._instructions(draw, seeds, tasks, known, result)
        examples = _balanced(draw, seeds, self.examples)
        questions = [prompts.is_classification(examples, instruction) for instruction in instructions]
        replies = self._ask(result, draw, questions, stop=["\n"], max_tokens=LABEL_TOKENS)
        kinds = [reply.text.strip().casefold().startswith("yes") for reply in replies]
        new = [Task(text, classification=kind) for text, kind in zip(instructions, kinds, strict=True)]
        requests = [
            prompts.instance(_same_kind(draw, seeds, task, self.examples), task)
            for task in new
            for _ in range(self.instances)
        ]
        replies = self._ask(result, draw, requests, stop=[prompts.NEXT], max_tokens=self.max_tokens)
        for place, task in enumerate(new):
            own = replies[place * self.instances : (place + 1) * self.instances]
            texts = [reply.text for reply in own if reply.ended]
            parsed = [prompts.read_instance(text, classification=task.classification) for text in texts]
            instances, reasons = self.screen.instances(parsed)
            for reason in [*reasons, *["unfinished answer"] * (len(own) - len(texts))]:
                result.drop(reason, task.instruction)
            if instances:
                result.tasks.append(Task(task.instruction, tuple(instances), task.classification))
        return result

    def _instructions(
        self, draw: Random, seeds: Sequence[Task], tasks: Sequence[Task], known: RougeIndex, result: Round
    ) -> list[str]:
        """Return new instructions, each unlike all earlier ones."""
        requests = []
        for _ in range(self.prompts_per_round):
            new = draw.sample(tasks, min(self.examples - self.seed_examples, len(tasks)))
            listed = [*draw.sample(seeds, min(self.examples - len(new), len(seeds))), *new]
            draw.shuffle(listed)
            requests.append((prompts.more_tasks(listed, count=self.new_tasks), len(listed) + 1))
        tokens = INSTRUCTION_TOKENS * self.new_tasks
        replies = self._ask(result, draw, [prompt for prompt, _ in requests], stop=["\n\n"], max_tokens=tokens)
        instructions = []
        for (_, first), reply in zip(requests, replies, strict=True):
            texts = prompts.read_tasks(reply.text, first=first)
            for text in texts[: self.new_tasks if reply.ended else -1]:  # the last text of a truncated reply is cut
                if reason := self.screen.instruction(text, known):
                    result.drop(reason, text[:200])
                else:
                    known.add(text)
                    instructions.append(text)
        return instructions

    def _ask(self, result: Round, draw: Random, texts: list[str], *, stop: list[str], max_tokens: int) -> list[Reply]:
        """Have the writer continue texts, and count requests and tokens."""
        seed = draw.getrandbits(31)
        replies = self.writer.write(texts, stop=stop, max_tokens=max_tokens, seed=seed) if texts else []
        result.requests += len(replies)
        result.prompt_tokens += sum(reply.prompt_tokens for reply in replies)
        result.reply_tokens += sum(reply.reply_tokens for reply in replies)
        return replies


def _balanced(draw: Random, seeds: Sequence[Task], count: int) -> list[Task]:
    """Draw classifications and other tasks in equal numbers, as far as there are enough, shuffled."""
    sides = [[seed for seed in seeds if seed.classification == kind] for kind in (True, False)]
    chosen = [task for side in sides for task in draw.sample(side, min(-(-count // 2), len(side)))]
    draw.shuffle(chosen)
    return chosen[:count]


def _same_kind(draw: Random, seeds: Sequence[Task], task: Task, count: int) -> list[Task]:
    """Draw seeds of the same kind, since the reply follows their form."""
    same = [seed for seed in seeds if seed.classification == task.classification] or list(seeds)
    return draw.sample(same, min(count, len(same)))
