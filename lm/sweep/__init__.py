"""Sweeps: many jobs by one command, their names and outcomes, searches by Optuna, and the table at the end."""

from lm.sweep.job import Job, Outcome, Pruned, sweep_name
from lm.sweep.metric import Metric
from lm.sweep.summary import ranking, summary_table, write_summary

__all__ = ["Job", "Metric", "Outcome", "Pruned", "ranking", "summary_table", "sweep_name", "write_summary"]
