"""An endpoint is asked as OpenAI's API has it, again where that helps, and told of in words where it does not."""

import socket

import pytest

from lm.bootstrap import Endpoint
from support.answering import endpoint, said


def ask(path: str, *, stop=("END",), **options):
    settings = {"model": "m", "wait": 0.01, **options}
    return Endpoint(path, **settings).write(["one", "two"], stop=list(stop), max_tokens=7, seed=5)


def test_a_chat_is_asked_and_read(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with endpoint(lambda asked: said(f"to {asked['messages'][0]['content']} END more")) as (path, asked):
        first, second = ask(path)
    assert [first.text, second.text] == ["to one ", "to two "]  # whether or not the endpoint knows of stop strings
    assert first.ended
    assert (first.read, first.written) == (100, 10)
    assert asked[0]["path"] == "/v1/chat/completions"
    assert asked[0]["key"] == "Bearer secret"
    assert [each["seed"] for each in asked] == [5, 6]
    assert asked[0]["max_tokens"] == 7
    assert asked[0]["stop"] == ["END"]


def test_a_text_is_continued_and_without_a_key_none_is_sent(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with endpoint(lambda asked: said(asked["prompt"], chat=False, reason="length")) as (path, asked):
        first, _ = ask(path + "/", chat=False)
    assert first.text == "one"
    assert not first.ended
    assert asked[0]["path"] == "/v1/completions"
    assert asked[0]["key"] is None


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_passes_is_asked_again(status):
    answers = iter([(status, "busy"), (200, "no json"), *[said("x")] * 2])
    with endpoint(lambda asked: next(answers)) as (path, asked):
        assert [each.text for each in ask(path)] == ["x", "x"]
    assert len(asked) == 4


@pytest.mark.parametrize(
    ("answer", "told", "times"),
    [
        ((401, "no"), "401 .*OPENAI_API_KEY", 1),
        ((404, "no such model"), "404 .*no such model.*writer.model", 1),
        ((500, "broken"), "500 .*broken.*3 times: nothing is lost", 3),
        ({"choices": []}, "does not answer as OpenAI's API does", 1),
        ({"choices": [{"text": "x"}]}, "is chat=True", 1),
        ({"choices": [{"message": {"content": None}}]}, "its text is NoneType", 1),
        ([1], "does not answer as OpenAI's API does", 1),
    ],
)
def test_what_does_not_pass_is_told(answer, told, times):
    with endpoint(lambda asked: answer) as (path, asked), pytest.raises(ValueError, match=told):
        ask(path, tries=3)
    assert len(asked) == times


def test_nobody_there_is_told_and_the_address_has_to_be_one():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ValueError, match="refused, 2 times: nothing is lost"):
        ask(f"http://127.0.0.1:{port}/v1", tries=2)
    with pytest.raises(ValueError, match=r"writer.path=127.0.0.1:80: give the base"):
        ask("127.0.0.1:80")


def test_costs_are_those_of_a_million_tokens():
    priced = Endpoint("http://x", model="m", price_read=2.0, price_written=10.0)
    assert priced.cost(1_000_000, 500_000) == pytest.approx(7.0)
