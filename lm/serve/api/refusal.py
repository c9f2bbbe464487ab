"""Why a request is not answered, in the form in which OpenAI's API says it."""

from typing import Any

KINDS = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class Refusal(Exception):  # noqa: N818  (it is an answer)
    """A request that is refused, or an answer that fails.

    Args:
        message: What is wrong and what helps, in words.
        status: Status of HTTP.
        param: Field of the body that is meant; None for none.
        code: Word for programs, as `context_length_exceeded`; None for none.
        headers: Headers of the answer, as Retry-After.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.param, self.code = message, status, param, code
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """The JSON of the answer."""
        kind = KINDS.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def closing() -> Refusal:
    """The refusal of a server that ends."""
    return Refusal(
        "the server is ending and takes no new requests: try again in a moment",
        status=503,
        code="server_ending",
        headers={"Retry-After": "5"},
    )
