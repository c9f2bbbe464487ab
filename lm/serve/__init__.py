"""Answer many requests at once with one model, over HTTP or in this process."""

from lm.serve.engine import Engine, Ticket
from lm.serve.request import Busy, Closed, Counters, Request, Scored, Update

__all__ = ["Busy", "Closed", "Counters", "Engine", "Request", "Scored", "Ticket", "Update"]
