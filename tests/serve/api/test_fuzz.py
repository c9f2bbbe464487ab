"""Whatever a body holds, it is answered or refused in words, and the server goes on."""

import json
import random
from typing import Any

from support.serving import CHAT, COMPLETIONS, HELLO, Serving

GOOD = {
    COMPLETIONS: {
        "model": "base", "prompt": "ab", "max_tokens": 2, "n": 1, "stop": ["x"], "seed": 1, "logprobs": 1,
        "echo": True, "stream": False, "temperature": 0.5, "top_p": 0.9, "top_k": 5, "repetition_penalty": 1.1,
        "max_completion_tokens": 2, "ignore_eos": False, "stream_options": None, "best_of": 1, "suffix": "",
        "logit_bias": {}, "presence_penalty": 0, "min_p": 0, "min_tokens": 0,
    },
    CHAT: {
        "messages": HELLO, "max_tokens": 2, "n": 1, "stop": "x", "logprobs": True, "top_logprobs": 1, "seed": 2,
        "tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "auto", "temperature": 1,
        "response_format": {"type": "text"}, "continue_final_message": False, "top_p": 1, "parallel_tool_calls": True,
    },
    "/tokenize": {"text": "ab", "model": "base", "tools": None},
}  # fmt: skip
ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2**31, 2**63, 10**30, -(10**30), 0.5, 1e-320, 1e308, -0.0, "", "a", "\0", "é\u2028",
    "a" * 5000, [], [[]], [None], [0], [[0, 1], "a"], [True], [-1], [2**63], {}, {"a": {}}, [{}], [{"role": "user"}],
    [{"role": "user", "content": [{"type": "text"}]}], [{"role": "assistant", "content": None, "tool_calls": [{}]}],
    [{"role": "assistant", "content": "x", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}],
    [{"role": "tool", "content": "x", "tool_call_id": 3}], [{"type": "function", "function": {"name": 3}}],
    {"type": "json_object"}, {"include_usage": "yes"}, "<|user|>", [["a"]], ["a"] * 20, [1.5], "none", "auto",
]  # fmt: skip


def odd_body(path: str, draw: random.Random) -> dict:
    """A good body with a few odd values."""
    body = dict(GOOD[path])
    for name in draw.sample([*body, "unknown"], k=draw.randrange(1, 4)):
        body[name] = draw.choice(ODD)
    for name in draw.sample([*body], k=draw.randrange(3)):
        del body[name]
    return body


def test_odd_values_are_answered_or_refused_in_words(server: Serving):
    draw, seen = random.Random(0), set()
    for _ in range(300):
        path = draw.choice([*GOOD])
        body = odd_body(path, draw)
        status, _, data = server.send(path, body)
        assert status in (200, 400, 404), (path, body, data)
        if status != 200:
            error = json.loads(data)["error"]
            assert isinstance(error["message"], str)
            assert len(error["message"]) < 800, error
        seen.add((path, status))
    assert {(path, status) for path in GOOD for status in (200, 400)} <= seen
    assert server.warnings == []
    for engine in (each.engine for each in server.served):
        assert (engine.counters().running, engine.counters().waiting) == (0, 0)


def test_cut_off_and_garbled_bodies_are_refused_in_words(server: Serving):
    draw = random.Random(1)
    for _ in range(60):
        path = draw.choice([*GOOD])
        data = bytearray(json.dumps(GOOD[path]).encode())
        if draw.random() < 0.5:
            del data[draw.randrange(len(data)) :]
        else:
            for _ in range(3):
                data[draw.randrange(len(data))] = draw.randrange(256)
        assert server.send(path, bytes(data))[0] in (200, 400, 404)
    assert server.warnings == []
