"""Run a sequence of jobs for each seed, recipe and learning rate, and compare results with what was expected."""

import json
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, Literal

from lm.bounds import Natural, Positive
from lm.directory import Run
from lm.files import write_atomically
from lm.jobs.study_check import check_arms, check_study
from lm.jobs.study_results import compared_columns, measured_arms
from lm.jobs.trials import Trials
from lm.report import compare_arms, comparison_table, curve_table, impact_tables, impact_words


def study(
    run: Run,
    stages: dict[str, Callable[..., Any]],
    columns: dict[str, list[str]],
    metrics: dict[str, str | list[str]],
    root: str,
    expected: dict[str, dict[str, Literal["higher", "lower"]]] | None = None,
    curves: dict[str, list[str]] | None = None,
    files: dict[str, str | None] | None = None,
    seeds: Sequence[Natural] = (1, 2, 3),
    arms: dict[str, dict[str, Any]] | None = None,
    rates: Sequence[Positive] = (),
    rated: Sequence[str] = (),
    best_by: dict[str, Literal["higher", "lower"]] | None = None,
) -> dict[str, Any]:
    """Run every stage for every seed, and print a table of metrics by column, with 95 % intervals over the seeds.

    Each stage is a named run below the directory of this one: the same command again continues where it stopped. In
    the strings of a stage `{seed}` stands for the seed; a stage that has a key `seed` gets it. A stage whose run has
    no `{seed}` in its directory is shared by all seeds.

    With `arms` the stages are also run for every recipe and, with `rates`, every learning rate: `{arm}` and `{rate}`
    stand for them, and what a directory does not name is shared. The columns of the table are then the recipes, each
    at its best learning rate and at every single one; the page of the run plots them.

    Args:
        run: The named run; its directory receives results.json and the runs of all stages.
            `run.extend=true` adds seeds, arms, rates or metrics to a study of this name: what is there is kept.
        stages: Jobs by name, in their order. A later one names the directory of an earlier one, as
            `${root}/instruct/tuned`.
        columns: Columns of the table: name → stages whose recorded results are read. The others are compared with the
            first. With arms there are none.
        metrics: Rows of the table: name → place in the results of a stage, such as `rewards.all.pass_greedy`. With
            arms the place begins with the name of the stage, and a list of two places is their difference.
        root: Directory of the stages of one seed, with `{seed}` in it.
        expected: What should happen, stated before the run: column, or arm → metric → `higher` or `lower` than in the
            first. A verdict on each is printed. null expects nothing.
        curves: Metrics over the steps of a training: stage → columns of its metrics.csv, such as
            `validation/reward/mean`. null prints none.
        files: Files of your own that the stages of an experiment read, by the names that it gives them. null for none.
        seeds: Seeds of the stages; 3 or more give intervals.
        arms: Recipes: name → stage → what differs from the stage's config. The others are compared with the first.
            null for a study without recipes.
        rates: Learning rates at which every recipe is trained. Which recipe is best may depend on it, above all in
            small models (arXiv:2512.24503): give 3 or more, one of them small. Empty for the rate of the stages.
        rated: Stages whose optimizer gets the learning rate.
        best_by: Metric → `higher` or `lower`: by its mean over the seeds each recipe takes its best learning rate.

    Returns:
        The content of results.json.

    Raises:
        ValueError: No stages, a name that no stage, column or arm has, or a metric that no stage of a column measured.
    """
    expected, curves, arms = expected or {}, curves or {}, arms or {}
    check_study(stages, columns, metrics, expected=expected, curves=curves, seeds=seeds, root=root, arms=arms)
    check_arms(stages, columns, metrics, curves=curves, arms=arms, rates=rates, rated=rated, best_by=best_by or {})
    trials = Trials(run.config["stages"], seeds=seeds, arms=run.config.get("arms"), rates=rates, rated=rated)
    trials.check()
    runs = trials.runs()
    if run.finished({}, extension={"trials": len([*trials])} if run.extend else None):
        result, outcome = run.result, "nothing to do"
    else:
        started = perf_counter()
        for number, each in enumerate(runs, 1):
            run.console.block(f"── {each.trial}: {each.stage} ({number} of {len(runs)}) ".ljust(80, "─"))
            stages[each.stage](each.changes(restart=run.restart and trials.restarts(each)))
        if arms:
            result = compare_arms(measured_arms(trials, metrics), expected, best_by=best_by or {})
        else:
            result = compared_columns(trials, columns, metrics, expected, curves)
        result["seeds"] = [*seeds]
        _write(run, result)
        outcome = f"{len(runs)} runs of stages in {perf_counter() - started:.0f} s"
    run.console.block(*_blocks(result))
    run.console.line(f"{outcome} → {run.directory}", before="\n")
    return result


def _write(run: Run, result: Mapping[str, Any]) -> None:
    file = run.directory / "results.json"
    write_atomically(file, json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    run.finish(outputs=[file], result=dict(result))


def _blocks(result: Mapping[str, Any]) -> list[str]:
    if "arms" in result:
        return [*impact_tables(result), impact_words(result)]
    curves = [f"{name}, over its steps\n\n{curve_table(curve)}" for name, curve in result["curves"].items()]
    return [*curves, comparison_table(result)]
