"""Questions that a model answers by the likelihood of given texts: choices, continuations, contexts."""

from collections.abc import Mapping, Sequence

from lm.evaluation.field_template import FieldTemplate, ListTemplate
from lm.evaluation.gold import gold_of
from lm.evaluation.items import Item
from lm.evaluation.join import Joined
from lm.evaluation.metrics import Accuracy, Choices, Metric, kept, over_unconditional
from lm.evaluation.prompter import Example
from lm.evaluation.question import Answered, Asked, Asking, Question


class MultipleChoice(Question):
    """Which of several texts the model finds likeliest after a prompt.

    Minimal pairs are choices without a prompt.

    Args:
        prompt: Template of the text before the choices; may be empty.
        choices: The texts to choose from: an expression that gives a list, or a list of templates.
        gold: The right one: its index from 0, its letter from A, or its text; a list where several are right.
        metrics: Values of an item by name; null leaves one out.
        unconditional: Whether each choice is scored without the prompt too, for the metric `unconditional`.
    """

    def __init__(
        self,
        *,
        prompt: str,
        choices: str | list[str],
        gold: str | int,
        metrics: Mapping[str, Metric | None],
        unconditional: bool = False,
    ):
        self.prompt = FieldTemplate(prompt, key="evaluation.question.prompt")
        self.choices = ListTemplate(choices, key="evaluation.question.choices")
        self.gold = FieldTemplate(str(gold), key="evaluation.question.gold")
        self.unconditional = unconditional
        self.metrics = {**kept(metrics), **({"unconditional": Accuracy(over_unconditional)} if unconditional else {})}

    def example(self, item: Item) -> Example:
        texts, gold = self._read(item)
        return self.prompt.text(item), texts[gold[0]]

    def asked_fields(self, item: Item) -> list[str]:
        return self.prompt.fields(item)

    def ask(self, asked: Sequence[Asked], asking: Asking) -> list[Answered]:
        read = [self._read(each.item) for each in asked]
        joined = [
            asking.prompter.joined(self.prompt.text(each.item), texts, each.examples)
            for each, (texts, _) in zip(asked, read, strict=True)
        ]
        alone = [asking.prompter.alone(texts) for texts, _ in read] if self.unconditional else []
        return scored(
            [texts for texts, _ in read], [gold for _, gold in read], joined, asking, metrics=self.metrics, alone=alone
        )

    def _read(self, item: Item) -> tuple[list[str], list[int]]:
        texts = self.choices.texts(item)
        if len(texts) < 2:
            raise ValueError(f"{item.place}: {self.choices.key} gives {len(texts)} choices, which are too few")
        return texts, gold_of(self.gold.value(item), texts, place=item.place, key=self.gold.key)


class SeveralContexts(Question):
    """After which of several contexts a text is likeliest, as in Winograd schemas.

    Args:
        contexts: The contexts: an expression that gives a list, or a list of templates.
        continuation: Template of the text after each.
        gold: The right context: its index from 0, its letter from A, or its text.
        metrics: Values of an item by name; null leaves one out.
    """

    def __init__(
        self, *, contexts: str | list[str], continuation: str, gold: str | int, metrics: Mapping[str, Metric | None]
    ):
        self.contexts = ListTemplate(contexts, key="evaluation.question.contexts")
        self.continuation = FieldTemplate(continuation, key="evaluation.question.continuation")
        self.gold, self.metrics = FieldTemplate(str(gold), key="evaluation.question.gold"), kept(metrics)

    def example(self, item: Item) -> Example:
        contexts, gold = self._read(item)
        return contexts[gold[0]], self.continuation.text(item)

    def asked_fields(self, item: Item) -> list[str]:
        return self.contexts.fields(item)

    def ask(self, asked: Sequence[Asked], asking: Asking) -> list[Answered]:
        read = [self._read(each.item) for each in asked]
        texts = [
            [self.continuation.text(each.item)] * len(contexts) for each, (contexts, _) in zip(asked, read, strict=True)
        ]
        joined = []
        for each, (contexts, _), text in zip(asked, read, texts, strict=True):
            parts = [asking.prompter.joined(context, text[:1], each.examples) for context in contexts]
            requests = tuple(request for part in parts for request in part.requests)
            joined.append(Joined(requests, sum(part.spanning for part in parts)))
        return scored(texts, [gold for _, gold in read], joined, asking, metrics=self.metrics)

    def _read(self, item: Item) -> tuple[list[str], list[int]]:
        contexts = self.contexts.texts(item)
        if len(contexts) < 2:
            raise ValueError(f"{item.place}: {self.contexts.key} gives {len(contexts)} contexts, which are too few")
        return contexts, gold_of(self.gold.value(item), contexts, place=item.place, key=self.gold.key)


class Cloze(Question):
    """How likely one text is after a prompt, and whether greedy decoding gives it, as in LAMBADA.

    Args:
        prompt: Template of the text before it.
        continuation: Template of the text.
        metrics: Values of an item by name; null leaves one out.
    """

    def __init__(self, *, prompt: str, continuation: str, metrics: Mapping[str, Metric | None]):
        self.prompt = FieldTemplate(prompt, key="evaluation.question.prompt")
        self.continuation = FieldTemplate(continuation, key="evaluation.question.continuation")
        self.metrics = kept(metrics)

    def example(self, item: Item) -> Example:
        return self.prompt.text(item), self._continuation(item)

    def asked_fields(self, item: Item) -> list[str]:
        return self.prompt.fields(item)

    def ask(self, asked: Sequence[Asked], asking: Asking) -> list[Answered]:
        texts = [[self._continuation(each.item)] for each in asked]
        joined = [
            asking.prompter.joined(self.prompt.text(each.item), text, each.examples)
            for each, text in zip(asked, texts, strict=True)
        ]
        return scored(texts, [[0]] * len(texts), joined, asking, metrics=self.metrics)

    def _continuation(self, item: Item) -> str:
        text = self.continuation.text(item)
        if not text:
            raise ValueError(f"{item.place}: {self.continuation.key} gives no text to predict")
        return text


def scored(
    texts: Sequence[Sequence[str]],
    gold: Sequence[Sequence[int]],
    joined: Sequence[Joined],
    asking: Asking,
    *,
    metrics: Mapping[str, Metric],
    alone: Sequence[Joined] = (),
) -> list[Answered]:
    """Score the requests of all items and value each item.

    Args:
        texts: The texts of each item.
        gold: Indices of the right ones.
        joined: The requests of each item, one a text.
        asking: What they are put to.
        metrics: Values of an item by name.
        alone: The requests without a context; none where they are not needed.
    """
    requests = [request for each in (*joined, *alone) for request in each.requests]
    found = iter(asking.scorer(requests))
    given = [tuple(next(found) for _ in each.requests) for each in (*joined, *alone)]
    free, context = given[len(joined) :] or [()] * len(joined), asking.scorer.model.context
    answered = []
    for number, (each, right) in enumerate(zip(texts, gold, strict=True)):
        choices = Choices(tuple(each), tuple(right), given[number], free[number])
        cut = any(len(one.context) + len(one.continuation) > context + 1 for one in joined[number].requests)
        answered.append(
            Answered(
                {name: metric(choices) for name, metric in metrics.items()},
                chance=len({*right}) / len(each) if len(each) > 1 else None,
                label=right[0] if len(each) > 1 else each[0],
                shown={"log_probabilities": [one.log_probability for one in given[number]], "gold": [*right]},
                spanning=joined[number].spanning,
                cut=cut,
            )
        )
    return answered
