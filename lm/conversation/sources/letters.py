"""Tasks on the letters of a short word, generated: `reverse: cab` and `bac`, `sort: cab` and `abc`."""

from collections.abc import Iterator

from lm.bounds import Count
from lm.conversation.conversation import Conversation, Message
from lm.conversation.sources.draw import Draw
from lm.conversation.sources.source import ConversationSource
from lm.files import hash_json

TASKS = {"reverse": lambda word: word[::-1], "sort": lambda word: "".join(sorted(word))}


class Letters(ConversationSource):
    """Random words to reverse and to sort, each once, the same on every machine; the tasks have these names.

    Args:
        longest: Letters of a word, at most, and at least 2.
        alphabet: Letters that words are made of.
        count: Tasks, at most.
    """

    def __init__(self, *, longest: Count = 5, alphabet: str = "abcdefgh", count: Count = 4000):
        if longest < 2:
            raise ValueError(f"data.conversations.longest={longest}: a word of one letter has no order: try 5")
        if len(set(alphabet)) < 2 or len(set(alphabet)) < len(alphabet) or not alphabet.isalnum():
            raise ValueError(f"data.conversations.alphabet={alphabet!r}: give two or more different letters, as abcd")
        self.longest, self.alphabet, self.count = longest, alphabet, count

    def fingerprint(self) -> str:
        return hash_json([type(self).__name__, self.longest, self.alphabet, self.count])

    def __iter__(self) -> Iterator[Conversation]:
        seen: set[str] = set()
        for number in range(20 * self.count):  # of few letters there are fewer words
            if len(seen) == self.count:
                return
            draw = Draw(f"letters {number}")
            length = 2 + draw("length", self.longest - 1)
            word = "".join(draw.pick(f"letter {place}", self.alphabet) for place in range(length))
            task = draw.pick("task", [*TASKS])
            if (question := f"{task}: {word}") not in seen:
                seen.add(question)
                turns = Message("user", question), Message("assistant", TASKS[task](word))
                yield Conversation(turns, task=task, place=f"task {len(seen)}")
