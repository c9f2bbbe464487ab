"""Pages in a real browser: drawn without an error, usable by keyboard and on a phone, accessible.

The screenshots of each page are kept in the temporary directory of the test.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lm.report import compare_arms
from lm.report.run import comparison_page, run_page
from support.browser import needs_browser, opened, set_screen, violations
from support.reported_evaluations import BITS, TASK, TEXT, make_evaluation, make_study
from support.reported_runs import make_corpus_run, make_run

pytestmark = needs_browser
SCREENS = {"desktop": (1280, "light"), "phone": (390, "dark")}


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with opened() as driver:
        yield driver


def studied() -> dict:
    """Two recipes at two learning rates and two seeds."""
    measured = {
        arm: {rate: {"bits per byte": [2.0 + shift, 2.1 + shift]} for rate in ("0.001", "0.01")}
        for arm, shift in {"prose": 0.0, "more code": 0.3}.items()
    }
    return compare_arms(measured, {"more code": {"bits per byte": "higher"}}, best_by={"bits per byte": "lower"})


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pages")
    runs = [make_run(f"s{seed}", root=root, seed=seed, loss=4.0 + seed) for seed in range(2)]
    written = {
        "run": run_page(runs[0]),
        "corpus": run_page(make_corpus_run("a", root=root)),
        "evaluation": run_page(make_evaluation(root, copa=TASK, text=TEXT, bits=BITS)),
        "study": run_page(make_study(root, **studied())),
        "comparison": comparison_page([*runs, make_run("other", root=root, lr=1)]),
    }
    for name, page in written.items():
        (root / f"{name}.html").write_text(page, encoding="utf-8")
    return {name: root / f"{name}.html" for name in written}


def show(browser, page: Path, screen: str) -> None:
    width, scheme = SCREENS[screen]
    set_screen(browser, width=width, scheme=scheme)
    browser.get(page.as_uri())
    browser.execute_script("document.querySelectorAll('details').forEach(each => each.open = true)")


def press(browser, selector: str, key: str) -> None:
    browser.find_element("css selector", selector).send_keys(key)


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("name", ["run", "corpus", "comparison"])
def test_a_page_is_accessible_and_fits_the_screen(browser, pages, name: str, screen: str):
    show(browser, pages[name], screen)
    found = violations(browser)
    browser.save_screenshot(str(pages[name].with_name(f"{name}-{screen}.png")))
    assert found == []
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= SCREENS[screen][0]


def test_every_chart_is_drawn(browser, pages):
    show(browser, pages["run"], "desktop")
    drawn = browser.execute_script(
        "return [...document.querySelectorAll('[data-chart] canvas')].map(canvas => "
        "canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(value => value > 0))"
    )
    assert drawn == [True, True, True]


def test_a_chart_zooms_by_keyboard_and_resets(browser, pages):
    show(browser, pages["run"], "desktop")
    shown = "return document.querySelector('[data-chart] .u-legend').textContent"
    assert "train" in browser.execute_script(shown)
    axis = "return [window.charts[0].scales.x.min, window.charts[0].scales.x.max]"
    whole = browser.execute_script(axis)
    press(browser, "[data-chart]", "+")
    low, high = browser.execute_script(axis)
    assert high - low == pytest.approx((whole[1] - whole[0]) / 2, rel=0.01)
    press(browser, "[data-chart]", "0")
    assert browser.execute_script(axis) == whole


def test_the_slider_shows_the_samples_of_its_step(browser, pages):
    show(browser, pages["run"], "desktop")
    press(browser, "#sample-step", "\ue012")  # the left arrow
    assert browser.find_element("id", "sample-label").text == "step 20"
    assert browser.find_element("id", "sample-texts").text == "text of step 20 </script><b>"


def test_the_axis_can_be_one_of_tokens(browser, pages):
    show(browser, pages["run"], "desktop")
    press(browser, "#axis", "t")
    assert browser.execute_script("return window.charts[0].data[0].at(-1)") == 40 * 512
