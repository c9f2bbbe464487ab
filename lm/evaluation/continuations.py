"""Continuations of prompts, scored for toxicity, sentiment or words: what a model says when nobody asks."""

import re
from collections.abc import Mapping, Sequence

from lm.bounds import Count
from lm.classifier.text_scorer import Scorer
from lm.evaluation.continued import MAIN, Continued
from lm.evaluation.field_template import FieldTemplate
from lm.evaluation.items import Item
from lm.evaluation.metrics import Metric, kept
from lm.evaluation.prompter import Example
from lm.evaluation.question import Answered, Asked, Asking, Question
from lm.evaluation.reply import Writing
from lm.generation import Sampling

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


class Continuations(Question):
    """Draw several continuations of each prompt, and score them.

    The draws follow from seed, prompt and sample, so they do not depend on what else is asked. What is scored is the
    continuation without its prompt; an empty one scores 0.

    Args:
        prompt: Template of the prompt.
        scorer: Scores texts from 0 to 1 for toxicity, as `lm.classifier.ClassifierScorer`. Its quality stands with the
            results.
        opinions: Further scorers by name, such as word lists or sentiment; null leaves one out, with its metrics.
        metrics: Values of a prompt by name; null leaves one out.
        human: Template of the continuation that a person wrote, if there is one, as a baseline.
        sampling: How tokens are chosen; it must draw.
        samples: Continuations of each prompt.
        max_tokens: Maximum length of a continuation, in tokens.
        stop: Texts that end a continuation.
        rows: Continuations generated at once; changes speed and memory.
        seed: Seed of the draws.
    """

    def __init__(
        self,
        *,
        prompt: str,
        scorer: Scorer,
        metrics: Mapping[str, Metric | None],
        sampling: Sampling,
        opinions: Mapping[str, Scorer | None] | None = None,
        human: str | None = None,
        samples: Count = 25,
        max_tokens: Count = 20,
        stop: Sequence[str] = (),
        rows: Count = 256,
        seed: int = 0,
    ):
        if sampling.temperature == 0 and samples > 1:
            raise ValueError(
                f"evaluation.question.samples={samples}: greedy decoding gives the same continuation each time; set "
                "samples=1, or sampling.temperature=1"
            )
        self.prompt = FieldTemplate(prompt, key="evaluation.question.prompt")
        self.human = None if human is None else FieldTemplate(human, key="evaluation.question.human")
        opinions = {} if opinions is None else opinions
        self.scorers = {MAIN: scorer, **{name: each for name, each in opinions.items() if each is not None}}
        self.absent = [name for name, each in opinions.items() if each is None]
        self.metrics = {name: each for name, each in kept(metrics).items() if each.scorer not in self.absent}
        for name, each in self.metrics.items():
            if each.scorer not in self.scorers:
                raise ValueError(
                    f"evaluation.question.metrics.{name}.scorer={each.scorer}: the scorers are "
                    f"{', '.join([*self.scorers, *self.absent])}"
                )
        self.max_tokens = max_tokens
        self.writing = Writing(sampling, tuple(stop), max_tokens, rows, seed, samples)

    def example(self, item: Item) -> Example:
        return self.prompt.text(item), ""

    def ask(self, asked: Sequence[Asked], asking: Asking) -> list[Answered]:
        # A blank at the end would not be part of the token of the next word, as it is in training.
        texts = [self.prompt.text(each.item).rstrip(" ") for each in asked]
        prompts = [asking.prompter.prompt(text, each.examples) for text, each in zip(texts, asked, strict=True)]
        written, cut = self.writing.write(prompts, [each.item.id for each in asked], asking)
        template, tokenizer = asking.prompter.template, asking.prompter.tokenizer
        said = [
            [one.text if template is None else template.content(one.text, tokenizer) for one in each]
            for each in written
        ]
        human = [self._human(each.item) for each in asked]
        scores = self._scored(said)
        baseline = self._scored([[] if text is None else [text] for text in human])
        answered = []
        for number, (own, completions, short) in enumerate(zip(said, written, cut, strict=True)):
            continued = Continued(scores[number], {name: one[0] for name, one in baseline[number].items() if one})
            shown = {
                "continuations": own,
                "scores": {name: [*map(float, found)] for name, found in continued.scores.items()},
                "human": dict(continued.human),
                "empty": sum(not text.strip() for text in own),
                "at_limit": sum(one.reason == "length" for one in completions),
            }
            values = {name: metric(continued) for name, metric in self.metrics.items()}
            answered.append(Answered(values, shown=shown, cut=short))
        return answered

    def identity(self) -> list[str]:
        return [each.name for each in self.scorers.values()]

    def notes(self, answered: Sequence[Answered]) -> list[str]:
        count = len(answered) * self.writing.samples
        empty, limit = (sum(each.shown[name] for each in answered) for name in ("empty", "at_limit"))
        notes = [
            f"{self.writing.samples} continuations of each prompt, {count:,} in all: {limit:,} cut at "
            f"{self.max_tokens} tokens, {empty:,} empty, which score 0"
        ]
        without = sum(not each.shown["human"] for each in answered)
        if self.human is not None and without:
            notes.append(f"{without} of {len(answered)} prompts have no human continuation to compare with")
        notes += [f"{name} is not measured: there is no scorer in question.opinions.{name}" for name in self.absent]
        return [*notes, *(line for each in self.scorers.values() for line in each.quality)]

    def _human(self, item: Item) -> str | None:
        found = None if self.human is None else self.human.value(item)
        return found if isinstance(found, str) else None

    def _scored(self, texts: Sequence[Sequence[str]]) -> list[dict[str, list[float]]]:
        """The scores of some texts of each prompt, by scorer."""
        flat = [text for each in texts for text in each]
        found = [{} for _ in texts]
        for name, scorer in self.scorers.items():
            scores = iter(scorer(flat))
            for each, own in zip(texts, found, strict=True):
                own[name] = [score if text.strip() else 0.0 for text, score in zip(each, scores, strict=False)]
        return found


class MoreWords:
    """Scores 1 for texts in which words of a list outnumber those of another, else 0, as gender words in BOLD.

    Args:
        words: The words, in any case.
        than: The words that they must outnumber.
    """

    def __init__(self, words: list[str], *, than: list[str]):
        self.words, self.than = {word.lower() for word in words}, {word.lower() for word in than}
        self.name = f"more of {', '.join(words)}"
        self.quality: list[str] = []

    def __call__(self, texts: Sequence[str]) -> list[float]:
        return [self._score(WORD.findall(text.lower().replace("’", "'"))) for text in texts]

    def _score(self, words: Sequence[str]) -> float:
        return float(sum(word in self.words for word in words) > sum(word in self.than for word in words))
