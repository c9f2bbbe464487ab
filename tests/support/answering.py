"""A local HTTP server that records its requests and answers them by a function, as an OpenAI-compatible endpoint."""

import json
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

Body = str | bytes | Iterable[bytes]  # pieces are sent one by one
Response = dict | list | tuple[int, Body] | tuple[int, Body, Mapping[str, str]]  # JSON; or status, body and headers
Answer = Callable[[dict], Response]  # what is recorded of a request → its response


@contextmanager
def endpoint(
    answer: Answer, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, list[dict]]]:
    """Yield the address, and the list of requests so far: method, path, key, headers and the keys of the body."""
    requests: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            described = {"method": self.command, "path": self.path, "key": self.headers.get("Authorization")}
            requests.append({**described, "headers": dict(self.headers), **body})
            response = answer(requests[-1])
            response = response if isinstance(response, tuple) else (200, json.dumps(response))
            status, text, headers = response if len(response) == 3 else (*response, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            pieces = [text.encode()] if isinstance(text, str) else [text] if isinstance(text, bytes) else text
            with suppress(ConnectionError):  # the client left
                for piece in pieces:
                    self.wfile.write(piece)

        do_GET = do_HEAD = do_CONNECT = do_POST  # noqa: N815

        def log_message(self, *arguments) -> None:
            pass

    server = ThreadingHTTPServer((host, 0), Handler)
    server.handle_error = lambda *arguments: None  # a client that refuses the certificate is no failure of the test
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://{host}:{server.server_address[1]}/v1", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reply(text: str, *, chat: bool = True, reason: str = "stop") -> dict:
    """A response of OpenAI's API."""
    choice = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    usage = {"prompt_tokens": 100, "completion_tokens": 10}
    return {"choices": [{**choice, "finish_reason": reason}], "usage": usage}
