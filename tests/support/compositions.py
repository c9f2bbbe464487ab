"""The jobs of `conf/`, composed from YAML that each test process reads once."""

from functools import cache

from lm.config.composition import Composition
from lm.config.outline import config_directory


@cache
def composition(job: str) -> Composition:
    """The composition of a job, which may be asked for any number of configs."""
    return Composition(job, directory=config_directory())
