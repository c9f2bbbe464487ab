"""From a question and its examples to token ids: as plain text, or as the turns of a chat template."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lm.conversation import Message, Template
from lm.evaluation.join import Joined, aligned
from lm.evaluation.scorer import Request
from lm.tokenizer import Tokenizer

Join = Callable[..., Joined]
Example = tuple[str, str]  # a prompt and its right answer


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How prompt, examples and answers are put together.

    Args:
        description: Text before everything, with the white space that follows it; the system turn of a chat.
        answer_separator: Text between a prompt and its answer; a template of turns has none.
        example_separator: Text between two examples; a template of turns has none.
        begin: Whether the token that begins a text stands in front of every prompt. Models of `lm` read it in training
            before each document; lm-evaluation-harness has it only where the prompt is empty.
        join: How prompt and answer become tokens, `lm.evaluation.join.aligned` or `harness`.
    """

    description: str = ""
    answer_separator: str = " "
    example_separator: str = "\n\n"
    begin: bool = False
    join: Join = aligned


class Prompter:
    """Encode prompts with their examples, and the answers after them.

    Args:
        tokenizer: The model's tokenizer.
        layout: How the parts are put together.
        template: The chat template that a prompt is a user's turn of; None for plain text.
    """

    def __init__(self, tokenizer: Tokenizer, *, layout: Layout, template: Template | None = None):
        self.tokenizer, self.layout, self.template = tokenizer, layout, template

    def joined(self, prompt: str, answers: Sequence[str], examples: Sequence[Example] = ()) -> Joined:
        """Encode each answer after a prompt, to be scored."""
        if self.template is not None:
            context = tuple(self._turns(prompt, examples))
            ids = [tuple(self.tokenizer.encode(answer)) for answer in answers]
            return Joined(tuple(Request(context, each) for each in ids), 0)
        separated = [f"{self.layout.answer_separator}{answer}" for answer in answers]
        return self.layout.join(self._text(prompt, examples), separated, tokenizer=self.tokenizer, begin=self._begin)

    def alone(self, answers: Sequence[str]) -> Joined:
        """Encode each answer without a prompt, to be scored."""
        if self.template is not None:
            return self.joined("", answers)
        separated = [f"{self.layout.answer_separator}{answer}" for answer in answers]
        return self.layout.join("", separated, tokenizer=self.tokenizer, begin=self._begin)

    def prompt(self, prompt: str, examples: Sequence[Example] = ()) -> list[int]:
        """Encode a prompt that the model continues."""
        if self.template is not None:
            return self._turns(prompt, examples)
        return [*self._begin, *self.tokenizer.encode(self._text(prompt, examples))]

    @property
    def _begin(self) -> tuple[int, ...]:
        return (self.tokenizer.beginning,) if self.layout.begin else ()

    def _text(self, prompt: str, examples: Sequence[Example]) -> str:
        layout = self.layout
        shown = [f"{asked}{layout.answer_separator}{answer}" for asked, answer in examples]
        return layout.description + layout.example_separator.join([*shown, prompt])

    def _turns(self, prompt: str, examples: Sequence[Example]) -> list[int]:
        messages = [Message("system", self.layout.description.strip())] if self.layout.description.strip() else []
        for asked, answer in examples:
            messages += [Message("user", asked), Message("assistant", answer)]
        return self.template.prompt([*messages, Message("user", prompt)], self.tokenizer)
