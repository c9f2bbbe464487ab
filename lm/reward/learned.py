"""The score of a reward model as a reward."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from lm.conversation import Conversation, Message, RecordedTemplate, Template
from lm.model import Transformer
from lm.objective.reward import text_scores
from lm.reward.reward import Answer, Reward
from lm.tokenizer import Tokenizer


class LearnedReward(Reward):
    """The score that a reward model gives an answer at its end of turn.

    Scores have no unit: only their differences mean something. A policy finds what the model misjudges, the sooner the
    longer it trains (over-optimization: Gao et al. 2022, arXiv:2210.10760), so keep it near its starting model (KL) and
    choose the checkpoint by held-out answers. An answer without turns before it, one that the template cannot
    express, and one that does not fit into the reward model's context are not scorable.

    Args:
        model: Where the reward model comes from; its path is a finished run of objective=reward.
        tokenizer: The reward model's tokenizer, which may be another one than the policy's.
        template: How turns are written as tokens; null takes the template that the run recorded.
        recorded: The template that the reward model's run recorded.
        rows: Answers that are scored at once; changes speed and memory, not scores.
        device: Where it runs, as cuda:0; null takes this process's GPU if there is one.
    """

    def __init__(
        self,
        *,
        model: Callable[..., Transformer],
        tokenizer: Tokenizer,
        template: Template | None = None,
        recorded: RecordedTemplate | None = None,
        rows: int = 8,
        device: str | None = None,
    ) -> None:
        self.tokenizer, self.rows = tokenizer, rows
        self.template = (recorded or RecordedTemplate(None)).resolve(template)
        self.stop = self.template.stop_tokens(tokenizer)[0]
        built = model(vocab_size=tokenizer.vocab_size)
        if built.head is None:
            raise ValueError(
                "reward.model.path names a run whose model has no score: name a run of a reward model, as "
                "lm align objective=reward model/head=scalar trains it"
            )
        self.model = built.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval().requires_grad_(False)

    def __call__(self, answers: Sequence[Answer]) -> list[float | None]:
        texts = [self._tokens(answer) for answer in answers]
        fitting = [text for text in texts if text is not None]
        scores = iter(text_scores(self.model, fitting, rows=self.rows) if fitting else [])
        return [None if text is None else next(scores) for text in texts]

    def _tokens(self, answer: Answer) -> list[int] | None:
        """The conversation up to the end of turn of the answer; None where it is not scorable."""
        if not answer.messages:
            return None
        before = tuple(replace(each, supervised=False) for each in answer.messages)
        try:
            if answer.text.strip():
                talk = Conversation((*before, Message("assistant", answer.text)))
                encoded = self.template.encode(talk, self.tokenizer)
                end = len(encoded.supervised) - encoded.supervised[::-1].index(True)
                tokens = encoded.tokens[:end]
            else:
                tokens = [*self.template.prompt(before, self.tokenizer), self.stop]
        except ValueError:
            return None
        return tokens if len(tokens) <= self.model.context + 1 else None
