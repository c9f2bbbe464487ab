"""The same work on all cores, its results in the order of what was given."""

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from itertools import chain, islice
from multiprocessing import get_context
from typing import TypeVar

from lm.ranks import end_with

Given = TypeVar("Given")
Made = TypeVar("Made")
ALONE = 8  # items after which other processes are worth their start
AHEAD = 4  # items that wait for each process, so that none waits for us


def in_order(work: Callable[[Given], Made], items: Iterable[Given], *, workers: int) -> Iterator[tuple[Given, Made]]:
    """Each item with what `work` makes of it; `work` and the items are pickled once there are more than a few.

    Processes are spawned, not forked: threads of libraries do not survive a fork.
    """
    items = iter(items)
    first = list(islice(items, ALONE))
    if workers == 1 or len(first) < ALONE:
        for item in chain(first, items):
            yield item, work(item)
        return
    waiting: deque[tuple[Given, Future[Made]]] = deque()
    context, prepare = get_context("spawn"), partial(_settle, work, os.getpid())
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=prepare)
    try:
        for item in chain(first, items):
            waiting.append((item, pool.submit(_call, item)))
            if len(waiting) > AHEAD * workers:
                given, future = waiting.popleft()
                yield given, future.result()
        while waiting:
            given, future = waiting.popleft()
            yield given, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


_work: Callable = None  # of this process, once it is a worker


def _settle(work: Callable, parent: int) -> None:
    global _work
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends us
    end_with(parent)


def _call(item: Given) -> Made:
    return _work(item)
