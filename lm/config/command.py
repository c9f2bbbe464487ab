"""All faults of a command at once, though Hydra refuses at the first."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import product
from math import prod
from pathlib import Path

from hydra.core.override_parser.types import Override
from hydra.errors import OverrideParseException
from omegaconf import DictConfig, OmegaConf

from lm.config.check import check
from lm.config.composition import Composition, as_typed
from lm.config.faults import Fault, did_you_mean, nearest
from lm.config.refusal import REFUSALS, first_line, refusal_in_words
from lm.config.signature import validate

JOBS_CHECKED = 100  # of which each takes a tenth of a second


def faults_of(composition: Composition, overrides: Sequence[str], *, multirun: bool) -> list[Fault]:
    """All faults of a command; of a sweep, those of each of its values, and of each of its jobs if they are few."""
    found, parsed = [], []
    for text in overrides:
        try:
            parsed += composition.parse([text])
        except OverrideParseException as error:
            quoted = text[:1] in ("'", '"')
            told = (
                "leave out the quotes around it"
                if quoted
                else f"is not key=value as Hydra reads it: {first_line(error)}"
            )
            found.append(Fault(text, told))
    values = [_values(each) for each in parsed]
    for job in _by_value(values):
        found += _faults_of_one(composition, job)
    several = sum(len(each) > 1 for each in values)
    if not found and several > 1 and prod(map(len, values)) <= JOBS_CHECKED:  # what only two values together get wrong
        for job in product(*values):
            found += _faults_of_one(composition, [*job])
    if not multirun and not composition.sweeps:
        several = "has several values: add -m to run each in turn; or write [a,b] for a list, '\"a, b\"' for a text"
        found += [Fault(each.input_line, several) for each in parsed if each.is_sweep_override()]
    return [*dict.fromkeys(found)]


def _faults_of_one(composition: Composition, overrides: list[str]) -> list[Fault]:
    """Where Hydra refuses at the first mistake, mend or leave out each, and check the rest."""
    found: list[Fault] = []
    try:
        return _check(composition.compose(overrides))
    except REFUSALS:
        parsed = composition.parse(overrides)
        chosen: list[str] = []  # options with what comes with them, so that no key of theirs is taken for a fault
        choices = [each for each in parsed if _chooses(composition, each)]
        for each in sorted(choices, key=lambda each: each.key_or_group.count("/")):  # a sweeper before its sampler
            with suppress(*REFUSALS):
                composition.compose([*chosen, each.input_line])
                chosen.append(each.input_line)
        kept = [text for each in parsed for text in _mended(composition, each, chosen, found)]
    try:
        found += _check(composition.compose(kept))
    except REFUSALS as error:
        return [*found, Fault("", refusal_in_words(error))]
    new = {each.key_or_group: each.input_line for each in parsed if f"++{each.input_line}" in kept}
    return found + [
        Fault(key, f"is not in the YAML; {_with_key(composition, key) or f'to add it, write +{text}'}")
        for key, text in new.items()
        if not any(_one_within_other(key, fault.key) for fault in found)
    ]


def _check(config: DictConfig) -> list[Fault]:
    """The faults of what was composed, and the options that Hydra looked for in vain and said nothing."""
    found, runtime = [], config.hydra.runtime
    places = [Path(source.path) for source in runtime.config_sources if source.schema == "file"]
    asked = {each.partition("=")[0] for each in as_typed(config.hydra)}
    for named, option in runtime.choices.items():
        group, _, place = named.partition("@")
        if not isinstance(option, str) or group.startswith("hydra/"):
            continue
        if named in asked and (used := _reference(config, place or group.replace("/", "."))):
            found.append(Fault(f"{named}={option}", f"has no effect: it is {used} here, so choose it there"))
        options = sorted({path.stem for place in places for path in place.glob(f"{group}/*.yaml")})
        if option not in options:  # the group is marked optional
            found.append(Fault(f"{named}={option}", f"no such option{did_you_mean(option, options)}"))
    if "experiment" in config:
        found.append(Fault(f"experiment={runtime.choices['experiment']}", "its first line must be # @package _global_"))
    return found + [
        Fault(fault.key, f"{fault.message} (unless set, it is {used})")
        if (used := _reference(config, fault.key))
        else fault
        for fault in [*_faults_of_plugins(config), *check(config)]
        if fault.key != "experiment"
    ]


def _faults_of_plugins(config: DictConfig) -> list[Fault]:
    """The faults of our own sweepers and launchers, which Hydra builds and does not check."""
    found: list[Fault] = []
    for part in ("sweeper", "launcher"):
        node = OmegaConf.to_container(config.hydra[part], resolve=True)
        if str(node.get("_target_")).startswith("hydra_plugins.lm."):
            validate(node, found, key=f"hydra.{part}")
    return found


def _with_key(composition: Composition, key: str) -> str:
    """Which other option of the group has the key, in words; "" if none has."""
    place, _, name = key.rpartition(".")
    group = place.replace(".", "/")
    having = []
    for option in composition.options(group) if place in composition.groups else ():
        with suppress(*REFUSALS):
            if name in OmegaConf.select(composition.compose([f"{group}={option}"]), place):
                having.append(f"{group}={option}")
    return f"{' and '.join(having)} {'has' if len(having) == 1 else 'have'} it" if having else ""


def _chooses(composition: Composition, override: Override) -> bool:
    """Whether an override chooses an option that there is, in a group that the job or Hydra has: keys come with it."""
    known = override.is_hydra_override() or override.get_key_element().lstrip("+") in composition.groups
    return known and override.value() in composition.options(override.key_or_group)


def _mended(composition: Composition, override: Override, chosen: list[str], faults: list[Fault]) -> list[str]:
    """What to check in place of an override; what is wrong with it goes to `faults`."""
    text, key = override.input_line, override.key_or_group
    try:
        composition.compose(list(dict.fromkeys([*chosen, text])))
        return [text]
    except REFUSALS as error:
        refusal = error
    options = composition.options(key)
    if override.is_add() and not options:
        faults.append(Fault(text, "is in the YAML already: leave out the +"))
        return [f"++{text.lstrip('+')}"]
    if not options and not override.is_delete() and not override.is_hydra_override():
        return [f"++{key}={override.get_value_element_as_str()}"]  # `check` says what it is
    groups = composition.groups
    if options and override.value() not in options:
        faults.append(Fault(text, f"no such option{did_you_mean(str(override.value()), options)}"))
        near = nearest(str(override.value()), options)
        return [f"{override.get_key_element()}={near}"] if near else []
    known = override.get_key_element().lstrip("+") in groups
    if options and "@" in override.get_key_element() and not known and not override.is_add():
        faults.append(Fault(text, f"lm {composition.job} has no such choice; to add it, write +{text}"))
    elif options and not known and key not in groups:
        faults.append(Fault(text, f"lm {composition.job} has no group {key}{did_you_mean(key, groups)}"))
    else:
        faults.append(Fault(text, refusal_in_words(refusal)))
    return []


def _reference(config: DictConfig, place: str) -> str:
    """The `${…}` that stands at a dotted place of the config; "" if it is no reference."""
    *above, key = place.split(".")
    owner = OmegaConf.select(config, ".".join(above)) if above else config
    if not isinstance(owner, DictConfig) or key not in owner or not OmegaConf.is_interpolation(owner, key):
        return ""
    return str(OmegaConf.to_container(owner, resolve=False)[key])


def _one_within_other(key: str, other: str) -> bool:
    return f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")


def _by_value(values: list[list[str]]) -> list[list[str]]:
    """The command without sweeps: with the first value of each, then with every other value once."""
    first = [each[0] for each in values]
    others = [[*first[:i], text, *first[i + 1 :]] for i, each in enumerate(values) for text in each[1:]]
    return [first, *others]


def _values(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [override.input_line]
    key = override.get_key_element()
    if not override.is_discrete_sweep():
        return [f"{key}={override.value().start}", f"{key}={override.value().end}"]
    values = [f"{key}={value}" for value in override.sweep_string_iterator()] or [f"{key}="]  # a glob without a match
    return [values[0], values[-1]] if override.is_range_sweep() else values
