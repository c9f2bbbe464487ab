"""English texts of many kinds, original and spoiled, so that every published rule drops some of them."""

import gzip
import json
import random
import re
import tarfile
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

DATA = Path(__file__).parents[3] / "shared" / "data"
PART = 2500  # characters of a text from a novel
SPOILS: dict[str, Callable[[str, random.Random], str]] = {}


def spoil(rule: Callable[[str, random.Random], str]) -> Callable[[str, random.Random], str]:
    SPOILS[rule.__name__] = rule
    return rule


def originals(count: int, *, max_characters: int) -> list[str]:
    """Draw `count` texts of each kind, cut to `max_characters`."""
    stories = gzip.decompress((DATA / "tinystories" / "tinystories_2MiB.txt.gz").read_bytes()).decode()
    kinds = [
        [json.loads(line)["text"] for line in (DATA / "web_samples" / "c4_300.jsonl").open(encoding="utf-8")],
        [part for line in (DATA / "web_samples" / "wikipedia_30.txt").open(encoding="utf-8") for part in _parts(line)],
        re.split(r"\n(?= = [^=])", (DATA / "wikitext2" / "valid.txt").read_text(encoding="utf-8")),
        stories.split("<|endoftext|>"),
        _novels(),
    ]
    draw = random.Random(0)
    chosen = [text.strip() for kind in kinds for text in draw.sample(kind, min(count, len(kind)))]
    return [text[:max_characters] for text in chosen if text]


def _novels() -> list[str]:
    texts = []
    with tarfile.open(DATA / "novels" / "novels_lean.tar.gz") as archive:
        for member in archive.getmembers()[:12]:
            text = archive.extractfile(member).read().decode("utf-8-sig").replace("\r\n", "\n")
            texts += _parts(text[10_000:60_000])
    return texts


def _parts(text: str) -> list[str]:
    return [text[place : place + PART] for place in range(0, len(text), PART)]


def spoiled(texts: list[str], *, ways: int) -> list[str]:
    """Spoil each text in `ways` ways, in turn, to a random degree."""
    draw, turn = random.Random(0), cycle(SPOILS.values())
    return [next(turn)(text, draw) for text in texts for _ in range(ways)]


def _sprinkled(text: str, draw: random.Random, pieces: list[str]) -> str:
    often = draw.random() * 0.3
    return re.sub(r" ", lambda _: f" {draw.choice(pieces)} " if draw.random() < often else " ", text)


@spoil
def cut_short(text: str, draw: random.Random) -> str:
    return " ".join(text.split(" ")[: draw.randrange(20, 90)])


@spoil
def symbols_added(text: str, draw: random.Random) -> str:
    return _sprinkled(text, draw, [draw.choice(["#", "...", "…"])])


@spoil
def numbers_added(text: str, draw: random.Random) -> str:
    return _sprinkled(text, draw, ["12", "3.5", "|", "1999", "*", "="])


@spoil
def letters_apart(text: str, draw: random.Random) -> str:
    often = draw.random()
    return " ".join(" ".join(word) if draw.random() < often else word for word in text[:1500].split(" "))


@spoil
def words_together(text: str, draw: random.Random) -> str:
    often = draw.random()
    return re.sub(r"(?<=[a-z]) (?=[a-z])", lambda _: "" if draw.random() < often else " ", text)


@spoil
def stop_words_removed(text: str, draw: random.Random) -> str:
    removed = draw.sample(["the", "be", "to", "of", "and", "that", "have", "with"], draw.randrange(5, 9))
    return " ".join(word for word in text.split(" ") if word not in removed)


@spoil
def lines_broken(text: str, draw: random.Random) -> str:
    often = draw.random() * 0.6
    return re.sub(r" ", lambda _: "\n" if draw.random() < often else " ", text)


@spoil
def sentences_as_lines(text: str, draw: random.Random) -> str:
    return re.sub(r"(?<=[.!?]) ", "\n", text)[: draw.randrange(100, 4000)]


@spoil
def lines_marked(text: str, draw: random.Random) -> str:
    lines, bullets = re.sub(r"(?<=[.,!?]) ", "\n", text).split("\n"), draw.random() < 0.5
    before, after = draw.choice([("- ", ""), ("• ", "")] if bullets else [("", "..."), ("", " …")])
    often = 0.8 + 0.2 * draw.random() if bullets else 0.6 * draw.random()
    return "\n".join(f"{before}{line}{after}" if draw.random() < often else line for line in lines)


@spoil
def lines_unfinished(text: str, draw: random.Random) -> str:
    lines, often = re.sub(r"(?<=[.!?]) ", "\n", text).split("\n"), draw.random() * 0.3 + 0.7
    return "\n".join(line.rstrip(".!?\"' ") if draw.random() < often else line for line in lines)


@spoil
def lines_repeated(text: str, draw: random.Random) -> str:
    lines, often = re.sub(r"(?<=[.!?])\s", "\n", text).split("\n"), 0.1 + draw.random() * 0.8
    end = draw.choice(["\n", "\n\n", "\n\n"])
    return end.join(draw.choice(lines) if draw.random() < often else line for line in lines)


@spoil
def one_line_again(text: str, draw: random.Random) -> str:
    lines = re.sub(r"(?<=[.!?]) ", "\n", text).split("\n")
    return "\n".join([*lines, draw.choice(lines)])


@spoil
def phrases_repeated(text: str, draw: random.Random) -> str:
    words, often, length = text[:1500].split(" "), draw.random() ** 2, draw.randrange(2, 7)
    begin = draw.randrange(max(1, len(words) - length))
    phrase = " ".join(words[begin : begin + length])
    return " ".join(f"{word} {phrase}" if draw.random() < often else word for word in words)


@spoil
def passages_repeated(text: str, draw: random.Random) -> str:
    words, often = text.split(" "), draw.random() * 0.05
    return " ".join(
        " ".join(words[(begin := draw.randrange(len(words))) : begin + 12]) if draw.random() < often else word
        for word in words
    )


@spoil
def page_furniture(text: str, draw: random.Random) -> str:
    extra = ["I said so.", "Please enable JavaScript to see this.", "We use cookies to please you.", "Home"]
    extra += ["See [1] and [edit] here."]
    extra += [draw.choice(["function() { return }.", "Lorem ipsum dolor sit amet.", "x" * 1001 + " is a word."])] * 4
    lines = re.sub(r"(?<=[.!?]) ", "\n", text).split("\n")[: draw.randrange(1, 12)]
    return "\n".join(line for pair in zip(lines, draw.choices(extra, k=len(lines)), strict=True) for line in pair)
