"""The page of one run, and of several beside each other, from what lies in their directories."""

from lm.report.run.comparison_page import comparison_page, write_sweep_page
from lm.report.run.page import run_page, write_run_page

__all__ = ["comparison_page", "run_page", "write_run_page", "write_sweep_page"]
