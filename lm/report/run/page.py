"""`report.html` in a run directory: what was run, what came of it and how to make it again."""

from html import escape
from pathlib import Path

from lm.config.defaults import differences
from lm.directory import Run
from lm.directory.layout import REPORT
from lm.files import write_atomically
from lm.progress import Console
from lm.report.page import Section, sectioned
from lm.report.run import sections
from lm.report.run.evaluations import evaluations
from lm.report.run.facts import RunFacts
from lm.report.run.flow import flow
from lm.report.run.lineage import commands, lineage
from lm.report.run.studies import study_sections


def run_page(directory: str | Path, *, price: float | None = None) -> str:
    """Return the page of the run in `directory`: the same page whenever the directory is the same.

    Args:
        directory: Directory of the run.
        price: Price of an hour of a device, for an estimate of cost; None for the one that its config names, if any.

    Raises:
        FileNotFoundError: The directory is not that of a run.
    """
    facts = RunFacts(Path(directory))
    changed = differences(facts.manifest.get("job", ""), facts.manifest["config"])
    curves, drawn = sections.curves(facts)
    measured, plotted = evaluations(facts, first=len(drawn["charts"]))
    drawn["charts"] += plotted
    studied, compared = study_sections(facts, first=len(drawn["charts"]))
    drawn["charts"] += compared
    texts, shown = sections.samples(facts)
    parts = [
        *studied,
        Section("curves", "Curves", curves),
        Section("data", "Data", flow(facts.funnel) + sections.sources(facts)),
        Section("evaluations", "Evaluations", measured),
        Section("samples", "Samples", texts),
        Section("run", "Run", sections.execution(facts, changed)),
        Section("lineage", "Lineage", lineage(facts)),
        Section("again", "Make it again", _again(facts)),
    ]
    data = {**drawn, "samples": shown} if drawn["charts"] or shown else None
    return sectioned(facts.title, sections.head(facts, price=price), parts, data=data)


def write_run_page(directory: str | Path, *, again: bool = True) -> None:
    """Write the page of a finished run into its directory, unless its job has written a page of its own.

    A disk that has no room for it does not undo the run.

    Args:
        directory: Directory of the run.
        again: Whether a page that is there is written again.
    """
    if REPORT in Run.made(directory) or (not again and Path(directory, REPORT).exists()):
        return
    try:
        write_atomically(Path(directory, REPORT), run_page(directory))
    except OSError as error:
        if not again:  # the run may lie on a disk that is read only
            return
        Console("report").line(f"note: {directory} is complete, but its {REPORT} cannot be written ({error})")


def _again(facts: RunFacts) -> str:
    found = commands(facts)
    if not found:
        return ""
    commits = sorted({execution["commit"] for execution in facts.executions if execution.get("commit")})
    code = f"<p>With the code of commit {escape(', '.join(commits))}.</p>" if commits else ""
    return f"{code}<pre class='wrapped'>{escape(chr(10).join(found))}</pre>"
