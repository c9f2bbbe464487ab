"""Additions, generated, whose answers call the calculator."""

import json
from collections.abc import Iterator
from dataclasses import replace

from lm.bounds import Count
from lm.conversation import Conversation, Message
from lm.conversation.sources import ConversationSource, Sums
from lm.files import hash_json
from lm.tools.calculator import Calculator


class CalculatedSums(ConversationSource):
    """The additions of `Sums`, each answered by a call of the calculator and then by its result.

        user   12 + 7 =
        model  {"name": "calculator", "arguments": {"expression": "12 + 7"}}
        tool   19
        model  19

    An addition is held out here if it is held out of `Sums`, so a model that was tuned on these conversations is
    evaluated on the questions of `Sums`.

    Args:
        digits: Digits of a number, at most; each number of digits is equally frequent.
        count: Additions, at most.
    """

    def __init__(self, *, digits: Count = 2, count: Count = 4000):
        self.sums = Sums(digits=digits, count=count)
        self.tool = Calculator()

    def fingerprint(self) -> str:
        return hash_json([type(self).__name__, self.sums.fingerprint(), self.tool.schema])

    def __iter__(self) -> Iterator[Conversation]:
        for plain in self.sums:
            question, answer = plain.messages
            arguments = {"expression": question.content.removesuffix(" =")}
            call = json.dumps({"name": self.tool.name, "arguments": arguments})
            result = Message("tool", self.tool.call(arguments))
            turns = (question, Message("assistant", call, calls=(call,)), result, answer)
            yield replace(plain, messages=turns, group=plain.key, tools=(self.tool.schema,))
