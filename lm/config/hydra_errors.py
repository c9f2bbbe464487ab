"""Errors of Hydra, OmegaConf and YAML, each as one line."""

import re

from hydra.errors import HydraException, MissingConfigException
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError

from lm.config.faults import did_you_mean

# What composing raises for a user's mistake; the warning is Hydra's for a search path that does not exist.
COMPOSITION_ERRORS = (HydraException, OmegaConfBaseException, YAMLError, OSError, UserWarning)


def one_line(error: Exception) -> str:
    """The reason for an error of composing, in one line."""
    if isinstance(error, MissingConfigException):
        missing, options = str(error.missing_cfg_file), error.options or ()
        return first_line(error) + did_you_mean(missing.rpartition("/")[2], options)
    if isinstance(error, MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return f"{mark.name}, line {mark.line + 1}: {error.problem}"
    if isinstance(error, UserWarning):
        return f"hydra.searchpath: {first_line(error)}"
    if chosen := re.match(r"In '([^']+)': Could not override '([^']+)'", str(error)):
        return f"{chosen[1]} also chooses an option of {chosen[2]}, which is not at the top here: choose both yourself"
    reasons = [first_line(each).rstrip(".") for each in (error, error.__cause__) if each and str(each).strip()]
    return "; ".join(dict.fromkeys(reasons))


def first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
