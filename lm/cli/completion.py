"""Tab completion: what may come next on a command line, and the scripts of the shells."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from lm.cli.explain import USUAL
from lm.cli.help import topics
from lm.cli.job_help import ALL, parts
from lm.config.outline import Outline, jobs, options, outline
from lm.config.short_form import full_forms

CONFIG_DIR = ("--config-dir", "-cd")
FLAGS = ("--help", "--multirun", "--config-dir", "--cfg", "--package", "--resolve", "--version", "--completion")
# Each shell passes the words before the one at the cursor, then that one, perhaps empty.
SCRIPTS = {
    "bash": r"""
_lm_complete() {
    local line="${COMP_LINE:0:COMP_POINT}" words
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    local current="${words[-1]}"
    mapfile -t COMPREPLY < <("${words[0]}" --complete "${words[@]:1}" 2>/dev/null)
    COMPREPLY=("${COMPREPLY[@]#"${current%"${current##*[=:@]}"}"}")  # bash ends a word at each of these
}
complete -o nospace -o default -F _lm_complete lm
""",
    "zsh": r"""
_lm_complete() {
    local candidates=("${(@f)$("${words[1]}" --complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "${candidates[1]}" ]]; then compadd -Q -S '' -- "${candidates[@]}"; else _files; fi
}
compdef _lm_complete lm
""",
    "fish": r"""
complete -c lm -f -a '(lm --complete (commandline -opc)[2..] (commandline -ct) | string trim)'
""",
}


def candidates(words: Sequence[str], directory: Path) -> list[str]:
    """The completions of the last word; a space ends those that are complete."""
    *before, current = words or [""]
    if before and before[-1] in CONFIG_DIR:
        return []  # the shell completes directories
    places = [directory, *_config_directories(before)]
    if current.startswith("-"):
        return [f"{flag} " for flag in FLAGS if flag.startswith(current)]
    plain = [word for word in before if not word.startswith("-") and Path(word) not in places]
    known = jobs(places)
    if not plain:
        return [f"{word} " for word in [*known, "explain", "help"] if word.startswith(current)]
    if plain == ["help"]:
        return [f"{topic} " for topic in dict.fromkeys([*known, *topics(), "tree"]) if topic.startswith(current)]
    if plain[0] == "explain":
        return _explained(plain[1:], current, known, places)
    groups = outline(plain[0], places).groups
    chosen = dict(word.lstrip("+").split("=", 1) for word in full_forms(plain[1:], groups) if "=" in word)
    found = outline(plain[0], places, chosen)
    if {"--help", "-h"} & {*before}:
        return [f"{part} " for part in [*parts(found), ALL] if part.startswith(current)]
    name, equals, _ = current.partition("=")
    choices = options(name.lstrip("+").partition("@")[0], places, job=plain[0]) if equals else {}
    short = full_forms([current], groups) != [current]
    if choices and (name in found.groups or name.startswith("+") or short):
        offered = [f"{name}={option} " for option in choices]
    else:
        offered = [f"{each}=" for each in dict.fromkeys([*found.groups, *found.own, *found.inherited])]
    return [each for each in offered if each.startswith(current) and each != current]


def _explained(words: Sequence[str], current: str, known: Iterable[str], places: Sequence[Path]) -> list[str]:
    """What `lm explain` takes: a job, its groups and its keys."""
    job = words[0] if words and words[0] in known else None
    first = [] if words else known
    found = outline(job, places) if job else outline(USUAL, places) if USUAL in known else Outline()
    keys = dict.fromkeys([*first, *found.groups, *found.own, *found.inherited])
    return [f"{key} " for key in keys if key.startswith(current) and key != current]


def _config_directories(words: Sequence[str]) -> list[Path]:
    named = [Path(word) for flag, word in pairwise(words) if flag in CONFIG_DIR]
    return [path for path in named if path.is_dir()]
