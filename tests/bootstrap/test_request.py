"""A request goes to the address given and to no other, and ends in time whatever comes back."""

import gzip
import json
import os
import signal
import ssl
import subprocess
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import repeat

import pytest

from lm.bootstrap import Endpoint, request
from support.answering import endpoint, reply

KEY = "sk-SECRET-123"
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def ask(base_url, **options):
    settings = {"model": "m", "backoff": 0.01, "attempts": 1, **options}
    return Endpoint(base_url, **settings).write(["one"], stop=[], max_tokens=7, seed=5)[0].text


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_the_key_stays(status):
    with endpoint(lambda request: reply("stolen"), host="127.0.0.2") as (other, stolen):
        answer = (status, "", {"Location": f"{other}/steal?token=1"})
        with endpoint(lambda request: answer) as (url, requests):
            with pytest.raises(ValueError, match=rf"redirects \({status}\) to {other[:-3]}, .*set writer.base_url"):
                ask(url, attempts=3)
            assert len(requests) == 1
        assert stolen == []


def test_neither_proxies_nor_passwords_of_the_environment_are_used(monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password netrc-password\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.delenv("OPENAI_API_KEY")
    with (
        endpoint(lambda request: reply("by proxy"), host="127.0.0.2") as (proxy, proxied),
        endpoint(lambda request: reply("direct")) as (url, requests),
    ):
        for name in VARIABLES:
            monkeypatch.setenv(name, proxy[:-3])
        assert ask(url) == "direct"
    assert (proxied, requests[0]["key"]) == ([], None)


def test_a_proxy_is_used_where_asked_for_but_not_to_this_machine(monkeypatch):
    with (
        endpoint(lambda request: reply("by proxy")) as (proxy, proxied),
        endpoint(lambda request: reply("direct"), host="127.0.0.2") as (url, _),
    ):
        monkeypatch.setenv("MY_PROXY", proxy[:-3])
        assert ask("http://api.invalid/v1", proxy_variable="MY_PROXY", unencrypted_key=True) == "by proxy"
        assert ask(url, proxy_variable="MY_PROXY") == "direct"
    assert [each["path"] for each in proxied] == ["http://api.invalid/v1/chat/completions"]


def test_a_proxy_sees_no_key_of_an_encrypted_request_and_its_password_is_not_shown(monkeypatch):
    with endpoint(lambda request: (407, "")) as (proxy, proxied):
        monkeypatch.setenv("MY_PROXY", proxy[:-3].replace("//", "//me:PROXY-PASSWORD@"))
        with pytest.raises(ValueError, match="407") as raised:
            ask("https://api.invalid/v1", proxy_variable="MY_PROXY")
    [seen] = proxied
    assert (seen["method"], seen["path"], seen["key"]) == ("CONNECT", "api.invalid:443", None)
    assert KEY not in str(seen)
    assert "PROXY-PASSWORD" not in str(raised.value)


@pytest.mark.parametrize("value", [None, "", "proxy:3128", "SECRET"])
def test_a_variable_without_the_url_of_a_proxy_is_refused(monkeypatch, value):
    monkeypatch.delenv("MY_PROXY", raising=False)
    if value is not None:
        monkeypatch.setenv("MY_PROXY", value)
    with pytest.raises(
        ValueError, match=r"writer\.proxy_variable=MY_PROXY: the environment variable does not"
    ) as raised:
        ask("https://api.invalid/v1", proxy_variable="MY_PROXY")
    assert "SECRET" not in str(raised.value)


def test_a_certificate_that_nobody_vouches_for_is_refused_at_once(monkeypatch, tmp_path):
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"),
        ],
        capture_output=True,
    )
    if made.returncode:
        pytest.skip(f"openssl makes no certificate: {made.stderr}")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with endpoint(lambda request: reply("x"), tls=tls) as (url, requests):
        with pytest.raises(ValueError, match=r"certificate verify failed.*SSL_CERT_FILE"):
            ask(url, attempts=3, backoff=30.0)
        assert requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        assert ask(url) == "x"


def dripping(piece=b"x", seconds=0.05):
    for each in repeat(piece):
        time.sleep(seconds)
        yield each


@pytest.mark.parametrize("body", [lambda: dripping(), lambda: dripping(b" "), lambda: dripping(seconds=3)])
def test_an_answer_that_does_not_end_is_given_up(body):
    with endpoint(lambda request: (200, body())) as (url, requests):
        started = time.monotonic()
        with pytest.raises(ValueError, match=r"no whole answer within 0\.2 s \(writer\.timeout\), 2 times"):
            ask(url, timeout=0.2, attempts=2)
        assert time.monotonic() - started < 2
        assert len(requests) == 2


