"""Requests follow OpenAI's API; transient failures are retried, others are reported with a remedy."""

import socket
import sys

import pytest

from lm.bootstrap import Endpoint
from lm.process.distribution import install_command
from lm.process.failure import install_hint
from support.answering import endpoint, reply


def ask(base_url: str, *, stop=("END",), **options):
    settings = {"model": "m", "backoff": 0.01, **options}
    return Endpoint(base_url, **settings).write(["one", "two"], stop=list(stop), max_tokens=7, seed=5)


def test_a_chat_request_carries_the_key_the_seed_and_the_stop_strings(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with endpoint(lambda request: reply(f"to {request['messages'][0]['content']} END more")) as (url, requests):
        first, second = ask(url)
    assert [first.text, second.text] == ["to one ", "to two "]  # even if the endpoint ignores stop strings
    assert first.ended
    assert (first.prompt_tokens, first.reply_tokens) == (100, 10)
    assert requests[0]["path"] == "/v1/chat/completions"
    assert requests[0]["key"] == "Bearer secret"
    assert [request["seed"] for request in requests] == [5, 6]
    assert requests[0]["max_tokens"] == 7
    assert requests[0]["stop"] == ["END"]


def test_a_completion_request_without_a_key_sends_none(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with endpoint(lambda request: reply(request["prompt"], chat=False, reason="length")) as (url, requests):
        first, _ = ask(url + "/", chat=False)
    assert first.text == "one"
    assert not first.ended
    assert requests[0]["path"] == "/v1/completions"
    assert requests[0]["key"] is None


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_transient_failure_is_retried(status):
    answers = iter([(status, "busy"), (200, "no json"), *[reply("x")] * 2])
    with endpoint(lambda request: next(answers)) as (url, requests):
        assert [reply.text for reply in ask(url)] == ["x", "x"]
    assert len(requests) == 4


@pytest.mark.parametrize(
    ("answer", "message", "times"),
    [
        ((401, "no"), "401 .*OPENAI_API_KEY", 1),
        ((404, "no such model"), "404 .*no such model.*writer.model", 1),
        ((500, "broken"), "500 .*broken.*3 times: nothing is lost", 3),
        ({"choices": []}, "does not answer like OpenAI's API", 1),
        ({"choices": [{"text": "x"}]}, "is chat=True", 1),
        ({"choices": [{"message": {"content": None}}]}, "its text is NoneType", 1),
        ({**reply("x"), "usage": {"prompt_tokens": "many"}}, "prompt_tokens is 'many'", 1),
        ({**reply("x"), "usage": {"completion_tokens": -1}}, "completion_tokens is -1", 1),
        ({"error": {"message": "no credit"}}, "no credit", 1),
        ([1], "does not answer like OpenAI's API", 1),
    ],
)
def test_any_other_failure_is_reported_with_a_remedy(answer, message, times):
    with endpoint(lambda request: answer) as (url, requests), pytest.raises(ValueError, match=message):
        ask(url, attempts=3)
    assert len(requests) == times


def test_an_address_must_be_a_url_and_be_reachable():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ValueError, match="refused, 2 times: nothing is lost"):
        ask(f"http://127.0.0.1:{port}/v1", attempts=2)
    with pytest.raises(ValueError, match=r"writer.base_url: 127.0.0.1:80 is not a URL .*: give the base"):
        ask("127.0.0.1:80")


def test_half_a_character_in_a_reply_becomes_the_replacement_character():
    with endpoint(lambda request: reply("a \ud83d b \ud83d\ude00")) as (url, _):
        text = ask(url)[0].text
    assert text.encode().decode() == text
    assert (text[0], text[-1]) == ("a", "\U0001f600")


def test_without_httpx2_the_extra_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "lm.bootstrap.request", raising=False)
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(ModuleNotFoundError) as raised:
        Endpoint("http://127.0.0.1:1/v1", model="m")
    assert install_hint(raised.value) == f"; {install_command('endpoint')}"


def test_prices_are_per_million_tokens():
    priced = Endpoint("http://x", model="m", input_price=2.0, output_price=10.0)
    assert priced.cost(1_000_000, 500_000) == pytest.approx(7.0)
