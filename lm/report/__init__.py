"""What was found, as tables in the terminal and as pages that stand alone."""

from lm.report.vocabulary import vocabulary_page, vocabulary_table, vocabulary_verdict

__all__ = ["vocabulary_page", "vocabulary_table", "vocabulary_verdict"]
