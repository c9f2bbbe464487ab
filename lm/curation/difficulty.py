"""Instruction-following difficulty: how little an instruction helps a model to predict its answer.

The perplexity of the answer after its instruction, over that of the answer alone (Li et al. 2024, arXiv:2308.12032).
Near 0 the instruction gives the answer away, so little is learned; from 1 on it does not help, as if the answer were to
another question. Conversations of the highest difficulty below 1 taught the models of the paper best.
"""

from collections.abc import Callable, Sequence
from math import exp

from lm.bounds import Count, Positive
from lm.conversation import Conversation, RecordedTemplate, Template, with_tools_as_text
from lm.model import Transformer
from lm.objective.answer_loss import answer_nats
from lm.progress import bar
from lm.tokenizer import Tokenizer


class Difficulty:
    """Measure the instruction-following difficulty of the last answer of each conversation that is learned.

    If the turns before the answer do not fit into the context, they are cut from the left; of an answer that is longer
    than the context, only the part that fits is measured.

    Args:
        model: Factory of the model that measures. It must have learned to follow some instructions, or no instruction
            helps it.
        tokenizer: The tokenizer of the model.
        template: How conversations are rendered; null for the recorded template.
        recorded: The template that the model was trained with.
        max_difficulty: Conversations above it are dropped; null to drop none. From 1 on, the instruction does not help.
        rows: Answers in a batch.
    """

    def __init__(
        self,
        model: Callable[..., Transformer],
        *,
        tokenizer: Tokenizer,
        template: Template | None = None,
        recorded: RecordedTemplate | None = None,
        max_difficulty: Positive | None = 1.0,
        rows: Count = 16,
    ):
        self.model, self.tokenizer = model, tokenizer
        self.template = (recorded or RecordedTemplate(None)).resolve(template)
        self.max_difficulty, self.rows = max_difficulty, rows

    def __call__(self, conversations: Sequence[Conversation]) -> list[float]:
        """Return the difficulty of each conversation."""
        model = self.model(vocab_size=self.tokenizer.vocab_size)
        sequences = [sequence for each in conversations for sequence in self._sequences(each, model.context)]
        order = sorted(range(len(sequences)), key=lambda index: len(sequences[index][0]))  # little padding
        nats = [0.0] * len(sequences)  # per token
        with bar(len(sequences), label="curate", unit="answers") as progress:
            for start in range(0, len(order), self.rows):
                batch = order[start : start + self.rows]
                for index, total in zip(batch, answer_nats(model, [sequences[n] for n in batch]), strict=True):
                    nats[index] = total / sequences[index][1]
                progress.update(len(batch))
        return [exp(after - alone) for after, alone in zip(nats[::2], nats[1::2], strict=True)]

    def _sequences(self, conversation: Conversation, context: int) -> list[tuple[list[int], int]]:
        """The answer after its instruction and alone: the tokens of each, and how many at the end are measured."""
        conversation = with_tools_as_text(conversation, self.template)
        conversation = conversation.up_to(_last_answer(conversation))
        prompt = self.template.prompt(conversation.messages[:-1], self.tokenizer, tools=conversation.tools)
        encoded = self.template.encode(conversation, self.tokenizer)
        last_turn = zip(encoded.tokens[len(prompt) :], encoded.supervised[len(prompt) :], strict=True)
        answer = [token for token, supervised in last_turn if supervised][:context]
        room = context + 1 - len(answer)
        return [(prompt[-room:] + answer, len(answer)), ([self.tokenizer.beginning, *answer], len(answer))]


def _last_answer(conversation: Conversation) -> int:
    """The number of the last turn that is learned, counted from 1."""
    return max(number for number, turn in enumerate(conversation.messages, start=1) if turn.learned)
