"""Replies to held-out questions: whether they end their turn and match the answer, by task."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

from lm.config.faults import errors_at
from lm.conversation import Conversation, RecordedTemplate, Template, with_tools_as_text
from lm.corpus import Split
from lm.evaluation.evaluation import Evaluation
from lm.files import hash_json
from lm.generation import Completion, Generator, Sampling
from lm.interval import wilson_interval
from lm.model import Transformer
from lm.objective.answer_loss import answer_nats
from lm.progress import bar
from lm.tokenizer import Tokenizer

COLUMNS = ("questions", "bits per byte", "ends turn", "exact match", "95 % interval", "most frequent")


@dataclass(frozen=True)
class Question:
    """A held-out question and its answer.

    Args:
        prompt: Token ids of the conversation up to the answer.
        answer: The answer as text.
        tokens: Token ids of the answer with its end of turn; empty if they do not fit into the context.
        task: Kind of question.
    """

    prompt: list[int]
    answer: str
    tokens: list[int]
    task: str


class Answers(Evaluation):
    """Generate the last answer of held-out conversations and compare it with theirs, by task.

    Exact match is strict: a right answer in other words counts as wrong. Compare it with the score of always giving
    each task's most frequent answer. Bits per byte are those of the expected answers, end of turn included, where
    they fit into the context. Questions that leave no room for `max_tokens` in the context are skipped, as are faulty
    conversations.

    Args:
        conversations: One source of conversations, or several by name; their held-out part is used.
        template: Template of the prompts; null takes the recorded one.
        split: What is held out; its share must not exceed the one of training.
        max_questions: Maximum number of questions, evenly spaced over all that are held out.
        max_tokens: Maximum length of a reply, in tokens.
        rows: Questions generated at once; changes speed and memory.
        sampling: How tokens are chosen; greedy for reproducible scores.
        recorded: The template that the model's run recorded.
    """

    def __init__(
        self,
        conversations: Iterable[Conversation] | Mapping[str, Iterable[Conversation]],
        *,
        template: Template | None = None,
        split: Split,
        max_questions: int = 400,
        max_tokens: int = 150,
        rows: int = 32,
        sampling: Sampling,
        recorded: RecordedTemplate | None = None,
    ):
        for key, value in {"max_questions": max_questions, "max_tokens": max_tokens, "rows": rows}.items():
            if value < 1:
                raise ValueError(f"evaluations.answers.{key}={value}: must be at least 1")
        key = "evaluations.answers.conversations"
        if isinstance(conversations, Mapping):
            self.sources = {f"{key}.{name}": source for name, source in conversations.items()}
        else:
            self.sources = {key: conversations}
        self.template, self.split = (recorded or RecordedTemplate(None)).resolve(template), split
        self.max_questions, self.max_tokens, self.rows, self.sampling = max_questions, max_tokens, rows, sampling

    def fingerprint(self) -> str:
        return hash_json(
            [
                [[turn.role, turn.content, *filter(None, [turn.reasoning])] for turn in talk.messages] + [*talk.tools]
                for talk in self._held_out()
            ]
        )

    def __call__(self, model: Transformer, tokenizer: Tokenizer) -> dict[str, Any]:
        """Return the scores of each task, and of "all"."""
        questions = self._questions(model.context, tokenizer)
        generator, stop = Generator(model, tokenizer), self.template.stop_tokens(tokenizer)
        replies: list[Completion] = []
        nats: list[float | None] = []
        with bar(len(questions), label="evaluate", unit="questions") as progress:
            for start in range(0, len(questions), self.rows):
                batch = questions[start : start + self.rows]
                prompts = [question.prompt for question in batch]
                replies += generator.generate(
                    prompts, sampling=self.sampling, max_tokens=self.max_tokens, stop_tokens=stop
                )
                nats += _nats(model, batch)
                progress.update(len(batch))
        tasks = sorted({question.task for question in questions})
        done = list(zip(questions, replies, nats, strict=True))
        return {task: _scores([each for each in done if each[0].task == task]) for task in tasks} | {
            "all": _scores(done)
        }

    def table(self, results: dict[str, Any]) -> str:
        width = max([len("held-out answers"), *map(len, results)])
        lines = [f"{'held-out answers':<{width}}  {'  '.join(f'{column:>13}' for column in COLUMNS)}"]
        for task, scores in results.items():
            low, high = scores["interval"]
            cells = [
                f"{scores['questions']}",
                "" if scores["bits_per_byte"] is None else f"{scores['bits_per_byte']:.3f}",
                f"{scores['ends_turn']:.1%}",
                f"{scores['word_for_word']:.1%}",
                f"{100 * low:.1f} – {100 * high:.1f}",
                f"{scores['commonest']:.1%}",
            ]
            lines.append(f"{task:<{width}}  {'  '.join(f'{cell:>13}' for cell in cells)}")
        return "\n".join(lines)

    def _held_out(self) -> Iterator[Conversation]:
        for talk in self._read():
            answered = talk.messages and talk.messages[-1].role == "assistant" and talk.messages[-1].supervised
            if self.split.held_out(talk) and answered and _is_valid(talk):
                yield talk

    def _read(self) -> Iterator[Conversation]:
        """The conversations of all sources, whose errors name the source's own key."""
        for key, source in self.sources.items():
            with errors_at(key, source):
                yield from source

    def _questions(self, context: int, tokenizer: Tokenizer) -> list[Question]:
        """The questions, sorted by length so that a batch has prompts of similar length."""
        questions = []
        for conversation in self._held_out():
            conversation = with_tools_as_text(conversation, self.template)
            turns, tools = len(conversation.messages), conversation.tools
            prompt = self.template.prompt(conversation.messages[:-1], tokenizer, tools=tools)
            if len(prompt) + self.max_tokens <= context:
                encoded = self.template.encode(conversation.up_to(turns), tokenizer)
                last = zip(encoded.tokens[len(prompt) :], encoded.supervised[len(prompt) :], strict=True)
                tokens = [token for token, supervised in last if supervised]
                answer = tokenizer.normalize(self.template.answer(conversation, turns, tokenizer))  # as decoded
                fits = len(prompt) + len(tokens) <= context + 1
                questions.append(Question(prompt, answer, tokens if fits else [], conversation.task or "answers"))
        if not questions:
            raise ValueError(
                f"evaluations.answers: no held-out question leaves room for max_tokens={self.max_tokens} in the "
                f"context of {context}: lower max_tokens, or raise split.share"
            )
        return sorted(_evenly_spaced(questions, self.max_questions), key=lambda question: len(question.prompt))


