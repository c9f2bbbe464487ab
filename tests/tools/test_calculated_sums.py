"""Additions by the calculator: the turns of a call, and the split of plain additions."""

from lm.conversation.sources import Sums
from lm.corpus import Split
from lm.tools import CalculatedSums, Calculator, calls_in
from support.talks import template_of, tokenizer_of


def test_the_model_calls_the_calculator_and_says_its_result():
    for talk, plain in zip(CalculatedSums(digits=3, count=50), Sums(digits=3, count=50), strict=True):
        question, call, result, answer = talk.messages
        assert (question, answer) == plain.messages
        (made,) = calls_in(call.content)
        assert Calculator().call(made.arguments) == result.content == answer.content
        assert [each["function"]["name"] for each in talk.tools] == [made.name]
        talk.check()


def test_an_addition_is_held_out_as_it_is_of_the_plain_ones():
    split = Split(0.3)
    held_out = [split.held_out(talk) for talk in CalculatedSums(count=200)]
    assert held_out == [split.held_out(talk) for talk in Sums(count=200)]
    assert 30 < sum(held_out) < 90


def test_call_and_answer_are_learned_and_the_result_is_not():
    talk = next(iter(CalculatedSums()))
    tokenizer = tokenizer_of("ours")
    encoded = template_of("chatml").encode(talk, tokenizer)
    learned = tokenizer.decode([t for t, known in zip(encoded.tokens, encoded.supervised, strict=True) if known])
    assert "calculator" in learned
    assert learned.count(talk.messages[2].content) == 1  # once, as the answer
