"""Report a comparison of vocabularies: tables, summary and HTML page with plots."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from statistics import median
from typing import Any

from lm.report.charts import Chart, chart, chart_grid, mean_curve
from lm.report.page import Section
from lm.report.table import Column, html_lines, html_meanings, html_table, text_table, with_interval

Result = Mapping[str, Any]

# Charts by title, and those of bits per byte where models were trained.
PANELS: dict[str, Callable[[Result], float]] = {
    "bytes per token": lambda result: result["bytes_per_token"],
    "training MFLOPs per byte": lambda result: result["flops_per_byte"] / 1e6,
    "share of parameters in embedding tables": lambda result: result["table_share"],
    "share of words that are one token": lambda result: result["words_whole"] or 0.0,
    "share of the vocabulary never used": lambda result: result["never_seen"],
    "Rényi efficiency": lambda result: result["renyi_efficiency"],
}
TRIALS = {"bits per byte after equal text": "bytes", "bits per byte after equal FLOPs": "flops"}


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


NAME = Column("tokenizer", "family and requested size", lambda result: result["name"])
COLUMNS = [
    NAME,
    Column("tokens", "entries of the vocabulary, including special tokens", lambda result: f"{result['vocab_size']}"),
    Column("bytes/token", "of held-out text", lambda result: f"{result['bytes_per_token']:.2f}"),
    Column(
        "tokens/word",
        "fertility; words are runs of letters and digits",
        lambda result: _number(result["tokens_per_word"]),
    ),
    Column("whole", "share of words that are one token", lambda result: _percent(result["words_whole"])),
    Column("tokens/line", "of held-out text", lambda result: _number(result["tokens_per_line"], 1)),
    Column(
        "unseen", "share of the vocabulary that held-out text never uses", lambda result: _percent(result["never_seen"])
    ),
    Column("rare", "share used fewer than `rare` times", lambda result: _percent(result["rarely_seen"])),
    Column(
        "Rényi",
        "Rényi efficiency: how evenly the vocabulary is used (Zouhar et al. 2023)",
        lambda result: _number(result["renyi_efficiency"], 3),
    ),
    Column(
        "tables", "share of the model's parameters in embedding tables", lambda result: _percent(result["table_share"])
    ),
    Column(
        "MFLOP/byte", "to train the model on one byte of text", lambda result: f"{result['flops_per_byte'] / 1e6:.2f}"
    ),
    Column("softmax", "share of the FLOPs in output logits", lambda result: _percent(result["softmax_share"])),
    Column(
        "logits", "memory of the logits of one row in fp32", lambda result: f"{result['logits_bytes'] / 1e6:.1f} MB"
    ),
    Column("fits", "bytes of text in one context", lambda result: f"{result['context_bytes']:.0f} B"),
]


def vocabulary_table(results: Sequence[Result]) -> str:
    """Format one line per tokenizer."""
    return text_table(COLUMNS, results)


def premium_table(results: Sequence[Result]) -> str:
    """Format the tokens that languages need for the same content, by tokenizer; empty without aligned texts."""
    if not results[0]["languages"]:
        return ""
    name = max(len("tokens for the same"), *(len(result["name"]) for result in results))
    lines = [f"{'tokens for the same':<{name}}  median   least            most"]
    for result in results:
        ratios = sorted((numbers["tokens"], language) for language, numbers in result["languages"].items())
        (least, cheapest), (most, dearest) = ratios[0], ratios[-1]
        lines.append(
            f"{result['name']:<{name}}  {median(ratio for ratio, _ in ratios):5.2f}×  "
            f"{f'{cheapest} {least:.2f}×':<15}  {dearest} {most:.2f}×"
        )
    return "\n".join(lines)


def learning_table(results: Sequence[Result]) -> str:
    """Format bits per byte after equal text and equal FLOPs, by tokenizer; empty if no model was trained."""
    if "learned" not in results[0]:
        return ""
    name = max(len("bits per byte after"), *(len(result["name"]) for result in results))
    lines = [f"{'bits per byte after':<{name}}  equal text      (steps)  equal FLOPs     (steps)"]
    for result in results:
        cells = [f"{with_interval(trial):<14}  {trial['steps']:>7}" for trial in result["learned"].values()]
        lines.append(f"{result['name']:<{name}}  {'  '.join(cells)}")
    return "\n".join(lines)


def vocabulary_verdict(results: Sequence[Result]) -> str:
    """Summarize the results and what they cannot decide."""
    densest = max(results, key=lambda result: result["bytes_per_token"])
    cheapest = min(results, key=lambda result: result["flops_per_byte"])
    lines = [
        f"Cheapest to train per byte of this text: {cheapest['name']}, {cheapest['flops_per_byte'] / 1e6:.2f} MFLOPs "
        f"per byte at {cheapest['bytes_per_token']:.2f} bytes per token; its embedding tables hold "
        f"{cheapest['table_share']:.0%} of the parameters."
    ]
    if densest is not cheapest:
        more = densest["flops_per_byte"] / cheapest["flops_per_byte"] - 1
        lines.append(
            f"Shortest sequences: {densest['name']}, {densest['bytes_per_token']:.2f} bytes per token, for {more:.0%} "
            f"more FLOPs per byte, {densest['softmax_share']:.0%} of them in output logits; held-out text never uses "
            f"{densest['never_seen']:.0%} of its vocabulary."
        )
    lines += [
        f"{result['name']} loses {result['lost']:.2%} of the bytes: its bits per byte describe another text."
        for result in results
        if result["lost"]
    ]
    if "learned" in results[0]:
        lines += [_best(results, "bytes", "the same text"), _best(results, "flops", "the same FLOPs")]
    else:
        lines.append("Only training shows which of them learns most from the same text: train=true.")
    return "\n".join(lines)


def _best(results: Sequence[Result], equal: str, words: str) -> str:
    """Name the tokenizer of fewest bits per byte and those whose intervals overlap with its own."""
    ranked = sorted(results, key=lambda result: result["learned"][equal]["mean"])
    first = ranked[0]["learned"][equal]
    line = f"Learns most from {words}: {ranked[0]['name']}, {with_interval(first)} bits per byte"
    if first["half_width"] is None:
        return f"{line}; with one seed the random error is unknown."
    limit = first["mean"] + first["half_width"]
    trials = {result["name"]: result["learned"][equal] for result in ranked[1:]}
    close = [name for name, trial in trials.items() if trial["mean"] - trial["half_width"] <= limit]
    rest = f"{', '.join(close)} may be as good" if close else "clearly better than the next"
    return f"{line}; {rest} (95 % intervals)."


def vocabulary_sections(results: Sequence[Result], *, first: int = 0) -> tuple[list[Section], list[Chart]]:
    """The sections of the page of a comparison, and the charts in them.

    Args:
        results: A result per tokenizer.
        first: Number of the first chart among those of the page.
    """
    kinds = [
        Column(kind, "bytes per token", lambda result, kind=kind: f"{result['kinds'][kind]['bytes_per_token']:.2f}")
        for kind in results[0]["kinds"]
    ]
    details = [
        NAME,
        *kinds,
        Column("digits/token", "within numbers", lambda result: _number(result["digits_per_token"])),
        Column("blanks/token", "within white space", lambda result: _number(result["blanks_per_token"])),
        Column("entropy (bits/token)", "of a unigram model", lambda result: f"{result['entropy']:.2f}"),
        Column("lost", "share of bytes that decoding does not return", lambda result: f"{result['lost']:.2%}"),
        Column("longest", "longest tokens", lambda result: " ".join(map(repr, result["longest"]))),
    ]
    trials, drawn = learning_table(results), vocabulary_charts(results)
    size = f"<p>Measured on {results[0]['bytes'] / 1e6:.2f} MB of held-out text.</p>"
    learned = f"<pre tabindex='0'>{escape(trials)}</pre>" if trials else ""
    sections = [
        Section("words", "What came out", html_lines(vocabulary_verdict(results)) + size + learned),
        Section("sizes", "By size of the vocabulary", chart_grid(drawn, first=first)),
        Section("numbers", "Numbers", html_table(COLUMNS, results) + html_meanings(COLUMNS)),
        Section("kinds", "By kind of text", html_table(details, results, text=(0, len(details) - 1))),
        Section("languages", "Languages", _premium_section(results)),
    ]
    return sections, drawn


def vocabulary_charts(results: Sequence[Result]) -> list[Chart]:
    """A chart per measure over the size of the vocabulary, with a curve per family."""
    drawn = [_by_size(title, results, lambda result, value=value: [value(result)]) for title, value in PANELS.items()]
    for title, equal in TRIALS.items() if "learned" in results[0] else ():
        drawn.append(_by_size(title, results, lambda result, equal=equal: result["learned"][equal]["values"]))
    return drawn


def _by_size(title: str, results: Sequence[Result], values: Callable[[Result], Sequence[float]]) -> Chart:
    curves = []
    for family in dict.fromkeys(result["family"] for result in results):
        points = sorted((result["vocab_size"], [*values(result)]) for result in results if result["family"] == family)
        alone = {"dots": True} if len(points) == 1 else {}
        curves.append({**mean_curve(family, [size for size, _ in points], [each for _, each in points]), **alone})
    return chart(title, "tokens in the vocabulary", curves, log_x=2)


def _premium_section(results: Sequence[Result]) -> str:
    """Format languages × tokenizers, highest ratios first; empty without aligned texts."""
    languages = results[0]["languages"]
    if not languages:
        return ""
    order = sorted(languages, key=lambda name: -median(result["languages"][name]["tokens"] for result in results))
    columns = [
        Column("language", "", str),
        Column("bytes", "ratio of bytes in UTF-8", lambda language: f"{languages[language]['bytes']:.2f}"),
        *(
            Column(
                result["name"],
                "ratio of tokens",
                lambda language, paid=result["languages"]: f"{paid[language]['tokens']:.2f}",
            )
            for result in results
        ),
    ]
    return (
        "<p>Tokens for the same content, relative to the reference language: 1 is the same price; the column bytes is "
        "the ratio that UTF-8 alone gives.</p>"
        f"{html_table(columns, order)}"
    )
