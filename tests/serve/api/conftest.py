"""A running server that many tests ask."""

from collections.abc import Iterator

import pytest

pytest.importorskip("starlette", reason="lm serve is an extra: pip install 'lightning-lm[serve]'")
pytest.importorskip("uvicorn", reason="lm serve is an extra: pip install 'lightning-lm[serve]'")

from support.serving import Serving, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    with serving() as found:
        yield found
