"""Reports: results as tables in the terminal and as HTML pages that load nothing else.

`statistics` has confidence intervals and power laws.
"""

from lm.report.comparison import compare, comparison_table, curve_table, numbers_in, value_at
from lm.report.curation import curation_table, curation_verdict
from lm.report.impact import compare_arms, impact_sections, impact_tables
from lm.report.impact_sentences import impact_words
from lm.report.scaling import scaling_sections, scaling_table, scaling_verdict
from lm.report.statistics import PowerLaw, confidence_interval, fit_power_law, fit_power_law_with_floor
from lm.report.table import Line, aligned, scaled
from lm.report.vocabulary import (
    learning_table,
    premium_table,
    vocabulary_sections,
    vocabulary_table,
    vocabulary_verdict,
)

__all__ = [
    "Line",
    "PowerLaw",
    "aligned",
    "compare",
    "compare_arms",
    "comparison_table",
    "confidence_interval",
    "curation_table",
    "curation_verdict",
    "curve_table",
    "fit_power_law",
    "fit_power_law_with_floor",
    "impact_sections",
    "impact_tables",
    "impact_words",
    "learning_table",
    "numbers_in",
    "premium_table",
    "scaled",
    "scaling_sections",
    "scaling_table",
    "scaling_verdict",
    "value_at",
    "vocabulary_sections",
    "vocabulary_table",
    "vocabulary_verdict",
]
