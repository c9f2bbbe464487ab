"""What to type instead of a word that a job does not know: words that work when they are copied."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path

import yaml

from lm.config.declared import declared
from lm.config.docstrings import describe
from lm.config.faults import did_you_mean, nearest
from lm.config.other_names import JOBS, KEYS, NOT_BUILT, OF_JOB, OWN, SENTENCES, VALUES, WORDS
from lm.config.outline import LOADER, Outline, jobs, options, outline, rules
from lm.config.target import signature

# The option of a group that reads a file, by how its name ends; "" is a folder.
READERS = {
    "corpus": {".txt": "text", ".md": "text", "": "text", ".jsonl": "jsonl", ".json": "jsonl", ".parquet": "table"}
    | {".csv": "table", ".tsv": "table", ".html": "html", ".htm": "html"},
    "data/conversations": dict.fromkeys(("", ".jsonl", ".json", ".parquet", ".csv", ".tsv"), "auto"),
    "data/preferences": dict.fromkeys(("", ".jsonl", ".json", ".parquet", ".csv", ".tsv"), "auto"),
}
A_RUN = "a model is read from the run that trained it: write {key}=outputs/pretrain/default"
TO_A_CORPUS = (
    "pretraining reads a corpus of tokens, not {value}: lm tokenizer and lm corpus make one, each with corpus=own "
    "corpus.path={value}; write lm pipeline text={value} for all stages"
)
NO_RUN = "there is no run {value}, and models of a hub are not read: model.path names a run of lm pretrain or instruct"
ROWS_CONTEXT = 256  # tokens of a row, where the job does not say
DATA = ("data", "corpus", "dataset")
BATCH = ("batch_size", "batchsize", "train_batch_size", "bs", "global_batch_size")
NOTHING = ("none", "no", "false", "off", "null", "disabled", "~")


def other_job(word: str, rest: Sequence[str], known: Iterable[str]) -> str:
    """What to type in place of a job that there is not, with the other words of the command; "" if nothing is near."""
    if "=" in word and "pretrain" in known:
        return f"the first word names a job: write lm pretrain {' '.join([word, *rest])}"
    name = word.lower()
    for names, sentence in NOT_BUILT.items():
        if name in names.split():
            return sentence
    for words, names in JOBS.items():
        job, *more = words.split()
        if name in names.split() and (job in known or job.startswith("-") or job == "help"):
            return f"write {' '.join(['lm', job, *more, *(rest if job in known else ())])}"
    return ""


def no_such_job(word: str, rest: Sequence[str], known: Sequence[str]) -> str:
    """That there is no job of this name, and what to type in its place."""
    advice = other_job(word, rest, known)
    return f"there is no job {word}{f'; {advice}' if advice else did_you_mean(word, known)}"


class Adviser:
    """Advice for a job.

    Args:
        job: Name of the job.
        places: Directories of the YAML.
        overrides: The command, for the options that it chooses.
    """

    def __init__(self, job: str, places: Sequence[Path], overrides: Sequence[str] = ()):
        self.job, self.places = job, tuple(places)
        given = [each.lstrip("+").partition("=") for each in overrides if "=" in each]
        self.rules = rules(job, self.places)
        self.chosen = {key: value for key, _, value in given if key in self.rules or value in self._options(key)}

    @cached_property
    def found(self) -> Outline:
        """The groups and keys of the job with the options of the command."""
        return outline(self.job, self.places, self.chosen)

    @cached_property
    def usual(self) -> Outline:
        """The groups and keys of the job with its own options."""
        return outline(self.job, self.places) if self.chosen else self.found

    def instead_of(self, key: str, value: str) -> str:
        """`write key=value` with what is meant by a key that the job does not have; "" if nothing is near."""
        key, value = key.lstrip("+"), value or "…"
        above, _, leaf = key.rpartition(".")
        name = _normal(leaf)
        for names, sentence in {**OF_JOB.get(self.job, {}), **SENTENCES}.items():
            if name in names.split():
                return sentence
        if typed := self.meant(key, value):
            return typed
        if typed := self._words(WORDS, name, value):
            return f"write {typed}"
        if name in BATCH and value.isdecimal():
            return self._batch(int(value))
        is_own = name in OWN.split() or (name == "path" and above in ("", *DATA))
        if is_own and (found := self.own(value) or self.first_a_corpus(value)):
            return found if " " in found else f"write {found}"
        if not above and nearest(name, self.found.own, cutoff=0.85) is not None:
            return ""  # the check names it
        others = _names_here(name) if name != "path" or above in ("", *DATA) else []
        if "corpus" in self.found.groups:
            others.sort(key=lambda each: each != "corpus.path")
        others.sort(key=lambda each: above == "" or not each.startswith(f"{above}."))
        for each in [*others, _normal(key)]:
            if found := self.located(each, value) or self.options_with(each, value):
                return f"write {' or '.join(found)}"
        return self._elsewhere([key], value) or self._near(key, value) or self._elsewhere(others, value)

    def meant(self, key: str, value: str) -> str:
        """`write …` with the words for a value that other tools have for a key; "" if it is none of theirs."""
        typed = self._words(VALUES, f"{_normal(_leaf(key))} {value.lower()}", value)
        return f"write {typed}" if typed else ""

    def option_instead_of(self, group: str, value: str) -> str:
        """What is meant by an option that a group does not have, or by a group that the job does not have."""
        group, path = group.lstrip("+"), group.lstrip("+").partition("@")[0]
        known = self._options(group)
        stem = Path(value).name.removesuffix(".yaml").lower()
        if group in self.found.groups and stem in known:
            return f"write {group}={stem}"
        model = self.located("model.path", value) if path == "model" else []
        if model and (is_path(value) or group not in self.found.groups):
            if value in known and len(model) == 1 and "@" not in model[0] and not self.located(path, value):
                return A_RUN.format(key=model[0].partition("=")[0])
            if value not in known:
                return f"write {' or '.join(model)}" if Path(value).exists() else NO_RUN.format(value=value)
        if path in DATA and (first := self.first_a_corpus(value)):
            return first
        if group not in self.found.groups:
            instead = self.own(value) or (f"+{group}={value}" if self._is_taken(group, value) else "")
            return f"write {instead}" if instead else self.instead_of(path, value)
        if value.lower() in NOTHING:
            return f"write {group}={'null' if self._may_be_null(group) else next(iter(known))}"
        if path in READERS and is_path(value) and (reader := READERS[path].get(Path(value).suffix.lower())):
            return f"write {group}={reader} {_place(group)}.path={value}"
        if is_path(value) and (advice := self.instead_of(path, value)):
            return advice
        return self.meant(group, value)

    def _is_taken(self, group: str, value: str) -> bool:
        """Whether a part of the job takes an option of a group that the job does not choose from, as model/block."""
        inside = "/" in group and "@" not in group
        target, name = self.found.reader(_place(group)) if inside and value in self._options(group) else ("", "")
        taken = signature(declared(target)[0]) if target else None
        return taken is not None and name in taken.parameters

    def located(self, name: str, value: str) -> list[str]:
        """The words that set a key, or choose an option of a group, by the last parts of its name."""
        free = [each for each in self.found.groups if not self._refers(_place(each))]
        choices = [each for each in free if f"/{each.partition('@')[0]}".endswith(f"/{name}")]
        choices += [each for each in free if _place(each) == name and each not in choices]
        if fitting := [each for each in choices if value in self._options(each)]:
            return [f"{each}={value}" for each in _shallowest(fitting)]
        keys = [each for each in self.found.settings if f".{each}".endswith(f".{name}") and not self._refers(each)]
        if keys:
            return [f"{each}={value}" for each in _shallowest(keys) if not each.endswith("_target_")]
        return self._within_options(name, value)

    def options_with(self, key: str, value: str) -> list[str]:
        """The words that choose another option of the group around a key, one that has it, and set it."""
        place, _, leaf = key.rpartition(".")
        group = next((each for each in self.found.groups if _place(each) == place), None)
        known = self._options(group) if group else ()
        having = [each for each in known if leaf in _keys_of(self.places, group.partition("@")[0], each)]
        return [f"{group}={each} {key}={value}" for each in having]

    def own(self, value: str) -> str:
        """`key=value` with the key of the job that takes a file of the user's own; "" if it has none."""
        suffix = Path(value).suffix.lower()
        groups = {key: words[0].partition("@")[0] for key, words in self.rules.items()}
        keys = [key for key, group in groups.items() if suffix in READERS.get(group, ())]
        return f"{keys[-1] if suffix else keys[0]}={value}" if keys and is_path(value) else ""

    def first_a_corpus(self, value: str) -> str:
        """What a job that reads a corpus says of a text; "" for other jobs and for what may be a corpus."""
        read = [str(each[-1].value) for key, each in self.found.settings.items() if key.endswith("data._target_")]
        is_text = Path(value).is_file() or Path(value).suffix.lower() in {*READERS["corpus"]} - {""}
        reads = any(each.endswith("PretrainingData") for each in read) and "corpus" not in self.found.groups
        return TO_A_CORPUS.format(value=value) if is_text and reads and not self.rules else ""

    def to_add_a_part(self, key: str, value: str) -> str:
        """`write …` with the words that add an option under a name, as `+rule@rules.form=form`."""
        groups = [each.partition("@")[0] for each in self.found.groups if _place(each).rpartition(".")[0] == key]
        groups += [each.partition("@")[0] for each in self.found.groups if _place(each) == key]
        option = next(iter(re.findall(r"\w+", value)), "")
        named = [each for each in groups if option in self._options(each)]
        word = f"{named[0]}@{key}.{option}={option}" if named else ""
        return f"write {'' if word.partition('=')[0] in self.found.groups else '+'}{word}" if word else ""

    def option_at(self, key: str, value: str) -> str:
        """The word that chooses an option of a group at a key, or at the one place deeper in it; "" if there is none.

        A part beside others of a mapping may have any name: `+reward@objective.reward.parts.brief=length`.
        """
        above = key.rpartition(".")[0]
        for group in self.found.groups:
            if _place(group) == key and value in self._options(group):
                return f"{group}={value}"
        within = [each for each in self.found.groups if _place(each).rpartition(".")[0].startswith(f"{key}.")]
        if len(fitting := [each for each in within if value in self._options(each)]) == 1:
            return f"{fitting[0]}={value}"
        beside = [each for each in self.found.groups if "@" in each and _place(each).rpartition(".")[0] == above]
        named = f"{above}._target_" in self.found.settings  # a key of a class, which names its own parts
        paths = dict.fromkeys(each.partition("@")[0] for each in beside if value in self._options(each))
        return "" if named or not above else next((f"+{path}@{key}={value}" for path in paths), "")

    def is_open(self, key: str) -> bool:
        """Whether a key holds a mapping without entries, to which any may be added."""
        return any(each.value == {} for each in self.found.settings.get(key, ()))

    def run_to_name(self) -> str:
        """The newest run that holds a model as the job needs it; "" if there is none.

        Alignment and chat need a tuned one; any other job takes the newest, as outputs/pretrain/default.
        """
        made = ("instruct", "align") if self.job in ("align", "chat") else ("instruct", "align", "pretrain")
        found = [path for job in made for path in Path("outputs").glob(f"{job}/*/manifest.json")]
        return max(found, key=lambda path: path.stat().st_mtime).parent.as_posix() if found else ""

    def _options(self, group: str) -> dict[str, str]:
        return options(group.partition("@")[0], self.places, job=self.job)

    def _may_be_null(self, group: str) -> bool:
        """Whether a job or part can do without what a group chooses."""
        target, name = self.found.reader(_place(group))
        parameter = definition.parameters.get(name) if (definition := describe(target)) else None
        default = parameter is not None and parameter.default == "None"
        return self.usual.groups.get(group, "") is None or default

    def _within_options(self, name: str, value: str) -> list[str]:
        """The words that choose an option of a group that has the key, and set it."""
        place, _, leaf = name.rpartition(".")
        found = {}
        for group in self.found.groups:
            path = group.partition("@")[0]
            if self._refers(_place(group)):
                continue
            if place and _place(group) != place and not path.endswith(place.replace(".", "/")):
                continue
            having = [each for each in options(path, self.places) if leaf in _keys_of(self.places, path, each)]
            fitting = READERS.get(path, {}).get(Path(value).suffix.lower())
            having = [each for each in having if each in (fitting, leaf)] or having
            if having and (place or fitting in having):
                found[group] = f"{group}={having[0]} {_place(group)}.{leaf}={value}"
        return [found[each] for each in _shallowest(found)]

    def _refers(self, place: str) -> bool:
        """Whether a part of the job stands for that at another key."""
        return any(str(each.value).startswith("${") for each in self.found.settings.get(place, ()))

    def _words(self, table: Mapping[str, str], name: str, value: str) -> str:
        """The words of a table for a name, at their places in this job; "" if it has not all of them."""
        entry = next((words for names, words in table.items() if name == names or name in names.split()), "")
        if not entry or (value.lower() in NOTHING and "{value}" not in entry):
            return ""
        found = []
        for word in entry.format(value=value).split():
            key, _, given = word.partition("=")
            chosen = Adviser(self.job, self.places, found) if found else self
            located = chosen.located(key, given)
            if not located:
                return ""
            found.append(located[0])
        return " ".join(found)

    def _batch(self, rows: int) -> str:
        context = next(
            (each[-1].value for key, each in self.found.settings.items() if key.endswith("model.context")), 0
        )
        context = context if isinstance(context, int) and context else ROWS_CONTEXT
        found = self.located("batch_tokens", str(rows * context))
        return f"a batch counts tokens, {rows} rows of {context}: write {' or '.join(found)}" if found else ""

    def _near(self, key: str, value: str) -> str:
        """A key anywhere in the job that is spelled alike; "" where one beside this key is, which the check names."""
        above, _, leaf = key.rpartition(".")
        known = dict.fromkeys([*self.found.settings, *map(_place, self.found.groups)])
        beside = {each[len(above) + bool(above) :].partition(".")[0] for each in known if f"{each}.".startswith(above)}
        if nearest(leaf, [each for each in beside if each[:1] != "_"]) is not None:
            return ""
        leaves = {each.rpartition(".")[2]: each for each in reversed(known)}
        near = nearest(leaf.lower(), [each for each in leaves if each[:1] != "_"], cutoff=0.8)
        return f"did you mean {leaves[near]}={value}?" if near else ""

    def _elsewhere(self, names: Sequence[str], value: str) -> str:
        """Other jobs that have one of the keys."""
        having = []
        for job in jobs(self.places):
            found = outline(job, self.places)
            groups = [each for each in found.groups if _leaf(each.replace("/", ".")) in names]
            if job != self.job and "@" not in (groups or "@")[0] and value in self._options(groups[0]):
                return f"lm {self.job} has none: leave it out, or write lm {job} {groups[0]}={value}"
            if job != self.job and any(each in found.settings or each in map(_leaf, found.own) for each in names):
                having.append(f"lm {job}")
        return f"leave it out: it is a key of {', '.join(having[:3])}" if having else ""


