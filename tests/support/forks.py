"""Processes forked from one that has loaded torch and the jobs already, which takes seconds."""

import multiprocessing

forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(["lm.jobs.train", "lm.cli.call", "lm.config.command"])
