"""A likelihood depends on context and continuation alone: not on batch, order, padding or what else is scored."""

import random
from functools import partial

import pytest
import torch
from torch.nn import functional as F

from lm.evaluation import Request, Scorer
from lm.model import Attention, SwiGLU, Transformer

CONTEXT, VOCABULARY = 24, 17


def network(dtype: torch.dtype = torch.float64) -> Transformer:
    torch.manual_seed(0)
    model = Transformer(
        vocab_size=VOCABULARY,
        context=CONTEXT,
        dim=8,
        layers=2,
        attention=partial(Attention, heads=2),
        feedforward=SwiGLU,
        dropout=0.3,
        initialize=lambda model: [torch.nn.init.normal_(each, std=0.5) for each in model.parameters()],
    )
    return model.to(dtype).eval()


@pytest.fixture(scope="module")
def model() -> Transformer:
    return network()


def requests(count: int = 60, longest: int = 20, seed: int = 0) -> list[Request]:
    draw = random.Random(seed)

    def ids(least: int) -> tuple[int, ...]:
        return tuple(draw.randrange(VOCABULARY) for _ in range(draw.randint(least, longest)))

    made = [Request(ids(1), ids(0)) for _ in range(count)]
    shared = [Request(made[n].context, ids(1)) for n in range(count // 2)]  # several answers to one question
    single = [Request(made[n].context, (draw.randrange(VOCABULARY),)) for n in range(count // 2)]
    return made + shared + single


@torch.inference_mode()
def slow(model: Transformer, request: Request) -> list[float]:
    """One forward pass a token, with the tokens that fit before it in its window."""
    text, begin, found = [*request.context, *request.continuation], len(request.context), []
    for place in range(begin, len(text)):
        window = (place - begin) // CONTEXT  # a long continuation is read in windows
        end = min(len(text), begin + (window + 1) * CONTEXT)
        seen = text[max(0, end - 1 - CONTEXT) : place]
        logits = model(torch.tensor([seen]))[0, -1].double()
        found.append(float(F.cross_entropy(logits, torch.tensor(text[place]))))
    return found


def test_likelihoods_equal_those_of_a_forward_pass_a_token(model):
    asked = [*requests(6), Request((1, 2), tuple(n * n % VOCABULARY for n in range(60)))]
    for request, found in zip(asked, Scorer(model)(asked), strict=True):
        assert found.nats == pytest.approx(slow(model, request), abs=1e-10)
        assert found.log_probability == pytest.approx(-sum(found.nats))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_batch_order_and_company_change_nothing(dtype, tolerance):
    model, asked = network(dtype), requests()
    whole = Scorer(model)(asked)
    shuffled = random.Random(1).sample(range(len(asked)), len(asked))
    other = Scorer(model, batch_tokens=40)([asked[n] for n in shuffled])
    for place, found in zip(shuffled, other, strict=True):
        assert found.nats == pytest.approx(whole[place].nats, rel=tolerance, abs=tolerance)
        assert found.ranked_first == whole[place].ranked_first
    for request, found in zip(asked, whole, strict=True):
        assert Scorer(model)([request])[0].nats == pytest.approx(found.nats, rel=tolerance, abs=tolerance)


def test_parts_that_devices_score_join_to_the_whole(model):
    asked = requests()
    parts = [Scorer(model)(asked[rank::3]) for rank in range(3)]
    joined = [parts[n % 3][n // 3] for n in range(len(asked))]
    for one, two in zip(joined, Scorer(model)(asked), strict=True):
        assert one.nats == pytest.approx(two.nats, abs=1e-12)


def test_equal_requests_have_equal_scores_to_the_last_bit():
    asked = requests()
    found = Scorer(network(torch.float32), batch_tokens=64)(asked + asked[::-1])
    assert found[: len(asked)] == found[len(asked) :][::-1]


def test_answers_of_one_token_share_the_forward_pass_of_their_question(model, monkeypatch):
    rows = []
    hidden = Transformer.hidden
    monkeypatch.setattr(Transformer, "hidden", lambda self, tokens: rows.append(len(tokens)) or hidden(self, tokens))
    asked = [Request((1, 2, 3), (token,)) for token in range(VOCABULARY)]
    found = Scorer(model)(asked)
    assert rows == [1]
    assert sum(torch.tensor([each.log_probability for each in found]).exp()) == pytest.approx(1.0)


def test_greedy_is_what_generation_would_choose(model):
    text = [3]
    for _ in range(10):
        text.append(int(model(torch.tensor([text]))[0, -1].argmax()))
    right, wrong = Scorer(model)([Request((3,), tuple(text[1:])), Request((3,), (*text[1:10], (text[10] + 1) % 17))])
    assert right.greedy
    assert not wrong.greedy
    assert wrong.ranked_first == (True,) * 9 + (False,)


def test_the_mode_of_the_model_is_restored_and_dropout_is_off():
    model = network().train()
    first = Scorer(model)(requests())
    assert model.training
    assert first == Scorer(model)(requests())


def test_the_context_is_cut_on_the_left(model):
    long = tuple(n % VOCABULARY for n in range(100))
    (whole,), (end,) = Scorer(model)([Request(long, (1, 2))]), Scorer(model)([Request(long[-CONTEXT + 1 :], (1, 2))])
    assert whole.nats == pytest.approx(end.nats, abs=1e-12)
