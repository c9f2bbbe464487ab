"""Whether a tuned model answers and stops: its replies to held-out questions, and what it makes of ours."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import log, sqrt
from typing import Any

from lm.conversation import Conversation, Recorded, Template
from lm.corpus import Split
from lm.files import hash_json
from lm.generation import Completion, Generator, Sampling
from lm.model import Transformer
from lm.objective.answer_loss import answer_nats
from lm.progress import bar
from lm.tokenizer import Tokenizer

COLUMNS = ("questions", "bits a byte", "ends its turn", "word for word", "95 %", "commonest")


@dataclass(frozen=True)
class Asked:
    """A question as tokens, the answer to it, and that as tokens."""

    prompt: list[int]
    answer: str
    tokens: list[int]
    task: str


class Answers:
    """Ask for the last answer of held-out conversations and compare, by task.

    Word for word is a harsh measure that nobody can argue with; a right answer in other words counts as wrong. It
    stands beside what would be right word for word if each task's commonest answer were always given. Bits a byte are
    those of the answers as they were given, the end of the turn included, where they fit into the context. At most
    `questions` are asked, evenly spread over what is held out. Those that leave no room for `max_tokens` in the context
    are not asked, which shows in their number; nor are those that nothing could be learned from.
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
        sampling: Sampling,
        recorded: Recorded | None = None,
    ):
        for key, value in {"questions": questions, "max_tokens": max_tokens, "rows": rows}.items():
            if value < 1:
                raise ValueError(f"evaluations.answers.{key}={value}: must be at least 1")
        several = isinstance(conversations, Mapping)
        self.sources = list(conversations.values()) if several else [conversations]
        self.template, self.split = (recorded or Recorded(None)).resolve(template), split
        self.questions, self.max_tokens, self.rows, self.sampling = questions, max_tokens, rows, sampling

    def fingerprint(self) -> str:
        """Hash of what is asked."""
        return hash_json([[[turn.role, turn.content] for turn in one.messages] for one in self._held_out()])

    def __call__(self, model: Transformer, tokenizer: Tokenizer) -> dict[str, Any]:
        """By task, and over all: how many were asked, and how the model did."""
        asked = self._asked(model.context, tokenizer)
        generator, stop = Generator(model, tokenizer), self.template.stop_tokens(tokenizer)
        replies: list[Completion] = []
        nats: list[float | None] = []
        with bar(len(asked), label="evaluate", unit="questions") as progress:
            for start in range(0, len(asked), self.rows):
                batch = asked[start : start + self.rows]
                prompts = [each.prompt for each in batch]
                replies += generator.generate(
                    prompts, sampling=self.sampling, max_tokens=self.max_tokens, stop_tokens=stop
                )
                nats += _nats(model, batch)
                progress.update(len(batch))
        tasks = sorted({each.task for each in asked})
        done = list(zip(asked, replies, nats, strict=True))
        return {task: _judged([one for one in done if one[0].task == task]) for task in tasks} | {"all": _judged(done)}

    def table(self, results: dict[str, Any]) -> str:
        """The results in words and columns."""
        width = max([len("held-out answers"), *map(len, results)])
        lines = [f"{'held-out answers':<{width}}  {'  '.join(f'{column:>13}' for column in COLUMNS)}"]
        for task, found in results.items():
            low, high = found["interval"]
            bits = "" if found["bits_per_byte"] is None else f"{found['bits_per_byte']:.3f}"
            cells = [
                f"{found['questions']}",
                bits,
                f"{found['ends_turn']:.1%}",
                f"{found['word_for_word']:.1%}",
                f"{100 * low:.1f} – {100 * high:.1f}",
                f"{found['commonest']:.1%}",
            ]
            lines.append(f"{task:<{width}}  {'  '.join(f'{cell:>13}' for cell in cells)}")
        return "\n".join(lines)

    def _held_out(self) -> Iterator[Conversation]:
        for one in chain.from_iterable(self.sources):
            if self.split.held_out(one) and one.messages and one.messages[-1].role == "assistant" and _learnable(one):
                yield one

    def _asked(self, context: int, tokenizer: Tokenizer) -> list[Asked]:
        """What is asked, long prompts together so that a batch is of like length."""
        found = []
        for conversation in self._held_out():
            prompt = self.template.prompt(conversation.messages[:-1], tokenizer)
            if len(prompt) + self.max_tokens <= context:
                encoded = self.template.encode(conversation, tokenizer)
                last = zip(encoded.tokens[len(prompt) :], encoded.supervised[len(prompt) :], strict=True)
                tokens = [token for token, learned in last if learned]
                answer = self.template.answer(conversation.messages[-1].content, tokenizer)
                fits = len(prompt) + len(tokens) <= context + 1
                found.append(Asked(prompt, answer, tokens if fits else [], conversation.task or "answers"))
        if not found:
            raise ValueError(
                f"evaluations.answers: no held-out question leaves room for max_tokens={self.max_tokens} in the "
                f"context of {context}: lower max_tokens, or raise split.share"
            )
        return sorted(_spread(found, self.questions), key=lambda each: len(each.prompt))


def wilson(right: int, asked: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927): true to few questions and to shares near 0 and 1."""
    z = 1.959964
    middle, square = right / asked + z * z / (2 * asked), z * z / asked
    half = z * sqrt(right / asked * (1 - right / asked) / asked + square / (4 * asked))
    return max(0.0, (middle - half) / (1 + square)), min(1.0, (middle + half) / (1 + square))


def _learnable(conversation: Conversation) -> bool:
    try:
        conversation.check()
    except ValueError:
        return False
    return True


def _spread(items: Sequence[Any], count: int) -> list[Any]:
    """At most `count` of the items, evenly spaced."""
    count = min(count, len(items))
    return [items[n * len(items) // count] for n in range(count)]


def _nats(model: Transformer, asked: Sequence[Asked]) -> list[float | None]:
    """Of each answer, where it fits into the context."""
    fitting = [each for each in asked if each.tokens]
    found = answer_nats(model, [(each.prompt + each.tokens, len(each.tokens)) for each in fitting]) if fitting else []
    left = iter(found)
    return [next(left) if each.tokens else None for each in asked]


def _judged(done: Sequence[tuple[Asked, Completion, float | None]]) -> dict[str, Any]:
    """How the questions were answered."""
    ended = [reply.reason == "stop_token" for _, reply, _ in done]
    right = sum(end and reply.text == each.answer for end, (each, reply, _) in zip(ended, done, strict=True))
    tasks: dict[str, Counter[str]] = {}
    for each, _, _ in done:
        tasks.setdefault(each.task, Counter())[each.answer] += 1
    commonest = sum(max(answers.values()) for answers in tasks.values())
    size = sum(len(each.answer.encode()) for each, _, nats in done if nats is not None)
    return {
        "questions": len(done),
        "bits_per_byte": sum(nats for _, _, nats in done if nats is not None) / size / log(2) if size else None,
        "ends_turn": sum(ended) / len(done),
        "word_for_word": right / len(done),
        "interval": list(wilson(right, len(done))),
        "commonest": commonest / len(done),
    }
