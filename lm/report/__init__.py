"""What was found, as tables in the terminal and as pages that stand alone."""

from lm.report.vocabulary import premium_table, vocabulary_page, vocabulary_table, vocabulary_verdict

__all__ = ["premium_table", "vocabulary_page", "vocabulary_table", "vocabulary_verdict"]
