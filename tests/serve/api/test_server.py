"""The server ends in order: nothing new, what was begun is finished or broken off in words."""

import socket
import threading
import time

import pytest

from lm.serve.api.server import listen
from support.serving import COMPLETIONS, Serving, serving

LONG = {"prompt": "a", "max_tokens": 60, "ignore_eos": True, "seed": 1}


def slowed(server: Serving, seconds: float) -> None:
    engine = server.served[0].engine
    step = engine.step
    engine.step = lambda: (time.sleep(seconds), step())


def begun(server: Serving, answers: list) -> threading.Thread:
    """A request that has begun to be answered."""
    thread = threading.Thread(target=lambda: answers.append(server.stream(COMPLETIONS, LONG)))
    thread.start()
    while not server.served[0].engine.counters().running:
        time.sleep(0.002)
    return thread


def test_what_was_begun_is_finished_and_what_is_new_refused():
    with serving() as server:
        expected = "".join(chunk["choices"][0]["text"] for chunk in server.stream(COMPLETIONS, LONG))
        slowed(server, 0.01)
        answers: list = []
        thread = begun(server, answers)
        closing = threading.Thread(target=lambda: answers.insert(0, server.server.close(seconds=10)))
        closing.start()
        while not server.lines or "503" not in server.lines[-1]:
            assert server.ask("/health")[0] in (200, 503)
        assert server.ask("/health")[1] == {"status": "draining"}
        assert server.refusal(COMPLETIONS, LONG)[::3] == (503, "server_ending")
        closing.join(), thread.join()
        finished, chunks = answers
        assert finished
        assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == expected
        with pytest.raises(ConnectionError):
            server.ask("/health")


def test_what_takes_too_long_is_broken_off_in_words():
    with serving() as server:
        slowed(server, 0.05)
        answers: list = []
        thread = begun(server, answers)
        assert server.server.close(seconds=0.05) is False
        thread.join()
        assert answers[0][-1]["error"]["code"] == "server_ending"


@pytest.mark.parametrize(
    ("host", "words"),
    [("127.0.0.1", "set port=0 for a free one"), ("192.0.2.1", "set host to an address of this machine"),
     ("no.such.host.invalid", "set host to an address of this machine")],
)  # fmt: skip
def test_an_address_that_cannot_be_had_is_an_error_with_a_remedy(host: str, words: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=rf"host={host} port={port}: .*{words}"):
            listen(host, port)
