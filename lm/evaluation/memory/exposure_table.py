"""The exposure of canaries as a table."""

from collections.abc import Mapping
from typing import Any

COLUMNS = {"canaries": 10, "exposure": 10, "95 % interval": 17, "rank 1": 9, "control": 10, "95 % interval ": 17}
WORDS = {
    "exact": "exact",
    "sampling": "estimated from a sample",
    "skew-normal": "extrapolated by a skew-normal distribution",
}


def exposure_table(results: Mapping[str, Any]) -> str:
    """Return a line for each number of copies, and how the ranks were found.

    Args:
        results: What `CanaryExposure` returns.
    """
    title = f"canaries of {results['bits']:.1f} bits"
    width = max(len(title), 20) + 2
    lines = [f"{title:<{width}}" + "".join(f"{name.strip():>{size}}" for name, size in COLUMNS.items())]
    for name, models in results["copies"].items():
        label = "never inserted" if name == "0" else "1 copy" if name == "1" else f"{name} copies"
        found = models["model"]
        cells = [f"{found['canaries']}", *_cells(found["exposure"]), f"{found['first']['value']:.0%}"]
        cells += _cells(models["control"]["exposure"]) if "control" in models else ["", ""]
        sizes = COLUMNS.values()
        lines.append(f"{label:<{width}}" + "".join(f"{cell:>{size}}" for cell, size in zip(cells, sizes, strict=True)))
    lines.append(
        f"exposure of a secret that was not read: 1.44 bits on average; ranks among {results['secrets']:,} secrets "
        f"are {' and '.join(WORDS[each] for each in results['methods'])}"
    )
    if results["otherwise_copied"]:
        lines.append(
            f"{results['otherwise_copied']} canaries stand in the corpora other than planned numbers of times: "
            "filters after them drop copies; they are grouped by what stands there"
        )
    return "\n".join(lines)


def _cells(found: Mapping[str, Any]) -> list[str]:
    low, high = found["interval"]
    return [f"{found['value']:.2f}", f"{low:.2f} – {high:.2f}"]