def _is_valid(conversation: Conversation) -> bool:
    try:
        conversation.check()
    except ValueError:
        return False
    return True


def _evenly_spaced(items: Sequence[Any], count: int) -> list[Any]:
    """At most `count` of the items."""
    count = min(count, len(items))
    return [items[n * len(items) // count] for n in range(count)]


def _nats(model: Transformer, questions: Sequence[Question]) -> list[float | None]:
    """Nats of each expected answer; None where it does not fit into the context."""
    rows = [(question.prompt + question.tokens, len(question.tokens)) for question in questions if question.tokens]
    nats = iter(answer_nats(model, rows) if rows else [])
    return [next(nats) if question.tokens else None for question in questions]


def _scores(done: Sequence[tuple[Question, Completion, float | None]]) -> dict[str, Any]:
    """The scores of answered questions, as results.json has them."""
    ended = [reply.reason == "stop_token" for _, reply, _ in done]
    matches = sum(end and reply.text == question.answer for end, (question, reply, _) in zip(ended, done, strict=True))
    answers: dict[str, Counter[str]] = {}
    for question, _, _ in done:
        answers.setdefault(question.task, Counter())[question.answer] += 1
    most_frequent = sum(max(counts.values()) for counts in answers.values())
    size = sum(len(question.answer.encode()) for question, _, nats in done if nats is not None)
    return {
        "questions": len(done),
        "bits_per_byte": sum(nats for _, _, nats in done if nats is not None) / size / log(2) if size else None,
        "ends_turn": sum(ended) / len(done),
        "word_for_word": matches / len(done),
        "interval": list(wilson_interval(matches, len(done))),
        "commonest": most_frequent / len(done),
    }
