"""A writer behind an OpenAI-compatible endpoint; the only class that opens a socket, to the address you give."""

import json
import os
from collections.abc import Sequence
from http.client import HTTPException
from time import sleep
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from lm.bootstrap.writer import Reply, Writer
from lm.bounds import Count, NonNegative, Positive

TRANSIENT = (408, 409, 429, 500, 502, 503, 504)  # statuses after which the same request may succeed


class Endpoint(Writer):
    """A model behind an OpenAI-compatible endpoint.

    Args:
        base_url: Base of the API, such as http://127.0.0.1:8000/v1.
        model: Name of the model at the endpoint.
        chat: Send prompts to /chat/completions as a user message; false for /completions, which continues text.
        temperature: Sampling temperature.
        top_p: Nucleus sampling probability.
        key_variable: Environment variable that holds the API key, which is never written down; null for none.
        input_price: Price of a million prompt tokens, in any currency.
        output_price: Price of a million generated tokens, in the same currency.
        attempts: Attempts per request if it fails for a transient reason.
        backoff: Seconds before the second attempt, doubled before each further one; the endpoint's Retry-After wins.
        timeout: Seconds to wait for a reply.
    """

    def __init__(
        self,
        base_url: str,
        *,
        model: str,
        chat: bool = True,
        temperature: NonNegative = 0.7,
        top_p: Positive = 0.95,
        key_variable: str | None = "OPENAI_API_KEY",
        input_price: NonNegative = 0.0,
        output_price: NonNegative = 0.0,
        attempts: Count = 5,
        backoff: NonNegative = 1.0,
        timeout: Positive = 120.0,
    ):
        if not base_url.startswith(("http://", "https://")):
            raise ValueError(f"writer.base_url={base_url}: give the base of the API, as http://127.0.0.1:8000/v1")
        self.base_url, self.model, self.chat = base_url.rstrip("/"), model, chat
        self.temperature, self.top_p, self.key_variable = temperature, top_p, key_variable
        self.input_price, self.output_price = input_price, output_price
        self.attempts, self.backoff, self.timeout = attempts, backoff, timeout

    def write(self, prompts: Sequence[str], *, stop: Sequence[str], max_tokens: int, seed: int) -> list[Reply]:
        return [self._write(prompt, list(stop), max_tokens, seed + number) for number, prompt in enumerate(prompts)]

    def cost(self, prompt_tokens: int, reply_tokens: int) -> float:
        return (prompt_tokens * self.input_price + reply_tokens * self.output_price) / 1e6

    def _write(self, prompt: str, stop: list[str], max_tokens: int, seed: int) -> Reply:
        content = {"messages": [{"role": "user", "content": prompt}]} if self.chat else {"prompt": prompt}
        settings = {"temperature": self.temperature, "top_p": self.top_p, "max_tokens": max_tokens, "seed": seed}
        url = f"{self.base_url}{'/chat/completions' if self.chat else '/completions'}"
        answer = self._request(url, {"model": self.model, **content, **settings, "stop": stop[:4]})  # the API allows 4
        try:
            choice, usage = answer["choices"][0], answer.get("usage") or {}
            text = choice["message"]["content"] if self.chat else choice["text"]
            if not isinstance(text, str):
                raise TypeError(f"its text is {type(text).__name__}")
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise ValueError(f"{url} does not answer like OpenAI's API ({error!r}): is chat={self.chat}?") from None
        ends = [place for string in stop if (place := text.find(string)) >= 0]  # an endpoint may ignore stop strings
        ended = bool(ends) or choice.get("finish_reason") == "stop"
        prompt_tokens, reply_tokens = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
        return Reply(text[: min(ends, default=None)], ended, prompt_tokens, reply_tokens)

    def _request(self, url: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request, after several attempts if needed."""
        key = os.environ.get(self.key_variable or "", "")
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        request = Request(url, json.dumps(body).encode(), headers)
        for attempt in range(1, self.attempts + 1):
            seconds = self.backoff * 2 ** (attempt - 1)
            try:
                with urlopen(request, timeout=self.timeout) as response:
                    return json.load(response)
            except HTTPError as error:
                message = f"{error.code} {error.reason}: {error.read(300).decode(errors='replace').strip()}"
                if error.code in (401, 403):
                    raise ValueError(
                        f"{url}: {message}: put the key into the environment variable {self.key_variable}"
                    ) from None
                if error.code not in TRANSIENT:
                    raise ValueError(f"{url}: {message}: check writer.model and the other settings") from None
                retry_after = error.headers.get("Retry-After", "")
                seconds = float(retry_after) if retry_after.isdigit() else seconds
            except (URLError, OSError, HTTPException) as error:
                message = str(getattr(error, "reason", error))
            except ValueError:
                message = "its answer is not JSON"
            if attempt < self.attempts:
                sleep(seconds)
        raise ValueError(
            f"{url}: {message}, {self.attempts} times: nothing is lost; run the same command again to resume"
        )
