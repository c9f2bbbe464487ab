"""The server answers with what is there, to this machine alone, and writes nothing."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lm.dashboard import Dashboard
from lm.jobs.dashboard import dashboard
from support.reported_runs import make_run


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Dashboard]:
    make_run("a", root=tmp_path)
    make_run("sweep/b c", root=tmp_path, finish=False, lr=1)
    made = Dashboard(tmp_path, host="127.0.0.1", port=0)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def get(server: Dashboard, target: str, *, method: str = "GET", **headers: str) -> tuple[int, str, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    connection.request(method, target, headers=headers)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode(), dict(answer.getheaders())
    connection.close()
    return found


def test_the_list_the_pages_and_the_data_are_served(server: Dashboard):
    assert get(server, "/")[0] == 200
    assert {row["place"] for row in json.loads(get(server, "/runs.json")[1])} == {"pretrain/a", "pretrain/sweep/b c"}
    assert "pretrain/a" in get(server, "/run/pretrain/a")[1]
    data = json.loads(get(server, "/data/pretrain/sweep/b%20c")[1])
    assert (data["state"], len(data["charts"])) == ("started", 3)
    assert "2 runs" in get(server, "/compare?run=pretrain/a&run=pretrain/sweep/b%20c")[1]


@pytest.mark.parametrize(
    "target",
    ["/run/pretrain/b", "/run/../../etc", "/run/%2e%2e/%2e%2e/etc/passwd", "/data/", "/x", "/compare?run=pretrain/a"],
)
def test_what_is_no_run_is_not_found(server: Dashboard, target: str):
    status, text, _ = get(server, target)
    assert (status, "there is no run at" in text) == (404, True)


def test_another_name_for_this_address_is_refused(server: Dashboard):
    assert get(server, "/runs.json", Host="evil.example:8770")[0] == 403
    assert get(server, "/runs.json", Host="localhost:8770")[0] == 200


def test_nothing_can_be_written(server: Dashboard, tmp_path: Path):
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert get(server, "/run/pretrain/a", method=method)[0] == 501
    get(server, "/run/pretrain/a"), get(server, "/")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_page_may_load_nothing_but_its_own_data(server: Dashboard):
    policy = get(server, "/", method="HEAD")[2]["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy


def test_a_run_that_is_removed_meanwhile_is_an_error_in_words(server: Dashboard, tmp_path: Path):
    get(server, "/runs.json")
    (tmp_path / "pretrain" / "a" / "manifest.json").unlink()
    status, text, _ = get(server, "/run/pretrain/a")
    assert (status, "is not a run" in text) == (500, True)


def test_a_port_in_use_is_refused_with_a_remedy():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=rf"port={port}: Address already in use: set port=0"):
            dashboard(port=port)
