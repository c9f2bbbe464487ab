"""Many clients, half of whom misbehave: every request is answered rightly or freed, and nothing stays behind."""

import asyncio
import gc
import json
import random
import resource
import time

import pytest

from lm.serve.api import Limits
from support.serving import COMPLETIONS, Serving, serving

TEXTS = ["ab", "a longer one", "é", "x y z", "hello there", "{", "0", "the end"]


def body_of(number: int, **more) -> dict:
    """A request whose answer is known: eight of them in turn."""
    text = TEXTS[number % 8]
    return {"prompt": text, "max_tokens": 12, "seed": number % 8, "ignore_eos": True, "echo": True, **more}


def request(data: bytes, *, length: int | None = None) -> bytes:
    head = f"POST {COMPLETIONS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    return head.encode() + f"Content-Length: {len(data) if length is None else length}\r\n\r\n".encode() + data


async def answered(port: int, data: bytes, *, slowly: bool = False) -> tuple[int, bytes]:
    """Status and body of an answer, read at once or in sips."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=64 if slowly else 2**16)
    try:
        writer.write(data)
        parts = []
        while part := await reader.read(40 if slowly else 2**16):
            parts.append(part)
            if slowly:
                await asyncio.sleep(0.001)
        head, _, rest = b"".join(parts).partition(b"\r\n\r\n")
        return int(head.split()[1]), rest
    finally:
        writer.close()


async def left(port: int, data: bytes, *, after: float) -> None:
    """Send, and go away without reading."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    await asyncio.sleep(after)
    writer.close()


def text_of(body: bytes) -> str:
    """The text of an answer or of a stream."""
    if not body.lstrip().startswith(b"{"):
        body = b"".join(line for line in body.split(b"\r\n") if line.startswith(b"data: "))  # without chunk sizes
        lines = body.decode().split("data: ")[1:-1]
        return "".join(json.loads(line)["choices"][0]["text"] for line in lines)
    return json.loads(body)["choices"][0]["text"]


async def one(number: int, port: int, expected: list[str], draw: random.Random) -> str:
    """One request of some kind; returns the kind."""
    good = json.dumps(body_of(number)).encode()
    stream = json.dumps(body_of(number, stream=True)).encode()
    kind = draw.choice(["good", "good", "stream", "slow", "left", "cut", "json", "utf8", "huge", "large"])
    if kind in ("good", "stream", "slow"):
        data = good if kind == "good" else stream
        while True:
            status, body = await answered(port, request(data), slowly=kind == "slow")
            if status != 429:
                break
            await asyncio.sleep(0.02)
        assert (status, text_of(body)) == (200, expected[number % 8])
    elif kind == "left":
        await left(port, request(stream), after=draw.random() / 50)
    elif kind == "cut":
        await left(port, request(good[:-5], length=len(good)), after=0.002)
    else:
        data = {
            "json": good[:-3],
            "utf8": good.replace(b"max", b"\xff\xfe"),
            "huge": json.dumps(body_of(number) | {"prompt": "a" * 20_000}).encode(),
            "large": b" " * 50_001,
        }[kind]
        status, body = await answered(port, request(data))
        assert status == (413 if kind == "large" else 400)
        assert json.loads(body)["error"]["message"]
    return kind


async def crowd(server: Serving, count: int, expected: list[str], *, clients: int = 24, seed: int = 0) -> set[str]:
    """So many requests by so many clients at once; returns the kinds."""
    draw, numbers, kinds = random.Random(seed), iter(range(count)), set()

    async def client() -> None:
        for number in numbers:
            kinds.add(await one(number, server.port, expected, draw))

    await asyncio.gather(*(client() for _ in range(clients)))
    return kinds


def run(count: int) -> tuple[Serving, int]:
    """A server after so many requests, and by how many KiB its memory grew in the last half."""
    with serving(slots=4, queue=12, limits=Limits(body=50_000, timeout=60)) as server:
        expected = [server.ask(COMPLETIONS, body_of(number))[1]["choices"][0]["text"] for number in range(8)]
        asyncio.run(crowd(server, count // 2, expected))
        gc.collect()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        kinds = asyncio.run(crowd(server, count - count // 2, expected, seed=1))
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert {"good", "stream", "slow", "left", "cut", "json", "utf8", "huge", "large"} == kinds
        engine, end = server.served[0].engine, time.monotonic() + 5
        while (server.server.active or engine.counters().running) and time.monotonic() < end:
            time.sleep(0.01)
        counts = engine.counters()
        assert (server.server.active, counts.running, counts.waiting, counts.failed) == (0, 0, 0, 0)
        assert counts.requests == counts.finished + counts.cancelled
        assert len(server.lines) >= count  # each has its line
        assert server.warnings == []
        assert server.ask(COMPLETIONS, body_of(1))[1]["choices"][0]["text"] == expected[1]
        return server, grown


def test_a_crowd_of_good_and_bad_clients_gets_what_each_is_due():
    run(160)


@pytest.mark.slow
def test_a_thousand_requests_leave_no_memory_behind():
    _, grown = run(1000)
    assert grown < 8 * 1024
