"""Where the words of a long list stand in a text: by looking up each word of the text, not each word of the list."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

# Marks that belong to a word though they are no letters: accents, points, vowels of India; and joiners.
MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
    "\u0711-\u074a\u0900-\u0963\u0966-\u0dff\u200c\u200d"
)
# Scripts that do not space their words: Thai, Lao, Tibetan, Myanmar, Khmer, kana, Chinese characters.
UNSPACED = re.compile(
    "[\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
OTHER_SIGNS = re.compile(rf"[^\x00-\x7f\w{MARKS}]+")
BLANKS = bytes(byte if byte >= 0x80 or chr(byte).isalnum() else 0x20 for byte in range(256))
WORD = re.compile(rf"[\w{MARKS}]+")
LETTERS_A_WORD = 2  # of unspaced scripts, roughly


class Occurrences:
    """Words are found whole and in any case; phrases with any blanks or hyphens between their words.

    In scripts without spaces a word is found wherever its characters stand, also where they end one word and begin
    another.
    """

    def __init__(self, words: Iterable[str]):
        self.single: set[str] = set()
        self.phrases: dict[str, list[tuple[str, list[str], re.Pattern]]] = {}  # by the longest of their words
        self.signs: list[tuple[str, re.Pattern]] = []  # without any word
        self.unspaced: dict[str, list[tuple[str, int]]] = {}  # by their first such character, and where it stands
        for word in sorted({_fold(word.strip()) for word in words} - {""}):
            self._add(word)
        self.heads = self.single | self.phrases.keys()
        self.first = re.compile(f"[{re.escape(''.join(self.unspaced))}]" if self.unspaced else "(?!)")

    def _add(self, word: str) -> None:
        if found := UNSPACED.search(word):
            self.unspaced.setdefault(found[0], []).append((word, found.start()))
            return
        parts = _words(word)
        if parts == [word]:
            self.single.add(word)
            return
        pieces = (r"[\s\-]+" if piece.strip(" -") == "" else re.escape(piece) for piece in re.split(r"([ \-]+)", word))
        before = rf"(?<![\w{MARKS}])" if WORD.match(word) else ""
        after = rf"(?![\w{MARKS}])" if WORD.match(word[-1]) else ""
        pattern = re.compile(f"{before}{''.join(pieces)}{after}")
        if parts:
            self.phrases.setdefault(max(parts, key=len), []).append((word, parts, pattern))
        else:
            self.signs.append((word, pattern))

    def find(self, text: str) -> tuple[Counter[str], int]:
        """How often each word of the list stands in the text, and of how many words the text is, roughly."""
        text = _fold(text)
        words = _words(text)
        found: Counter[str] = Counter()
        if heads := self.heads.intersection(words):
            if single := heads & self.single:
                found.update(word for word in words if word in single)
            for phrase, pattern in self._likely(words, heads & self.phrases.keys()):
                found[phrase] = sum(1 for _ in pattern.finditer(text))
        for sign, pattern in self.signs:
            found[sign] += sum(1 for _ in pattern.finditer(text))
        if self.unspaced and not text.isascii():
            for here in self.first.finditer(text):
                for word, offset in self.unspaced[here[0]]:
                    found[word] += text.startswith(word, here.start() - offset) if here.start() >= offset else 0
        found = +found
        count = len(words)
        if found and not text.isascii():
            count += sum(1 for _ in UNSPACED.finditer(text)) // LETTERS_A_WORD
        return found, count

    def _likely(self, words: list[str], heads: set[str]) -> Iterable[tuple[str, re.Pattern]]:
        """The phrases whose words follow each other, whatever is between them."""
        likely = {}
        for place, word in enumerate(words) if heads else ():
            if word in heads:
                for phrase, parts, pattern in self.phrases[word]:
                    start = place - parts.index(word)
                    if words[start : start + len(parts)] == parts:
                        likely[phrase] = pattern
        return likely.items()


def _fold(text: str) -> str:
    """One spelling, in small letters; _ is a blank."""
    text = text if text.isascii() else unicodedata.normalize("NFC", text)
    return text.casefold().replace("_", " ")


def _words(folded: str) -> list[str]:
    """Runs of letters, digits and their marks: three times as fast as a regular expression finds them."""
    if not folded.isascii():
        folded = OTHER_SIGNS.sub(" ", folded)
    return folded.encode(errors="surrogatepass").translate(BLANKS).decode(errors="surrogatepass").split()
