"""The sections of a run that compares: a study, a scaling study, or vocabularies."""

from lm.report.charts import Chart
from lm.report.comparison import comparison_sections
from lm.report.impact import impact_sections
from lm.report.page import Section
from lm.report.run.facts import RunFacts
from lm.report.scaling import scaling_sections
from lm.report.vocabulary import vocabulary_sections


def study_sections(facts: RunFacts, *, first: int) -> tuple[list[Section], list[Chart]]:
    """What a finished study found; nothing for other runs, which are described by what they have recorded.

    Args:
        facts: The run.
        first: Number of the first chart among those of the page.
    """
    result = facts.result
    if "arms" in result and "best_rates" in result:
        return impact_sections(result, first=first)
    if "verdicts" in result and "columns" in result:
        return comparison_sections(result, first=first)
    if "rungs" in result and "held_out" in result:
        return scaling_sections(result, first=first)
    if result.get("vocabularies"):
        return vocabulary_sections(result["vocabularies"], first=first)
    return [], []
