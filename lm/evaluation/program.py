"""Questions that a model answers with a program, which unit tests judge in a sandbox."""

from collections.abc import Sequence
from dataclasses import dataclass

from lm.bounds import Count
from lm.evaluation.field_template import FieldTemplate
from lm.evaluation.items import Item
from lm.evaluation.metrics import Metric
from lm.evaluation.prompter import Example
from lm.evaluation.question import Answered, Asked, Asking, Question
from lm.evaluation.reply import Writing
from lm.generation import Sampling
from lm.reward import Answer, UnitTests
from lm.reward.passes import pass_at
from lm.reward.unit_tests import parse_tests, program_of


@dataclass(frozen=True)
class Tested:
    """The programs for an item.

    Args:
        passed: Whether each passes all tests.
    """

    passed: tuple[bool, ...]


class PassAt(Metric):
    """Probability that at least one of `k` programs passes: 1 - C(n - c, k) / C(n, k) of n programs, c of which pass.

    This is the unbiased estimate (Chen et al. 2021, arXiv:2107.03374), not 1 - (1 - c/n)^k.

    Args:
        k: Number of programs, at most the number of samples.
    """

    def __init__(self, k: Count):
        self.k, self.share = k, False

    def __call__(self, answered: Tested) -> float:
        return pass_at(self.k, completions=len(answered.passed), solved=sum(answered.passed))


class Program(Question):
    """Generate programs and run unit tests on them, each in a process without network, with limits.

    Args:
        prompt: Template of the text that the model continues.
        program: Template of the program, in which `reply` is the reply; what a chat model says around a block of code
            is left out of it.
        tests: Template of the unit tests, in any form that `lm.reward.UnitTests` reads, such as
            `{{ test_list | tojson }}`.
        solution: Template of a right reply, for examples before other questions.
        k: Numbers of programs of which one has to pass, as [1, 10].
        samples: Programs for each item; more make pass@k surer. null takes the largest of `k`.
        sampling: How tokens are chosen; greedy serves only one sample.
        stop: Texts that end a program.
        max_tokens: Maximum length of a program, in tokens.
        rows: Programs generated at once; changes speed and memory.
        seed: Seed of the draws.
        unit_tests: Runs the tests, under the limits of its sandbox.
    """

    def __init__(
        self,
        *,
        prompt: str,
        program: str,
        tests: str,
        unit_tests: UnitTests,
        solution: str = "",
        k: list[int] = (1,),
        samples: Count | None = None,
        sampling: Sampling,
        stop: Sequence[str] = (),
        max_tokens: Count = 512,
        rows: Count = 32,
        seed: int = 0,
    ):
        count = samples or max([1, *k])
        if not k or min(k) < 1 or max(k) > count:
            raise ValueError(f"evaluation.k={[*k]}: must be numbers from 1 to samples={count}")
        if sampling.temperature == 0 and count > 1:
            raise ValueError(
                f"evaluation.samples={count}: greedy decoding gives the same program each time; set samples=1 and "
                "k=[1], or sampling.temperature=0.8"
            )
        self.prompt = FieldTemplate(prompt, key="evaluation.question.prompt")
        self.program = FieldTemplate(program, key="evaluation.question.program")
        self.solution = FieldTemplate(solution, key="evaluation.question.solution")
        self.tests = FieldTemplate(tests, key="evaluation.question.tests")
        self.metrics = {f"pass@{each}": PassAt(each) for each in k}
        if count == 1:
            self.metrics["pass@1"].share = True
        self.writing, self.unit_tests = Writing(sampling, tuple(stop), max_tokens, rows, seed, count), unit_tests

    def example(self, item: Item) -> Example:
        return self.prompt.text(item), self.solution.text(item)

    def check(self, item: Item) -> None:
        self.prompt.text(item)
        self.program.text(_with_reply(item, ""))
        if parse_tests(self.tests.text(item)) is None:
            raise ValueError(f"{item.place}: {self.tests.key} gives no unit tests that Python can run")

    def asked_fields(self, item: Item) -> list[str]:
        return self.prompt.fields(item)

    def ask(self, asked: Sequence[Asked], asking: Asking) -> list[Answered]:
        prompts = [asking.prompter.prompt(self.prompt.text(each.item), each.examples) for each in asked]
        tests = [self.tests.text(each.item) for each in asked]
        replies, cut = self.writing.write(prompts, [each.item.id for each in asked], asking)
        programs = [
            [self._program(each.item, text.text, asking) for text in texts]
            for each, texts in zip(asked, replies, strict=True)
        ]
        work = [*dict.fromkeys((test, one) for test, each in zip(tests, programs, strict=True) for one in each)]
        scores = self.unit_tests([Answer(text=program, reference=test) for test, program in work])
        passed = dict(zip(work, scores, strict=True))
        answered = []
        for test, written, short in zip(tests, programs, cut, strict=True):
            verdicts = [passed[test, one] for one in written]
            tested = Tested(tuple(verdict == 1 for verdict in verdicts))
            values = {name: metric(tested) for name, metric in self.metrics.items()}
            answered.append(Answered(values, shown={"programs": written, "passed": [*tested.passed]}, cut=short))
        return answered

    def _program(self, item: Item, reply: str, asking: Asking) -> str:
        code = program_of(reply) if asking.prompter.template is not None else reply
        return self.program.text(_with_reply(item, code))


def _with_reply(item: Item, reply: str) -> Item:
    return Item({**item.fields, "reply": reply}, item.place, item.file)