def _leaf(key: str) -> str:
    return key.rpartition(".")[2]


def _names_here(name: str) -> list[str]:
    return [here for names, others in KEYS.items() if name in others.split() for here in names.split()]


def _normal(name: str) -> str:
    return name.lower().replace("-", "_")


def _place(group: str) -> str:
    """The key at which the option of a group stands."""
    return group.rpartition("@")[2].replace("/", ".")


def is_path(value: str) -> bool:
    """Return True for what a person may type to name a file: an existing path, or one with a slash or a suffix."""
    return "/" in value or Path(value).exists() or (Path(value).suffix != "" and not value.replace(".", "").isdecimal())


def _shallowest(keys: Iterable[str]) -> list[str]:
    """The keys of the fewest parts."""
    depths = {each: _place(each).count(".") for each in keys}
    return [each for each, depth in depths.items() if depth == min(depths.values())]


@cache
def _keys_of(places: Sequence[Path], group: str, option: str) -> frozenset[str]:
    """The keys that the file of an option sets itself."""
    files = [path for place in places if (path := place / group / f"{option}.yaml").is_file()]
    try:
        content = yaml.load(files[0].read_text(encoding="utf-8"), Loader=LOADER) if files else None
    except yaml.YAMLError:
        content = None
    return frozenset(content if isinstance(content, dict) else ()) - {"defaults"}
