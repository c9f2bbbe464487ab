"""The difficulty is the ratio of two perplexities, as a plain forward pass gives them."""

from functools import partial
from math import exp

import pytest
import torch
from torch.nn import functional as F

from lm.conversation import RoleTokenTemplate
from lm.curation import Difficulty
from lm.model import Attention, SwiGLU, Transformer
from lm.tokenizer import byte_tokenizer
from support.talks import OPTIONS, conversation_of, template_of

TOKENIZER = byte_tokenizer([])


@pytest.fixture(scope="module")
def model() -> Transformer:
    torch.manual_seed(0)
    network = Transformer(
        vocab_size=TOKENIZER.vocab_size,
        context=48,
        dim=16,
        layers=2,
        attention=partial(Attention, heads=2),
        feedforward=SwiGLU,
    )
    network.load_state_dict({name: torch.randn_like(value) * 0.3 for name, value in network.state_dict().items()})
    return network.eval()


def difficulty(model, conversations, *, rows: int = 3, template=None, **more) -> list[float]:
    template = template or RoleTokenTemplate()
    return Difficulty(lambda vocab_size: model, tokenizer=TOKENIZER, template=template, rows=rows, **more)(
        conversations
    )


@torch.no_grad()
def perplexity(model, before: list[int], answer: list[int]) -> float:
    tokens = torch.tensor([before + answer])
    losses = F.cross_entropy(model(tokens[:, :-1])[0].double(), tokens[0, 1:], reduction="none")
    return exp(float(losses[-len(answer) :].mean()))


def talk(question: str, answer: str):
    return conversation_of(("user", question), ("assistant", answer), place=question)


def naive(model, question: str, answer: str) -> float:
    end, roles, encode = TOKENIZER.end_of_document, TOKENIZER.role_tokens, TOKENIZER.encode
    supervised = [*encode(answer), TOKENIZER.end_of_turn][: model.context]
    before = [end, roles["user"], *encode(question), TOKENIZER.end_of_turn, roles["assistant"]]
    return perplexity(model, before[-(model.context + 1 - len(supervised)) :], supervised) / perplexity(
        model, [end], supervised
    )


TALKS = [("Why?", "So."), ("What is 2 + 2?", "4"), ("x" * 60, "short"), ("short", "y" * 60), ("", "né 日本")]


@pytest.mark.parametrize("rows", [1, 2, 16])
def test_it_is_the_ratio_of_perplexities_for_any_batch(model, rows):
    talks = [(question or "?", answer) for question, answer in TALKS]
    found = difficulty(model, [talk(*each) for each in talks], rows=rows)
    assert found == pytest.approx([naive(model, *each) for each in talks], rel=1e-4)


def test_the_last_answer_is_measured_after_all_turns_before_it(model):
    first = [("user", "Hi"), ("assistant", "Ho"), ("user", "2?")]
    whole = difficulty(model, [conversation_of(*first, ("assistant", "22"))])
    followed = difficulty(model, [conversation_of(*first, ("assistant", "22"), ("user", "thanks"))])
    alone = difficulty(model, [talk("2?", "22")])
    assert whole == followed != alone


@pytest.mark.parametrize("option", OPTIONS)
def test_any_template_gives_a_number(model, option):
    (found,) = difficulty(model, [talk("2?", "22")], template=template_of(option))
    assert 0 < found < 100


def test_an_answer_that_the_question_contains_is_easier(model):
    """A model that has learned to copy: the question contains the answer, or another one."""
    torch.manual_seed(1)
    copier = Transformer(
        vocab_size=TOKENIZER.vocab_size,
        context=48,
        dim=32,
        layers=2,
        attention=partial(Attention, heads=2),
        feedforward=SwiGLU,
    )
    optimizer = torch.optim.AdamW(copier.parameters(), lr=1e-2)
    template, draw = RoleTokenTemplate(), torch.Generator().manual_seed(0)
    for _ in range(150):
        words = ["".join(chr(97 + int(c)) for c in torch.randint(0, 4, (5,), generator=draw)) for _ in range(32)]
        encoded = [template.encode(talk(word, word), TOKENIZER) for word in words]
        rows = torch.tensor([each.tokens for each in encoded])
        chosen = torch.tensor([each.supervised[1:] for each in encoded])
        loss = F.cross_entropy(copier(rows[:, :-1])[chosen], rows[:, 1:][chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    same, other = difficulty(copier.eval(), [talk("abcda", "abcda"), talk("dcbad", "abcda")])
    assert same < other / 2
