"""Drop or tag documents that have passages of which a scorer, such as a toxicity classifier, thinks ill."""

from dataclasses import replace

from lm.bounds import Count, Share
from lm.classifier.passages import passages
from lm.classifier.text_scorer import Scorer
from lm.corpus import Document, Dropped


class ScoredPassages:
    """Drop documents with many passages that score above a threshold, or tag them.

    A document is judged by its passages, since classifiers learn from short texts, and one insult is lost in a long
    document. The longer a document is, the likelier a passage of it is misjudged: see what is dropped with show=3, and
    raise `threshold` or `max_share`.

    Args:
        scorer: Scores texts from 0, harmless, to 1, as `lm.classifier.ClassifierScorer`.
        threshold: Score above which a passage is unwanted.
        max_share: Largest share of the passages that may be unwanted in a document that is kept; 0: none.
        passage: Largest number of characters of a passage.
        tag: Add this to `document.tags` and keep the document; null drops it.
    """

    def __init__(
        self,
        *,
        scorer: Scorer,
        threshold: Share = 0.5,
        max_share: Share = 0.0,
        passage: Count = 400,
        tag: str | None = None,
    ):
        if tag == "":
            raise ValueError("filter.tag is empty: give a word to tag documents with, or null to drop them")
        self.scorer, self.threshold, self.max_share, self.passage, self.tag = scorer, threshold, max_share, passage, tag

    def __call__(self, document: Document) -> Document | Dropped:
        scores = self.scorer([*passages(document.text, self.passage)])
        unwanted = sum(score > self.threshold for score in scores)
        if unwanted <= self.max_share * len(scores):
            return document
        if self.tag is not None:
            return document if self.tag in document.tags else replace(document, tags=(*document.tags, self.tag))
        return Dropped("unwanted passages", f"{unwanted} of {len(scores)}, up to {max(scores):.3f}")
