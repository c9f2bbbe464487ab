"""Vocabularies side by side: a table, a verdict in words, and a page with plots."""

from collections.abc import Callable, Sequence
from html import escape
from statistics import median
from typing import Any

from lm.report.plots import plots

Result = dict[str, Any]

# heading, what it is, and how it is written
COLUMNS: list[tuple[str, str, Callable[[Result], str]]] = [
    ("tokenizer", "family and size asked for", lambda found: found["name"]),
    ("tokens", "entries of the vocabulary, special tokens included", lambda found: f"{found['vocab_size']}"),
    ("bytes/token", "of held-out text", lambda found: f"{found['bytes_per_token']:.2f}"),
    ("tokens/word", "fertility: words are runs of letters and digits", lambda found: _number(found["tokens_per_word"])),
    ("whole", "share of words that are one token", lambda found: _percent(found["words_whole"])),
    ("tokens/line", "of held-out text", lambda found: _number(found["tokens_per_line"], 1)),
    ("unseen", "share of the vocabulary that held-out text never uses", lambda found: _percent(found["never_seen"])),
    ("rare", "share that it uses less often than `rare`", lambda found: _percent(found["rarely_seen"])),
    (
        "Rényi",
        "how evenly the vocabulary is used (Zouhar et al. 2023)",
        lambda found: _number(found["renyi_efficiency"], 3),
    ),
    ("tables", "share of the model's parameters in the vocabulary", lambda found: _percent(found["table_share"])),
    ("MFLOP/byte", "to train the model on a byte of text", lambda found: f"{found['flops_per_byte'] / 1e6:.2f}"),
    ("softmax", "share of that which scores the vocabulary", lambda found: _percent(found["softmax_share"])),
    ("logits", "memory for the scores of one row in fp32", lambda found: f"{found['logits_bytes'] / 1e6:.1f} MB"),
    ("fits", "text in one context", lambda found: f"{found['context_bytes']:.0f} B"),
]


