"""The results of memorisation as tables."""

from collections.abc import Mapping
from typing import Any

WHO = {"model": "", "control": "  control"}
COLUMNS = {
    "windows": 9,
    "documents": 11,
    "verbatim": 10,
    "95 % interval": 15,
    "matched": 9,
    "bits/token": 12,
    "95 % interval ": 17,
}


def memorisation_table(results: Mapping[str, Any]) -> str:
    """Return a line a group of windows and model, the shares that draws extract, and what was counted.

    Args:
        results: What `Memorisation` returns.
    """
    title = f"{results['suffix']} tokens after {results['prefix']}"
    labels = [title, *(f"{name} copies  control" for name in results["copies"]), *results["kinds"], "  control"]
    width = max(map(len, labels)) + 2
    lines = [f"{title:<{width}}" + "".join(f"{name.strip():>{size}}" for name, size in COLUMNS.items())]
    for name, models in results["copies"].items():
        label = "not in the corpus" if name == "0" else "1 copy" if name == "1" else f"{name} copies"
        lines += [
            _line(label + WHO[who] if who == "model" else WHO[who], found, width) for who, found in models.items()
        ]
    if len(results["kinds"]) > 2:
        for name, models in results["kinds"].items():
            lines += [_line(name if who == "model" else WHO[who], found, width) for who, found in models.items()]
    return "\n".join([*lines, "", *_drawn(results, width), *_notes(results)])


def _line(label: str, found: Mapping[str, Any], width: int) -> str:
    low, high = found["verbatim"]["interval"]
    cells = [
        f"{found['windows']:,}",
        f"{found['documents']:,}",
        f"{found['verbatim']['value']:.1%}",
        f"{100 * low:.1f} – {100 * high:.1f}",
        f"{found['matched']['value']:.1f}",
        f"{found['bits_per_token']['value']:.3f}",
        " – ".join(f"{end:.3f}" for end in found["bits_per_token"]["interval"]),
    ]
    return f"{label:<{width}}" + "".join(f"{cell:>{size}}" for cell, size in zip(cells, COLUMNS.values(), strict=True))


def _drawn(results: Mapping[str, Any], width: int) -> list[str]:
    """Shares of windows that so many draws give with a probability of at least p."""
    draws = [*next(iter(next(iter(results["copies"].values())).values()))["extractable"]]
    title = f"drawn, p ≥ {results['p']:g}"
    lines = [f"{title:<{width}}" + "".join(f"{f'n = {int(n):,}':>21}" for n in draws)]
    for name, models in results["copies"].items():
        for who, found in models.items():
            label = "not in the corpus" if name == "0" else "1 copy" if name == "1" else f"{name} copies"
            cells = []
            for n in draws:
                each = found["extractable"][n]
                low, high = each["interval"]
                cells.append(f"{each['value']:.1%} ({100 * low:.1f} – {100 * high:.1f})")
            label = label if who == "model" else WHO[who]
            lines.append(f"{label:<{width}}" + "".join(f"{cell:>21}" for cell in cells))
    return lines


def _notes(results: Mapping[str, Any]) -> list[str]:
    sampling = ", ".join(f"{name} {value}" for name, value in results["sampling"].items() if value is not None)
    notes = [f"probabilities of draws ({sampling}) follow from the logits"]
    if results["counted_in"] == "documents":
        notes.append("copies are counted among the documents given: nothing says what the model was trained on")
    if results["epochs"] is not None:
        unread = "; not every document was read" if results["epochs"] < 1 else ""
        notes.append(f"training read {results['epochs']:.2f} times the tokens of its corpora{unread}")
    if results["held_out"]:
        both = results["held_out_with_copies"]
        extra = f", {both} of which stand in training documents and count there" if both else ""
        notes.append(f"{results['held_out']} windows are of held-out documents{extra}")
    return notes