def test_all_attempts_together_end_in_time():
    with endpoint(lambda request: (503, "busy")) as (url, requests):
        with pytest.raises(ValueError, match=r"503 .*busy; the next attempt, in .* beyond writer\.total_timeout=0\.5"):
            ask(url, attempts=100, backoff=0.1, total_timeout=0.5)
        assert 1 < len(requests) < 5


@pytest.mark.parametrize("wait", ["3600", "99999999999999999999", format_datetime(datetime(2999, 1, 1, tzinfo=UTC))])
def test_a_wait_beyond_the_time_for_a_request_is_refused_at_once(wait):
    with endpoint(lambda request: (429, "slow down", {"Retry-After": wait})) as (url, requests):
        with pytest.raises(ValueError, match=r"429 .*the next attempt, in .* is beyond writer\.total_timeout=600"):
            ask(url, attempts=5)
        assert len(requests) == 1


@pytest.mark.parametrize(
    "wait", ["0", "Wed, 01 Jan 2020 00:00:00 +0000", "Mon, 01 Jan 2001 00:00:00", "soon", "-5", "²"]
)
def test_a_retry_after_of_any_form_is_understood_or_left_alone(wait):
    answers = iter([(429, "slow down", {"Retry-After": wait.encode().decode("latin-1")}), reply("x")])
    with endpoint(lambda request: next(answers)) as (url, _):
        assert ask(url, attempts=2) == "x"


def test_an_answer_may_be_compressed_though_this_is_not_asked_for():
    packed = gzip.compress(json.dumps(reply("x")).encode())
    with endpoint(lambda request: (200, packed, {"Content-Encoding": "gzip"})) as (url, requests):
        assert ask(url) == "x"
    assert requests[0]["headers"]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((200, b" " * 70_000), "more than 65,536 bytes"),
        ((200, repeat(b" " * 4096)), "more than 65,536 bytes"),
        ((500, repeat(b" " * 4096)), "more than 65,536 bytes"),
        ((200, gzip.compress(b" " * 10**7), {"Content-Encoding": "gzip"}), "more than 65,536 bytes"),
        ((200, b"x", {"Content-Encoding": "gzip, gzip"}), "in the encoding gzip, gzip"),
        ((200, b"x", {"Content-Encoding": "br"}), "in the encoding br"),
        ((200, "[" * 60_000), "nested too deeply"),
        (
            (200, "<h1>Log in</h1>", {"Content-Type": "text/html; charset=x"}),
            "with text/html instead of JSON: <h1>Log in",
        ),
        ((200, "data: {}", {"Content-Type": "text/event-stream"}), "with text/event-stream instead of JSON"),
        ((204, ""), "204|not JSON"),
    ],
)
def test_an_answer_that_is_too_large_or_of_another_kind_is_refused_at_once(monkeypatch, answer, message):
    monkeypatch.setattr(request, "LARGEST", 65_536)
    with endpoint(lambda request: answer) as (url, requests):
        with pytest.raises(ValueError, match=message):
            ask(url)
        assert len(requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        (200, '{"choices": [', {"Content-Type": "application/json"}),
        (200, '{"choices": [', {"Content-Length": "500"}),
        (200, b"\xff\xfe\xfd"),
        (200, b"\x1f\x8b broken", {"Content-Encoding": "gzip"}),
        (408, ""),
        (504, ""),
    ],
)
def test_an_answer_that_was_cut_is_asked_for_again(answer):
    answers = iter([answer, reply("x")])
    with endpoint(lambda request: next(answers)) as (url, _):
        assert ask(url, attempts=2) == "x"


def test_what_is_no_http_is_an_error_in_words():
    answer = (200, "x", {"X": "y\r\n\x00bad header"})
    with endpoint(lambda request: answer) as (url, _), pytest.raises(ValueError, match="1 times: nothing is lost"):
        ask(url)


def test_a_signal_ends_the_wait_at_once(monkeypatch):
    def stop(*arguments):
        raise InterruptedError("stop")

    before = signal.signal(signal.SIGALRM, stop)
    try:
        with endpoint(lambda request: (200, dripping())) as (url, _):
            writer = Endpoint(url, model="m")
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            started = time.monotonic()
            with pytest.raises(InterruptedError):
                writer.write(["one"], stop=[], max_tokens=7, seed=5)
            assert time.monotonic() - started < 5
    finally:
        signal.signal(signal.SIGALRM, before)


def test_nothing_of_a_request_is_logged(caplog):
    with caplog.at_level(0), endpoint(lambda request: reply("x")) as (url, _):
        ask(url)
    assert KEY not in caplog.text
    assert os.environ["OPENAI_API_KEY"] == KEY
