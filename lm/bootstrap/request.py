"""Requests of JSON to one address by httpx2: no redirect, no proxy unasked, bounded in time and size, retried."""

import json
import os
import ssl
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Any, TypeVar

import anyio
import httpx2
from anyio.from_thread import start_blocking_portal

from lm.bootstrap.address import is_this_machine, origin
from lm.bootstrap.secret import Secret, excerpt, password_of

TRANSIENT = (408, 409, 425, 429, 500, 502, 503, 504)  # statuses after which the same request may succeed
LARGEST = 16 * 2**20  # bytes of an answer, also unpacked; one of 100,000 tokens has 1 MB
T = TypeVar("T")
RESUME = "nothing is lost; run the same command again to resume"


class TransientError(Exception):
    """A failure after which the same request may succeed.

    Args:
        message: What happened, without secrets.
        wait: Seconds after which the endpoint asks to be tried again.
    """

    def __init__(self, message: str, wait: float | None = None):
        super().__init__(message)
        self.wait = wait


class JsonClient:
    """Sends JSON to one URL and returns the JSON that it answers.

    Args:
        url: The URL; nothing else is contacted but the proxy.
        key: The key, sent as a bearer token; empty for none.
        proxy: URL of a proxy; null for none. It is never used to this machine.
        attempts: Attempts per request.
        backoff: Seconds before the second attempt, doubled before each further one.
        timeout: Seconds for one attempt, from connecting to the last byte.
        total_timeout: Seconds for all attempts of a request and the waits between them.
    """

    def __init__(
        self,
        url: str,
        *,
        key: Secret,
        proxy: str | None,
        attempts: int,
        backoff: float,
        timeout: float,
        total_timeout: float,
    ):
        self.url, self.key, self.attempts, self.backoff = url, key, attempts, backoff
        self.timeout, self.total_timeout = timeout, total_timeout
        self.proxy = None if proxy is None or is_this_machine(url) else proxy
        self.secrets = [key, password_of("password", self.proxy or "")]

    def post(self, bodies: Sequence[Mapping[str, Any]], read: Callable[[Any], T]) -> list[T]:
        """The answers to requests, one after the other, each as `read` understands it.

        The requests are made in another thread: a signal interrupts the caller at once.
        """
        with start_blocking_portal() as portal:
            return portal.call(self._post, bodies, read)

    async def _post(self, bodies: Sequence[Mapping[str, Any]], read: Callable[[Any], T]) -> list[T]:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if self.key.value:
            headers["Authorization"] = f"Bearer {self.key.value}"
        settings = {"trust_env": False, "follow_redirects": False, "timeout": None, "proxy": self.proxy}
        async with httpx2.AsyncClient(headers=headers, verify=self._certificates(), **settings) as client:
            return [read(await self._answer(client, body)) for body in bodies]

    def _certificates(self) -> ssl.SSLContext:
        """What is trusted: the certificates of this machine or of SSL_CERT_FILE; nothing where TLS is not used."""
        if any(each.startswith("https://") for each in (self.url, self.proxy or "")):
            return httpx2.create_ssl_context()
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # reading all certificates takes half a second

    async def _answer(self, client: httpx2.AsyncClient, body: Mapping[str, Any]) -> Any:
        """The answer to one request, after several attempts if needed."""
        ends = monotonic() + self.total_timeout
        for attempt in range(1, self.attempts + 1):
            seconds = min(self.timeout, ends - monotonic())
            try:
                with anyio.fail_after(seconds):
                    return await self._once(client, body)
            except TransientError as error:
                message, wait = str(error), error.wait
            except TimeoutError:
                message, wait = f"no whole answer within {seconds:.3g} s (writer.timeout)", None
            wait = self.backoff * 2 ** (attempt - 1) if wait is None else wait
            if attempt == self.attempts:
                break
            if monotonic() + wait >= ends:
                raise ValueError(
                    f"{self.url}: {message}; the next attempt, in {wait:.3g} s, is beyond "
                    f"writer.total_timeout={self.total_timeout:g}: {RESUME}"
                )
            await anyio.sleep(wait)
        raise ValueError(f"{self.url}: {message}, {self.attempts} times: {RESUME}")

    async def _once(self, client: httpx2.AsyncClient, body: Mapping[str, Any]) -> Any:
        try:
            async with client.stream("POST", self.url, json=body) as response:
                self._refuse_redirect(response)
                content = await self._content(response)
        except httpx2.RequestError as error:
            message = excerpt(_reason(error), *self.secrets)
            if "CERTIFICATE_VERIFY_FAILED" in message:
                raise ValueError(
                    f"{self.url}: {message}: add the authority that signed it to the certificates of this machine, or "
                    "name its file by the environment variable SSL_CERT_FILE"
                ) from None
            raise TransientError(message) from None
        if response.status_code // 100 != 2:
            self._refuse(response, content)
        return self._parsed(response, content)

    def _refuse_redirect(self, response: httpx2.Response) -> None:
        if response.status_code // 100 == 3:
            place = excerpt(origin(response.headers.get("Location", "")), *self.secrets)
            raise ValueError(
                f"{self.url} redirects ({response.status_code}) to {place}, which is not followed, as the key and the "
                "prompts would go there too; set writer.base_url to the address of the API itself"
            )

    async def _content(self, response: httpx2.Response) -> bytes:
        """The body, unpacked, if it is not too large."""
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip"):
            raise ValueError(f"{self.url} answers in the encoding {excerpt(encoding)}, which was not asked for")
        content = b""
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) > LARGEST:
                raise self._too_large()
        if encoding == "gzip":
            unpacker = zlib.decompressobj(wbits=31)
            try:
                content = unpacker.decompress(content, LARGEST + 1)
            except zlib.error:
                raise TransientError("its answer is not valid gzip") from None
            if len(content) > LARGEST:
                raise self._too_large()
        return content

    def _too_large(self) -> ValueError:
        return ValueError(f"{self.url} answers with more than {LARGEST:,} bytes: is writer.base_url that of the API?")

    def _refuse(self, response: httpx2.Response, content: bytes) -> None:
        """Raise what a status other than success means."""
        status = response.status_code
        message = excerpt(f"{status} {response.reason_phrase}: {_error_text(content)}", *self.secrets)
        if status in TRANSIENT:
            raise TransientError(message, _retry_after(response.headers.get("Retry-After", "")))
        remedy = "check writer.model and the other settings"
        if status == 407:
            remedy = "put the user name and password of the proxy into the variable of writer.proxy_variable"
        if status in (401, 403):
            remedy = f"put the key into the environment variable {self.key.name}" if self.key.name else "set a key"
            remedy = f"check the key in {self.key.name}" if self.key.value else remedy
        raise ValueError(f"{self.url}: {message}: {remedy}")

    def _parsed(self, response: httpx2.Response, content: bytes) -> Any:
        try:
            return json.loads(content)
        except RecursionError:
            raise ValueError(f"{self.url} answers with JSON that is nested too deeply") from None
        except ValueError:
            kind = excerpt(response.headers.get("Content-Type", "").partition(";")[0])
            if kind and not kind.endswith("json"):
                message = excerpt(content.decode(errors="replace"), *self.secrets)
                raise ValueError(
                    f"{self.url} answers with {kind} instead of JSON: {message}: is writer.base_url that of the API?"
                ) from None
            raise TransientError("its answer is not JSON") from None


def _reason(error: BaseException) -> str:
    """What an error of a connection comes from, such as `Connection refused`."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[-1]
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__


def _error_text(content: bytes) -> str:
    """The message in the body of an error: that of OpenAI's form, else the body with its JSON normalized."""
    try:
        parsed = json.loads(content)
        error = parsed.get("error", parsed) if isinstance(parsed, dict) else parsed
        message = error.get("message", error) if isinstance(error, dict) else error
        return message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
    except (ValueError, RecursionError):
        return content.decode(errors="replace")


def _retry_after(text: str) -> float | None:
    """Seconds by a Retry-After header, which holds a number or a date; None if it holds neither."""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
