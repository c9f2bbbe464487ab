"""`lm serve` says where it is and what to type next, answers, and ends cleanly; mistakes are told in words."""

import http.client
import json
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="lm serve is an extra: pip install 'lightning-lm[serve]'")
pytest.importorskip("uvicorn", reason="lm serve is an extra: pip install 'lightning-lm[serve]'")

from lm.cli.main import main
from lm.jobs.serve import read_key
from support.small_models import publish


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return publish(tmp_path_factory.mktemp("published") / "small")


def code_of(*words: str) -> int:
    """The exit code of the command."""
    try:
        return main(["serve", *words])
    except SystemExit as ended:
        return ended.code


def asking(port: int, number: int, answers: list) -> None:
    """Ask the server once it listens, and send this process a signal while it answers."""
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", "/health")
            connection.getresponse().read()
            break
        except ConnectionError:
            time.sleep(0.02)
    body = {"prompt": "a", "max_tokens": 60, "ignore_eos": True, "stream": True, "temperature": 0}
    connection.request("POST", "/v1/completions", body=json.dumps(body))
    answer = connection.getresponse()
    os.kill(os.getpid(), number)
    answers.append(answer.read().decode())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"])
def test_the_command_says_where_it_serves_and_ends_after_what_was_begun(folder: Path, number, code: int, capsys):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    answers: list[str] = []
    thread = threading.Thread(target=asking, args=(port, number, answers))
    thread.start()
    assert code_of(f"model.path={folder}", f"port={port}", "slots=2") == code
    thread.join()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"serve       {folder.parent.name}/small: context 64, continues text; it was not tuned to answer"
    assert lines[1].split()[1] == f"http://127.0.0.1:{port}/"
    assert f"curl http://127.0.0.1:{port}/v1/completions -H 'Content-Type: application/json' -d '{{" in lines[2]
    assert lines[-1] == "serve       ended"
    assert answers[0].endswith("data: [DONE]\n\n")
    assert '"finish_reason":"length"' in answers[0]  # all of it
    assert "error" not in answers[0]


def test_a_port_in_use_is_told_before_the_model_is_read(folder: Path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert code_of(f"model.path={folder}", f"port={port}") == 2
    assert f"port={port}: Address already in use: set port=0 for a free one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model.path=nowhere/at/all"], "model.path=nowhere/at/all does not exist"),
        (["model.path={folder}", "beside=nowhere/at/all"], "beside=nowhere/at/all does not exist"),
        (["model.path={folder}", "template=chatml"], "template"),
        (["model.path={folder}", "port=70000"], "port"),
        (["model.path={folder}", "slot=3"], "did you mean slots"),
        (["model.path={folder}", "key_variable=LM_NO_SUCH_KEY"], "key_variable=LM_NO_SUCH_KEY holds no API key"),
        (["model.path={folder}", "key_file=none.txt"], "key_file=none.txt: the file cannot be read"),
        (["model.path={folder}", "key_file=a", "key_variable=B"], "give one of them"),
        (["model.path={folder}", "beside={folder}"], "is served already: leave it out"),
    ],
)
def test_mistakes_are_told_in_words(folder: Path, words: list[str], said: str, capsys):
    assert code_of("port=0", *(word.format(folder=folder) for word in words)) == 2
    found = capsys.readouterr().err
    assert said in found
    assert "Traceback" not in found


def test_a_key_comes_from_the_environment_or_a_file_and_is_never_shown(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("LM_KEY", "abcdefgh")
    assert read_key("LM_KEY", None) == "abcdefgh"
    file = tmp_path / "key"
    file.write_text(" abcdefghi \nsecond\n")
    assert read_key(None, str(file)) == "abcdefghi"
    assert read_key(None, None) == ""
    for bad in ("short", "has blanks in it", "schlüssel-lang"):
        monkeypatch.setenv("LM_KEY", bad)
        with pytest.raises(ValueError, match="key_variable=LM_KEY: an API key has at least 8") as raised:
            read_key("LM_KEY", None)
        assert bad not in str(raised.value)
