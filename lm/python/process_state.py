"""What a job sets for its whole process, restored for the caller, whose process continues."""

import logging
import os
import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

Levels = dict[str | None, tuple[int, bool]]


def _set_environment(environment: Mapping[str, str]) -> None:
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)


def _loggers() -> dict[str | None, logging.Logger]:
    """The loggers of this process by name; None is the root."""
    known = logging.root.manager.loggerDict.items()
    return {None: logging.root, **{name: each for name, each in known if isinstance(each, logging.Logger)}}


def _levels() -> Levels:
    return {name: (logger.level, logger.disabled) for name, logger in _loggers().items()}


def _set_levels(levels: Levels) -> None:
    for name, logger in _loggers().items():
        if name in levels:
            level, logger.disabled = levels[name]
            logger.setLevel(level)


def _determinism() -> tuple[bool, bool, bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic,
    )


def _set_determinism(flags: tuple[bool, bool, bool, bool]) -> None:
    torch.use_deterministic_algorithms(flags[0], warn_only=flags[1])
    _, _, torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = flags


# How each is read before a job, and put back after it.
KEPT: tuple[tuple[Callable[[], Any], Callable[[Any], object]], ...] = (
    (lambda: dict(os.environ), _set_environment),
    (os.getcwd, os.chdir),
    (_levels, _set_levels),
    (torch.get_num_threads, torch.set_num_threads),
    (_determinism, _set_determinism),
    (torch.get_rng_state, torch.set_rng_state),
    (random.getstate, random.setstate),
    (np.random.get_state, np.random.set_state),
)


@contextmanager
def process_as_before() -> Iterator[None]:
    """Put back environment, directory, levels of loggers, filters of warnings, threads and random states of the CPU."""
    before = [(put_back, read()) for read, put_back in KEPT]
    try:
        with warnings.catch_warnings():
            yield
    finally:
        for put_back, value in before:
            put_back(value)
