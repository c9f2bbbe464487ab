"""Processes of a job: ranks, how they start, how one that fails ends the others, and how failures are reported.

Import its modules one by one: only `lm.process.launcher` imports Lightning.
"""
