"""The sections of a run's page, each a function of its facts; empty where the run has nothing of the kind."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from lm.report.charts import chart_grid
from lm.report.page import key_values
from lm.report.run.curves import charts, tokens_per_step
from lm.report.run.facts import RunFacts
from lm.report.table import Column, elapsed, html_table, scaled

CONTROLS = """<div class="controls">
<label>axis <select id="axis"><option value="steps">steps</option>{tokens}</select></label>
<label>smoothing <input type="range" id="smoothing" min="0" max="99" value="{smoothing}"></label>
<label><input type="checkbox" id="log-y"> logarithmic values</label>
<label><input type="checkbox" id="log-x"> logarithmic axis</label>
</div>
<p class="quiet">Drag over a chart to zoom, double-click to reset. By keyboard, on a chart: + and − zoom, arrows move,
0 resets.</p>
"""
FOLDED = 25  # rows of a table beyond which it is opened by hand
SMOOTHING = 80  # of a hundred, where a page opens


def head(facts: RunFacts, *, price: float | None = None) -> str:
    """The name of the run, its state, and what is asked first.

    Args:
        facts: The run.
        price: Price of an hour of a device; None for the one that its config names, if any.
    """
    state = facts.manifest["state"]
    shown = "complete" if state == "complete" else "not finished"
    tiles = "".join(
        f"<li><b>{escape(value)}</b><span>{escape(name)}</span></li>" for name, value in _tiles(facts, price)
    )
    return (
        f'<p class="quiet">lm {escape(facts.manifest.get("job", ""))}</p><h1>{escape(facts.title)}</h1>'
        f'<p><span class="state {escape(state)}">{shown}</span></p><ul class="tiles">{tiles}</ul>'
    )


def _tiles(facts: RunFacts, price: float | None) -> Iterator[tuple[str, str]]:
    result, metric = facts.result, facts.manifest.get("metric")
    if metric:
        yield metric["name"].removeprefix("validation/").replace("_", " "), f"{metric['value']:.4g}"
    for name in [*facts.evaluations][:4]:
        main = (facts.results_of(name).get("metrics") or {}).get(facts.results_of(name).get("main"))
        if main:
            yield name, f"{main['value']:.1%}" if main.get("share", main.get("chance")) else f"{main['value']:.4g}"
    for name, label in (("tokens", "tokens"), ("parameters", "parameters")):
        if isinstance(result.get(name), int):
            yield label, scaled(result[name])
    seconds = facts.manifest.get("seconds")
    if seconds:
        yield "time", elapsed(seconds)
    peak = max((each.get("peak_memory", 0) for each in facts.executions), default=0)
    if peak:
        yield "memory at most", scaled(peak, "B")
    _, rates = facts.metrics.get("train/tokens_per_second", ([], []))
    if rates:
        yield "tokens per second", scaled(_median(rates))
    _, shares = facts.share_of_peak
    if shares:
        yield "of the machine's peak", f"{_median(shares):.0%}"
    price = facts.price if price is None else price
    if price is not None and facts.device_hours:
        yield f"cost, at {price:g} an hour", f"{price * facts.device_hours:.2g}"


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def curves(facts: RunFacts) -> tuple[str, dict[str, Any]]:
    """The charts of a training run: their places, and the data that the script draws into them."""
    data = curve_data(facts)
    return chart_places(data["charts"], tokens=data["tokens_per_step"]), data


def curve_data(facts: RunFacts) -> dict[str, Any]:
    """The curves of a training run as the script takes them."""
    shares = facts.share_of_peak
    metrics = {**facts.metrics, **({"train/share_of_peak": shares} if shares[0] else {})}
    return {"charts": charts(metrics), "tokens_per_step": tokens_per_step(facts.metrics)}


def chart_places(drawn: list[dict[str, Any]], *, tokens: float | None) -> str:
    """The places of charts under their controls, each with its numbers as a table for those who do not see it."""
    if not drawn:
        return ""
    option = '<option value="tokens">tokens</option>' if tokens else ""
    return CONTROLS.format(tokens=option, smoothing=SMOOTHING) + chart_grid(drawn)


def samples(facts: RunFacts) -> tuple[str, list[tuple[int, list[str]]]]:
    """What the model wrote, with a slider over the validations, and the texts that it shows."""
    found = facts.samples
    if not found:
        return "", []
    last, texts = found[-1]
    slider = (
        f'<div class="controls"><label>validation <input type="range" id="sample-step" min="0" '
        f'max="{len(found) - 1}" value="{len(found) - 1}" aria-valuetext="step {last}"></label>'
        f'<output id="sample-label" for="sample-step">step {last}</output></div>'
    )
    shown = "".join(f'<pre class="wrapped">{escape(text)}</pre>' for text in texts)
    return f'{slider if len(found) > 1 else ""}<div id="sample-texts" aria-live="polite">{shown}</div>', found


def sources(facts: RunFacts) -> str:
    """What a training run has read of each source, or what a corpus holds."""
    read = facts.result.get("sources")
    if isinstance(read, dict) and read:
        names = list(dict.fromkeys(key for each in read.values() for key in each))
        columns = [Column("source", "", lambda pair: pair[0])]
        columns += [
            Column(name.replace("_", " "), "", lambda pair, name=name: _cell(pair[1].get(name))) for name in names
        ]
        return html_table(columns, list(read.items()))
    rows = [(split, kind, sizes) for split, kinds in facts.corpus.items() for kind, sizes in kinds.items()]
    columns = [Column("split", "", lambda row: row[0]), Column("kind", "", lambda row: row[1])]
    for name in ("documents", "tokens", "bytes"):
        columns.append(Column(name, "", lambda row, name=name: _cell(row[2].get(name))))
    return html_table(columns, rows, text=(0, 1)) if rows else ""


def _cell(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def execution(facts: RunFacts, differences: Mapping[str, tuple[str, str]] | None) -> str:
    """The command, the code and the machine of each start, what differs from the defaults, and the whole config."""
    parts = [_started(each) for each in facts.executions]
    if differences:
        columns = [
            Column("key", "", lambda item: item[0]),
            Column("here", "", lambda item: item[1][1]),
            Column("default", "", lambda item: item[1][0]),
        ]
        table = html_table(columns, list(differences.items()), text=(0, 1, 2))
        folded = f"<details><summary>{len(differences)} keys</summary>{table}</details>"
        parts.append(f"<h3>Differs from the defaults</h3>{folded if len(differences) > FOLDED else table}")
    elif differences is not None:
        parts.append("<p>Nothing differs from the defaults of the job.</p>")
    versions = ", ".join(f"{name} {number}" for name, number in facts.manifest.get("versions", {}).items())
    parts.append(key_values({"versions": versions, "identity": facts.manifest.get("identity", "")}))
    lines = escape(_yaml(facts.manifest.get("config", {})))
    return "".join([*parts, f"<details><summary>whole config</summary><pre tabindex='0'>{lines}</pre></details>"])


def _started(execution: Mapping[str, Any]) -> str:
    gpus = execution.get("gpus", [])
    machine = [f"{execution.get('processor', '')}, {execution.get('cores', '?')} cores"]
    machine += [f"{gpus.count(name)} × {name}" for name in dict.fromkeys(gpus)]
    command = execution.get("command", "")
    shown = f"<pre class='wrapped'>{escape(command)}</pre>" if command else ""
    seconds = execution.get("seconds")
    return shown + key_values(
        {
            "started": execution.get("started", ""),
            "took": elapsed(seconds) if seconds else "",
            "machine": "; ".join(machine),
            "commit": execution.get("commit", ""),
            "peak": _peak(execution),
        }
    )


def _peak(execution: Mapping[str, Any]) -> str:
    """What the speed is judged by; empty where it is not known."""
    if "peak_source" not in execution:
        return ""
    each = "" if execution["devices"] == 1 else f"{execution['devices']} × "
    return f"{each}{execution['peak_source']}; {scaled(execution['flops_per_token'])} FLOPs per token"


def _yaml(node: Any, indent: str = "") -> str:
    if not isinstance(node, Mapping):
        return str(node)
    lines = []
    for key, value in node.items():
        inner = f"\n{_yaml(value, indent + '  ')}" if isinstance(value, Mapping) and value else f" {_scalar(value)}"
        lines.append(f"{indent}{key}:{inner}")
    return "\n".join(lines)


def _scalar(value: Any) -> str:
    return (
        {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else str(value)
    )
