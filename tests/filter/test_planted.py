"""Prose is kept, and planted rubbish is dropped for its own reason."""

import random
from collections import Counter

import pytest

from lm.config.build import build
from lm.config.check import plain
from lm.corpus import Document, Dropped
from lm.filtering import FilteredSource, as_filter, trace_document
from support.compositions import composition
from support.given import Given
from support.shared_texts import needs_data, novels, web_pages, wikipedia, wikitext

WRAPPED = ("c4", "fineweb")  # rules for web pages: of a text in lines of 70 characters they leave little


def steps(*without: str) -> dict:
    composed = composition("corpus").compose(["corpus=web"])
    filters = plain(composed)["corpus"]["filters"]
    return {name: build(node) for name, node in filters.items() if name not in without}


def parts(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


@needs_data
def test_clean_text_is_kept(tmp_path):
    texts = {
        "novels": [part for novel in novels()[::3] for part in parts(novel, 20_000)[:12]],
        "wikitext": parts(wikitext(), 20_000),
        "wikipedia": list(wikipedia()),
    }
    for name, found in texts.items():
        documents = [Document(text, f"{name} {number}") for number, text in enumerate(found)]
        funnel = FilteredSource({name: Given(documents)}, filters=steps(*WRAPPED), directory=str(tmp_path))
        kept = sum(1 for _ in funnel)
        assert kept / len(documents) >= 0.98, (name, funnel.ledger.table())


def rubbish() -> dict[str, tuple[str, str]]:
    """A text of each kind of rubbish, and the filter that must drop it."""
    draw = random.Random(0)
    sentences = [page for page in web_pages() if 2000 < len(page) < 6000]
    page = sentences[0]
    words = page.split()
    minified = "var " + ";".join(f"a{n}=function(){{return {n}*b{n}}}" for n in range(400))
    wares = [f"Cheap {ware} buy {when} online" for ware in ("shoes", "pills", "hats") for when in ("now", "best")]
    spam = "\n".join(wares * 20)
    german = "Der Mensch ist frei geboren, und überall liegt er in Ketten. " * 3
    binary = bytes(draw.randrange(256) for _ in range(4000)).decode("latin-1")
    return {
        "minified javascript": (minified, "language"),
        "a list of spam": (spam, "repetition"),
        "a paragraph again and again": ("\n\n".join([page[:600]] * 9), "repetition"),
        "one phrase again and again": (" ".join(words[:300] + words[300:310] * 20), "repetition"),
        "another language": (german, "language"),
        "words without sentences": (" ".join(draw.sample(sorted({*words}), min(150, len({*words})))).lower(), "c4"),
        "numbers": (" ".join(str(draw.randrange(10**6)) for _ in range(400)), "gopher"),
        "binary": (binary, "language"),
        "too short": (" ".join(words[:40]), "gopher"),
        "lorem ipsum": (f"Lorem ipsum dolor sit amet, that is what it says.\n{page}", "c4"),
    }


@needs_data
@pytest.mark.parametrize("name", [
    "minified javascript", "a list of spam", "a paragraph again and again", "one phrase again and again",
    "another language", "words without sentences", "numbers", "binary", "too short", "lorem ipsum",
])  # fmt: skip
def test_each_kind_of_rubbish_is_dropped_by_its_filter(name):
    text, expected = rubbish()[name]
    filters = steps("duplicates", "near_duplicates")
    filters["language"] = type(filters["language"])(languages=["en"])
    trace = trace_document(Document(text, name), {name: as_filter(step) for name, step in filters.items()})
    assert isinstance(trace.dropped, Dropped), "it was kept"
    assert list(filters)[len(trace.texts) - 1] == expected, trace.dropped


@needs_data
def test_mojibake_is_repaired_rather_than_dropped():
    page = next(page for page in web_pages() if "’" in page and len(page) > 1000)
    spoiled = page.encode().decode("cp1252", "ignore")
    mended = steps()["clean"](Document(spoiled, "x")).text
    assert Counter(mended)["’"] == Counter(page)["’"] > 0
