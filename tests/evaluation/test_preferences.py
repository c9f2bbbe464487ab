"""Held-out pairs are judged by score, log-probability and log-ratio, and none of training."""

from functools import partial

import pytest
import torch

from lm.conversation import Conversation, Message, RoleTokenTemplate
from lm.conversation.preference import PreferencePair
from lm.conversation.sources.preference_source import PreferenceSource
from lm.corpus import Split
from lm.evaluation import Preferences
from lm.model import Attention, ModelSource, SwiGLU, Transformer, scalar_head
from lm.tokenizer import byte_tokenizer

SPLIT = Split(0.3)


def side(number: int, answer: str) -> Conversation:
    return Conversation((Message("user", f"What is {number}?"), Message("assistant", answer)), task="ab"[number % 2])


PAIRS = [PreferencePair(side(n, "yes" * (n % 5 + 1)), side(n, "no" * (n % 3 + 1))) for n in range(60)]


class Given(PreferenceSource):
    def __init__(self, pairs):
        self.pairs = pairs

    def __iter__(self):
        return iter(self.pairs)

    def fingerprint(self) -> str:
        return "given"


def model(seed: int = 0) -> Transformer:
    torch.manual_seed(seed)
    return Transformer(
        vocab_size=262, context=64, dim=8, layers=1, attention=partial(Attention, heads=1), feedforward=SwiGLU
    ).eval()


class Before(ModelSource):
    """The model of another seed."""

    def build(self, *, vocab_size):
        return model(1)

    outline = describe = build

    def fingerprint(self):
        return {"model": "before"}


def evaluation(pairs=PAIRS, **options) -> Preferences:
    return Preferences(Given(pairs), **{"template": RoleTokenTemplate(), "split": SPLIT, **options})


def log_probability(network, conversation) -> float:
    encoded = RoleTokenTemplate().encode(conversation, byte_tokenizer([]))
    ids = torch.tensor(encoded.tokens)
    with torch.no_grad():
        logs = network(ids[None, :-1])[0].log_softmax(-1)
    counted = torch.tensor(encoded.supervised[1:])
    return float(logs[torch.arange(len(ids) - 1), ids[1:]][counted].sum())


def sides(pairs) -> list:
    return [each for pair in pairs for each in (pair.chosen, pair.rejected)]


def test_accuracy_is_that_of_each_side_read_alone_over_held_out_pairs_only():
    held_out = [pair for pair in PAIRS if SPLIT.held_out(pair)]
    margins = [log_probability(model(), pair.chosen) - log_probability(model(), pair.rejected) for pair in held_out]
    before = [log_probability(model(1), pair.chosen) - log_probability(model(1), pair.rejected) for pair in held_out]
    given = evaluation(reference=Before())
    results = given(model(), byte_tokenizer([]))
    found = results["judges"]["log-probability"]["all"]
    assert found["pairs"] == len(held_out) == sum(results["judges"]["log-probability"][task]["pairs"] for task in "ab")
    assert found["accuracy"] == pytest.approx(sum(margin > 0 for margin in margins) / len(held_out))
    assert found["margin"] == pytest.approx(sum(margins) / len(margins), rel=1e-5)
    ratio = results["judges"]["log-ratio"]["all"]
    expected = [one - other for one, other in zip(margins, before, strict=True)]
    assert ratio["margin"] == pytest.approx(sum(expected) / len(expected), rel=1e-4)
    lengths = [sum(RoleTokenTemplate().encode(each, byte_tokenizer([])).supervised[1:]) for each in sides(held_out)]
    changes = [log_probability(model(), each) - log_probability(model(1), each) for each in sides(held_out)]
    means = [change / length for change, length in zip(changes, lengths, strict=True)]
    per_token = results["judges"]["log-ratio per token"]["all"]
    assert per_token["margin"] == pytest.approx((sum(means[::2]) - sum(means[1::2])) / len(held_out), rel=1e-4)
    assert evaluation(rows=3)(model(), byte_tokenizer([]))["judges"]["per token"]["all"]["accuracy"] == pytest.approx(
        results["judges"]["per token"]["all"]["accuracy"]
    )
    assert "log-ratio" in given.table(results)


def test_a_reward_model_is_asked_for_its_score():
    network = model()
    scalar_head(network)
    results = evaluation()(network, byte_tokenizer([]))
    assert results["judges"].keys() == {"score"}
    assert results["judges"]["score"]["all"]["accuracy"] == 0.5  # a new head scores 0 everywhere


def test_what_does_not_fit_is_left_out_and_counted():
    long = [PreferencePair(side(n, "yes" * 40), side(n, "no")) for n in range(60, 90)]
    results = evaluation(PAIRS + long)(model(), byte_tokenizer([]))
    assert results["left_out"] == sum(SPLIT.held_out(pair) for pair in long) > 0
    assert f"{results['left_out']} held-out pairs are left out" in evaluation().table(results)
    with pytest.raises(ValueError, match=r"no pair is held out and fits into the context of 64"):
        evaluation(long)(model(), byte_tokenizer([]))
