"""A key that no header can hold is refused; what is shown or kept never holds a key."""

import json
from html import escape
from urllib.parse import quote

import pytest

from lm.bootstrap import Endpoint
from lm.bootstrap.secret import Secret, excerpt
from support.answering import endpoint, reply

KEY = "sk-a/b+'c'-SECRET-123"


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("sk-SECRET\n", "a line end"),
        ("sk-SECRET\r\n", "a line end"),
        ("sk-\nX-Other: SECRET", "a line end"),
        ("Bearer sk-SECRET", "a blank"),
        ("sk-SECRET\u2028", "a blank"),
        ("sk-SECRET\x1b", "a control character"),
        ("sk-SECRET\x7f", "a control character"),
        ("sk-SECRÉT", "a character outside ASCII"),
        ("sk-SECRET…", "a character outside ASCII"),
        ("sk-SECRET\udcff", "a character outside ASCII"),
    ],
)
def test_a_key_that_no_header_can_hold_is_refused_before_anything_is_sent(monkeypatch, key, named):
    with endpoint(lambda request: reply("x")) as (url, requests):
        writer = Endpoint(url, model="m")
        monkeypatch.setenv("OPENAI_API_KEY", key)
        for use in (lambda: Endpoint(url, model="m"), lambda: writer.write(["one"], stop=[], max_tokens=1, seed=0)):
            with pytest.raises(ValueError, match=f"^OPENAI_API_KEY contains {named}") as raised:
                use()
            assert "SECR" not in str(raised.value)
    assert requests == []


@pytest.mark.parametrize("write", [str, json.dumps, quote, lambda key: quote(key, safe=""), escape, str.upper])
def test_a_key_is_replaced_however_it_is_written(write):
    message = Secret("MY_KEY", KEY).removed_from(f"wrong: {write(KEY)}, you")
    assert message.replace('"', "") == "wrong: [MY_KEY], you"


def test_a_short_key_is_replaced_only_as_a_whole_word_and_stays_in_replies():
    none = Secret("KEY", "none")
    assert none.removed_from("none of nonexistent: 'none'") == "[KEY] of nonexistent: '[KEY]'"
    assert none.removed_from_reply("none of them") == "none of them"
    assert Secret("", "").removed_from("as it was") == "as it was"
    assert "sk" not in repr(Secret("KEY", "sk"))


def test_an_excerpt_is_one_short_printable_line_without_any_part_of_a_secret():
    secret = Secret("KEY", KEY)
    message = excerpt(f"\x1b[31mno\r\n\tkey {KEY.encode('utf-16-le').decode()} " + "x" * 290 + KEY, secret)
    assert message.startswith("[31mno key [KEY] xxx")
    assert message.isprintable()
    assert "[K" in message[20:] or "SECRET" not in message
    assert len(message) <= 302


@pytest.mark.parametrize(
    "answer",
    [
        (401, f"Incorrect API key provided: {KEY}"),
        (401, json.dumps({"error": {"message": f"wrong {KEY}", "code": 1}})),
        (403, json.dumps({"detail": [KEY]}).replace("-", "\\u002d")),
        (400, f"Bearer {KEY}".encode("utf-16")),
        (500, f"{'.' * 290}{KEY}"),
        (200, f"<p>{KEY}</p>", {"Content-Type": "text/html"}),
        (200, json.dumps({"choices": KEY})),
        (200, json.dumps({KEY: 1})),
        (302, "", {"Location": f"http://{KEY.replace('/', '.')}@127.0.0.2/{KEY}"}),
    ],
)
def test_no_error_repeats_the_key(monkeypatch, answer):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with endpoint(lambda request: answer) as (url, requests), pytest.raises(ValueError) as raised:  # noqa: PT011
        Endpoint(url, model="m", attempts=1).write(["one"], stop=[], max_tokens=1, seed=0)
    assert requests[0]["key"] == f"Bearer {KEY}"
    assert "SECRET" not in str(raised.value)
    assert "sk-a" not in str(raised.value)


def test_a_reply_that_repeats_the_key_is_kept_without_it(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with endpoint(lambda request: reply(f"your key is {KEY}.")) as (url, _):
        [written] = Endpoint(url, model="m").write(["one"], stop=[], max_tokens=1, seed=0)
    assert written.text == "your key is [OPENAI_API_KEY]."
