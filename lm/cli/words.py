"""Words of a command that are no `key=value`, as people type them: what was meant is checked along with the rest."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from shlex import quote

from lm.config.advice import READERS, Adviser
from lm.config.docstrings import describe

DASHES = "‐‑‒–—―−﹣－"  # of word processors and chats, which turn -- into one of them
QUOTES = dict.fromkeys("‘’‚‛", "'") | dict.fromkeys("“”„‟«»", '"')
EQUALS = "＝﹦꞊"
KEY = r"[A-Za-z_][\w./@-]*"
OWN_FILES = ("--config", "--config-file", "--config-name", "--config-path", "-cn", "-cp", "--cfg-file", "--yaml")


class Words:
    """The words of a command after its job, mended; `faults` says what was wrong with each.

    Args:
        job: Name of the job.
        typed: The words after it.
        places: Directories of the YAML.
        flags: Flags of the command.
    """

    def __init__(self, job: str, typed: Sequence[str], places: Sequence[Path], *, flags: Sequence[str]):
        self.job, self.flags, self.multirun = job, flags, bool({"-m", "--multirun"} & {*typed})
        self.adviser = Adviser(job, places, [each for each in typed if re.match(rf"\+*{KEY}=", each)])
        self.faults: list[str] = []
        self.mended: list[str] = []
        rest = [self._in_ascii(each) for each in typed]
        while rest:
            rest = self._next(*rest)

    def _next(self, word: str, *rest: str) -> tuple[str, ...]:
        """Take one word, with those that belong to it; return the others."""
        following = rest[0] if rest and "=" not in rest[0] and rest[0][:1] not in "-+~" else None
        if word in OWN_FILES or (word == "-c" and following and following.endswith((".yaml", ".yml"))):
            self._own_file(word, following)
            return rest[following is not None :]
        if word in ("--config-dir", "-cd", "--package", "-p", "--cfg", "-c", "--completion"):
            self.mended += [word, *rest[:1]]
            return rest[1:]
        if word.startswith("--") and self._is_setting(word):
            key, equals, value = word[2:].partition("=")
            taken = following is not None and not equals
            value = value if equals else following if taken else "true"
            self._say(" ".join([word, *rest[:taken]]), "a setting has no dashes", key.replace("-", "_"), value)
            return rest[taken:]
        if re.fullmatch(rf"\+*{KEY}=?", word) and rest and rest[0].startswith("=") and word[-1] != "=":
            value = rest[0][1:] or next(iter(rest[1:2]), "")
            used = 1 + (rest[0] == "=")
            self._say(" ".join([word, *rest[:used]]), "there are blanks around =", word, value)
            return rest[used:]
        if re.fullmatch(rf"\+*{KEY}=", word) and following is not None and not self._is_text(word[:-1]):
            self._say(f"{word} {following}", "there is a blank after =", word[:-1], following)
            return rest[1:]
        if "=" in word or word[:1] in "-~":
            self.mended.append(self._setting(word))
            return rest
        return self._without_equals(word, rest, following)

    def _without_equals(self, word: str, rest: tuple[str, ...], following: str | None) -> tuple[str, ...]:
        settings = self.adviser.found.settings
        if self.mended and self._is_text(self.mended[-1].partition("=")[0]) and word not in settings:
            whole = " ".join([self.mended.pop(), word])
            self.faults = [each for each in self.faults if not each.startswith("the blank in ")]
            self.faults.append(f"the blank in {whole} ends the text: write {quote(whole)}")
            self.mended.append(whole)
        elif found := re.fullmatch(rf"({KEY}):(.+)", word):
            self._say(word, "it has no =", found[1], found[2])
        elif word in settings and following is not None:
            self._say(f"{word} {following}", "it has no =", word, following)
            return rest[1:]
        elif word in settings and isinstance(settings[word][-1].value, bool):
            self._say(word, "it has no =", word, "true")
        elif word in settings:
            value = settings[word][-1].value
            self._say(word, "it has no =", word, "…" if value in (None, "???") else str(value))
        elif "/" in word and (found := self.adviser.located(*word.rsplit("/", 1))) and word.count("/") == 1:
            self.faults.append(f"{word}: it has no =; write {found[0]}")
            self.mended.append(found[0])
        elif advice := self._file(word):
            sentence = advice if " " in advice and "=" not in advice.split()[0] else f"write {advice}"
            self.faults.append(f"{word}: it has no =; {sentence}")
            self.mended += [] if sentence == advice else advice.split()
        else:
            self.faults.append(f"{word}: is not key=value; lm {self.job} --help lists groups, options and keys")
        return rest

    def _setting(self, word: str) -> str:
        """`key=value` as it stands, or mended where it holds two settings or a decimal comma."""
        key, _, value = word.partition("=")
        if found := re.fullmatch(rf"([^'\"{{\[ ]+) +({KEY})=(.*)", value):
            if self._is_text(key):
                return word
            self.faults.append(f"{word}: these are two words: write {key}={found[1]} {found[2]}={found[3]}")
            self.mended.append(f"{key}={found[1]}")
            return self._setting(f"{found[2]}={found[3]}")
        if re.fullmatch(r"0,\d+|[1-9]\d{0,2}(,\d{3}){2,}", value) and not self.multirun:
            meant = value.replace(",", "." if value[0] == "0" else "")
            self.faults.append(f"{word}: a comma separates the values of a sweep: write {key}={meant}")
            return f"{key}={meant}"
        return word

    def _say(self, typed: str, reason: str, key: str, value: str) -> None:
        """Report a word, and continue with the word that was meant."""
        advice = "" if key.lstrip("+") in self.adviser.found.settings else self.adviser.instead_of(key, value)
        plain = f"write {key}={value}"
        advice = advice if advice and not advice.startswith("did") else plain
        self.faults.append(f"{typed}: {reason}; {advice}")
        if advice.startswith("write ") and " or " not in advice:
            self.mended += [each for each in advice.removeprefix("write ").split(" ") if re.match(rf"{KEY}=[^…]", each)]

    def _own_file(self, flag: str, file: str | None) -> None:
        name = Path(file or "mine").stem
        self.faults.append(
            f"{' '.join([flag, *([file] if file else [])])}: settings in a file are an experiment: move it to "
            f"my/experiment/{name}.yaml, with # @package _global_ as its first line, and write "
            f"--config-dir my experiment={name}"
        )

    def _file(self, word: str) -> str:
        """The setting that names a file or a run."""
        known = Path(word).suffix and Path(word).suffix.lower() in READERS["corpus"]
        if not re.fullmatch(r"[\w./~-]+", word) or not ("/" in word or Path(word).exists() or known):
            return ""
        if own := self.adviser.own(word):
            return own
        if first := self.adviser.first_a_corpus(word):
            return first
        weights = Path(word, "manifest.json").exists() or Path(word, "checkpoints").exists()
        data = ("corpus.path", "conversations.path", "data.path")
        for name in (
            ("model.path", "path") if weights else data if Path(word).is_file() or known else (*data, "model.path")
        ):
            if found := self.adviser.located(name, word):
                return found[0]
        return ""

    def _is_setting(self, word: str) -> bool:
        """Whether a word with dashes is none of the flags, and no misspelt one."""
        name = word.partition("=")[0]
        return name not in self.flags and not get_close_matches(name, self.flags, n=1, cutoff=0.75)

    def _is_text(self, key: str) -> bool:
        """Whether a sentence may stand at a key."""
        target, name = self.adviser.found.reader(key.lstrip("+"))
        parameter = definition.parameters.get(name) if (definition := describe(target)) else None
        named = key.lstrip("+").rpartition(".")[2] == name
        return named and parameter is not None and name in ("prompt", "message", "system", "text", "stop", "prefix")

    def _in_ascii(self, word: str) -> str:
        """The word with a keyboard's dash, quotes and equals sign; reported where it had others."""
        plain = re.sub(rf"^[{DASHES}]-?", lambda found: "--" if len(word) > 2 else "-", word)
        if found := re.match(rf"(\+*{KEY})[{EQUALS}](.*)", plain, re.DOTALL):
            plain = f"{found[1]}={found[2]}"
        head, equals, value = plain.partition("=")
        if equals and value[:1] in QUOTES and value[-1:] in QUOTES and len(value) > 1:
            plain = f"{head}={value[1:-1]}"
        if plain != word:
            other = next(each for each in word if each in DASHES + EQUALS or each in QUOTES)
            self.faults.append(f"{word}: {other} is not a sign of the keyboard here: write {plain}")
        return plain
