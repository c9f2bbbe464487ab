"""Only those who may ask are answered: by host, origin and key, and within the limits of a body."""

import http.client

import pytest

from lm.serve.api import Limits
from support.serving import CHAT, COMPLETIONS, HELLO, Serving, serving

ASK = {"prompt": "a", "max_tokens": 1}


def test_another_name_of_this_machine_is_refused(server: Serving):
    for host in ("evil.example", f"evil.example:{server.port}", "127.0.0.1.evil.example", ""):
        assert server.refusal("/v1/models", Host=host)[::3] == (403, "wrong_host")
    for host in ("localhost", f"localhost:{server.port}", f"127.0.0.1:{server.port}", f"[::1]:{server.port}", "[::1]"):
        assert server.ask("/v1/models", Host=host)[0] == 200


def test_other_web_pages_may_not_ask_and_its_own_may(server: Serving):
    for origin in ("https://evil.example", "null", f"http://localhost.evil:{server.port}", "http://127.0.0.1:1"):
        status, message, _, code = server.refusal(COMPLETIONS, ASK, Origin=origin)
        assert (status, code) == (403, "wrong_origin")
        assert f"cors=[{origin}]" in message
    assert server.ask(COMPLETIONS, ASK, Origin=f"http://127.0.0.1:{server.port}")[0] == 200
    headers = server.send("/v1/models")[1]
    assert not any(name.startswith("access-control") for name in headers)


def test_the_key_is_asked_for_everywhere_but_at_health_and_never_shown():
    with serving(key="correct-horse", origins=("https://page.example",)) as server:
        for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer correct-horse2"},
                      {"Authorization": "correct-horse"}, {"Authorization": "Basic correct-horse"}):  # fmt: skip
            for path, body in ((CHAT, {"messages": HELLO}), ("/v1/models", None), ("/metrics", None), ("/x", None)):
                assert server.refusal(path, body, **given)[::3] == (401, "invalid_api_key")
        assert server.ask("/health")[0] == 200
        good = {"Authorization": "Bearer correct-horse"}
        assert server.ask(COMPLETIONS, ASK, **good)[0] == 200
        assert server.send("/v1/models", method="GET")[1]["www-authenticate"] == "Bearer"
        # another web page that is named may ask, also what it may ask before it does
        asked = {"Origin": "https://page.example", "Access_Control_Request_Method": "POST"}
        status, headers, _ = server.send(
            CHAT, method="OPTIONS", Access_Control_Request_Headers="authorization", **asked
        )
        assert (status, headers["access-control-allow-origin"]) == (200, "https://page.example")
        headers = server.send("/v1/models", Origin="https://page.example", **good)[1]
        assert headers["access-control-allow-origin"] == "https://page.example"
        assert not any("correct-horse" in line for line in [*server.lines, *server.warnings])


def test_a_body_has_a_limit_announced_or_not():
    with serving(limits=Limits(body=1000, timeout=0.3)) as server:
        assert server.refusal(COMPLETIONS, b" " * 1001)[::3] == (413, "body_too_large")
        assert server.refusal(COMPLETIONS, ASK, Content_Encoding="gzip")[::3] == (415, "compressed_body")
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("POST", COMPLETIONS, body=iter([b" " * 600, b" " * 600]), encode_chunked=True,
                           headers={"Transfer-Encoding": "chunked"})  # fmt: skip
        assert connection.getresponse().status == 413
        connection.close()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.putrequest("POST", COMPLETIONS)
        connection.putheader("Content-Length", "100")
        connection.endheaders(b"{")  # and never more
        assert connection.getresponse().status == 408
        connection.close()
        assert server.ask(COMPLETIONS, ASK)[0] == 200


@pytest.mark.parametrize("path", ["/health", "/v1/models"])
def test_answers_are_not_guessed_to_be_pages(server: Serving, path: str):
    assert server.send(path)[1]["x-content-type-options"] == "nosniff"


def test_a_fault_of_the_server_is_an_error_in_words_and_its_traceback_is_in_the_terminal(monkeypatch):
    with serving() as server:
        monkeypatch.setattr(type(server.served[0]), "describe", lambda self: 1 / 0)
        status, message, _, code = server.refusal("/v1/models")
        assert (status, code, message) == (500, "internal_error", "the server failed: its terminal says why")
        assert "ZeroDivisionError" in server.warnings[0]
