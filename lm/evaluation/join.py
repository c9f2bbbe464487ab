"""How a context and its continuations become token ids, also where one token would span both.

A prompt that ends in the middle of a word, or in a space, may share a token with what follows. Then the ids of the
whole do not begin with those of the context, and what is scored is a matter of convention.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from lm.evaluation.scorer import Request
from lm.tokenizer import Tokenizer


@dataclass(frozen=True)
class Joined:
    """The requests of one context.

    Args:
        requests: One a continuation.
        spanning: Number of continuations of which a token spans the join.
    """

    requests: tuple[Request, ...]
    spanning: int


def aligned(context: str, continuations: Sequence[str], *, tokenizer: Tokenizer, begin: Sequence[int]) -> Joined:
    """Score every continuation from where the ids of the whole and of the context part, for all of a context alike.

    The end of the context counts in each score where one token spans the join, so that the scores compare texts of
    equal extent. Elsewhere it gives the numbers of lm-evaluation-harness.

    Args:
        context: Text before the continuations; may be empty.
        continuations: Texts to score, with the white space that separates them from the context.
        tokenizer: Encodes them.
        begin: Ids in front of the context; where it is empty, the token that begins a text stands there in any case.
    """
    context, continuations = _moved(context, continuations)
    head, wholes = _encoded(context, continuations, tokenizer)
    alike = [_alike(head, whole) for whole in wholes]
    shared = min(alike, default=0)
    front = _front(begin, shared, tokenizer)
    requests = tuple(Request((*front, *whole[:shared]), tuple(whole[shared:])) for whole in wholes)
    return Joined(requests, sum(count < len(head) for count in alike))


def harness(context: str, continuations: Sequence[str], *, tokenizer: Tokenizer, begin: Sequence[int]) -> Joined:
    """Score the ids of the whole after as many as the context alone has, as lm-evaluation-harness does.

    Where a token spans the join, this scores another text than the continuation, or none: harness issues 1297 and 4055.

    Args:
        context: Text before the continuations; may be empty.
        continuations: Texts to score, with the white space that separates them from the context.
        tokenizer: Encodes them.
        begin: Ids in front of the context; where it is empty, the token that begins a text stands there in any case.
    """
    context, continuations = _moved(context, continuations)
    head, wholes = _encoded(context, continuations, tokenizer)
    front = _front(begin, len(head), tokenizer)
    requests = tuple(Request((*front, *head), tuple(whole[len(head) :])) for whole in wholes)
    return Joined(requests, sum(whole[: len(head)] != head for whole in wholes))


def _moved(context: str, continuations: Sequence[str]) -> tuple[str, list[str]]:
    """White space at the end of the context belongs to the continuation, whose first token has it in training."""
    bare = context.rstrip()
    return bare, [context[len(bare) :] + each for each in continuations]


def _encoded(context: str, continuations: Sequence[str], tokenizer: Tokenizer) -> tuple[list[int], list[list[int]]]:
    head = tokenizer.encode(context) if context else []
    return head, [tokenizer.encode(context + each) for each in continuations]


def _front(begin: Sequence[int], context: int, tokenizer: Tokenizer) -> tuple[int, ...]:
    """The ids in front; an empty context has at least the token that begins a text."""
    return tuple(begin) or (() if context else (tokenizer.beginning,))


def _alike(one: Sequence[int], two: Sequence[int]) -> int:
    """The number of ids that two lists have in common at their beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, two, strict=False)))
