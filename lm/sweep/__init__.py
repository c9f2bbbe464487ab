"""Sweeps: many jobs by one command, their names and outcomes, searches by Optuna, and the table at the end."""

from lm.sweep.job import Job, Outcome, Pruned, sweep_name
from lm.sweep.summary import summary_table, write_summary

__all__ = ["Job", "Outcome", "Pruned", "summary_table", "sweep_name", "write_summary"]
