"""What the command refuses, as one exception."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from lm.process.failure import refusal
from lm.process.signals import interruption_behind


class RefusedError(ValueError):
    """A job refuses what it was given. The text is that of the command, a line for each fault, with the remedy."""


@contextmanager
def refusing() -> Iterator[None]:
    """Raise `RefusedError` for a user's mistake; a bug passes as it is. With LM_DEBUG=1 the cause is shown too."""
    try:
        yield
    except RefusedError:
        raise
    except Exception as error:
        if interruption := interruption_behind(error):
            raise interruption from None
        if not (text := refusal(error)):
            raise
        raise RefusedError(text) from (error if os.environ.get("LM_DEBUG") else None)
