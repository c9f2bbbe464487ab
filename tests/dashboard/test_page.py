"""Pages of the dashboard are those of reports, with a script that follows the run."""

from pathlib import Path

from lm.dashboard.page import live_page, overview
from lm.report.run import run_page
from support.reported_runs import make_run


def test_a_live_page_is_the_page_of_the_run_and_a_script(tmp_path: Path):
    directory = make_run("a", root=tmp_path)
    page = live_page(directory, 'pretrain/a"<b>')
    assert 'data-place="pretrain/a&quot;&lt;b&gt;"' in page
    assert page.startswith(run_page(directory).partition("<body>")[0])
    assert page.rstrip().endswith("</html>")


def test_the_list_names_its_directory(tmp_path: Path):
    assert f"<h1>{tmp_path}</h1>" in overview(tmp_path)
