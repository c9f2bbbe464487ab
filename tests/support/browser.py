"""A headless Chromium, of a width, light or dark; a test that asks for it is skipped where there is none."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
axe = pytest.importorskip("axe_core_python.selenium", reason="axe-core-python is not installed")
BROWSER, DRIVER = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(not (BROWSER and DRIVER), reason="Chromium and its driver are not installed")
PATIENCE = 30  # seconds


@contextmanager
def opened() -> Iterator[Any]:
    """A browser that keeps what pages print."""
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def set_screen(browser: Any, *, width: int, scheme: str, height: int = 900) -> None:
    """Make the window so wide, a phone's where it is narrow, and light or dark."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def violations(browser: Any) -> list[tuple[str, str]]:
    """What axe-core finds fault with, each with its element."""
    return [(each["id"], each["nodes"][0]["html"]) for each in axe.Axe().run(browser)["violations"]]


def wait_for(browser: Any, script: str) -> Any:
    """The value of an expression of JavaScript, once it is true."""
    until = time.monotonic() + PATIENCE
    while not (found := browser.execute_script(f"return {script}")):
        assert time.monotonic() < until, f"{script}: {browser.get_log('browser')}"
        time.sleep(0.02)
    return found
