"""A real Chromium, headless, for tests of what people open."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
MISSING = "needs Chromium and its driver (apt-get install chromium chromium-driver)"
QUIET = ("no-first-run", "disable-background-networking", "disable-component-update", "disable-sync", "disable-quic")


def show(driver: webdriver.Chrome, uri: str) -> None:
    """Open `uri` anew, whole: on a busy machine the driver may return while a page it had before gives way to it."""
    driver.get("about:blank")
    driver.get(uri)
    whole = "return [location.href, document.readyState]"
    WebDriverWait(driver, 60).until(lambda shown: shown.execute_script(whole) == [uri, "complete"])


@contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    for argument in ("headless", "no-sandbox", "disable-gpu", "hide-scrollbars", *QUIET):
        options.add_argument(f"--{argument}")
    assert CHROMIUM is not None
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()
