"""The one rule for thoughts before an answer: refuse the record, drop them, keep them, or keep them separate."""

from collections import Counter
from collections.abc import Collection
from typing import Literal

from lm.conversation.sources.record import Record

Reasoning = Literal["refuse", "drop", "keep", "separate"]
THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking", "thoughts", "thought")
THOUGHT_PARTS = ("reasoning", "thinking")


def thoughts_of(record: Record, named: Collection[str | None] = ()) -> str:
    """Return the thoughts in the fields of a turn or of a record; "" without any. Fields of one text count once.

    Args:
        record: The turn or record.
        named: Fields that options name for other purposes.
    """
    found = {}
    for field in THOUGHT_FIELDS:
        if field not in named and isinstance(record.peek(field), str):
            found[record.get(field).strip()] = None
    return "\n\n".join(filter(None, found))


def apply_reasoning(
    reasoning: Reasoning, thoughts: str, content: object, *, where: str, counts: Counter[str]
) -> object:
    """Return a content as the rule wants it; separate thoughts are the message's, not the content's.

    Args:
        reasoning: The rule.
        thoughts: The thoughts before the content; "" for none.
        content: What is said; left as it is if it is not text.
        where: Its place, which begins the error message.
        counts: Counts the turns that lose their thoughts.

    Raises:
        ValueError: There are thoughts, and the rule is to refuse them.
    """
    if not thoughts:
        return content
    if reasoning == "refuse":
        raise ValueError(
            f"{where} has thoughts before its answer: set data.conversations.reasoning=drop to leave them out, keep to "
            "learn them before the answer, or separate for a chat_template that writes them"
        )
    if reasoning == "drop":
        counts["turns lost their reasoning"] += 1
        return content
    if reasoning == "keep" and (content is None or isinstance(content, str)):
        return "\n\n".join(filter(None, [thoughts, content]))
    return content
