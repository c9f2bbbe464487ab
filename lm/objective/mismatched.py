"""The answers of an optimizer step, each behind the prompt of another: what KTO's baseline is measured on.

Legend: B rows  T tokens a row
"""

from collections.abc import Callable, Iterator, Sequence

import torch

from lm.batch import LabelledBatch

Text = tuple[int, list[int], list[int]]  # number of an answer, ids of its prompt, ids of the answer


def mismatched_rows(
    batches: Sequence[LabelledBatch],
    everywhere: Callable[[list[Text]], list[Text]],
    *,
    context: int,
    share: tuple[int, int],
    rows: int,
) -> tuple[Iterator[LabelledBatch], int]:
    """Return batches of mismatched texts for this rank, and the number of distinct answers of the step.

    The answers of the step are sorted by number, and each prompt gets the next answer that is to another prompt. So
    which texts there are depends on the answers of the step alone, not on packing, micro-batches and ranks. What
    exceeds the context is cut at the end.

    Args:
        batches: This rank's micro-batches of the step.
        everywhere: Returns what all ranks give it.
        context: Tokens that the model sees at once.
        share: Number of ranks that divide the texts, and the index of this one.
        rows: Texts of a batch.
    """
    found = everywhere([text for batch in batches for text in _texts(batch)])
    texts = sorted({number: (number, prompt, answer) for number, prompt, answer in found}.values())
    ranks, rank = share
    mine = [_mismatched(texts, index, context) for index in range(rank, len(texts), ranks)]
    return (_batch(mine[start : start + rows]) for start in range(0, len(mine), rows)), len(texts)


def _texts(batch: LabelledBatch) -> Iterator[Text]:
    tokens, targets, supervised, documents = (
        each.cpu() for each in (batch.tokens, batch.targets, batch.supervised, batch.documents)
    )
    for row, numbers in enumerate(batch.example.tolist()):
        for slot, number in enumerate(numbers):
            here = documents[row] == slot
            answer = targets[row][here & supervised[row]]
            if number >= 0 and len(answer):
                first = int(supervised[row][here].int().argmax())  # the prompt is what stands before the first target
                yield number, tokens[row][here][: first + 1].tolist(), answer.tolist()


def _mismatched(texts: Sequence[Text], index: int, context: int) -> tuple[list[int], list[int]]:
    """The prompt at `index` with the next answer to another prompt; to any, if all prompts are the same."""
    _, prompt, _ = texts[index]
    others = [texts[(index + step) % len(texts)] for step in range(1, len(texts))]
    answer = next((answer for _, other, answer in others if other != prompt), others[0][2] if others else [])
    return prompt, answer[: context + 1 - len(prompt)]


def _batch(texts: Sequence[tuple[list[int], list[int]]]) -> LabelledBatch:
    """One text a row, padded on the right."""
    width = max(len(prompt) + len(answer) - 1 for prompt, answer in texts)
    tokens, targets = torch.zeros(2, len(texts), width, dtype=torch.int64)
    supervised, documents = torch.zeros(len(texts), width, dtype=torch.bool), torch.full((len(texts), width), -1)
    for row, (prompt, answer) in enumerate(texts):
        ids = torch.tensor([*prompt, *answer])
        here = slice(0, len(ids) - 1)
        tokens[row, here], targets[row, here], documents[row, here] = ids[:-1], ids[1:], 0
        supervised[row, len(prompt) - 1 : here.stop] = True
    example = torch.zeros(len(texts), 1, dtype=torch.int64)
    return LabelledBatch(
        tokens, targets, supervised, 1.0, documents=documents, example=example, desirable=example.bool()
    )
