"""Canaries: texts with random secrets, whose memorisation can be measured because the other secrets are known.

Carlini et al. 2019, The Secret Sharer (arXiv:1802.08232).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from lm.bounds import Count, Natural
from lm.corpus.document import Document
from lm.corpus.split import hash_fraction

SECRET, NAME = "#", "{name}"
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"
HIGH = 0.99  # hash fraction of canaries, which no usual split.share holds out


@dataclass(frozen=True)
class Canary:
    """A text with a secret.

    Args:
        number: Its number among all, from 0.
        name: What stands for `{name}` in the format.
        secret: The characters that stand for `#`.
        text: The whole text.
        copies: How often it is meant to stand in a corpus.
    """

    number: int
    name: str
    secret: str
    text: str
    copies: int


class Canaries:
    """Texts of one format with secrets drawn by a seed, in several numbers of copies.

    Args:
        format: Text of a canary: each `#` is a character of the secret, `{name}` a made-up word of its own, so that the
            canaries do not compete with each other. Where it ends with the secret, the exposure is measured several
            times faster: secrets that differ in the last character share a forward pass.
        copies: Numbers of copies. Canaries of 0 copies are never inserted: what a model makes of them is chance.
        each: Canaries for each number of copies.
        alphabet: Characters that secrets are drawn from.
        seed: Seed of names and secrets.
    """

    def __init__(
        self,
        *,
        format: str = "The access code of {name} is ####",
        copies: Sequence[Natural] = (0, 1, 4, 16),
        each: Count = 5,
        alphabet: str = "0123456789",
        seed: int = 0,
    ):
        self.format, self.copies, self.each = format, [*copies], each
        self.alphabet, self.seed = alphabet, seed
        if not format.count(SECRET):
            raise ValueError(f"canaries.format={format!r} has no place for a secret: write a {SECRET} a character")
        if len({*alphabet}) != len(alphabet) or len(alphabet) < 2:
            raise ValueError(f"canaries.alphabet={alphabet!r}: give at least two characters, each once")
        if len({*self.copies}) != len(self.copies) or not self.copies:
            raise ValueError(f"canaries.copies={self.copies}: give different numbers, as [0,1,4,16]")
        if 2 * len(self.copies) * each > self.size:
            raise ValueError(
                f"canaries.format={format!r} has only {self.size:,} secrets for {len(self.copies) * each} canaries: "
                f"write more {SECRET}, or lower canaries.each"
            )

    @property
    def size(self) -> int:
        """Number of possible secrets, |R|."""
        return len(self.alphabet) ** self.format.count(SECRET)

    def identity(self) -> list:
        """What all canaries follow from, as plain data."""
        return [self.format, self.copies, self.each, self.alphabet, self.seed]

    def all(self) -> list[Canary]:
        """Return the canaries, those of one number of copies after each other."""
        draw, made = Random(f"canaries {self.seed}"), []
        secrets: dict[int, None] = {}
        names: dict[str, None] = {}
        total = len(self.copies) * self.each
        while len(secrets) < total:
            secrets.setdefault(draw.randrange(self.size))
        while len(names) < total:
            names.setdefault("".join(draw.choice(CONSONANTS) + draw.choice(VOWELS) for _ in range(4)).capitalize())
        for number, (place, name) in enumerate(zip(secrets, names, strict=True)):
            secret = self.secret(place)
            made.append(
                Canary(number, name, secret, self.text(name, secret), self.copies[number // self.each]),
            )
        return made

    def secret(self, place: int) -> str:
        """Return the secret of a number from 0 to |R| - 1."""
        letters = []
        for _ in range(self.format.count(SECRET)):
            place, letter = divmod(place, len(self.alphabet))
            letters.append(self.alphabet[letter])
        return "".join(reversed(letters))

    def text(self, name: str, secret: str) -> str:
        """Return the text of a canary with this name and secret."""
        letters = iter(secret)
        parts = self.format.split(NAME)
        return name.join("".join(next(letters) if each == SECRET else each for each in part) for part in parts)

    def documents(self, *, kind: str) -> list[Document]:
        """Return every copy of every canary as a document, in an order that the seed shuffles.

        Their groups are such that no usual `split.share` holds them out.

        Args:
            kind: Kind of the documents.
        """
        made = []
        for canary in self.all():
            group = self._group(canary)
            one = Document(canary.text, "", kind, group, source="canaries")
            made += [replace(one, id=f"canary {canary.number}, copy {copy + 1}") for copy in range(canary.copies)]
        Random(f"order {self.seed}").shuffle(made)
        return made

    def _group(self, canary: Canary) -> str:
        return next(each for each in _groups(canary.text) if hash_fraction(Document("", "", group=each)) >= HIGH)


def _groups(text: str) -> Iterator[str]:
    number = 0
    while True:
        yield f"canary {number} {text}"
        number += 1
