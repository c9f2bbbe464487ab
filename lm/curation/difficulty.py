"""How much an instruction helps a model to its answer: what it knows already teaches little, nonsense even less.

Instruction-following difficulty (Li et al. 2024, arXiv:2308.12032): the perplexity of the answer after its instruction
over that of the answer alone. Near 0 the instruction gives the answer away; from 1 on it does not help, as where the
answer is not to the question. The conversations of most difficulty below 1 taught their models best.
"""

from collections.abc import Callable, Sequence
from math import exp

from lm.bounds import Count, Positive
from lm.conversation import Conversation, Recorded, Template
from lm.model import Transformer
from lm.objective.answer_loss import answer_nats
from lm.progress import bar
from lm.tokenizer import Tokenizer


class Difficulty:
    """By `model`, whose `template` says how the turns are written: the one given, else the recorded one.

    Of a conversation the last answer is taken, after all that was said before it. Where both do not fit into the
    context, what was said first is left out; what does not fit of an answer that is longer counts for neither side.
    Those of more than `most` are left out.
    """

    def __init__(
        self,
        model: Callable[..., Transformer],
        *,
        tokenizer: Tokenizer,
        template: Template | None = None,
        recorded: Recorded | None = None,
        most: Positive | None = 1.0,
        rows: Count = 16,
    ):
        self.model, self.tokenizer = model, tokenizer
        self.template = (recorded or Recorded(None)).resolve(template)
        self.most, self.rows = most, rows

    def __call__(self, conversations: Sequence[Conversation]) -> list[float]:
        """The difficulty of each."""
        model = self.model(vocab_size=self.tokenizer.vocab_size)
        asked = [sides for each in conversations for sides in self._sides(each, model.context)]
        order = sorted(range(len(asked)), key=lambda place: len(asked[place][0]))  # of like length together
        nats = [0.0] * len(asked)  # a token
        with bar(len(asked), label="curate", unit="answers") as shown:
            for start in range(0, len(order), self.rows):
                batch = order[start : start + self.rows]
                for place, found in zip(batch, answer_nats(model, [asked[place] for place in batch]), strict=True):
                    nats[place] = found / asked[place][1]
                shown.update(len(batch))
        return [exp(after - alone) for after, alone in zip(nats[::2], nats[1::2], strict=True)]

    def _sides(self, conversation: Conversation, context: int) -> list[tuple[list[int], int]]:
        """The answer after its instruction and alone, each as tokens and how many of them, at the end, count."""
        *before, last = self._turns(conversation)
        prompt = self.template.prompt(before, self.tokenizer)
        encoded = self.template.encode(Conversation((*before, last), place=conversation.place), self.tokenizer)
        last_turn = zip(encoded.tokens[len(prompt) :], encoded.supervised[len(prompt) :], strict=True)
        answer = [token for token, learned in last_turn if learned][:context]
        room = context + 1 - len(answer)
        return [(prompt[-room:] + answer, len(answer)), ([self.tokenizer.end_of_document, *answer], len(answer))]

    def _turns(self, conversation: Conversation) -> tuple:
        """Up to and with the last answer."""
        turns = conversation.messages
        last = max(place for place, turn in enumerate(turns) if turn.role == "assistant")
        return turns[: last + 1]
