"""The harness's requests get the numbers of the native scorer and generator."""

from types import SimpleNamespace

import pytest
import torch

from lm.conversation import Message, RoleTokenTemplate
from lm.evaluation import Request, Scorer
from lm.evaluation.harness.model import HarnessModel, read_options
from lm.generation import Generator, Sampling
from support.asked import log_probability, network, tokenizer

PAIRS = [("the cat sat", " on the mat"), ("the dog ran ", "to the red house"), ("", "yes no"), ("A B", "C")]


def asked(*arguments) -> list:
    return [SimpleNamespace(args=each) for each in arguments]


def test_likelihoods_follow_the_rules_of_the_harness():
    model = HarnessModel(network(), tokenizer())
    found = model.loglikelihood(asked(*PAIRS))
    for pair, (value, greedy) in zip(PAIRS, found, strict=True):
        assert value == pytest.approx(log_probability(*pair), abs=1e-5)
        assert isinstance(greedy, bool)
    assert model.spanning == sum(_spans(*pair) for pair in PAIRS)
    assert model.cut == 0


def _spans(context: str, continuation: str) -> bool:
    head = tokenizer().encode(context.rstrip()) if context.strip() else []
    return tokenizer().encode(context + continuation)[: len(head)] != head


def test_a_token_that_spans_the_join_is_counted():
    text = "the cat sat on the mat"
    ids = tokenizer().encode(text)
    whole = tokenizer().decode(ids[:2])
    model = HarnessModel(network(), tokenizer())
    model.loglikelihood(asked((whole[:-1], whole[-1:] + text[len(whole) :]), ("the cat", " sat")))
    assert model.spanning == 1


def test_rolling_likelihoods_predict_every_token_once_in_disjoint_windows():
    text = "the cat sat on the mat and the dog ran to the red house " * 12
    (found,) = HarnessModel(network(context=16), tokenizer()).loglikelihood_rolling(asked((text,)))
    ids, model, total = [tokenizer().end_of_document, *tokenizer().encode(text)], network(context=16), 0.0
    for start in range(1, len(ids), 16):
        end = min(len(ids), start + 16)
        window = ids[max(0, end - 17) : end]  # the last window is as full as the others
        losses = model(torch.tensor([window[:-1]]))[0].log_softmax(-1)
        places = range(len(window) - (end - start), len(window))
        total += float(sum(losses[place - 1, window[place]] for place in places).detach())
    assert found == pytest.approx(total, abs=1e-4)


def test_replies_end_at_the_texts_of_the_task_and_are_those_of_the_generator():
    prompts = ["the cat", "the dog ran to", "yes"]
    greedy = [(text, {"until": ["mat"], "max_gen_toks": 12, "do_sample": False}) for text in prompts]
    drawn = [(text, {"do_sample": True, "temperature": 0.9, "top_k": 5, "max_gen_toks": 6}) for text in prompts]
    model = HarnessModel(network(), tokenizer(), rows=2)
    found = model.generate_until(asked(*greedy, *drawn))
    generator = Generator(network(), tokenizer())
    expected = generator.generate(
        [tokenizer().encode(text) for text in prompts], sampling=Sampling(temperature=0), max_tokens=12, stop=["mat"]
    )
    assert found[:3] == [each.text for each in expected]
    assert all("mat" not in text for text in found[:3])
    assert found == HarnessModel(network(), tokenizer(), rows=5).generate_until(asked(*greedy, *drawn))


def test_a_prompt_that_leaves_no_room_is_cut_on_the_left_and_counted():
    model = HarnessModel(network(), tokenizer())
    (text,) = model.generate_until(asked(("the cat " * 60 + "yes", {"until": ["no"], "max_gen_toks": 20})))
    assert isinstance(text, str)
    assert model.cut == 1


def test_turns_of_a_chat_template_stay_what_they_are():
    template = RoleTokenTemplate()
    model = HarnessModel(network(), tokenizer(), template=template)
    turns = [{"role": "user", "content": "the cat?"}]
    text = model.apply_chat_template(turns)
    (value,) = [found for found, _ in model.loglikelihood(asked((text, "yes")))]
    ids = tuple(template.prompt([Message("user", "the cat?")], tokenizer()))
    (expected,) = Scorer(network())([Request(ids, tuple(tokenizer().encode("yes")))])
    assert value == expected.log_probability
    begun = model.apply_chat_template([*turns, {"role": "assistant", "content": "so "}], add_generation_prompt=False)
    assert begun == text + "so "
    assert model.chat_template(True)
    assert model.tokenizer_name == tokenizer().fingerprint


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (Sampling(temperature=0.0), [], 256)),
        ({"until": "\n", "max_gen_toks": 5, "temperature": 0.0}, (Sampling(temperature=0.0), ["\n"], 5)),
        ({"do_sample": False, "temperature": 0.8, "until": ["a", ""]}, (Sampling(temperature=0.0), ["a"], 256)),
        ({"temperature": 0.8, "top_p": 0.9, "top_k": 0}, (Sampling(temperature=0.8, top_p=0.9), [], 256)),
    ],
    ids=["none", "one", "greedy", "drawn"],
)
def test_options_of_tasks_mean_what_they_mean_there(options, expected):
    assert read_options(options) == expected


def test_an_option_without_a_meaning_here_is_refused_by_name():
    with pytest.raises(ValueError, match=r"has num_beams, which is not supported: there is do_sample"):
        read_options({"num_beams": 4})
