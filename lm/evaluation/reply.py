"""Questions that a model answers in its own words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lm.bounds import Count
from lm.evaluation.field_template import FieldTemplate, ListTemplate
from lm.evaluation.items import Item
from lm.evaluation.metrics import Metric, kept
from lm.evaluation.prompter import Example
from lm.evaluation.question import Answered, Asked, Asking, Question
from lm.generation import Completion, Generator, Sampling
from lm.generation.generator import random_generator
from lm.progress import bar


@dataclass(frozen=True)
class Replied:
    """A reply and what it should say.

    Args:
        text: The reply, without what ended it.
        answers: The right answers, any of which counts; empty where the right reply is to say nothing.
        finished: Whether the reply ended by itself rather than at the limit.
    """

    text: str
    answers: tuple[str, ...]
    finished: bool = True


class Reply(Question):
    """Generate a reply and compare it with the right answers.

    Args:
        prompt: Template of the text that the model continues.
        answers: The right answers, any of which counts: an expression that gives a list, or a list of templates.
        metrics: Values of a reply by name; null leaves one out.
        sampling: How tokens are chosen; greedy for scores that do not depend on a seed.
        stop: Texts that end a reply. In a chat template its end of turn does too.
        max_tokens: Maximum length of a reply, in tokens.
        rows: Replies generated at once; changes speed and memory.
        seed: Seed of the draws, where `sampling` draws.
    """

    def __init__(
        self,
        *,
        prompt: str,
        answers: str | list[str],
        metrics: Mapping[str, Metric | None],
        sampling: Sampling,
        stop: Sequence[str] = (),
        max_tokens: Count = 256,
        rows: Count = 32,
        seed: int = 0,
    ):
        self.prompt = FieldTemplate(prompt, key="evaluation.question.prompt")
        self.answers = ListTemplate(answers, key="evaluation.question.answers")
        self.metrics, self.writing = kept(metrics), Writing(sampling, tuple(stop), max_tokens, rows, seed)

    def example(self, item: Item) -> Example:
        answers = self.answers.texts(item)
        return self.prompt.text(item), answers[0] if answers else ""

    def asked_fields(self, item: Item) -> list[str]:
        return self.prompt.fields(item)

    def ask(self, asked: Sequence[Asked], asking: Asking) -> list[Answered]:
        prompts = [asking.prompter.prompt(self.prompt.text(each.item), each.examples) for each in asked]
        answers = [tuple(self.answers.texts(each.item)) for each in asked]
        replies, cut = self.writing.write(prompts, [each.item.id for each in asked], asking)
        answered = []
        for (reply,), right, short in zip(replies, answers, cut, strict=True):
            said = Replied(reply.text, right, reply.reason != "length")
            values = {name: metric(said) for name, metric in self.metrics.items()}
            shown = {"reply": reply.text, "answers": [*right], "ended_by": reply.reason}
            answered.append(Answered(values, label=right[0] if right else "", shown=shown, cut=short))
        return answered


@dataclass(frozen=True)
class Writing:
    """How replies are generated.

    Args:
        sampling: How tokens are chosen.
        stop: Texts that end a reply.
        max_tokens: Maximum length of a reply, in tokens.
        rows: Replies generated at once.
        seed: Seed of the draws.
        samples: Replies to each prompt.
    """

    sampling: Sampling
    stop: tuple[str, ...]
    max_tokens: int
    rows: int
    seed: int
    samples: int = 1

    def write(
        self, prompts: Sequence[Sequence[int]], ids: Sequence[str], asking: Asking
    ) -> tuple[list[list[Completion]], list[bool]]:
        """Reply to each prompt; return the replies, and which prompts were cut on the left.

        The draws of a reply follow from seed, item and sample, so they do not depend on what else is asked.

        Args:
            prompts: Token ids of each.
            ids: Id of the item of each.
            asking: What generates.
        """
        room = max(1, asking.scorer.model.context - self.max_tokens)
        work = [(place, sample) for place in range(len(prompts)) for sample in range(self.samples)]
        work.sort(key=lambda each: len(prompts[each[0]]), reverse=True)
        replies: dict[tuple[int, int], Completion] = {}
        with bar(len(work), label="evaluate", unit="replies") as progress:
            for start in range(0, len(work), self.rows):
                batch = work[start : start + self.rows]
                rows = [prompts[place][-room:] for place, _ in batch]
                draws = [random_generator(self.seed, int(ids[place], 16), sample) for place, sample in batch]
                replies |= dict(zip(batch, self._continue(rows, draws, asking), strict=True))
                progress.update(len(batch))
        whole = [[replies[place, sample] for sample in range(self.samples)] for place in range(len(prompts))]
        return whole, [len(prompt) > room for prompt in prompts]

    def _continue(self, rows: Sequence[Sequence[int]], draws, asking: Asking) -> list[Completion]:
        generator: Generator = asking.generator
        template, tokenizer = asking.prompter.template, asking.prompter.tokenizer
        ends = None if template is None else [*template.stop_tokens(tokenizer), *tokenizer.ends]
        return generator.generate(
            rows, sampling=self.sampling, max_tokens=self.max_tokens, stop=self.stop, stop_tokens=ends, generators=draws
        )
