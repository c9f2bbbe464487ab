"""What a policy is asked: a conversation up to an answer, and the answer that its data give."""

from dataclasses import dataclass

from lm.conversation.conversation import Conversation, Message


@dataclass(frozen=True)
class Prompt:
    """A prompt, as token ids and as turns.

    Args:
        tokens: Token ids of the conversation up to where the answer begins.
        messages: The turns before the answer.
        reference: What the data give to score an answer by, such as the right one; None where they give nothing.
        task: Kind of question; validation reports each task separately.
        place: Where it was read, as `problems.jsonl:12`; error messages begin with it.
    """

    tokens: tuple[int, ...]
    messages: tuple[Message, ...]
    reference: str | None
    task: str = ""
    place: str = "prompt"


def check_prompt(conversation: Conversation) -> None:
    """Refuse a conversation that asks nothing: a fault, no turns, an empty turn, or no turn before the answer.

    Raises:
        ValueError: With place and turn.
    """
    conversation.check_turns()
    asked, _ = split_answer(conversation)
    if not asked or asked[-1].role not in ("user", "tool"):
        raise ValueError(f"{conversation.place}: no user turn precedes the answer: add one or remove it")


def split_answer(conversation: Conversation) -> tuple[tuple[Message, ...], str | None]:
    """Return the turns before the last answer, and that answer without its thoughts.

    A conversation that does not end with an answer is all prompt, and its answer is None.
    """
    *before, last = conversation.messages
    if last.role != "assistant":
        return conversation.messages, None
    return tuple(before), last.spoken
