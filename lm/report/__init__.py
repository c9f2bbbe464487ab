"""What was found, as tables in the terminal and as pages that stand alone."""

from lm.report.curation import curation_table, curation_verdict
from lm.report.lines import Line, aligned, scaled
from lm.report.vocabulary import learning_table, premium_table, vocabulary_page, vocabulary_table, vocabulary_verdict

__all__ = [
    "Line",
    "aligned",
    "curation_table",
    "curation_verdict",
    "learning_table",
    "premium_table",
    "scaled",
    "vocabulary_page",
    "vocabulary_table",
    "vocabulary_verdict",
]
