"""Another source with the noise of a raw crawl planted in it, to see what filters and deduplication are worth."""

import random
from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b

from lm.bounds import Natural, Share
from lm.corpus import Document, Source
from lm.files import hash_json

ABOVE = ("Skip to main content", "Sign in", "Subscribe now", "Accept all cookies", "This site uses cookies")
BELOW = ("Share this on Facebook", "Leave a comment", "Back to top", "Privacy policy | Terms of use", "Read more")
RIGHTS = "Copyright 2024 Example Media. All rights reserved."
GARBAGE = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=#@%&{}<>|~^_$;:,. \n"


class PlantedNoise(Source):
    """The documents of another source, some with boilerplate around them, some several times, and garbage in between.

    What is planted follows from the seed and the document alone. Copies and boilerplate share the group of their
    document, so exactly its documents are held out.

    Args:
        documents: The clean source.
        boilerplate: Share of the documents that get menus, cookie notices and rights above and below.
        repeated: Share of the documents that stand here more than once.
        copies: How often those stand here besides.
        garbage: Documents of random characters, for each document; as long as it is, up to `garbage_length`.
        garbage_length: Characters of garbage, at most.
        seed: Seed of the draws.
    """

    def __init__(
        self,
        documents: Source,
        *,
        boilerplate: Share = 0.5,
        repeated: Share = 0.1,
        copies: Natural = 8,
        garbage: Share = 0.3,
        garbage_length: Natural = 4000,
        seed: int = 0,
    ):
        self.documents, self.boilerplate, self.repeated, self.copies = documents, boilerplate, repeated, copies
        self.garbage, self.garbage_length, self.seed = garbage, garbage_length, seed

    def prepare(self) -> None:
        self.documents.prepare()

    def fingerprint(self) -> str:
        options = [self.boilerplate, self.repeated, self.copies, self.garbage, self.garbage_length, self.seed]
        return hash_json(["planted noise", self.documents.fingerprint(), *options, ABOVE, BELOW, RIGHTS, GARBAGE])

    def __iter__(self) -> Iterator[Document]:
        for document in self.documents:
            draw = random.Random(blake2b(f"{self.seed} {document.id}".encode(), digest_size=8).digest())
            noisy = replace(document, text=self._framed(document.text, draw), group=document.key)
            yield noisy
            if draw.random() < self.repeated:
                yield from (replace(noisy, id=f"{document.id}, copy {number + 1}") for number in range(self.copies))
            if draw.random() < self.garbage and self.garbage_length:
                length = min(len(document.text), self.garbage_length)
                text = "".join(draw.choices(GARBAGE, k=length))
                yield Document(text, f"garbage after {document.id}", document.kind, source="garbage")
        self.tally, self.notes = self.documents.tally, self.documents.notes

    def _framed(self, text: str, draw: random.Random) -> str:
        if draw.random() >= self.boilerplate:
            return text
        above, below = (draw.sample(lines, 3) for lines in (ABOVE, BELOW))
        return "\n".join([*above, text, *below, RIGHTS])
