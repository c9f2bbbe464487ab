"""Answer prompts with the policy and have rewards score the answers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Generator as RandomGenerator
from torch import nn

from lm.conversation import Prompt, Template
from lm.generation import Completion, Generator, Sampling
from lm.reward import Answer, RewardSum
from lm.tokenizer import Tokenizer


@dataclass
class Rollout:
    """A completion of a prompt, as plain data that a checkpoint can hold.

    Args:
        prompt: Number of the prompt.
        tokens: Generated token ids, the end token included.
        finished: Whether an end token ended it.
        text: The answer, without what the template writes around it.
        reward: Weighted sum of the rewards; None where it is not scorable.
        parts: The rewards by name.
        old: Log-probabilities of the tokens by the weights that generated them; empty where those are trained next.
        values: Expected rewards before each token by the value head of these weights; empty without one.
    """

    prompt: int
    tokens: list[int]
    finished: bool
    text: str
    reward: float | None
    parts: Mapping[str, float | None]
    old: Sequence[float] = ()
    values: Sequence[float] = ()

    def plain(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Asker:
    """Answers prompts and scores the answers.

    Args:
        asked: All prompts by number.
        tokenizer: The model's tokenizer.
        template: Template of the conversations.
        reward: Scores answers.
        max_tokens: Tokens of an answer, at most; fewer where the context ends before.
        rows: Completions generated at once.
    """

    asked: Sequence[Prompt]
    tokenizer: Tokenizer
    template: Template
    reward: RewardSum
    max_tokens: int
    rows: int

    def __call__(
        self, model: nn.Module, numbers: Sequence[int], *, sampling: Sampling, generators: Sequence[RandomGenerator]
    ) -> list[Rollout]:
        """Answer each prompt, by its number, with the draws of its own generator, and score the answers."""
        completions: list[Completion] = []
        for start in range(0, len(numbers), self.rows):
            here = slice(start, start + self.rows)
            prompts = [self.asked[number].tokens for number in numbers[here]]
            completions += Generator(model, self.tokenizer).generate(
                prompts,
                sampling=sampling,
                max_tokens=[min(self.max_tokens, model.context + 1 - len(prompt)) for prompt in prompts],
                stop_tokens=self.template.stop_tokens(self.tokenizer),
                generators=generators[here],
            )
        answers = [self._answer(number, each) for number, each in zip(numbers, completions, strict=True)]
        scores = self.reward(answers)
        return [
            Rollout(
                prompt=number,
                tokens=completion.tokens,
                finished=answer.finished,
                text=answer.text,
                reward=scores.total[row],
                parts={name: values[row] for name, values in scores.parts.items()},
            )
            for row, (number, completion, answer) in enumerate(zip(numbers, completions, answers, strict=True))
        ]

    def _answer(self, number: int, completion: Completion) -> Answer:
        prompt = self.asked[number]
        return Answer(
            prompt=self.tokenizer.decode(prompt.tokens),
            text=self.template.content(completion.text, self.tokenizer),
            messages=prompt.messages,
            reference=prompt.reference,
            tokens=len(completion.tokens),
            finished=completion.reason == "stop_token",
        )
