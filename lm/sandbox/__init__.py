"""What others wrote, run or calculated within limits: arithmetic, and Python in a process of its own."""

from lm.sandbox.sandbox import Outcome, Sandbox, Verdict

__all__ = ["Outcome", "Sandbox", "Verdict"]
