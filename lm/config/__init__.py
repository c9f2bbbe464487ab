"""Config: composed by Hydra, held against the signatures it calls, made plain, and built.

Here and in `lm.cli` is all there is of Hydra.
"""

from lm.config.build import build
from lm.config.check import check, examine, plain
from lm.config.command import faults_of
from lm.config.composition import Composition, leave_hydra
from lm.config.refusal import REFUSALS, refusal_in_words
from lm.config.target import is_job, is_node, locate
from lm.config.typed import readable
from lm.outline import config_directory

__all__ = [
    "REFUSALS", "Composition", "build", "check", "config_directory", "examine", "faults_of", "is_job",
    "is_node", "leave_hydra", "locate", "plain", "readable", "refusal_in_words",
]  # fmt: skip
