"""Counts and times of a server, as Prometheus reads them."""

from collections.abc import AsyncIterator, Iterable, Iterator
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lm.serve.api.asked import Asked
from lm.serve.api.served import Served
from lm.serve.request import Update

FIRST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)  # seconds
EACH = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)
WHOLE = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
GAUGES = {
    "slots": "texts that the engine can generate at once",
    "running": "texts that are being generated",
    "waiting": "texts in the queue",
}
COUNTERS = {
    "steps": "steps of the engine",
    "cancelled": "texts that were cancelled",
    "failed": "texts that failed",
    "prompt_tokens": "tokens of prompts",
    "cached_prompt_tokens": "tokens of prompts that were not read again",
    "generated_tokens": "tokens that were generated",
}


class Measures:
    """The counts and times of one server, in a registry of its own.

    Args:
        served: The models.

    Attributes:
        active: Requests under way.
    """

    def __init__(self, served: Iterable[Served]) -> None:
        self.active = 0
        self._registry = CollectorRegistry()
        self._registry.register(_Engines(tuple(served)))
        own = {"registry": self._registry}
        self._requests = Counter("lm_requests", "answered requests", ["path", "status"], **own)
        self._seconds = Histogram("lm_request_seconds", "time of a request", ["path"], buckets=WHOLE, **own)
        self._first = Histogram("lm_first_token_seconds", "time to the first token", ["model"], buckets=FIRST, **own)
        self._each = Histogram("lm_token_seconds", "time between tokens of a text", ["model"], buckets=EACH, **own)

    def text(self) -> bytes:
        """What Prometheus reads."""
        return generate_latest(self._registry)

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count a request that was answered.

        Args:
            path: Its route.
            status: Status of the answer.
            seconds: How long it took.
        """
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    async def watched(
        self, updates: AsyncIterator[tuple[int, Update]], asked: Asked
    ) -> AsyncIterator[tuple[int, Update]]:
        """The updates of a request, timed.

        Args:
            updates: What the engine delivers.
            asked: The request.
        """
        began = perf_counter()
        last: dict[int, float] = {}
        async for index, update in updates:
            if update.tokens:
                now = perf_counter()
                if index not in last:
                    self._first.labels(asked.served.name).observe(now - began)
                else:
                    self._each.labels(asked.served.name).observe((now - last[index]) / len(update.tokens))
                last[index] = now
            yield index, update


class _Engines(Collector):
    """The counters of the engines, read when they are asked for."""

    def __init__(self, served: tuple[Served, ...]) -> None:
        self._served = served

    def collect(self) -> Iterator[Metric]:
        counted = [(each.name, each.engine.counters()) for each in self._served]
        for kind, names in ((GaugeMetricFamily, GAUGES), (CounterMetricFamily, COUNTERS)):
            for name, help_text in names.items():
                family = kind(f"lm_{name}", help_text, labels=["model"])
                for model, counters in counted:
                    family.add_metric([model], getattr(counters, name))
                yield family
