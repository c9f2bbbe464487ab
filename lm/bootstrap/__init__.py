"""Growing a set of instructions from a few, by a model that writes more."""

from lm.bootstrap.endpoint import Endpoint
from lm.bootstrap.journal import Journal
from lm.bootstrap.likeness import Known
from lm.bootstrap.rounds import Rounds
from lm.bootstrap.screen import Screen
from lm.bootstrap.task import Instance, Task, read_tasks
from lm.bootstrap.writer import LocalWriter, Writer, Written

__all__ = [
    "Endpoint",
    "Instance",
    "Journal",
    "Known",
    "LocalWriter",
    "Rounds",
    "Screen",
    "Task",
    "Writer",
    "Written",
    "read_tasks",
]
