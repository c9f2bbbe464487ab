"""An OpenAI-compatible endpoint on this machine, answered by a function, for tests of what is asked of one."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

Answer = Callable[[dict], dict | tuple[int, str]]  # what was asked → the answer, or a status and what it says


@contextmanager
def endpoint(answer: Answer) -> Iterator[tuple[str, list[dict]]]:
    """Its address, and all that is asked of it: path, key and body."""
    asked: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append({"path": self.path, "key": self.headers.get("Authorization"), **body})
            found = answer(asked[-1])
            status, text = found if isinstance(found, tuple) else (200, json.dumps(found))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *told) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def said(text: str, *, chat: bool = True, reason: str = "stop") -> dict:
    """An answer as OpenAI's API gives it."""
    choice = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    usage = {"prompt_tokens": 100, "completion_tokens": 10}
    return {"choices": [{**choice, "finish_reason": reason}], "usage": usage}
