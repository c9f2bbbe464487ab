"""Which conversations of a source are learned from: those that teach something, and no more than are wanted."""

from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from heapq import nsmallest
from typing import Literal

from lm.config.faults import standing_at
from lm.conversation import Conversation
from lm.conversation.sources.conversation_source import ConversationSource
from lm.corpus import Split, rank
from lm.progress import track


class Subset:
    """All that are held out, and of the others at most `most`; what is left out is counted in `left_out`.

    Which ones, the rank of each conversation decides, so that more of them are those and others; it takes one more
    reading. One that nothing could be learned from ends the reading, or is left out where `faulty` is `drop`. `key` is
    where the source stands in the config.
    """

    def __init__(
        self,
        source: ConversationSource,
        *,
        split: Split,
        faulty: Literal["refuse", "drop"],
        most: int | None,
        key: str | None,
    ):
        self.source, self.split, self.faulty, self.most, self.key = source, split, faulty, most, key
        self.left_out: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Conversation]:
        highest = None if self.most is None else self._highest(self.most)
        self.left_out.clear()
        taken = 0
        for conversation in self._learnable():
            if highest is not None and not self.split.held_out(conversation):
                if taken == self.most or rank(conversation, salt="sample") > highest:
                    self.left_out[f"beyond data.max_examples={self.most} left out"] += 1
                    continue
                taken += 1
            yield conversation

    def _highest(self, most: int) -> float | None:
        """The rank up to which they are wanted."""
        ranks = (rank(one, salt="sample") for one in self._learnable() if not self.split.held_out(one))
        return next(iter(nsmallest(most, ranks)[-1:]), None)

    def _learnable(self) -> Iterator[Conversation]:
        left_out, first = 0, ""
        with nullcontext() if self.key is None else standing_at(self.key, self.source):
            for conversation in track(self.source, label="instruct", unit="conversation"):
                try:
                    conversation.check()
                except ValueError as fault:
                    if self.faulty == "refuse":
                        raise ValueError(f"{fault} (data.faulty=drop leaves out all such)") from None
                    left_out, first = left_out + 1, first or str(fault)
                else:
                    yield conversation
        if left_out:
            self.left_out[f"faulty left out (the first: {first})"] = left_out
