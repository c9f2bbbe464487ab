"""C4's rules: keep lines that are sentences, drop pages with too few of them.

Raffel et al. 2020, arXiv:1910.10683, section 2.2, and the published code, which is more specific than the paper.
"""

import re
from dataclasses import replace

from lm.bounds import Count, Natural
from lm.corpus import Document, Dropped

ENDS = (".", "?", "!", '"', "'")
CITATION = re.compile(r"\[(?:\d*|edit|citation needed)\]")
POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
# A sentence boundary within a line: a terminal mark that is not part of an ellipsis, an initial or a title, and the
# closing quotes or brackets after it; before a capital letter the blank may be missing.
SENTENCE_END = re.compile(
    r"[.!?](?<!\.\.)(?!\.)(?<!\b[A-Za-z]\.)(?<!\b[MDJS][rst]\.)(?<!\bMrs\.)"
    r"[!?\"'”’)\]]{0,9}(?:\s++|(?<=[a-z]\.)(?=[A-Z]))[\"'“‘(\[]{0,9}(?=\w)"
)


class C4Quality:
    """Keep lines that end like a sentence, have enough words, and do not mention JavaScript or cookies.

    A page is dropped if such a line has `lorem ipsum` or a curly bracket, or if too few sentences are left. Sentences
    are counted by their punctuation. For the list of bad words that C4 also applies, add `filter=word_list`.

    Args:
        terminal_punctuation: Keep only lines that end in `.`, `?`, `!` or a straight quote, and not in an ellipsis.
        min_line_words: Fewest words of a line that is kept, split at white space.
        min_sentences: Fewest sentences in the kept lines of a page that is kept.
        max_word_length: Characters; a line with a longer word is removed.
        drop_lorem_ipsum: Drop pages with `lorem ipsum`.
        drop_curly_bracket: Drop pages with `{`, since they hold code.
        remove_javascript: Remove lines that mention JavaScript.
        remove_policy: Remove lines about cookies, terms of use and privacy policies.
        remove_citations: Remove citation marks such as `[1]` and `[edit]` from lines.
    """

    def __init__(
        self,
        *,
        terminal_punctuation: bool = True,
        min_line_words: Natural = 3,
        min_sentences: Natural = 5,
        max_word_length: Count = 1000,
        drop_lorem_ipsum: bool = True,
        drop_curly_bracket: bool = True,
        remove_javascript: bool = True,
        remove_policy: bool = True,
        remove_citations: bool = True,
    ):
        self.terminal_punctuation, self.remove_citations = terminal_punctuation, remove_citations
        self.min_line_words, self.min_sentences, self.max_word_length = min_line_words, min_sentences, max_word_length
        self.drop_lorem_ipsum, self.drop_curly_bracket = drop_lorem_ipsum, drop_curly_bracket
        self.remove_javascript, self.remove_policy = remove_javascript, remove_policy

    def __call__(self, document: Document) -> Document | Dropped:
        page = document.text.lower()  # most pages have none of the phrases, so their lines are not searched
        lorem = self.drop_lorem_ipsum and "lorem ipsum" in page
        javascript = self.remove_javascript and "javascript" in page
        policies = [phrase for phrase in POLICIES if phrase in page] if self.remove_policy and _has_policy(page) else []
        kept, sentences = [], 0
        for line in map(self._cleaned, document.text.splitlines()):
            if line is None:
                continue
            low = line.lower() if lorem or javascript or policies else ""
            if lorem and "lorem ipsum" in low:
                return Dropped("lorem ipsum", f"after {len(kept)} lines")
            if javascript and "javascript" in low:
                continue
            if self.drop_curly_bracket and "{" in line:
                return Dropped("curly bracket", f"after {len(kept)} lines")
            if any(phrase in low for phrase in policies):
                continue
            kept.append(line)
            if sentences < self.min_sentences:
                sentences += 1 + len(SENTENCE_END.findall(line))
        if sentences < self.min_sentences:
            return Dropped("too few sentences", f"{sentences} left, fewer than {self.min_sentences}")
        text = "\n".join(kept).strip()
        if not text:
            return Dropped("empty", "no line is left")
        return document if text == document.text else replace(document, text=text)

    def _cleaned(self, line: str) -> str | None:
        """Return the line without surrounding white space and citations, or None if its form removes it."""
        line = line.strip()
        if len(line) > self.max_word_length and _has_longer_word(line, self.max_word_length):
            return None
        few = len(line.split(None, self.min_line_words)) < self.min_line_words
        if self.remove_citations and "[" in line:
            line = CITATION.sub("", line)
        if self.terminal_punctuation and (not line.endswith(ENDS) or line.endswith("...")):
            return None
        return None if few else line


def _has_policy(page: str) -> bool:
    """Whether the page may have one of POLICIES."""
    return "cookie" in page or "privacy policy" in page or "terms of use" in page


def _has_longer_word(line: str, length: int) -> bool:
    """Whether a word exceeds `length`: jump from blank to blank, and split only where a jump finds none."""
    start = 0
    while len(line) - start > length:
        blank = line.rfind(" ", start, start + length + 1)
        if blank < 0:
            return max(map(len, line.split())) > length
        start = blank + 1
    return False
