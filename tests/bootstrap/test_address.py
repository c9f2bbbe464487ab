"""An address with a secret, or one that would carry the key in the open, is refused before a run begins."""

import pytest

from lm.bootstrap import Endpoint
from lm.bootstrap.address import checked_address, is_open, is_this_machine, origin
from lm.cli.main import main


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://user:SECRET@api.example/v1", "contains a user name or password"),
        ("https://SECRET@api.example/v1", "contains a user name or password"),
        ("user:SECRET@api.example", "contains a user name or password"),
        ("https://api.example/v1?key=SECRET", "^https://api.example… has a query"),
        ("https://api.example/v1#SECRET", "^https://api.example… has a query"),
        ("api.example/v1", "is not a URL of http or https"),
        ("ftp://api.example/v1", "is not a URL of http or https"),
        ("http:///v1", "is not a URL of http or https"),
        ("http://api.example:port/v1", "is not a URL of http or https"),
        ("http://[::1/v1", "is not a URL of http or https"),
        ("http://api.example/v1\n", "contains a blank or a character outside ASCII"),
        ("https://api.example/v1/chat/completions/", "give its base, without /chat/completions"),
    ],
)
def test_an_address_that_is_no_base_is_refused_and_no_secret_is_shown(url, message):
    with pytest.raises(ValueError, match=message) as raised:
        checked_address(url)
    assert "SECRET" not in str(raised.value)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1:8000", True), ("127.8.9.1", True), ("[::1]:80", True), ("localhost", True), ("LOCALHOST:1", True),
        ("0.0.0.0:8000", True), ("[::ffff:127.0.0.1]", True), ("10.0.0.1", False), ("127.0.0.1.example", False),
        ("localhost.example", False), ("node7", False),
    ],
)  # fmt: skip
def test_only_a_loopback_address_is_this_machine(host, local):
    url = f"http://{host}/v1"
    assert (is_this_machine(checked_address(url)), is_open(url), is_open(f"https://{host}")) == (
        local,
        not local,
        False,
    )


def test_an_origin_has_no_user_no_path_and_no_query():
    assert origin("https://me:pw@a.example:444/path?q=1") == "https://a.example:444"
    assert origin("http://[::1]:5/x") == "http://[::1]:5"
    assert [origin(each) for each in ("/login?key=1", "http://[", "")] == ["elsewhere"] * 3


def test_a_key_is_not_sent_unencrypted_to_another_machine_unless_asked(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-SECRET")
    with pytest.raises(ValueError, match=r"would send the key in OPENAI_API_KEY unencrypted: use https://.*"):
        Endpoint("http://node7:8000/v1", model="m")
    for allowed in ({"unencrypted_key": True}, {"key_variable": None}):
        Endpoint("http://node7:8000/v1", model="m", **allowed)
    Endpoint("https://node7:8000/v1", model="m")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("base_url=https://user:SECRET@api.example/v1", "base_url: it contains a user name or password"),
        ("key_variable=sk-SECRET-123", "key_variable: give the name of an environment variable"),
        ("proxy_variable='http://me:SECRET@proxy:3128'", "proxy_variable: give the name of an environment variable"),
    ],
)
def test_a_secret_in_the_config_is_refused_before_it_is_written(tmp_path, capsys, setting, message):
    writer = [
        "writer@rounds.writer=endpoint",
        "rounds.writer.base_url=http://127.0.0.1:1/v1",
        f"rounds.writer.{setting}",
    ]
    assert main(["bootstrap", "path=seeds.jsonl", f"run.root={tmp_path}", *writer]) == 2
    printed = capsys.readouterr()
    assert f"rounds.writer.{message}" in printed.err
    assert "SECRET" not in printed.err + printed.out
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
