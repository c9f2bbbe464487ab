"""The funnel of a corpus as a flow: what each step kept of the text, what it dropped, and why."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from lm.report.table import scaled


def flow(steps: Sequence[Mapping[str, Any]]) -> str:
    """Return a bar per step, as wide as the bytes that reach it, and the reasons with examples; empty without steps."""
    if not steps:
        return ""
    whole = max(1, steps[0]["bytes"])
    bars = "".join(_bar(step, whole) for step in steps)
    last = steps[-1]
    ends = (
        f"<p>{steps[0]['documents']:,} documents ({scaled(steps[0]['bytes'], 'B')}) went in, "
        f"{last['documents_out']:,} ({scaled(last['bytes_out'], 'B')}, {last['bytes_out'] / whole:.1%}) came out.</p>"
    )
    return f'{ends}<ul class="flow">{bars}</ul>'


def _bar(step: Mapping[str, Any], whole: int) -> str:
    lost = step["bytes"] - step["bytes_out"]
    kept, dropped = (max(0.0, 100 * size / whole) for size in (min(step["bytes_out"], step["bytes"]), lost))
    dropped_documents = step["documents"] - step["documents_out"]
    said = [
        f"{dropped_documents:,} documents dropped" if dropped_documents else "",
        f"{step['changed']:,} changed" if step.get("changed") else "",
    ]
    said.append(f"{scaled(abs(lost), 'B')} {'less' if lost > 0 else 'more'}" if lost else "")
    note = ", ".join(filter(None, said)) or "nothing dropped"
    label = f"{kept:.1f} % of the bytes are kept"
    return (
        f'<li><span>{escape(step["step"])}</span><div class="bar" role="img" aria-label="{label}">'
        f'<div class="kept" style="width:{kept:.2f}%"></div><div class="lost" style="width:{dropped:.2f}%"></div></div>'
        f'<div class="note">{escape(note)}{_reasons(step.get("dropped", {}))}</div></li>'
    )


def _reasons(dropped: Mapping[str, Mapping[str, Any]]) -> str:
    if not dropped:
        return ""
    rows = []
    for reason, found in sorted(dropped.items(), key=lambda item: -item[1]["documents"]):
        rows.append(f"<dt>{escape(reason)}: {found['documents']:,} documents</dt>")
        rows += map(_example, found.get("examples", []))
    return f"<details><summary>why</summary><dl>{''.join(rows)}</dl></details>"


def _example(example: Mapping[str, Any]) -> str:
    text = " ".join(str(example.get("text", "")).split())[:160]
    detail = f" ({escape(str(example['detail']))})" if example.get("detail") else ""
    return f"<dd>{escape(str(example.get('id', '')))}{detail}: {escape(text)}</dd>"
