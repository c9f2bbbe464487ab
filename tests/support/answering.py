"""A local OpenAI-compatible endpoint that records its requests and answers them by a function."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

Answer = Callable[[dict], dict | tuple[int, str]]  # request body → response body, or a status and its text


@contextmanager
def endpoint(answer: Answer) -> Iterator[tuple[str, list[dict]]]:
    """Yield the address, and the list of requests so far: path, key and body of each."""
    requests: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            requests.append({"path": self.path, "key": self.headers.get("Authorization"), **body})
            response = answer(requests[-1])
            status, text = response if isinstance(response, tuple) else (200, json.dumps(response))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *arguments) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reply(text: str, *, chat: bool = True, reason: str = "stop") -> dict:
    """A response of OpenAI's API."""
    choice = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    usage = {"prompt_tokens": 100, "completion_tokens": 10}
    return {"choices": [{**choice, "finish_reason": reason}], "usage": usage}
