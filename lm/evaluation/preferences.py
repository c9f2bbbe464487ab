"""Held-out pairs of answers: how often a model prefers the one that people do."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from lm.batch import Batch
from lm.bounds import Count
from lm.checkpoint.lineage import check_reference
from lm.config.faults import errors_at
from lm.conversation import Conversation, EncodedConversation, RecordedTemplate, Template, with_tools_as_text
from lm.conversation.preference import PreferencePair
from lm.conversation.sources.preference_source import PreferenceSource
from lm.corpus import Split
from lm.evaluation.evaluation import Evaluation
from lm.files import hash_json
from lm.interval import wilson_interval
from lm.model import ModelSource, Transformer
from lm.objective.log_probabilities import document_log_probabilities
from lm.objective.reward import text_scores
from lm.progress import bar
from lm.tokenizer import Tokenizer

COLUMNS = ("pairs", "accuracy", "95 % interval", "margin")
Texts = Sequence[EncodedConversation]  # the chosen side of each pair, then its rejected side


class Preferences(Evaluation):
    """Compare what a model makes of both sides of held-out pairs, in every way that it can be asked.

    A reward model is asked for its score. Any other is asked for the log-probability of the answers, whole and per
    token, and, beside a reference, for the log-ratio to it, whole and per token: DPO trains the one, its normalised
    form the other. Equal sides count half. Pairs
    that nothing can be learned from, or of which a side does not fit into the context, are left out and counted.

    Args:
        preferences: One source of pairs, or several by name; their held-out part is used.
        split: What is held out; its share must not exceed the one of training.
        template: Template of the sides; null takes the recorded one.
        reference: Where the model before the training comes from, as `lm.checkpoint.RunModel`; null for none.
        max_pairs: Maximum number of pairs, the first of those that are held out.
        rows: Texts that are scored at once; changes speed and memory.
        recorded: The template that the model's run recorded.
    """

    def __init__(
        self,
        preferences: PreferenceSource | Mapping[str, PreferenceSource],
        *,
        split: Split,
        template: Template | None = None,
        reference: ModelSource | None = None,
        max_pairs: Count = 1000,
        rows: Count = 8,
        recorded: RecordedTemplate | None = None,
    ):
        key = "evaluations.preferences.preferences"
        several = isinstance(preferences, Mapping)
        self.sources = {f"{key}.{name}": each for name, each in preferences.items()} if several else {key: preferences}
        self.template, self.split = (recorded or RecordedTemplate(None)).resolve(template), split
        self.reference, self.max_pairs, self.rows = reference, max_pairs, rows

    def fingerprint(self) -> str:
        origin = {} if self.reference is None else self.reference.fingerprint()
        return hash_json([origin, {key: source.fingerprint() for key, source in self.sources.items()}])

    def __call__(self, model: Transformer, tokenizer: Tokenizer) -> dict[str, Any]:
        if self.reference is not None:
            check_reference(self.reference.origin, tokenizer, key="evaluations.preferences.reference")
        texts, tasks, left_out = self._encoded(tokenizer, model.context)
        if not tasks:
            raise ValueError(
                f"evaluations.preferences: no pair is held out and fits into the context of {model.context} "
                f"({left_out} do not): raise split.share, or give more pairs"
            )
        judges = self._judge(model, texts, tokenizer)
        results = {name: _results(values, tasks) for name, values in judges.items()}
        return {"left_out": left_out, "judges": results}

    def table(self, results: dict[str, Any]) -> str:
        lines = []
        width = max(18, *(len(task) for judge in results["judges"].values() for task in judge))
        for name, tasks in results["judges"].items():
            lines.append(f"{name:<{width}}  {'  '.join(f'{column:>13}' for column in COLUMNS)}")
            for task, scores in tasks.items():
                low, high = scores["interval"]
                cells = [
                    f"{scores['pairs']}",
                    f"{scores['accuracy']:.1%}",
                    f"{100 * low:.1f} – {100 * high:.1f}",
                    f"{scores['margin']:.3g}",
                ]
                lines.append(f"{task:<{width}}  {'  '.join(f'{cell:>13}' for cell in cells)}")
        left_out = results["left_out"]
        return "\n".join([*lines, *([f"{left_out} held-out pairs are left out"] if left_out else [])])

    def _encoded(self, tokenizer: Tokenizer, context: int) -> tuple[list[EncodedConversation], list[str], int]:
        """Both sides of each pair, its task, and the number of pairs that are left out."""
        texts, tasks, left_out = [], [], 0
        for pair in self._held_out():
            if len(tasks) == self.max_pairs:
                break
            try:
                pair.check()
                sides = [self._encode(side, tokenizer) for side in pair.sides]
            except ValueError:
                left_out += 1
                continue
            if max(len(side.tokens) for side in sides) > context + 1:
                left_out += 1
                continue
            texts += sides
            tasks.append(pair.task or "pairs")
        return texts, tasks, left_out

    def _encode(self, side: Conversation, tokenizer: Tokenizer) -> EncodedConversation:
        return self.template.encode(with_tools_as_text(side, self.template), tokenizer)

    def _held_out(self) -> Iterator[PreferencePair]:
        for key, source in self.sources.items():
            with errors_at(key, source):
                for judged in source:
                    if not isinstance(judged, PreferencePair):
                        raise ValueError(f"{judged.place}: a single answer with a label is no pair to compare")
                    if self.split.held_out(judged):
                        yield judged

    def _judge(self, model: Transformer, texts: Texts, tokenizer: Tokenizer) -> dict[str, list[float]]:
        """What each judge makes of each text, by its name."""
        if model.head is not None:
            ends = [max(n for n, counted in enumerate(text.supervised) if counted) + 1 for text in texts]
            whole = [text.tokens[:end] for text, end in zip(texts, ends, strict=True)]
            return {"score": text_scores(model, whole, rows=self.rows)}
        sums, counts = self._log_probabilities(model, texts)
        per_token = [value / count for value, count in zip(sums, counts, strict=True)]
        judged = {"log-probability": sums, "per token": per_token}
        if self.reference is not None:
            other, _ = self._log_probabilities(self.reference.build(vocab_size=tokenizer.vocab_size), texts)
            ratios = [mine - theirs for mine, theirs in zip(sums, other, strict=True)]
            ratios_per_token = [ratio / count for ratio, count in zip(ratios, counts, strict=True)]
            judged = {"log-ratio": ratios, "log-ratio per token": ratios_per_token, **judged}
        return judged

    @torch.inference_mode()
    def _log_probabilities(self, model: Transformer, texts: Texts) -> tuple[list[float], list[float]]:
        """Log-probability of the answer of each text, and its tokens."""
        found = torch.zeros(2, len(texts), dtype=torch.float64)
        order = sorted(range(len(texts)), key=lambda index: len(texts[index].tokens))
        with bar(len(texts), label="evaluate", unit="texts") as progress:
            for start in range(0, len(order), self.rows):
                here = order[start : start + self.rows]
                sums, counts = document_log_probabilities(model, _padded([texts[index] for index in here]))
                found[:, here] = torch.stack([sums[:, 0], counts[:, 0]]).double().cpu()
                progress.update(len(here))
        return found[0].tolist(), found[1].tolist()


def _padded(texts: Texts) -> Batch:
    """One text a row, padded on the right."""
    width = max(len(text.tokens) for text in texts) - 1
    tokens, targets = torch.zeros(2, len(texts), width, dtype=torch.int64)
    supervised = torch.zeros(len(texts), width, dtype=torch.bool)
    for row, text in enumerate(texts):
        ids, length = torch.tensor(text.tokens), len(text.tokens) - 1
        tokens[row, :length], targets[row, :length] = ids[:-1], ids[1:]
        supervised[row, :length] = torch.tensor(text.supervised[1:])
    return Batch(tokens, targets, supervised, 1.0)


def _results(values: Sequence[float], tasks: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Accuracy and mean margin of a judge by task, and over all where there are several."""
    margins = [chosen - rejected for chosen, rejected in zip(values[::2], values[1::2], strict=True)]
    by_task = {task: [m for m, each in zip(margins, tasks, strict=True) if each == task] for task in sorted({*tasks})}
    groups = by_task if len(by_task) == 1 else by_task | {"all": margins}
    return {task: _scores(group) for task, group in groups.items()}


def _scores(margins: Sequence[float]) -> dict[str, Any]:
    right = sum(1.0 if margin > 0 else 0.5 if margin == 0 else 0.0 for margin in margins)
    return {
        "pairs": len(margins),
        "accuracy": right / len(margins),
        "interval": list(wilson_interval(right, len(margins))),
        "margin": sum(margins) / len(margins),
    }
