"""Whether a tuned model answers and stops: its replies to held-out questions, greedily."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from lm.conversation import Conversation, Recorded, Template
from lm.corpus import Split
from lm.files import hash_json
from lm.generation import Completion, Generator, Sampling
from lm.model import Transformer
from lm.progress import bar
from lm.tokenizer import Tokenizer

GREEDY = Sampling(temperature=0)
COLUMNS = ("questions", "ends its turn", "word for word")


class Answers:
    """Ask for the last answer of held-out conversations and compare, by task.

    Word for word is a harsh measure that nobody can argue with; a right answer in other words counts as wrong. At most
    `questions` are asked, evenly spread over what is held out. Those that leave no room for `max_tokens` in the context
    are not asked, which shows in their number.
    """

    def __init__(
        self,
        conversations: Iterable[Conversation] | Mapping[str, Iterable[Conversation]],
        *,
        template: Template | None = None,
        split: Split,
        questions: int = 200,
        max_tokens: int = 150,
        rows: int = 32,
        recorded: Recorded | None = None,
    ):
        for key, value in {"questions": questions, "max_tokens": max_tokens, "rows": rows}.items():
            if value < 1:
                raise ValueError(f"evaluations.answers.{key}={value}: must be at least 1")
        several = isinstance(conversations, Mapping)
        self.sources = list(conversations.values()) if several else [conversations]
        self.template, self.split = (recorded or Recorded(None)).settle(template), split
        self.questions, self.max_tokens, self.rows = questions, max_tokens, rows

    def fingerprint(self) -> str:
        """Hash of what is asked."""
        return hash_json([[[turn.role, turn.content] for turn in one.messages] for one in self._held_out()])

    def __call__(self, model: Transformer, tokenizer: Tokenizer) -> dict[str, Any]:
        """By task, and over all: how many were asked, and the shares that ended their turn and were right."""
        asked = self._asked(model.context, tokenizer)
        generator, stop = Generator(model, tokenizer), self.template.stop_tokens(tokenizer)
        counts: dict[str, list[int]] = {}
        with bar(len(asked), label="evaluate", unit="questions") as progress:
            for start in range(0, len(asked), self.rows):
                batch = asked[start : start + self.rows]
                replies = generator.generate(
                    [prompt for prompt, _ in batch], sampling=GREEDY, max_tokens=self.max_tokens, stop_tokens=stop
                )
                for (_, conversation), reply in zip(batch, replies, strict=True):
                    for task in ("all", conversation.task or "answers"):
                        found = _judged(reply, conversation)
                        counts[task] = [a + b for a, b in zip(counts.get(task, [0, 0, 0]), found, strict=True)]
                progress.update(len(batch))
        return {
            task: {"questions": asked, "ends_turn": ended / asked, "word_for_word": right / asked}
            for task, (asked, ended, right) in sorted(counts.items(), key=lambda item: (item[0] == "all", item[0]))
        }

    def table(self, results: dict[str, Any]) -> str:
        """The results in words and columns."""
        width = max([len("held-out answers"), *map(len, results)])
        lines = [f"{'held-out answers':<{width}}  {COLUMNS[0]:>9}  {COLUMNS[1]:>13}  {COLUMNS[2]:>13}"]
        for task, found in results.items():
            shares = f"{found['ends_turn']:>13.1%}  {found['word_for_word']:>13.1%}"
            lines.append(f"{task:<{width}}  {found['questions']:>9}  {shares}")
        return "\n".join(lines)

    def _held_out(self) -> Iterator[Conversation]:
        return (one for one in chain.from_iterable(self.sources) if self.split.held_out(one))

    def _asked(self, context: int, tokenizer: Tokenizer) -> list[tuple[list[int], Conversation]]:
        """Prompts with the conversations they are from, long ones together so that a batch is of like length."""
        found = []
        for conversation in self._held_out():
            if conversation.messages and conversation.messages[-1].role == "assistant":
                prompt = self.template.prompt(conversation.messages[:-1], tokenizer)
                if len(prompt) + self.max_tokens <= context:
                    found.append((prompt, conversation))
        if not found:
            raise ValueError(
                f"evaluations.answers: no held-out question leaves room for max_tokens={self.max_tokens} in the "
                f"context of {context}: lower max_tokens, or raise split.share"
            )
        return sorted(_spread(found, self.questions), key=lambda pair: len(pair[0]))


def _spread(items: Sequence[Any], count: int) -> list[Any]:
    """At most `count` of the items, evenly spaced."""
    count = min(count, len(items))
    return [items[n * len(items) // count] for n in range(count)]


def _judged(reply: Completion, conversation: Conversation) -> tuple[int, int, int]:
    """One asked; whether it ended its turn; whether it said the answer, and nothing else."""
    ended = reply.reason == "stop_token"
    return 1, int(ended), int(ended and reply.text == conversation.messages[-1].content)
