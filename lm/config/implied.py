"""Keys of a job that choose options when they are given: `text=my.txt` chooses the source that reads it.

The YAML of the job lists them under `_when_`: a key, and the overrides that it stands for. The first of these chooses
an option of a group; where the key's value names an option of that group, this option is chosen instead. A key with
one override takes nothing else.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path

WHEN = "_when_"


def implied(
    rules: Mapping[str, Sequence[str]], given: Mapping[str, object], options: Callable[[str], Container[str]]
) -> list[str]:
    """The overrides that follow from the keys that are given.

    Args:
        rules: Key → the overrides that it stands for.
        given: Key → its value; None where it is not given.
        options: Lists the options of a group, as `corpus`.
    """
    found: list[str] = []
    for key, overrides in rules.items():
        value = given.get(key)
        if value is None:
            continue
        named = overrides[0].partition("=")[0]
        known = options(named.partition("@")[0])
        if len(overrides) == 1 or (isinstance(value, str) and value in known and not Path(value).exists()):
            found.append(f"{named}={value}")
        else:
            found += overrides
    return found
