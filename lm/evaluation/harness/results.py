"""What lm-evaluation-harness returns, as plain results and as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

from lm.evaluation.intervals import estimate
from lm.evaluation.task_table import prompt_notes


def harness_table(results: Mapping[str, Any]) -> str:
    """Return a line a task and metric, then what was counted.

    Args:
        results: What `Harness` returns.
    """
    labels = [f"{name} {metric}" for name, task in results["tasks"].items() for metric in task["metrics"]]
    title = f"lm-eval {results['lm_eval']}"
    width = max(map(len, [title, *labels])) + 2
    lines = [f"{title:<{width}}{'score':>9}{'stderr':>9}{'95 % interval':>17}{'items':>8}{'shots':>7}"]
    for name, task in results["tasks"].items():
        for metric, each in task["metrics"].items():
            error = "" if each["stderr"] is None else f"{each['stderr']:.4f}"
            interval = "" if each["interval"] is None else " – ".join(f"{end:.4g}" for end in each["interval"])
            items = "" if task["items"] is None else f"{task['items']:,}"
            shots = "" if task["shots"] is None else f"{task['shots']}"
            lines.append(
                f"{f'{name} {metric}':<{width}}{each['value']:>9.4f}{error:>9}{interval:>17}{items:>8}{shots:>7}"
            )
    lines += prompt_notes(results)
    if results["cut"]:
        lines.append(f"{results['cut']} prompts were cut on the left to fit into the context")
    return "\n".join(lines)


def metrics_of(scores: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the metrics of a task as the harness has them, each with an interval: Wilson's for shares.

    Args:
        scores: Its results for the task.
        samples: Its records of the items.
    """
    found = {}
    for key, value in scores.items():
        metric, _, filtered = key.partition(",")
        if metric.endswith("_stderr") or metric == "sample_len" or not isinstance(value, int | float):
            continue
        error = scores.get(f"{metric}_stderr,{filtered}")
        error = float(error) if isinstance(error, int | float) else None
        values = [each[metric] for each in samples if each.get("filter", "none") == filtered and metric in each]
        plain = [_plain(each) for each in values]
        share = bool(plain) and {*plain} <= {0.0, 1.0} and abs(sum(plain) / len(plain) - float(value)) < 1e-9
        if share:
            interval = [*estimate(plain, share=True).interval]
        else:
            interval = None if error is None else [float(value) - 1.959964 * error, float(value) + 1.959964 * error]
        name = metric if filtered in ("", "none") else f"{metric} ({filtered})"
        found[name] = {"value": float(value), "stderr": error, "interval": interval, "share": share}
    return found


def record_of(task: str, sample: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item as plain data.

    Args:
        task: Name of its task.
        sample: The harness's record of it.
    """
    names = [name for name in sample.get("metrics", ()) if isinstance(_plain(sample.get(name)), float)]
    return {
        "id": f"{task} {sample['doc_id']} {sample.get('filter', 'none')}",
        "task": task,
        "doc_hash": sample.get("doc_hash"),
        "values": {name: _plain(sample[name]) for name in names},
        "target": str(sample.get("target")),
        "responses": [str(each) for each in sample.get("filtered_resps", ())],
    }


def _plain(value: Any) -> Any:
    """A number of any library as a float."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return value
