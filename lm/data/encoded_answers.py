"""Pairs and labelled answers as validated tokens."""

from functools import cached_property
from typing import Literal

import numpy as np

from lm.conversation import Conversation, EncodedConversation, MaskValidator, Template, with_tools_as_text
from lm.conversation.preference import Judged, PreferencePair
from lm.data.encoded_texts import EncodedTexts
from lm.tokenizer import Tokenizer

TooLong = Literal["refuse", "drop"]


class EncodedAnswers:
    """Pairs, or labelled answers, as tokens, in the order in which they were added.

    Each side is a text of its own that begins with the prompt; only its answer is supervised, the end of turn included,
    and the `MaskValidator` checks it. A side longer than the context is never cut: half an answer is no answer.

    Args:
        template: How a conversation is written as tokens.
        tokenizer: Tokenizer of the model.
        context: Targets that a side may have.
        too_long: What to do with a pair that has a longer side: refuse it, or drop it.
    """

    def __init__(self, *, template: Template, tokenizer: Tokenizer, context: int, too_long: TooLong):
        self.template, self.tokenizer, self.context, self.too_long = template, tokenizer, context, too_long
        self.mask_validator = MaskValidator(template, tokenizer)
        self.paired = True
        self.tasks: list[str] = []
        self.places: list[str] = []  # file:line of each
        self.dropped = 0  # longer than the context
        self.first_dropped = ""  # place of the first of them
        self._texts = EncodedTexts()
        self._margins: list[float] = []
        self._desirable: list[bool] = []

    def add(self, judged: Judged, *, task: str) -> None:
        """Encode the sides and validate their masks; drop both if one does not fit.

        Args:
            judged: A pair or a labelled answer.
            task: What validation reports it under.
        """
        sides = [self._encode(side) for side in judged.sides]
        longest = max(len(side.tokens) - 1 for side in sides)
        if longest > self.context:
            if self.too_long == "refuse":
                raise ValueError(
                    f"data.too_long=refuse: {judged.place} has a side of {longest} targets, more than the context of "
                    f"{self.context}; set data.too_long=drop, or use a model with a longer context"
                )
            self.dropped, self.first_dropped = self.dropped + 1, self.first_dropped or judged.place
            return
        for side in sides:
            self._texts.append(side)
        self.paired = isinstance(judged, PreferencePair)
        self.tasks.append(task)
        self.places.append(judged.place)
        self._margins.append(judged.margin if self.paired else 0.0)
        self._desirable.append(self.paired or judged.desirable)

    def _encode(self, conversation: Conversation) -> EncodedConversation:
        parts = self.template.parts(with_tools_as_text(conversation, self.template), self.tokenizer)
        if len(parts) > 1:
            raise ValueError(
                f"{conversation.place}: the template writes an answer otherwise once turns follow it, so a side cannot "
                "have several answers: keep only the last one, or take another template, as "
                "conversation@data.template=roles"
            )
        encoded = self.template.encode(parts[0], self.tokenizer)
        self.mask_validator.check(encoded, parts[0])
        return encoded

    def __len__(self) -> int:
        return len(self.places)

    @property
    def sides(self) -> int:
        """Texts of each: two of a pair, one of a labelled answer."""
        return 2 if self.paired else 1

    @property
    def lengths(self) -> np.ndarray:
        """Targets of all sides of each, int64 [pairs]."""
        return self._texts.lengths.reshape(-1, self.sides).sum(1)

    @property
    def supervised_targets(self) -> np.ndarray:
        """Supervised targets of all sides of each, int64 [pairs]."""
        return self._texts.supervised_targets.reshape(-1, self.sides).sum(1)

    @cached_property
    def margins(self) -> np.ndarray:
        """By how much the chosen side of each is better, float32 [pairs]."""
        return np.array(self._margins, dtype=np.float32)

    @cached_property
    def desirable(self) -> np.ndarray:
        """Whether each labelled answer is a good one, bool [answers]."""
        return np.array(self._desirable, dtype=bool)

    @cached_property
    def _lengths(self) -> np.ndarray:
        return self._texts.lengths

    def texts_of(self, number: int) -> range:
        """Return the numbers of the texts of a pair or of a labelled answer."""
        return range(number * self.sides, (number + 1) * self.sides)

    def read(self, text: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the tokens of a text, int64 [length + 1], and which targets are supervised, bool [length]."""
        return self._texts.read(text, 0, int(self._lengths[text]))

    def describe_dropped(self) -> str:
        """What happened to what does not fit; empty if nothing."""
        if not self.dropped:
            return ""
        unit = "with a side longer" if self.paired else "longer"
        return f"{self.dropped} {unit} than {self.context} tokens dropped (the first: {self.first_dropped})"
