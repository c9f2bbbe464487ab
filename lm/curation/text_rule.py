"""Any filter of documents as a rule for conversations: language, word lists, repetition, duplicates."""

from collections.abc import Sequence

from lm.bounds import Natural
from lm.conversation import Conversation
from lm.corpus import Document, Dropped
from lm.curation.prose import prose_of
from lm.curation.rules import Part, Rule, text_of
from lm.filtering import FilterLike, as_filter
from lm.filtering.clusters import find_duplicates
from lm.filtering.traces import apply_filters


class TextRule(Rule):
    """Drop conversations whose text a filter of documents would drop.

    A `Deduplicator` compares the whole set by the same keys as it compares documents. Changes that a filter would make
    to a text are ignored.

    Args:
        filter: A filter of documents, as a class of `lm.filter`.
        part: Turns that make up the text: questions, answers or all.
        min_words: Texts of fewer words pass: the filters are made for documents.
        prose: Judge the prose of the text only, as rates that hold for prose do not hold for code: without code,
            markup and tables. What is left passes if it has fewer than `min_words`.

    Raises:
        ValueError: The filter compares with an earlier corpus.
    """

    def __init__(self, filter: FilterLike, *, part: Part = "all", min_words: Natural = 0, prose: bool = False):
        self.filter, self.part, self.min_words, self.prose = as_filter(filter), part, min_words, prose
        if self.filter.earlier is not None:
            raise ValueError("filter.earlier is for corpora: conversations are only compared with each other")

    def __call__(self, conversations: Sequence[Conversation]) -> dict[int, Dropped]:
        documents = [Document(self._text(each), id=each.place) for each in conversations]
        judged = [index for index, each in enumerate(documents) if len(each.text.split()) >= self.min_words]
        documents = [documents[index] for index in judged]
        if self.filter.compares:
            names = [document.id.rpartition("/")[2] for document in documents]
            duplicates = find_duplicates(self.filter, documents)
            dropped = {n: Dropped(self.filter.reason, f"of {names[kept]}") for n, kept in duplicates.items()}
        else:
            dropped = apply_filters({"rule": self.filter}, documents)[0].dropped
        return {judged[number]: reason for number, reason in dropped.items()}

    def _text(self, conversation: Conversation) -> str:
        text = text_of(conversation, self.part)
        return prose_of(text) if self.prose else text
