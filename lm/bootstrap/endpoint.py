"""A model behind an OpenAI-compatible endpoint: the only part that opens a socket, and only to the address given."""

import json
import os
from collections.abc import Sequence
from http.client import HTTPException
from time import sleep
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from lm.bootstrap.writer import Writer, Written
from lm.bounds import Count, NonNegative, Positive

AGAIN = (408, 409, 429, 500, 502, 503, 504)  # statuses after which the same request may succeed


class Endpoint(Writer):
    """`path` is the base of the API, as http://127.0.0.1:8000/v1. With `chat`, prompts go to /chat/completions as said
    by a user, otherwise to /completions as a text to continue.

    The key is read from the environment variable `key_variable` and never written down. A request that fails for a
    reason that passes is tried `tries` times, each wait twice as long, or as long as the endpoint asks. Prices are of a
    million tokens.
    """

    def __init__(
        self,
        path: str,
        *,
        model: str,
        chat: bool = True,
        temperature: NonNegative = 0.7,
        top_p: Positive = 0.95,
        key_variable: str | None = "OPENAI_API_KEY",
        price_read: NonNegative = 0.0,
        price_written: NonNegative = 0.0,
        tries: Count = 5,
        wait: NonNegative = 1.0,
        timeout: Positive = 120.0,
    ):
        if not path.startswith(("http://", "https://")):
            raise ValueError(f"writer.path={path}: give the base of the API, as http://127.0.0.1:8000/v1")
        self.path, self.model, self.chat = path.rstrip("/"), model, chat
        self.temperature, self.top_p, self.key_variable = temperature, top_p, key_variable
        self.price_read, self.price_written = price_read, price_written
        self.tries, self.wait, self.timeout = tries, wait, timeout

    def write(self, prompts: Sequence[str], *, stop: Sequence[str], max_tokens: int, seed: int) -> list[Written]:
        return [self._one(prompt, list(stop), max_tokens, seed + number) for number, prompt in enumerate(prompts)]

    def cost(self, read: int, written: int) -> float:
        return (read * self.price_read + written * self.price_written) / 1e6

    def _one(self, prompt: str, stop: list[str], max_tokens: int, seed: int) -> Written:
        said = {"messages": [{"role": "user", "content": prompt}]} if self.chat else {"prompt": prompt}
        settings = {"temperature": self.temperature, "top_p": self.top_p, "max_tokens": max_tokens, "seed": seed}
        place = f"{self.path}{'/chat/completions' if self.chat else '/completions'}"
        answer = self._asked(place, {"model": self.model, **said, **settings, "stop": stop[:4]})  # no more are allowed
        try:
            choice, usage = answer["choices"][0], answer.get("usage") or {}
            text = choice["message"]["content"] if self.chat else choice["text"]
            if not isinstance(text, str):
                raise TypeError(f"its text is {type(text).__name__}")
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{place} does not answer as OpenAI's API does ({error!r}): is chat={self.chat}?"
            ) from None
        ends = [where for mark in stop if (where := text.find(mark)) >= 0]  # an endpoint may know no stop strings
        ended = bool(ends) or choice.get("finish_reason") == "stop"
        read, written = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
        return Written(text[: min(ends, default=None)], ended, read, written)

    def _asked(self, place: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request, after as many tries as it takes and are allowed."""
        key = os.environ.get(self.key_variable or "", "")
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        request = Request(place, json.dumps(body).encode(), headers)
        for attempt in range(1, self.tries + 1):
            waits = self.wait * 2 ** (attempt - 1)
            try:
                with urlopen(request, timeout=self.timeout) as response:
                    return json.load(response)
            except HTTPError as error:
                told = f"{error.code} {error.reason}: {error.read(300).decode(errors='replace').strip()}"
                if error.code in (401, 403):
                    raise ValueError(
                        f"{place}: {told}: put the key into the environment variable {self.key_variable}"
                    ) from None
                if error.code not in AGAIN:
                    raise ValueError(f"{place}: {told}: look at writer.model and the other settings") from None
                asked = error.headers.get("Retry-After", "")
                waits = float(asked) if asked.isdigit() else waits
            except (URLError, OSError, HTTPException) as error:
                told = str(getattr(error, "reason", error))
            except ValueError:
                told = "its answer is no JSON"
            if attempt < self.tries:
                sleep(waits)
        raise ValueError(f"{place}: {told}, {self.tries} times: nothing is lost, the same command goes on")
