"""Choices, contexts and continuations are scored by the rules of lm-evaluation-harness, against a plain forward."""

from functools import partial
from math import exp, log

import pytest
import torch

from lm.evaluation import (
    Accuracy,
    Choices,
    Cloze,
    GoldBits,
    GoldProbability,
    Greedy,
    MultipleChoice,
    Perplexity,
    Request,
    Scorer,
    SeveralContexts,
)
from lm.evaluation.join import harness
from lm.evaluation.metrics import per_byte, per_character, per_token, total
from lm.evaluation.question import Asked
from lm.generation import Generator, Sampling
from support.asked import asking, item, log_probability, network, tokenizer

SCORES = {"total": total, "per_character": per_character, "per_byte": per_byte, "per_token": per_token}
METRICS = {name: Accuracy(partial(score)) for name, score in SCORES.items()}
CHOICES = ["the red house", "yes", "ré é", "the"]


def ask(question, *items, **layout):
    return question.ask([Asked(each) for each in items], asking(**layout))


def choice(**options) -> MultipleChoice:
    given = {"prompt": "{{ q }}", "choices": "{{ c }}", "gold": "{{ g }}", "metrics": METRICS}
    return MultipleChoice(**{**given, **options})


def argmax(values) -> int:
    return max(range(len(values)), key=lambda place: values[place])  # the first of several


@pytest.mark.parametrize("prompt", ["the cat", "the cat sat ", "", "x" * 80])
@pytest.mark.parametrize("gold", range(4))
def test_choices_are_compared_by_sum_character_byte_and_token(prompt, gold):
    (found,) = ask(choice(), item(q=prompt, c=CHOICES, g=gold), join=harness)
    sums = [log_probability(prompt, f" {each}") for each in CHOICES]
    assert found.shown["log_probabilities"] == pytest.approx(sums, abs=1e-10)
    bare = len(tokenizer().encode(prompt.rstrip())) if prompt.strip() else 0
    blank = prompt[len(prompt.rstrip()) :]
    tokens = [len(tokenizer().encode(f"{prompt.rstrip()}{blank} {each}")) - bare for each in CHOICES]
    sizes = {
        "total": [1] * 4,
        "per_character": [*map(len, CHOICES)],
        "per_byte": [len(each.encode()) for each in CHOICES],
        "per_token": tokens,
    }
    expected = {
        name: float(argmax([value / size for value, size in zip(sums, by, strict=True)]) == gold)
        for name, by in sizes.items()
    }
    assert found.values == expected
    assert found.chance == 1 / 4
    assert found.label == gold


def test_of_equal_choices_the_first_counts():
    metrics = {"total": Accuracy(total)}
    question = choice(metrics=metrics)
    first, second = ask(question, item(q="the", c=["yes", "yes"], g=0), item(q="the", c=["yes", "yes"], g=1))
    assert (first.values, second.values) == ({"total": 1.0}, {"total": 0.0})


def test_the_likelihood_without_the_prompt_can_be_taken_off():
    (found,) = ask(choice(unconditional=True), item(q="the cat", c=CHOICES, g=0))
    differences = [log_probability("the cat", f" {each}") - log_probability("", f" {each}") for each in CHOICES]
    assert found.values["unconditional"] == float(argmax(differences) == 0)
    assert "unconditional" not in ask(choice(), item(q="the cat", c=CHOICES, g=0))[0].values


def test_the_probability_and_the_bits_of_the_right_choice():
    metrics = {"probability": GoldProbability(total), "bits": GoldBits()}
    (found,) = ask(choice(metrics=metrics), item(q="the cat", c=CHOICES, g=2))
    sums = [log_probability("the cat", f" {each}") for each in CHOICES]
    assert found.values["probability"] == pytest.approx(exp(sums[2]) / sum(map(exp, sums)))
    assert found.values["bits"] == pytest.approx(-sums[2] / log(2) / 6)  # bytes of ré é


def test_several_may_be_right_and_null_leaves_a_metric_out():
    question = choice(metrics={"total": Accuracy(total), "bits": None})
    (found,) = ask(question, item(q="the cat", c=CHOICES, g=[0, 1, 2, 3]))
    assert found.values == {"total": 1.0}
    assert found.chance == 1.0


def test_a_context_is_chosen_by_what_follows():
    question = SeveralContexts(
        contexts="{{ o }}", continuation="{{ t }}", gold="{{ g }}", metrics={"accuracy": Accuracy(total)}
    )
    options, text = ["the cat sat", "the dog ran", "x"], "to the red house."
    sums = [log_probability(option, f" {text}") for option in options]
    for gold in range(3):
        (found,) = ask(question, item(o=options, t=text, g=gold))
        assert found.shown["log_probabilities"] == pytest.approx(sums, abs=1e-10)
        assert found.values == {"accuracy": float(argmax(sums) == gold)}


@torch.no_grad()
def test_a_cloze_is_right_if_every_token_is_ranked_first():
    ids = tokenizer().encode("the")
    for _ in range(3):
        ids.append(int(network()(torch.tensor([ids]))[0, -1].argmax()))
    greedy = Generator(network(), tokenizer()).generate(
        [tokenizer().encode("the")], sampling=Sampling(temperature=0), max_tokens=3, stop_tokens=[]
    )[0]
    assert greedy.tokens == ids[-3:]
    metrics = {"accuracy": Greedy(), "perplexity": Perplexity()}
    given, said = tuple(ids[:-3]), tuple(ids[-3:])
    asked = Scorer(network())([Request(given, said), Request(given, (*said[:2], said[2] ^ 1))])
    right, wrong = (Choices(("x",), (0,), (each,)) for each in asked)
    assert (metrics["accuracy"](right), metrics["accuracy"](wrong)) == (1.0, 0.0)
    question = Cloze(prompt="the cat", continuation="{{ t }}", metrics=metrics)
    (found,) = ask(question, item(t="yes the"))
    expected = log_probability("the cat", " yes the")
    assert found.values == {"accuracy": 0.0, "perplexity": pytest.approx(-expected)}
    assert Perplexity().shown(-expected) == pytest.approx(exp(-expected))


@pytest.mark.parametrize(
    ("question", "fields", "message"),
    [
        (choice(), {"q": "a", "c": ["x"], "g": 0}, "choices gives 1 choices"),
        (choice(), {"q": "a", "c": ["x", "y"], "g": 2}, r"gold gives 2, which is no index of the 2 choices"),
        (choice(), {"q": "a", "c": ["x", "y"]}, "has no field 'g'"),
        (Cloze(prompt="a", continuation="{{ q }}", metrics={}), {"q": ""}, "gives no text to predict"),
    ],
)
def test_an_item_that_cannot_be_asked_is_named(question, fields, message):
    with pytest.raises(ValueError, match=f"^items.jsonl:1.*{message}"):
        question.check(item(**fields))
