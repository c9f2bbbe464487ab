"""Many jobs by one command: what each is called, what became of it, and the table at the end."""

from lm.sweep.job import Job, Outcome, Pruned, sweep_name
from lm.sweep.summary import summary_table, write_summary

__all__ = ["Job", "Outcome", "Pruned", "summary_table", "sweep_name", "write_summary"]
