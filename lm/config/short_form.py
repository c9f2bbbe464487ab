"""Short forms of a command: `evaluation=blimp evaluation.path=blimp.jsonl` where a job has one group of that name.

A job that takes several options of a group by name puts them below a key of its own, so the full form of the first word
is `evaluation@evaluations=blimp`, and of the second `evaluations.blimp.path=blimp.jsonl`: an option's parts stand below
its name.
"""

import re
from collections.abc import Mapping, Sequence

WORD = re.compile(r"([+~]*)([\w/]+)(?:@([\w.]+))?((?:\.[\w.]+)?)(=.*)?", re.DOTALL)


def full_forms(words: Sequence[str], groups: Mapping[str, str | None]) -> list[str]:
    """Return the words of a command with short forms written out.

    Args:
        words: The words after the job.
        groups: The groups of the job as the command line names them, as `evaluation@evaluations`, and their options.
    """
    keys = {
        group: at
        for group, _, at in (named.partition("@") for named in groups)
        if at and "." not in at and group not in groups and sum(each.partition("@")[0] == group for each in groups) == 1
    }
    if not keys:
        return [*words]
    chosen = {group: _names(groups[f"{group}@{at}"] or "") for group, at in keys.items()}
    for word in words:
        group, equals, value = word.lstrip("+").partition("=")
        name = group.partition("@")[0]
        if equals and name in keys and group in (name, f"{name}@{keys[name]}"):
            chosen[name] = _names(value)
    return [_full(word, keys, chosen) for word in words]


def compared(words: Sequence[str]) -> list[str]:
    """Return a command with `lm evaluate compare=[a,b]` written out: `lm compare runs=[a,b]`, which reads no model."""
    if words and words[0] == "evaluate" and any(word.startswith("compare=") for word in words):
        return ["compare", *(f"runs={word[8:]}" if word.startswith("compare=") else word for word in words[1:])]
    return [*words]


def _full(word: str, keys: Mapping[str, str], chosen: Mapping[str, Sequence[str]]) -> str:
    found = WORD.fullmatch(word)
    if not found:
        return word
    sign, group, package, rest, value = found[1], found[2], found[3], found[4], found[5] or ""
    if package is not None:  # data/conversations@evaluation.conversations
        head, _, inner = package.partition(".")
        return f"{sign}{group}@{_below(head, inner, keys, chosen)}{rest}{value}" if head in keys and inner else word
    if group not in keys:
        return word
    return f"{sign}{_below(group, rest[1:], keys, chosen)}{value}" if rest else f"{sign}{group}@{keys[group]}{value}"


def _below(group: str, inner: str, keys: Mapping[str, str], chosen: Mapping[str, Sequence[str]]) -> str:
    """The full key of a part of an option: of the one that it names, or of the only one that is chosen."""
    names = chosen[group]
    named = inner.partition(".")[0] in names
    return f"{keys[group]}.{inner}" if named or len(names) != 1 else f"{keys[group]}.{names[0]}.{inner}"


def _names(value: str) -> list[str]:
    return [each for each in re.split(r"[\[\],\s'\"]+", value) if each]
