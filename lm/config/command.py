"""All faults of a command at once, although Hydra stops at the first."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from pathlib import Path

from hydra.core.override_parser.types import Override
from hydra.errors import OverrideParseException
from omegaconf import DictConfig, OmegaConf

from lm.config.advice import Adviser, is_path
from lm.config.check import Resolved, resolve
from lm.config.composition import Composition, as_typed
from lm.config.declared import declared
from lm.config.exchanged import TARGET, explain_exchanged
from lm.config.faults import Fault, did_you_mean, nearest
from lm.config.hydra_errors import COMPOSITION_ERRORS, first_line, one_line
from lm.config.signature import Finder, validate
from lm.config.target import locate

EACH_IN_TURN = "add -m to run each in turn"  # the remedy for several values, at the command
MAX_JOBS_CHECKED = 100  # each takes a fortieth of a second
Mended = dict[tuple[str, tuple[str, ...]], tuple[list[str], list[Fault]]]  # an override beside chosen options


def faults_of(composition: Composition, overrides: Sequence[str], *, multirun: bool) -> list[Fault]:
    """All faults of a command: of a sweep those of each value, and of each job if they are few."""
    return examine_command(composition, overrides, multirun=multirun)[1]


def examine_command(
    composition: Composition, overrides: Sequence[str], *, multirun: bool
) -> tuple[dict | None, list[Fault]]:
    """The plain config of the one job that a command runs, None for a sweep, and all faults of the command."""
    found, parsed = [], []
    for text in overrides:
        try:
            parsed += composition.parse([text])
        except OverrideParseException as error:
            quoted = text[:1] in ("'", '"')
            reason = f"is not key=value as Hydra reads it: {first_line(error)}"
            found.append(Fault(text, "leave out the quotes around it" if quoted else reason))
    values = [_values(each) for each in parsed]
    adviser = Adviser(composition.job, composition.places, [each[0] for each in values])
    mended: Mended = {}
    candidates = [_candidate(composition, job, mended, adviser) for job in _by_value(values)]
    nodes, faults = _examine(candidates)
    swept = sum(len(each) > 1 for each in values)
    if not faults and not found and swept > 1 and prod(map(len, values)) <= MAX_JOBS_CHECKED:  # of two values together
        faults = _examine([_candidate(composition, [*job], mended, adviser) for job in product(*values)])[1]
    found += faults
    if not multirun and not composition.sweeps:
        remedy = f"has several values: {EACH_IN_TURN}; or write [a,b] for a list, '\"a, b\"' for a text"
        found += [Fault(each.input_line, remedy) for each in parsed if each.is_sweep_override()]
    single = not multirun and not composition.sweeps and not swept
    return nodes[0] if single and not found else None, [*dict.fromkeys(found)]


@dataclass(frozen=True)
class _Candidate:
    """A command of one job, composed as far as Hydra lets it."""

    composition: Composition
    adviser: Adviser
    config: DictConfig | None  # None where it does not compose
    faults: tuple[Fault, ...] = ()  # overrides that were left out or mended
    added: tuple[tuple[str, str], ...] = ()  # keys that are not in the YAML, as typed

    @cached_property
    def resolved(self) -> Resolved:
        return resolve(self.config)


def _candidate(composition: Composition, overrides: list[str], mended: Mended, adviser: Adviser) -> _Candidate:
    try:
        return _Candidate(composition, adviser, composition.compose(overrides))
    except COMPOSITION_ERRORS:
        parsed = composition.parse(overrides)
    chosen = _composable(composition, parsed, adviser)
    found, kept, added = [], [], []
    for each in parsed:
        request = each.input_line, tuple(chosen)
        if request not in mended:
            mended[request] = _mended(composition, each, chosen, adviser)
        texts, faults = mended[request]
        kept, found = kept + texts, found + faults
        added += [(each.key_or_group, each.input_line)] if f"++{each.input_line}" in texts else []
    try:
        return _Candidate(composition, adviser, composition.compose(kept), tuple(found), tuple(added))
    except COMPOSITION_ERRORS as error:
        return _Candidate(composition, adviser, None, (*found, Fault("", one_line(error))))


def _examine(candidates: Sequence[_Candidate]) -> tuple[list[dict | None], list[Fault]]:
    """The plain configs and all faults; what the configs name is imported only if its source shows no fault."""
    for find in (declared, locate):
        checked = [(each, *_check(each, find)) for each in candidates]
        found = [fault for each, _, faults in checked for fault in [*each.faults, *faults]]
        if found:
            break
    return [node for _, node, _ in checked], found


def _composable(composition: Composition, parsed: Sequence[Override], adviser: Adviser) -> list[str]:
    """The options among the overrides that compose, so that no key of theirs is taken for a fault."""
    rules = composition.rules
    choices = [each for each in parsed if _chooses(composition, each, adviser) or each.key_or_group in rules]
    choices = [each.input_line for each in sorted(choices, key=lambda each: each.key_or_group.count("/"))]
    with suppress(*COMPOSITION_ERRORS):
        composition.compose(choices)
        return choices
    chosen: list[str] = []
    for each in choices:  # a sweeper before its sampler
        with suppress(*COMPOSITION_ERRORS):
            composition.compose([*chosen, each])
            chosen.append(each)
    return chosen


def _check(candidate: _Candidate, find: Finder) -> tuple[dict | None, list[Fault]]:
    """The plain config and its faults, and the options that Hydra did not find and skipped silently."""
    composition, config = candidate.composition, candidate.config
    if config is None:
        return None, []
    found, runtime = [], config.hydra.runtime
    places = [Path(source.path) for source in runtime.config_sources if source.schema == "file"]
    typed = {each.partition("=")[0] for each in as_typed(config.hydra)}
    for named, option in runtime.choices.items():
        group, _, place = named.partition("@")
        if not isinstance(option, str) or group.startswith("hydra/"):
            continue
        if named in typed and (used := _reference(config, place or group.replace("/", "."))):
            found.append(Fault(f"{named}={option}", f"has no effect: it is {used} here, so choose it there"))
        if not any((place / group / f"{option}.yaml").is_file() for place in places):  # the group is marked optional
            options = sorted({path.stem for place in places for path in place.glob(f"{group}/*.yaml")})
            found.append(Fault(f"{named}={option}", f"no such option{did_you_mean(option, options)}"))
    if "experiment" in config:
        found.append(Fault(f"experiment={runtime.choices['experiment']}", "its first line must be # @package _global_"))
    node, faults = candidate.resolved.examine(find)
    given = _given(composition, config)
    if any(key.endswith(TARGET) for key in given):
        faults = explain_exchanged(faults, config, given=given, choices=_choices(composition, config), find=find)
    for fault in [*_faults_of_plugins(config), *faults]:
        if fault.key == "experiment" or _follows(fault, faults):
            continue
        used = _reference(config, fault.key)
        if used and any(used == f"${{{each.key}}}" for each in faults):
            continue  # said of the key that it refers to
        advised = _advised(fault, given, candidate.adviser)
        found.append(Fault(fault.key, f"{advised.message} (unless set, it is {used})") if used else advised)
    found += [
        Fault(key, f"is not in the YAML; {_to_add(candidate.adviser, key, text, given)}")
        for key, text in candidate.added
        if not any(_one_within_other(key, fault.key) for fault in [*candidate.faults, *found])
    ]
    return node, [each for each in found if not _mended_by_another(each, [*candidate.faults, *found])]


def _mended_by_another(fault: Fault, faults: Sequence[Fault]) -> bool:
    """Whether a value is missing only because it was given under another name, which another fault says."""
    missing = fault.message.startswith("missing: set ")
    return missing and any(f" {fault.key}=" in each.message for each in faults if each.key != fault.key)


def _given(composition: Composition, config: DictConfig) -> dict[str, str]:
    """The values of a command by key, as typed."""
    parsed = composition.parse(as_typed(config.hydra))
    return {each.key_or_group: each.input_line.partition("=")[2] for each in parsed if not each.is_delete()}


def _choices(composition: Composition, config: DictConfig) -> dict[str, list[str]]:
    """The words that choose an option of each group, by its place; those of the present option first."""
    found = {}
    for named, option in config.hydra.runtime.choices.items():
        group, _, place = named.partition("@")
        others = [each for each in composition.options(group) if each != option]
        found[place or group.replace("/", ".")] = [f"{named}={each}" for each in (option, *others) if each]
    return found


def _follows(fault: Fault, faults: Sequence[Fault]) -> bool:
    """Whether a fault only says that a reference cannot look into a part that was replaced by a text."""
    inside = re.search(r"cannot be resolved: .*node `([\w.]+)` is not a container", fault.message)
    return inside is not None and any(each.key == inside[1] for each in faults)


def _advised(fault: Fault, given: Mapping[str, str], adviser: Adviser) -> Fault:
    """The fault with what to type instead of a key that is unknown, or that is a part and no value."""
    unknown = fault.message.startswith("unknown key of ")
    hinted = re.search(r"did you mean \w+\?$", fault.message)
    inside = [each for each in given if unknown and not hinted and each.startswith(f"{fault.key}.")]
    key = fault.key if fault.key in given or not inside else inside[0]
    value = given.get(key)
    if fault.message.startswith("missing: set ") and key.endswith("model.path"):
        tuned = adviser.job in ("align", "chat")
        run = adviser.run_to_name() or f"outputs/{'instruct' if tuned else 'pretrain'}/default"
        jobs = "lm instruct or lm align" if tuned else "lm pretrain, lm instruct or lm align"
        return Fault(key, f"{fault.message}, a run of {jobs}, such as {run}")
    if value is None:
        return fault
    if unknown:
        advice = adviser.instead_of(key, value)
        return Fault(key, f"{fault.message.partition(';')[0]}; {advice}") if advice else fault
    if fault.message.startswith("expected list of ") and value[:1] not in "[{'\"":
        return Fault(fault.key, f"{fault.message}; write {fault.key}=[{value}]")
    group = next((each for each in adviser.found.groups if fault.key == each.rpartition("@")[2].replace("/", ".")), "")
    part = any(each.startswith(f"{fault.key}.") for each in adviser.found.settings)
    if option := adviser.option_at(fault.key, value):
        return Fault(fault.key, f"{fault.message}; write {option}")
    if part and not value.startswith(("{", "$")):
        advice = adviser.option_instead_of(group, value) if group else adviser.instead_of(fault.key, value)
        advice = advice or adviser.to_add_a_part(fault.key, value)
        return Fault(fault.key, f"{fault.message}; {advice}") if advice else fault
    return fault


def _to_add(adviser: Adviser, key: str, text: str, given: Mapping[str, str]) -> str:
    """What to type to set a key that its part takes but the YAML does not have."""
    value = text.partition("=")[2]
    if f"{key.rpartition('.')[0]}{TARGET}" in given:  # of a class that no option has
        return f"to add it, write +{text}"
    if meant := adviser.meant(key, value):
        return meant
    if value.startswith("{"):
        return f"to add it, write '{'++' if adviser.is_open(key) else '+'}{text}'"
    if adviser.is_open(key.rpartition(".")[0]):
        return f"to add it, write +{text}"
    having = adviser.options_with(key, value)
    advice = "" if having else adviser.instead_of(key, value)
    return f"write {' or '.join(having)}" if having else advice or f"to add it, write +{text}"


def _faults_of_plugins(config: DictConfig) -> list[Fault]:
    """The faults of our sweeper and launchers, which Hydra builds without a check."""
    found: list[Fault] = []
    for part in ("sweeper", "launcher"):
        node = OmegaConf.to_container(config.hydra[part], resolve=True)
        if str(node.get("_target_")).startswith("hydra_plugins.lm."):
            validate(node, found, key=f"hydra.{part}")
    return found


def _chooses(composition: Composition, override: Override, adviser: Adviser) -> bool:
    """Whether an override chooses an existing option of a group of the job, of the options it names, or of Hydra."""
    groups = {*composition.groups, *adviser.found.groups}
    known = override.is_hydra_override() or override.get_key_element().lstrip("+") in groups
    return known and override.value() in composition.options(override.key_or_group)


def _mended(
    composition: Composition, override: Override, chosen: list[str], adviser: Adviser
) -> tuple[list[str], list[Fault]]:
    """The overrides to check in place of a faulty one, and its faults."""
    text, key = override.input_line, override.key_or_group
    try:
        composition.compose(list(dict.fromkeys([*chosen, text])))
        return [text], []
    except COMPOSITION_ERRORS as error:
        reason = one_line(error)
    options = composition.options(key) if key not in composition.rules else []
    if override.is_add() and not options:
        found = f"'++{text.lstrip('+')}'" if isinstance(override.value(), dict) else ""
        return [f"++{text.lstrip('+')}"], [
            Fault(text, f"is in the YAML already: {f'write {found}' if found else 'leave out the +'}")
        ]
    if "Cannot merge DictConfig with ListConfig" in reason:
        advice = adviser.to_add_a_part(key, text.partition("=")[2])
        return [], [Fault(key, f"expected parts by name, not a list{advice and f'; {advice}'}")]
    if not options and not override.is_delete() and not override.is_hydra_override():
        return [f"++{key}={text.partition('=')[2]}"], []  # checked against the signature
    groups, named = composition.groups, override.get_key_element()
    known = named.lstrip("+") in {*groups, *adviser.found.groups} or override.is_hydra_override()
    typed = text.partition("=")[2]
    if options and override.is_add() and "Multiple values" in reason:
        return [text.lstrip("+")], [Fault(text, f"is chosen in the YAML already: write {text.lstrip('+')}")]
    if options and text.startswith("++"):
        word = f"{'' if known else '+'}{text.lstrip('+')}"
        return [word], [Fault(text, f"an option of a group is never added by ++: write {word}")]
    if options and isinstance(override.value(), list):
        return _mended_list(override, options, adviser, known=known or key in groups)
    if options and "@" in named and not known and not override.is_add():
        return [], [Fault(text, f"lm {composition.job} has no such choice; to add it, write +{text}")]
    if options and not known and key not in groups and not override.is_add():
        spelt = typed if is_path(typed) else nearest(typed, options) or typed
        advice = adviser.option_instead_of(key, spelt)
        reason = f"lm {composition.job} has no group {key}{f'; {advice}' if advice else did_you_mean(key, groups)}"
        return _words(advice), [Fault(text, reason)]
    if options and override.value() not in options:
        advice = adviser.option_instead_of(named, typed)
        near = nearest(typed, options)
        fault = Fault(text, f"no such option{f'; {advice}' if advice else did_you_mean(typed, options)}")
        return _words(advice) or ([f"{named}={near}"] if near else []), [fault]
    return [], [Fault(text, reason)]


def _mended_list(
    override: Override, options: list[str], adviser: Adviser, *, known: bool
) -> tuple[list[str], list[Fault]]:
    """The same for several options of a group, as `tools=[calculator,python]`; each unknown one is a fault."""
    text, named = override.input_line, override.get_key_element()
    items = [str(each) for each in override.value()]
    nearest_ones = {each: each if each in options else nearest(each, options) for each in items}
    mended = f"[{','.join(each for each in nearest_ones.values() if each)}]"
    if not known and not override.is_add():
        advice = adviser.option_instead_of(override.key_or_group, next(filter(None, nearest_ones.values()), ""))
        words = [f"{each.partition('=')[0]}={mended}" for each in _words(advice)]
        reason = f"lm {adviser.job} has no group {override.key_or_group}"
        return words, [Fault(text, f"{reason}; write {' '.join(words)}" if words else reason)]
    unknown = [each for each in items if each not in options]
    if unknown and all(nearest_ones.values()):
        return [f"{named}={mended}"], [Fault(text, f"no such option: {', '.join(unknown)}; write {named}={mended}")]
    faults = [Fault(text, f"no such option: {each}{did_you_mean(each, options)}") for each in unknown]
    return [], faults or [Fault(text, "no such choice")]


def _words(advice: str) -> list[str]:
    """The words of an advice, if it is one and knows no alternative."""
    words = advice.removeprefix("write ").split()
    return words if advice.startswith("write ") and all("=" in each for each in words) else []


def _reference(config: DictConfig, place: str) -> str:
    """The interpolation `${…}` at a dotted place of the config; "" if there is none."""
    *above, key = place.split(".")
    owner = OmegaConf.select(config, ".".join(above)) if above else config
    if not isinstance(owner, DictConfig) or key not in owner or not OmegaConf.is_interpolation(owner, key):
        return ""
    return str(OmegaConf.to_container(owner, resolve=False)[key])


def _one_within_other(key: str, other: str) -> bool:
    return f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")


def _by_value(values: list[list[str]]) -> list[list[str]]:
    """The command without sweeps: with the first value of each key, then with every other value once."""
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
