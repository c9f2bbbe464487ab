"""Self-Instruct: a model writes new instructions and instances from a few seed tasks (`lm bootstrap`)."""

from lm.bootstrap.endpoint import Endpoint
from lm.bootstrap.journal import Journal
from lm.bootstrap.rouge import RougeIndex
from lm.bootstrap.rounds import Rounds
from lm.bootstrap.screen import Screen
from lm.bootstrap.task import Instance, Task, read_tasks
from lm.bootstrap.writer import LocalWriter, Reply, Writer

__all__ = [
    "Endpoint",
    "Instance",
    "Journal",
    "LocalWriter",
    "Reply",
    "RougeIndex",
    "Rounds",
    "Screen",
    "Task",
    "Writer",
    "read_tasks",
]