def vocabulary_table(results: Sequence[Result]) -> str:
    """A line a tokenizer."""
    rows = [[heading for heading, _, _ in COLUMNS], *([write(found) for _, _, write in COLUMNS] for found in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def premium_table(results: Sequence[Result]) -> str:
    """By tokenizer, what languages pay in tokens for the same content; empty where nothing was aligned."""
    if not results[0]["languages"]:
        return ""
    name = max(len("tokens for the same"), *(len(found["name"]) for found in results))
    lines = [f"{'tokens for the same':<{name}}  median   least            most"]
    for found in results:
        paid = sorted((numbers["tokens"], language) for language, numbers in found["languages"].items())
        (least, cheap), (most, dear) = paid[0], paid[-1]
        told = f"{cheap} {least:.2f}×"
        lines.append(
            f"{found['name']:<{name}}  {median(each for each, _ in paid):5.2f}×  {told:<15}  {dear} {most:.2f}×"
        )
    return "\n".join(lines)


def learning_table(results: Sequence[Result]) -> str:
    """By tokenizer, bits per byte after equal text and after equal arithmetic; empty where nothing was trained."""
    if "learned" not in results[0]:
        return ""
    name = max(len("bits per byte after"), *(len(found["name"]) for found in results))
    lines = [f"{'bits per byte after':<{name}}  equal text      (steps)  equal FLOPs     (steps)"]
    for found in results:
        cells = [f"{_bits(each):<14}  {each['steps']:>7}" for each in found["learned"].values()]
        lines.append(f"{found['name']:<{name}}  {'  '.join(cells)}")
    return "\n".join(lines)


def _bits(learned: dict[str, Any]) -> str:
    return f"{learned['mean']:.3f}" + ("" if learned["half_width"] is None else f" ± {learned['half_width']:.3f}")


def vocabulary_verdict(results: Sequence[Result]) -> str:
    """What the numbers say, and what they cannot say."""
    dense = max(results, key=lambda found: found["bytes_per_token"])
    cheap = min(results, key=lambda found: found["flops_per_byte"])
    told = [
        f"Cheapest to train on a byte of this text: {cheap['name']}, {cheap['flops_per_byte'] / 1e6:.2f} MFLOP a byte "
        f"at {cheap['bytes_per_token']:.2f} bytes a token; its tables are {cheap['table_share']:.0%} of the parameters."
    ]
    if dense is not cheap:
        more = dense["flops_per_byte"] / cheap["flops_per_byte"] - 1
        told.append(
            f"Shortest sequences: {dense['name']}, {dense['bytes_per_token']:.2f} bytes a token, for {more:.0%} more "
            f"arithmetic a byte; {dense['softmax_share']:.0%} of it scores the vocabulary, of which held-out text "
            f"never uses {dense['never_seen']:.0%}."
        )
    told += [
        f"{found['name']} does not give back {found['lost']:.2%} of the bytes: its bits per byte are of another text."
        for found in results
        if found["lost"]
    ]
    if "learned" in results[0]:
        told += [_best(results, "bytes", "the same text"), _best(results, "flops", "the same arithmetic")]
    else:
        told.append("Which of them learns most from the same text, only training tells: train=true.")
    return "\n".join(told)


def _best(results: Sequence[Result], equal: str, words: str) -> str:
    """Who learns most, and from whom that cannot be told apart."""
    ranked = sorted(results, key=lambda found: found["learned"][equal]["mean"])
    first = ranked[0]["learned"][equal]
    told = f"Learns most from {words}: {ranked[0]['name']}, {_bits(first)} bits a byte"
    if first["half_width"] is None:
        return f"{told}; with one seed, nothing says how sure that is."
    within = first["mean"] + first["half_width"]
    others = {found["name"]: found["learned"][equal] for found in ranked[1:]}
    close = [name for name, found in others.items() if found["mean"] - found["half_width"] <= within]
    rest = f"{', '.join(close)} may be as good" if close else "clearly better than the next"
    return f"{told}; {rest} (95 % intervals)."


def vocabulary_page(results: Sequence[Result]) -> str:
    """One HTML page that needs nothing else: the verdict, plots by size, the table with what its columns mean."""
    heads = "".join(f"<th title='{escape(meaning)}'>{escape(heading)}</th>" for heading, meaning, _ in COLUMNS)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(write(found))}</td>' for _, _, write in COLUMNS)}</tr>" for found in results
    )
    kinds = list(results[0]["kinds"])
    kind_heads = "".join(
        f"<th>{escape(kind)}</th>" for kind in [*kinds, "digits/token", "blanks/token", "entropy (bits/token)", "lost"]
    )
    by_kind = "".join(
        f"<tr><td>{escape(found['name'])}</td>"
        + "".join(f"<td>{found['kinds'][kind]['bytes_per_token']:.2f}</td>" for kind in kinds)
        + f"<td>{_number(found['digits_per_token'])}</td><td>{_number(found['blanks_per_token'])}</td>"
        + f"<td>{found['entropy']:.2f}</td><td>{found['lost']:.2%}</td>"
        + f"<td class='text'>{escape(' '.join(map(repr, found['longest'])))}</td></tr>"
        for found in results
    )
    meanings = "".join(f"<dt>{escape(heading)}</dt><dd>{escape(meaning)}</dd>" for heading, meaning, _ in COLUMNS)
    size = results[0]["bytes"]
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Vocabularies</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 90em; padding: 0 1em; color: #222 }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; display: block; overflow-x: auto }}
th, td {{ padding: .2em .6em; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap }}
th:first-child, td:first-child, td.text {{ text-align: left }}
td.text {{ font-family: monospace; white-space: pre-wrap }}
svg {{ max-width: 100%; height: auto }} dt {{ font-weight: bold; float: left; width: 8em }}
</style>
<h1>{len(results)} vocabularies on {size / 1e6:.2f} MB of held-out text</h1>
<p>{"<br>".join(map(escape, vocabulary_verdict(results).splitlines()))}</p>
{plots(results)}
{f"<pre>{escape(learning_table(results))}</pre>" if "learned" in results[0] else ""}
<table><tr>{heads}</tr>{rows}</table>
<dl>{meanings}</dl>
<h2>Bytes a token by kind of text, and the longest tokens</h2>
<table><tr><th>tokenizer</th>{kind_heads}<th style='text-align: left'>longest</th></tr>{by_kind}</table>
{_premiums(results)}
</html>
"""


def _premiums(results: Sequence[Result]) -> str:
    """Languages × tokenizers, those that pay most first; nothing where nothing was aligned."""
    languages = results[0]["languages"]
    if not languages:
        return ""
    heads = "".join(f"<th>{escape(found['name'])}</th>" for found in results)
    order = sorted(languages, key=lambda language: -median(found["languages"][language]["tokens"] for found in results))
    rows = "".join(
        f"<tr><td>{escape(language)}</td><td>{languages[language]['bytes']:.2f}</td>"
        + "".join(f"<td>{found['languages'][language]['tokens']:.2f}</td>" for found in results)
        + "</tr>"
        for language in order
    )
    return (
        "<h2>Tokens for the same content, over those of the reference language</h2>"
        "<p>1 is the same price; bytes are what UTF-8 alone makes of it.</p>"
        f"<table><tr><th>language</th><th>bytes</th>{heads}</tr>{rows}</table>"
    )


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
