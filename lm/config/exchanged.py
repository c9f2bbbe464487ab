"""Faults of a part whose class a command exchanges by `_target_`, while its other keys are those of an option.

The keys of the option that the new class does not take are one fault, reported with the overrides that remove them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from omegaconf import DictConfig, OmegaConf

from lm.config.faults import Fault
from lm.config.other_names import KEYS
from lm.config.signature import Finder
from lm.config.target import signature

TARGET = "._target_"
WRONG_KIND = " is wanted"  # how a fault ends whose part is not what the job takes


def explain_exchanged(
    faults: Sequence[Fault],
    config: DictConfig,
    *,
    given: Mapping[str, str],
    choices: Mapping[str, Sequence[str]],
    find: Finder,
) -> list[Fault]:
    """Return the faults, with those that follow from an exchanged class reported once.

    Args:
        faults: Faults of the config.
        config: The composed config.
        given: The values of the command by key.
        choices: Words that choose the options of a group, by its place in the config; the present one first.
        find: How targets are found.
    """
    for key, target in given.items():
        part = key.removesuffix(TARGET)
        if part == key or not part:
            continue
        below = [each for each in faults if each.key.startswith(f"{part}.")]
        if wrong := next((each for each in faults if each.key == part and WRONG_KIND in each.message), None):
            advice = f"; choose {' or '.join(choices[part])}" if part in choices else ""
            merged = replace(wrong, message=f"{wrong.message}{advice}")
            faults = [merged if each is wrong else each for each in faults if each not in below]
            continue
        left = [each for each in below if each.message.startswith("unknown key of ") and each.key not in given]
        if left:
            merged = Fault(f"{key}={target}", _remedy([each.key for each in left], part, target, config, choices, find))
            faults = [each for each in faults if each not in left] + [merged]
    return [*faults]


def _remedy(
    keys: Sequence[str],
    part: str,
    target: str,
    config: DictConfig,
    choices: Mapping[str, Sequence[str]],
    find: Finder,
) -> str:
    found = signature(find(target)[0])
    parameters = found.parameters if found else {}
    words = []
    for key in keys:
        name, value = key[len(part) + 1 :], OmegaConf.select(config, key)
        words.append(f"'~{key}'")
        here = next((each for each in KEYS.get(name, "").split() if each in parameters), None)
        if here and isinstance(value, int | float | str) and OmegaConf.select(config, f"{part}.{here}") is None:
            words.append(f"+{part}.{here}={value}")
    names = " and ".join(key[len(part) + 1 :] for key in keys)
    option = f" of {choices[part][0]}" if part in choices else ""
    return f"does not take {names}{option}; write with it {' '.join(words)}"
