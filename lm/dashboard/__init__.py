"""The runs below a directory in a browser, as they are now: a list that follows them, and the live page of each."""

from lm.dashboard.server import Dashboard

__all__ = ["Dashboard"]
