"""The pages of the dashboard: the list of runs, and the page of a run that follows it."""

from html import escape
from pathlib import Path

from lm.report.page import asset, framed
from lm.report.run import run_page

PACKAGE = "lm.dashboard"


def overview(root: Path) -> str:
    """Return the page with the list of runs, which its script fills and keeps up to date."""
    body = f"""<header><p class="quiet">lm dashboard</p><h1>{escape(str(root))}</h1></header>
<main>
<div class="controls">
<label>find <input type="search" id="find" placeholder="pretrain, sweep/lr"></label>
<label>state <select id="state"><option value="">all</option><option>running</option><option>queued</option>
<option>complete</option><option>interrupted</option><option>unreadable</option></select></label>
<button id="compare" disabled>compare</button>
<output id="count" aria-live="polite"></output>
</div>
<table tabindex="0"><thead><tr><th><span class="quiet">compare</span></th><th class="text">run</th>
<th class="text">state</th><th>step</th><th>loss</th><th class="text">curve</th><th class="text">metric</th>
<th>size</th><th>changed</th></tr></thead><tbody id="runs"></tbody></table>
</main>
<script>{asset("overview.js", PACKAGE)}</script>
"""
    return framed(f"runs in {root}", body)


def live_page(directory: Path, place: str) -> str:
    """Return the page of a run with a script that keeps its curves and samples up to date while it is not finished."""
    page = run_page(directory)
    home = '<body>\n<p><a href="/">all runs</a></p>'
    script = f'<script id="live" data-place="{escape(place, quote=True)}">{asset("live.js", PACKAGE)}</script>\n</body>'
    head, _, tail = page.partition("<body>")
    body, _, end = tail.rpartition("</body>")
    return f"{head}{home}{body}{script}{end}"
