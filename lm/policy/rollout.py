"""Answer prompts with the policy and have rewards score the answers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import Generator as RandomGenerator
from torch import nn

from lm.conversation import Message, Prompt, Template
from lm.generation import Generator, Sampling
from lm.reward import Answer, RewardSum
from lm.tokenizer import Tokenizer
from lm.tools import Episode, Toolbox, generate_with_tools


@dataclass
class Rollout:
    """A completion of a prompt, as plain data that a checkpoint can hold.

    Args:
        prompt: Number of the prompt.
        tokens: Token ids after the prompt: the generated ones, the end token included, and those of results of tools.
        finished: Whether an end token ended it.
        text: The answer, without what the template writes around it.
        reward: Weighted sum of the rewards; None where it is not scorable.
        parts: The rewards by name.
        inserted: True for tokens that were not generated but are the result of a tool [len(tokens)]; they are neither
            compared nor given gradient. Empty where all were generated.
        old: Log-probabilities of the generated tokens by the weights that generated them; empty where those are trained
            next.
        values: Expected rewards before each generated token by the value head of these weights; empty without one.
    """

    prompt: int
    tokens: list[int]
    finished: bool
    text: str
    reward: float | None
    parts: Mapping[str, float | None]
    inserted: Sequence[bool] = ()
    old: Sequence[float] = ()
    values: Sequence[float] = ()

    @property
    def generated(self) -> int:
        """Number of tokens that the model wrote."""
        return len(self.tokens) - sum(self.inserted)

    def plain(self) -> dict[str, Any]:
        return asdict(self)

    def record(self, prompt: Prompt) -> dict[str, Any]:
        """What a reader of the run wants to see of it, as JSON can hold it."""
        return {
            "prompt": [{"role": each.role, "content": each.content} for each in prompt.messages],
            "answer": self.text,
            "reference": prompt.reference,
            "reward": self.reward,
            "rewards": dict(self.parts),
            "tokens": self.generated,
            "finished": self.finished,
        }


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
        toolbox: Tools that answers may call; None for none.
    """

    asked: Sequence[Prompt]
    tokenizer: Tokenizer
    template: Template
    reward: RewardSum
    max_tokens: int
    rows: int
    toolbox: Toolbox | None = None

    def __call__(
        self, model: nn.Module, numbers: Sequence[int], *, sampling: Sampling, generators: Sequence[RandomGenerator]
    ) -> list[Rollout]:
        """Answer each prompt, by its number, with the draws of its own generator, and score the answers."""
        episodes: list[Episode] = []
        for start in range(0, len(numbers), self.rows):
            here = slice(start, start + self.rows)
            prompts = [self.asked[number] for number in numbers[here]]
            limits = [min(self.max_tokens, model.context + 1 - len(prompt.tokens)) for prompt in prompts]
            answered = self._answered if self.toolbox is None else self._answered_with_tools
            episodes += answered(
                Generator(model, self.tokenizer), prompts, limits, sampling=sampling, generators=generators[here]
            )
        answers = [self._answer(number, each) for number, each in zip(numbers, episodes, strict=True)]
        scores = self.reward(answers)
        return [
            Rollout(
                prompt=number,
                tokens=episode.tokens,
                finished=answer.finished,
                text=answer.text,
                reward=scores.total[row],
                parts={name: values[row] for name, values in scores.parts.items()},
                inserted=episode.inserted if any(episode.inserted) else (),
            )
            for row, (number, episode, answer) in enumerate(zip(numbers, episodes, answers, strict=True))
        ]

    def _answered(
        self, generator: Generator, prompts: Sequence[Prompt], limits: Sequence[int], **draws: Any
    ) -> list[Episode]:
        completions = generator.generate(
            [prompt.tokens for prompt in prompts],
            max_tokens=limits,
            stop_tokens=self.template.stop_tokens(self.tokenizer),
            **draws,
        )
        return [
            Episode(
                [*prompt.tokens],
                [Message("assistant", self.template.content(each.text, self.tokenizer))],
                each.tokens,
                [False] * len(each.tokens),
                each.reason,
            )
            for prompt, each in zip(prompts, completions, strict=True)
        ]

    def _answered_with_tools(
        self, generator: Generator, prompts: Sequence[Prompt], limits: Sequence[int], **draws: Any
    ) -> list[Episode]:
        return generate_with_tools(
            generator,
            [prompt.messages for prompt in prompts],
            toolbox=self.toolbox,
            template=self.template,
            max_tokens=limits,
            **draws,
        )

    def _answer(self, number: int, episode: Episode) -> Answer:
        prompt = self.asked[number]
        return Answer(
            prompt=self.tokenizer.decode(prompt.tokens),
            text=episode.text,
            messages=(*prompt.messages, *episode.messages[:-1]),
            reference=prompt.reference,
            tokens=len(episode.tokens) - sum(episode.inserted),
            finished=episode.reason in ("stop_token", "calls"),
            place=prompt.place,
        )


def with_tools(
    asked: Sequence[Prompt], toolbox: Toolbox, *, template: Template, tokenizer: Tokenizer, context: int
) -> list[Prompt]:
    """Return prompts that tell the model its tools.

    Raises:
        ValueError: The template has no turn for the result of a tool, or a prompt leaves no room for an answer.
    """
    toolbox.check(template, tokenizer)
    shown = []
    for prompt in asked:
        messages, tools = toolbox.shown(prompt.messages, template)
        tokens = template.prompt(messages, tokenizer, tools=tools)
        if len(tokens) > context:
            raise ValueError(
                f"objective.tools: {prompt.place} has {len(tokens)} tokens with the tools in its system turn, more "
                f"than the context of {context}: leave out tools, or raise model.context"
            )
        shown.append(replace(prompt, tokens=tuple(tokens)))
    return shown
