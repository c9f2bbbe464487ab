"""Compare what runs of `lm evaluate` have measured, item by item."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lm.config.faults import did_you_mean
from lm.directory import Run
from lm.evaluation.centred import centred_mean
from lm.evaluation.comparison import Difference, compare, paired
from lm.evaluation.record import FOLDER, EvaluationRecord, read_record
from lm.files import hash_json, write_atomically

COLUMNS = {"first": 9, "second": 9, "difference": 12, "95 % interval": 20, "p": 8, "power": 8, "visible": 9}


def compare_runs(run: Run, runs: Sequence[str], *, metrics: Sequence[str] = ()) -> dict[str, Any]:
    """Compare each run with the first, on the items of the benchmarks that both have measured.

    Args:
        run: The run whose directory receives results.json.
        runs: Runs of `lm evaluate`: their names or directories, the first of which the others are compared with.
        metrics: Names of metrics to compare; none compares the main one of each benchmark.

    Returns:
        Differences by run, then benchmark and metric.

    Raises:
        ValueError: A run is missing or unfinished, or has no benchmark in common with the first.
    """
    if len(runs) < 2:
        raise ValueError(f"runs={[*runs]}: name at least two runs of lm evaluate, as runs=[before,after]")
    records = {name: _records(name, Path(run.root)) for name in runs}
    inputs = {
        f"{number} {name}": hash_json({each: record.hashes for each, record in found.items()})
        for number, (name, found) in enumerate(records.items())
    }
    first, *others = records
    blocks, results = [], {}
    for other in others:
        found, notes = _differences(records[first], records[other], metrics, names=(first, other))
        results[other] = {each: {key: one.plain() for key, one in by.items()} for each, by in found.items()}
        blocks.append(_table(first, other, found, notes, records))
    done = run.finished(inputs)
    if not done:
        write_atomically(run.directory / "results.json", json.dumps(results, indent=2) + "\n")
        run.finish(outputs=[run.directory / "results.json"], result=results)
    run.console.block(*blocks)
    run.console.line(f"{len(runs)} runs → {run.directory}", before="\n")
    return results


def _records(name: str, root: Path) -> dict[str, EvaluationRecord]:
    """The records with items of a run, by name of the evaluation."""
    places = [Path(name), root / "evaluate" / name]
    folder = next((place / FOLDER for place in places if (place / FOLDER).is_dir()), None)
    if folder is None:
        known = [each.parent.name for each in sorted((root / "evaluate").glob(f"*/{FOLDER}"))]
        remedy = did_you_mean(name, known) or f"; lm evaluate evaluation=blimp run.name={Path(name).name} makes one"
        raise ValueError(f"runs: {name} is no run of lm evaluate that has measured a benchmark{remedy}")
    Run.fingerprint(folder.parent)  # raises for an unfinished run
    found = {file.stem: read_record(file) for file in sorted(folder.glob("*.json"))}
    return {
        each: record
        for each, record in found.items()
        if record is not None and record.items and "metrics" in record.results
    }


def _differences(
    first: Mapping[str, EvaluationRecord],
    second: Mapping[str, EvaluationRecord],
    metrics: Sequence[str],
    *,
    names: tuple[str, str],
) -> tuple[dict[str, dict[str, Difference]], list[str]]:
    """The differences by benchmark and metric, and what to know about them."""
    found, notes = {}, []
    for each in first.keys() & second.keys():
        one, two = first[each], second[each]
        known = [*one.results["metrics"]]
        if unknown := [name for name in metrics if name not in known]:
            raise ValueError(f"metrics={[*metrics]}: {each} has no {unknown[0]}{did_you_mean(unknown[0], known)}")
        chosen = [*metrics] or [one.results["main"]]
        pairs = {name: paired(one.items, two.items, name) for name in chosen}
        count = len(next(iter(pairs.values()))[0])
        if not count:
            raise ValueError(f"{each}: {names[0]} and {names[1]} were measured on other items, so nothing is paired")
        if not count == len(one.items) == len(two.items):
            notes.append(f"{each}: {count} items are in both, of {len(one.items)} and {len(two.items)}")
        if one.hashes["config"] != two.hashes["config"]:
            notes.append(f"{each}: the two were measured with another config, such as another number of examples")
        found[each] = {name: compare(*pair[:2], clusters=pair[2]) for name, pair in pairs.items()}
    if not found:
        raise ValueError(
            f"{names[0]} has measured {', '.join(first) or 'no benchmark'} and {names[1]} "
            f"{', '.join(second) or 'none'}: there is nothing to compare"
        )
    return dict(sorted(found.items())), notes


def _table(
    first: str,
    second: str,
    found: Mapping[str, Mapping[str, Difference]],
    notes: Sequence[str],
    records: Mapping[str, Mapping[str, EvaluationRecord]],
) -> str:
    labels = [f"{each} {name}" for each, by in found.items() for name in by]
    title = f"{Path(second).name} − {Path(first).name}"
    width = max(map(len, [title, *labels])) + 2
    lines = [f"{title:<{width}}" + "".join(f"{name:>{size}}" for name, size in COLUMNS.items())]
    differences = [one for by in found.values() for one in by.values()]
    for label, one in zip(labels, differences, strict=True):
        low, high = one.interval
        cells = [f"{one.first:.3f}", f"{one.second:.3f}", f"{one.difference:+.3f}", f"{low:+.3f} – {high:+.3f}"]
        cells += [f"{one.p:.3f}", f"{one.power:.0%}", f"{one.visible:.3f}"]
        sizes = COLUMNS.values()
        lines.append(f"{label:<{width}}" + "".join(f"{cell:>{size}}" for cell, size in zip(cells, sizes, strict=True)))
    lines += [
        f"{label}: {one.needed:,} items would show this difference with a power of 80 %, there are {one.count:,}"
        for label, one in zip(labels, differences, strict=True)
        if one.needed is not None and one.power < 0.8
    ]
    means = [
        centred_mean({each: records[name][each].results for each in found}) for name in dict.fromkeys((first, second))
    ]
    if len(means) == 2 and None not in means:
        lines.append(f"centred mean of {len(means[0]['tasks'])}: {means[0]['value']:.3f}, {means[1]['value']:.3f}")
    return "\n".join([*lines, *notes])
