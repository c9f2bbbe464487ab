"""Lines of running text out of web pages: what is no sentence is left out, and pages with too little left are dropped
(C4: Raffel et al. 2020, arXiv:1910.10683, section 2.2, and its published code, which says more)."""

import re
from dataclasses import replace

from lm.bounds import Count, Natural
from lm.corpus import Document, Dropped

ENDS = (".", "?", "!", '"', "'")
CITATION = re.compile(r"\[(?:\d*|edit|citation needed)\]")
POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
# Where one sentence ends and another begins on the same line: after a mark that is not an ellipsis nor that of an
# initial or a title, and the quotes or brackets it closes; a blank may be lacking before a capital.
SENTENCE_END = re.compile(
    r"[.!?](?<!\.\.)(?!\.)(?<!\b[A-Za-z]\.)(?<!\b[MDJS][rst]\.)(?<!\bMrs\.)"
    r"[!?\"'”’)\]]{0,9}(?:\s++|(?<=[a-z]\.)(?=[A-Z]))[\"'“‘(\[]{0,9}(?=\w)"
)


class C4Quality:
    """Keeps lines that end as sentences do, have words enough, and are not about JavaScript or cookies. Drops a page
    with lorem ipsum or a curly bracket in such a line, or fewer than `min_sentences` left.

    Sentences are counted by their marks. The word list that C4 also drops pages by is another filter's.
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
        page = document.text.lower()  # most pages have none of the phrases, so no line of theirs is asked
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
        """The line without blanks around it and citations, or None where it is to be left out for itself."""
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
    """Whether it may have one of POLICIES."""
    return "cookie" in page or "privacy policy" in page or "terms of use" in page


def _has_longer_word(line: str, length: int) -> bool:
    """Steps from blank to blank as far as a word may go; only where there is none the words are split."""
    start = 0
    while len(line) - start > length:
        blank = line.rfind(" ", start, start + length + 1)
        if blank < 0:
            return max(map(len, line.split())) > length
        start = blank + 1
    return False
