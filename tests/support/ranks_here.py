"""Ranks of one group in processes of this machine, started from one that has loaded torch already."""

import socket
from collections.abc import Callable

from support.forks import forks


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def as_ranks(count: int, function: Callable, *arguments, seconds: int = 240) -> list[int | None]:
    """Call `function(*arguments, environment)` in `count` processes with what each must find there; exit codes."""
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(count), "NODE_RANK": "0"}
    ranks = [
        forks.Process(target=function, args=(*arguments, group | {"LOCAL_RANK": str(rank), "RANK": str(rank)}))
        for rank in range(count)
    ]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(seconds)
        if rank.exitcode is None:
            rank.kill()
    return [rank.exitcode for rank in ranks]
