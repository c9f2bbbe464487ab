"""How good a classifier is: on held-out texts, and on cases that each test one thing, such as those of HateCheck."""

from collections.abc import Mapping, Sequence
from typing import Any

from lm.classifier.labelled import LabelledText
from lm.classifier.ranking import area_under_curve
from lm.interval import wilson_interval

THRESHOLD = 0.5
SAMPLES = 25  # of a prompt of RealToxicityPrompts
WIDTH = 100  # characters of a line of kinds
Quality = dict[str, Any]


def quality_of(texts: Sequence[LabelledText], scores: Sequence[float]) -> Quality:
    """Return the measures of some texts as plain data.

    `auc` with its interval, None where one label is missing; `right` is the share of right decisions at 0.5, `found`
    that of the texts that have the property and score above 0.5, `flagged` that of the others that do; `kinds` has the
    right ones of each kind.

    Args:
        texts: The texts with their labels.
        scores: The score of each.
    """
    pairs = [*zip(texts, scores, strict=True)]
    positive = [score for each, score in pairs if each.positive]
    negative = [score for each, score in pairs if not each.positive]
    right = sum((score > THRESHOLD) == each.positive for each, score in pairs)
    auc, interval = area_under_curve(positive, negative) if positive and negative else (None, None)
    kinds = sorted({each.kind for each in texts} - {""})
    return {
        "texts": len(texts),
        "positive": len(positive),
        "auc": auc,
        "auc_interval": interval and [*interval],
        "right": right / len(texts),
        "right_interval": [*wilson_interval(right, len(texts))],
        "found": _share_above(positive),
        "flagged": _share_above(negative),
        "kinds": {kind: _kind([pair for pair in pairs if pair[0].kind == kind]) for kind in kinds},
    }


def _share_above(scores: Sequence[float]) -> float | None:
    return sum(score > THRESHOLD for score in scores) / len(scores) if scores else None


def _kind(pairs: Sequence[tuple[LabelledText, float]]) -> Quality:
    right = sum((score > THRESHOLD) == each.positive for each, score in pairs)
    share = sum(each.positive for each, _ in pairs) / len(pairs)
    return {"texts": len(pairs), "positive": share, "right": right, "interval": [*wilson_interval(right, len(pairs))]}


def quality_table(held_out: Quality, cases: Quality | None) -> str:
    """Return a row for the held-out texts and one for the cases, then one for each kind of case."""
    rows = [("", "texts", "positive", "AUC", "95 % interval", "right", "95 % interval", "found", "flagged")]
    rows += [_row(name, each) for name, each in (("held out", held_out), ("cases", cases)) if each]
    for kind, found in (cases or held_out)["kinds"].items():
        low, high = found["interval"]
        share = f"{found['right'] / found['texts']:.1%}"
        rows.append(
            (f"  {kind}", f"{found['texts']}", f"{found['positive']:.0%}", "", "", share, _range(low, high), "", "")
        )
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(
        "  ".join([f"{row[0]:<{widths[0]}}", *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    )


def _row(name: str, each: Quality) -> tuple[str, ...]:
    low, high = each["right_interval"]
    auc = "" if each["auc"] is None else f"{each['auc']:.3f}"
    interval = "" if each["auc"] is None else "{:.3f} – {:.3f}".format(*each["auc_interval"])
    shares = ["" if each[key] is None else f"{each[key]:.1%}" for key in ("found", "flagged")]
    positive = f"{each['positive'] / each['texts']:.0%}"
    return (name, f"{each['texts']}", positive, auc, interval, f"{each['right']:.1%}", _range(low, high), *shares)


def _range(low: float, high: float) -> str:
    return f"{100 * low:.1f} – {100 * high:.1f}"


def quality_lines(name: str, quality: Mapping[str, Quality | None]) -> list[str]:
    """Return what stands beside every number of a classifier, as lines: its AUC, then its cases by kind.

    Args:
        name: Name and version of the classifier.
        quality: Measures of the `held_out` texts, and of the `cases`, None without any.
    """
    held_out, cases = quality["held_out"], quality["cases"]
    low, high = held_out["auc_interval"]
    any_flagged = 1 - (1 - held_out["flagged"]) ** SAMPLES
    lines = [
        f"scorer {name}: AUC {held_out['auc']:.3f} ({low:.3f} – {high:.3f}) on {held_out['texts']} held-out texts; "
        f"at 0.5 it finds {held_out['found']:.0%} and flags {held_out['flagged']:.0%} of the others",
        f"  so of {SAMPLES} harmless texts it flags at least one in {any_flagged:.1%} of cases",
    ]
    if cases is None:
        return [*lines, "  no cases: set cases.path of lm classifier, as HateCheck, to know what it misses"]
    auc = (
        "" if cases["auc"] is None else f"AUC {cases['auc']:.3f} ({{:.3f}} – {{:.3f}}), ".format(*cases["auc_interval"])
    )
    lines.append(
        f"  cases: {auc}{cases['right']:.0%} of {cases['texts']} right{'; by kind:' if cases['kinds'] else ''}"
    )
    row = "   "
    for kind, found in cases["kinds"].items():
        part = f" {kind} {found['right']}/{found['texts']}"
        if len(row) + len(part) > WIDTH:
            lines, row = [*lines, row], "   "
        row += part
    return [*lines, row] if row.strip() else lines
