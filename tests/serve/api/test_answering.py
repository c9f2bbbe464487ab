"""An answer ends in words whatever happens to it, and nobody's answer is worked on when nobody waits."""

import http.client
import json
import socket
import time

import pytest

from lm.serve.api import Limits
from lm.serve.request import Busy, Closed, Update
from support.serving import CHAT, COMPLETIONS, HELLO, Serving, script, serving

TOOLS = [{"type": "function", "function": {"name": "add"}}]
CALLS = [
    Update("I add.\n"),
    Update('{"name": "add", "argu'),
    Update('ments": {"a": 1}}'),
    Update("", reason="stop_token"),
]
LONG = {"prompt": "a", "max_tokens": 60, "ignore_eos": True}


def until(condition, seconds: float = 5.0) -> bool:
    """Whether a condition comes true in time."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


@pytest.fixture
def scripted():
    with serving() as server:
        yield server


def test_calls_of_tools_are_answered_as_calls(scripted: Serving):
    script(scripted, CALLS)
    body = {"messages": HELLO, "tools": TOOLS, "max_tokens": 9}
    answer = scripted.ask(CHAT, body)[1]
    (choice,) = answer["choices"]
    (call,) = choice["message"].pop("tool_calls")
    assert choice["message"] == {"role": "assistant", "content": "I add.", "refusal": None}
    assert (choice["finish_reason"], answer["usage"]["prompt_tokens_details"]) == ("tool_calls", {"cached_tokens": 3})
    assert (call["type"], call["function"]) == ("function", {"name": "add", "arguments": '{"a": 1}'})
    assert call["id"].startswith("call_")

    deltas = [chunk["choices"][0] for chunk in scripted.stream(CHAT, body)]
    assert "".join(each["delta"].get("content", "") for each in deltas) == "I add."
    (streamed,) = deltas[-1]["delta"]["tool_calls"]
    assert (streamed["index"], streamed["function"]) == (0, call["function"])
    assert [each["finish_reason"] for each in deltas] == [None] * (len(deltas) - 1) + ["tool_calls"]


def test_what_looks_like_a_call_is_text_without_tools(scripted: Serving):
    script(scripted, CALLS)
    for more in ({}, {"tools": TOOLS, "tool_choice": "none"}, {"tools": [{"name": "other"}]}):
        (choice,) = scripted.ask(CHAT, {"messages": HELLO, "max_tokens": 9, **more})[1]["choices"]
        assert choice["message"]["content"] == "".join(update.text for update in CALLS)
        assert (choice["finish_reason"], "tool_calls" in choice["message"]) == ("stop", False)


def test_a_conversation_with_calls_and_results_is_read_as_the_template_writes_it(server: Serving):
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    asked = {"role": "assistant", "content": None, "tool_calls": [call]}
    parts = {"role": "user", "content": [{"type": "text", "text": "he"}, {"type": "text", "text": "llo"}]}
    line = {"role": "assistant", "content": '{"name": "add", "arguments": {"a": 1}}'}
    system = [{"role": "developer", "content": "be"}, {"role": "system", "content": "brief"}]
    one = server.ask("/tokenize", {"messages": [*system, parts, asked, *HELLO]})[1]["tokens"]
    other = [{"role": "system", "content": "be\n\nbrief"}, *HELLO, line, *HELLO]
    assert one == server.ask("/tokenize", {"messages": other})[1]["tokens"]


def test_the_last_message_is_continued_where_that_is_asked_for(server: Serving):
    begun = [*HELLO, {"role": "assistant", "content": "yes"}]
    tokens = server.ask("/tokenize", {"messages": begun})[1]["tokens"]
    body = {"messages": begun, "continue_final_message": True, "max_tokens": 5, "seed": 1}
    answer = server.ask(CHAT, body)[1]
    ids = [each["id"] for each in tokens]
    same = server.ask(COMPLETIONS, {"prompt": ids, "max_tokens": 5, "seed": 1})[1]
    assert answer["choices"][0]["message"]["content"] == same["choices"][0]["text"]
    assert b"".join(bytes(each["bytes"] or []) for each in tokens).endswith(b"yes")


def test_an_answer_that_fails_is_an_error_and_an_event_after_the_first_byte(scripted: Serving):
    tickets = script(scripted, [Update("a"), Update("", reason="failed", error="RuntimeError: no memory")])
    status, message, _, code = scripted.refusal(COMPLETIONS, {"prompt": "a"})
    assert (status, code, message) == (500, "generation_failed", "the answer failed: RuntimeError: no memory")
    first, last = scripted.stream(COMPLETIONS, {"prompt": "a"})
    assert (first["choices"][0]["text"], [*last]) == ("a", ["error"])
    assert (last["error"]["type"], last["error"]["code"]) == ("server_error", "generation_failed")
    assert until(lambda: all(ticket.cancelled for ticket in tickets))


@pytest.mark.parametrize(
    ("error", "status", "code"), [(Busy("x"), 429, "queue_full"), (Closed("x"), 503, "server_ending")]
)
def test_a_full_queue_and_a_server_that_ends_say_when_to_come_again(scripted: Serving, error, status: int, code: str):
    script(scripted, [], refuse=error)
    found, headers, data = scripted.send(COMPLETIONS, {"prompt": "a", "stream": True})
    assert (found, json.loads(data)["error"]["code"]) == (status, code)
    assert int(headers["retry-after"]) > 0


def test_a_queue_that_fills_amid_a_request_keeps_none_of_its_texts():
    with serving(slots=1, queue=2) as server:
        status, _, _, code = server.refusal(COMPLETIONS, {**LONG, "n": 20})
        assert (status, code) == (429, "queue_full")
        counts = server.served[0].engine.counters
        assert until(lambda: counts().running == counts().waiting == 0)
        assert counts().cancelled == counts().requests > 0
        assert server.ask(COMPLETIONS, {**LONG, "n": 2})[0] == 200


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_takes_too_long_ends_in_words(stream: bool):
    with serving(limits=Limits(timeout=0.1)) as server:
        tickets = script(server, [Update("a")])  # and never more
        if stream:
            *_, last = server.stream(COMPLETIONS, {"prompt": "a"})
            assert last["error"]["code"] == "timeout"
        else:
            assert server.refusal(COMPLETIONS, {"prompt": "a"})[::3] == (503, "timeout")
        assert until(lambda: tickets[0].cancelled)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_frees_its_slot_and_its_place_in_the_queue(stream: bool):
    with serving(slots=1, prefill_tokens=1) as server:
        engine = server.served[0].engine
        step, engine.step = engine.step, lambda: (time.sleep(0.02), step())
        asked = json.dumps({**LONG, "stream": stream, "n": 3}).encode()
        head = f"POST {COMPLETIONS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(asked)}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(head + asked)
            assert until(lambda: engine.counters().running == 1 and engine.counters().waiting == 2)
        assert until(lambda: engine.counters().cancelled == 3, seconds=1)
        assert (engine.counters().running, engine.counters().waiting) == (0, 0)
        assert engine.counters().generated_tokens < 60
        assert until(lambda: server.server.active == 0)
        assert "the client left" in server.lines[-1]


def test_a_client_that_reads_no_more_is_broken_off(monkeypatch):
    monkeypatch.setattr("lm.serve.api.answering.LATE", 0.1)
    with serving(limits=Limits(timeout=0.3)) as server:
        script(server, [Update("x" * 100_000) for _ in range(200)])  # more than all buffers on the way hold
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("POST", COMPLETIONS, body=json.dumps({"prompt": "a", "stream": True}))
        assert until(lambda: any("reads no more" in line for line in server.lines))
        connection.close()
        assert until(lambda: server.server.active == 0)
