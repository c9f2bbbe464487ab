"""A writer behind an OpenAI-compatible endpoint; the only class that opens a socket, to the address you give."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Annotated, Any

from pydantic import AfterValidator

from lm.bootstrap.address import checked_address, is_open
from lm.bootstrap.secret import Secret, checked_variable, excerpt
from lm.bootstrap.writer import Reply, Writer
from lm.bounds import Count, NonNegative, Positive

Url = Annotated[str, AfterValidator(checked_address)]
EnvironmentVariable = Annotated[str, AfterValidator(checked_variable)]


class Endpoint(Writer):
    """A model behind an OpenAI-compatible endpoint.

    It follows no redirect, reads no .netrc and no proxy of the environment, and checks certificates. The key leaves the
    environment only in the header of a request; in whatever is shown or kept it is replaced by its variable's name.
    Needs pip install 'lightning-lm[endpoint]'.

    Args:
        base_url: Base of the API, such as http://127.0.0.1:8000/v1, without user name, password and query.
        model: Name of the model at the endpoint.
        chat: Send prompts to /chat/completions as a user message; false for /completions, which continues text.
        temperature: Sampling temperature.
        top_p: Nucleus sampling probability.
        key_variable: Environment variable that holds the API key, which is never written down; null for none.
        unencrypted_key: Send the key over http:// to another machine, where all machines between can read it.
        proxy_variable: Environment variable that holds the URL of a proxy, such as HTTPS_PROXY; null for none. A proxy
            is never used to this machine.
        input_price: Price of a million prompt tokens, in any currency.
        output_price: Price of a million generated tokens, in the same currency.
        attempts: Attempts per request if it fails for a transient reason.
        backoff: Seconds before the second attempt, doubled before each further one; the endpoint's Retry-After wins.
        timeout: Seconds for one attempt, from connecting to the last byte of the reply.
        total_timeout: Seconds for all attempts of a request and the waits between them.
    """

    def __init__(
        self,
        base_url: Url,
        *,
        model: str,
        chat: bool = True,
        temperature: NonNegative = 0.7,
        top_p: Positive = 0.95,
        key_variable: EnvironmentVariable | None = "OPENAI_API_KEY",
        unencrypted_key: bool = False,
        proxy_variable: EnvironmentVariable | None = None,
        input_price: NonNegative = 0.0,
        output_price: NonNegative = 0.0,
        attempts: Count = 5,
        backoff: NonNegative = 1.0,
        timeout: Positive = 120.0,
        total_timeout: Positive = 600.0,
    ):
        self.base_url = _checked("base_url", base_url, checked_address)
        for name, variable in {"key_variable": key_variable, "proxy_variable": proxy_variable}.items():
            if variable is not None:
                _checked(name, variable, checked_variable)
        self.model, self.chat, self.temperature, self.top_p = model, chat, temperature, top_p
        self.key_variable, self.unencrypted_key, self.proxy_variable = key_variable, unencrypted_key, proxy_variable
        self.input_price, self.output_price = input_price, output_price
        self.attempts, self.backoff, self.timeout, self.total_timeout = attempts, backoff, timeout, total_timeout
        self._client = import_module("lm.bootstrap.request").JsonClient  # reports a missing extra at once
        self._key(), self._proxy()

    def write(self, prompts: Sequence[str], *, stop: Sequence[str], max_tokens: int, seed: int) -> list[Reply]:
        url = f"{self.base_url}{'/chat/completions' if self.chat else '/completions'}"
        settings = {"model": self.model, "temperature": self.temperature, "top_p": self.top_p}
        settings |= {"max_tokens": max_tokens, "stop": [*stop][:4]}  # the API allows 4
        bodies = [{**settings, **self._content(prompt), "seed": seed + number} for number, prompt in enumerate(prompts)]
        key = self._key()
        client = self._client(
            url,
            key=key,
            proxy=self._proxy(),
            attempts=self.attempts,
            backoff=self.backoff,
            timeout=self.timeout,
            total_timeout=self.total_timeout,
        )
        return client.post(bodies, partial(self._reply, url=url, stop=stop, key=key))

    def cost(self, prompt_tokens: int, reply_tokens: int) -> float:
        return (prompt_tokens * self.input_price + reply_tokens * self.output_price) / 1e6

    def _content(self, prompt: str) -> dict[str, Any]:
        return {"messages": [{"role": "user", "content": prompt}]} if self.chat else {"prompt": prompt}

    def _key(self) -> Secret:
        key = Secret.key_in(self.key_variable)
        if key.value and is_open(self.base_url) and not self.unencrypted_key:
            raise ValueError(
                f"writer.base_url={self.base_url} would send the key in {self.key_variable} unencrypted: use https://, "
                "or set writer.key_variable=null to send none, or writer.unencrypted_key=true in a network you trust"
            )
        return key

    def _proxy(self) -> str | None:
        if self.proxy_variable is None:
            return None
        url = os.environ.get(self.proxy_variable, "")
        if not url.startswith(("http://", "https://")):
            raise ValueError(
                f"writer.proxy_variable={self.proxy_variable}: the environment variable does not hold the URL of a "
                f"proxy: export {self.proxy_variable}=http://127.0.0.1:3128, or set writer.proxy_variable=null"
            )
        return url

    def _reply(self, answer: Any, *, url: str, stop: Sequence[str], key: Secret) -> Reply:
        try:
            choice, usage = answer["choices"][0], answer.get("usage") or {}
            text = choice["message"]["content"] if self.chat else choice["text"]
            if not isinstance(text, str):
                raise TypeError(f"its text is {type(text).__name__}")
            prompt_tokens, reply_tokens = (_count(usage, name) for name in ("prompt_tokens", "completion_tokens"))
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            problem = excerpt(f"{error!r} in {answer}", key)
            raise ValueError(f"{url} does not answer like OpenAI's API ({problem}): is chat={self.chat}?") from None
        text = text.encode(errors="surrogatepass").decode(errors="replace")  # half a character is no text
        ends = [place for string in stop if (place := text.find(string)) >= 0]  # an endpoint may ignore stop strings
        ended = bool(ends) or choice.get("finish_reason") == "stop"
        return Reply(key.removed_from_reply(text[: min(ends, default=None)]), ended, prompt_tokens, reply_tokens)


def _checked(name: str, value: str, check: Any) -> str:
    try:
        return check(value)
    except ValueError as error:
        raise ValueError(f"writer.{name}: {error}") from None


def _count(usage: Mapping[str, Any], name: str) -> int:
    """A number of tokens; 0 where the endpoint does not say it."""
    count = usage.get(name) or 0
    if not isinstance(count, int) or count < 0:
        raise TypeError(f"{name} is {count!r}")
    return count
