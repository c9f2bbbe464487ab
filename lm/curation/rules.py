"""Rules that drop conversations: the contract, and rules on length, phrases and context."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

from lm.bounds import Count, Natural
from lm.conversation import Conversation, RecordedTemplate, Template, with_tools_as_text
from lm.corpus import Dropped
from lm.interchange import context_of
from lm.tokenizer import Tokenizer

Part = Literal["questions", "answers", "all"]
ROLES = {"questions": ("user",), "answers": ("assistant",), "all": ("system", "user", "assistant", "tool")}
APOSTROPHES = str.maketrans("’ʼ`´", "''''")


class Rule(ABC):
    """Decide which conversations of a set to drop. A rule sees all conversations that the rules before it pass."""

    @abstractmethod
    def __call__(self, conversations: Sequence[Conversation]) -> dict[int, Dropped]:
        """Return the index of each conversation to drop, and why."""


class ConversationRule(Rule):
    """A rule that judges each conversation by itself."""

    def __call__(self, conversations: Sequence[Conversation]) -> dict[int, Dropped]:
        judged = ((index, self.judge(conversation)) for index, conversation in enumerate(conversations))
        return {index: dropped for index, dropped in judged if dropped is not None}

    @abstractmethod
    def judge(self, conversation: Conversation) -> Dropped | None:
        """Return why the conversation is dropped, or None if it passes."""


def text_of(conversation: Conversation, part: Part) -> str:
    """The turns of a part of a conversation, with an empty line between them."""
    return "\n\n".join(turn.content for turn in conversation.messages if turn.role in ROLES[part])


class Lengths(ConversationRule):
    """Drop conversations with a question or an answer that is too short or too long, in words between spaces.

    A short answer is not wrong: `yes` answers many a question. A lower bound on answers buys longer replies, which
    Zhou et al. 2023 (LIMA, arXiv:2305.11206) and Chen et al. 2023 find to raise the preference of readers.

    Args:
        min_question: Words that each question has at least.
        max_question: Words that each question has at most; null for no bound.
        min_answer: Words that each answer has at least.
        max_answer: Words that each answer has at most; null for no bound.
        max_turns: Turns of a conversation at most, whatever their role; null for no bound.

    Raises:
        ValueError: A lower bound exceeds its upper bound.
    """

    def __init__(
        self,
        *,
        min_question: Natural = 1,
        max_question: Count | None = 1000,
        min_answer: Natural = 1,
        max_answer: Count | None = 1000,
        max_turns: Count | None = None,
    ):
        for part, low, high in (("question", min_question, max_question), ("answer", min_answer, max_answer)):
            if high is not None and low > high:
                raise ValueError(f"min_{part} {low} is more than max_{part} {high}: no {part} would pass")
        self.bounds = {"user": (min_question, max_question), "assistant": (min_answer, max_answer)}
        self.max_turns = max_turns

    def judge(self, conversation: Conversation) -> Dropped | None:
        turns = conversation.messages
        if self.max_turns is not None and len(turns) > self.max_turns:
            return Dropped("too many turns", f"{len(turns)}, more than {self.max_turns}")
        for turn in turns:
            low, high = self.bounds.get(turn.role, (0, None))
            name, words = {"user": "question", "assistant": "answer"}.get(turn.role), len(turn.content.split())
            if words < low:
                return Dropped(f"{name} too short", f"{words} words, fewer than {low}")
            if high is not None and words > high:
                return Dropped(f"{name} too long", f"{words} words, more than {high}")
        return None


class Phrases(ConversationRule):
    """Drop conversations with an answer that contains a phrase, such as a refusal.

    Phrases match as whole words; case, white space and the form of apostrophes are ignored.

    Args:
        phrases: Phrases to search for, one at least.
        reason: Name under which dropped conversations are counted.
        first_characters: Characters at the beginning of each answer to search; null for the whole answer. A refusal
            begins with its phrase, while a story may contain it anywhere.

    Raises:
        ValueError: There is no phrase, or an empty one.
    """

    def __init__(self, phrases: Sequence[str], *, reason: str, first_characters: Count | None = None):
        if isinstance(phrases, str) or not phrases or not all(map(str.strip, phrases)):
            raise ValueError(f"phrases {phrases!r}: give a list of one phrase or more, none of them empty")
        self.phrases, self.reason, self.first_characters = list(phrases), reason, first_characters
        alternatives = "|".join(re.escape(_normalize(phrase)) for phrase in phrases)
        self._pattern = re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)")

    def judge(self, conversation: Conversation) -> Dropped | None:
        for turn in conversation.messages:
            answer = turn.content[: self.first_characters]
            if turn.role == "assistant" and (match := self._pattern.search(_normalize(answer))):
                return Dropped(self.reason, match[0])
        return None


def _normalize(text: str) -> str:
    return " ".join(text.casefold().translate(APOSTROPHES).split())


class Fits(ConversationRule):
    """Drop conversations that are longer than the context of the model to train.

    Training with `data.too_long=drop` drops the same conversations; a selection that still contains them is smaller
    than it says. Tokens are counted in the `template`, else the recorded one, else with one token for each role.

    Args:
        path: Run directory of the model to train, or the folder of a published one.
        tokenizer: The tokenizer of that model.
        template: How conversations are rendered; null for the recorded template.
        recorded: The template that the run at `path` was trained with.
    """

    def __init__(
        self,
        path: str,
        *,
        tokenizer: Tokenizer,
        template: Template | None = None,
        recorded: RecordedTemplate | None = None,
    ):
        self.context, self.tokenizer = context_of(path), tokenizer
        self.template = (recorded or RecordedTemplate(None)).resolve(template)

    def judge(self, conversation: Conversation) -> Dropped | None:
        conversation = with_tools_as_text(conversation, self.template)
        parts = self.template.parts(conversation, self.tokenizer)
        tokens = max(len(self.template.encode(part, self.tokenizer).tokens) for part in parts) - 1
        if tokens > self.context:
            return Dropped("longer than the context", f"{tokens} tokens to predict, more than {self.context}")
        return None
