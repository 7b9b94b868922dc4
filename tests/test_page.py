"""The report's page in a real Chromium."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from study.report.write import Request, write_report
from tests.browser import CHROMIUM, DRIVER, MISSING, browser, show
from tests.made import make_study

pytestmark = pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason=MISSING)

EVIL = "<script>document.title = 'taken'</script><b>conv"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    study = make_study(folder / "study", {"none": 0.45, "block": 0.6, EVIL: 0.52}, search=12)
    return write_report(Request([study], folder / "report")).page


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chrome]:
    with browser() as driver:
        yield driver


@pytest.fixture
def opened(chromium: Chrome, page: Path) -> Chrome:
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    chromium.get_log("browser")
    show(chromium, page.as_uri())
    return chromium


def table(driver: Chrome, title: str) -> WebElement:
    figures = driver.find_elements(By.CSS_SELECTOR, "figure.table")
    return next(f for f in figures if f.find_element(By.TAG_NAME, "strong").text == f"{title}.")


def column(of: WebElement, heading: str) -> list[str]:
    at = [th.text.strip(" ▲▼") for th in of.find_elements(By.TAG_NAME, "th")].index(heading)
    rows = of.find_elements(By.CSS_SELECTOR, "tbody tr")
    return [row.find_elements(By.TAG_NAME, "td")[at].get_attribute("textContent") or "" for row in rows]


def click(driver: Chrome, element: WebElement) -> None:
    """As a mouse would, wherever it stands on the page."""
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def test_it_loads_without_an_error_and_without_the_network(opened: Chrome) -> None:
    assert opened.get_log("browser") == []
    assert opened.title == "study - study report"  # what stands in an arm's name did not run
    requested = opened.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in requested if not name.startswith("data:")] == []
    pictures = opened.find_elements(By.CSS_SELECTOR, ".figures img")
    assert len(pictures) == 10
    assert all(opened.execute_script("return arguments[0].naturalWidth > 0", picture) for picture in pictures)


def test_question_and_verdict_stand_on_top(opened: Chrome) -> None:
    assert opened.find_element(By.TAG_NAME, "h1").text == "Does it help?"
    answer = opened.find_element(By.CLASS_NAME, "answer")
    assert "none" in answer.text
    assert answer.location["y"] + answer.size["height"] < 600


def test_text_from_a_study_is_text(opened: Chrome) -> None:
    assert EVIL in column(table(opened, "Test results of the winners"), "arm")
    assert len(opened.find_elements(By.TAG_NAME, "script")) == 1


def test_a_click_on_a_heading_sorts_its_table_and_a_second_one_turns_it(opened: Chrome) -> None:
    results = table(opened, "Test results of the winners")
    before = column(results, "arm")
    (button,) = [b for b in results.find_elements(By.CSS_SELECTOR, "th button") if b.text == "accuracy"]
    click(opened, button)
    rising = [float(text.split()[0]) for text in column(results, "accuracy")]
    assert rising == sorted(rising)
    click(opened, button)
    falling = [float(text.split()[0]) for text in column(results, "accuracy")]
    assert falling == sorted(falling, reverse=True)
    assert column(results, "arm") != before
    assert button.find_element(By.XPATH, "..").get_attribute("aria-sort") == "descending"


def test_a_figure_can_be_enlarged_and_closed(opened: Chrome) -> None:
    dialog = opened.find_element(By.TAG_NAME, "dialog")
    small = opened.find_element(By.CSS_SELECTOR, "figure.curves .enlarge")
    assert not dialog.is_displayed()
    click(opened, small)
    assert dialog.is_displayed()
    large = dialog.find_element(By.TAG_NAME, "img")
    assert large.get_attribute("src") == small.find_element(By.TAG_NAME, "img").get_attribute("src")
    large.click()
    assert not dialog.is_displayed()


def test_a_configuration_can_be_copied(opened: Chrome) -> None:
    details = opened.find_element(By.CSS_SELECTOR, "details.copy")
    click(opened, details.find_element(By.TAG_NAME, "summary"))
    click(opened, details.find_element(By.CSS_SELECTOR, "button.copy"))
    selected = opened.execute_script("return window.getSelection().toString()")
    assert '"train.learning_rate": 0.002' in selected


@pytest.mark.parametrize(("width", "height"), [(360, 740), (1400, 900)], ids=["phone", "desk"])
def test_it_is_no_wider_than_the_screen(opened: Chrome, width: int, height: int) -> None:
    opened.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    show(opened, opened.current_url)
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width


def test_it_is_dark_in_the_dark(opened: Chrome) -> None:
    def brightness(what: str) -> int:
        colour = opened.execute_script(f"return getComputedStyle(document.body).{what}")
        return sum(int(part) for part in colour.strip("rgba()").split(",")[:3])

    assert brightness("backgroundColor") > brightness("color")
    opened.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    assert brightness("backgroundColor") < brightness("color")


def test_printed_every_table_is_whole(opened: Chrome) -> None:
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    for wide in opened.find_elements(By.CLASS_NAME, "wide"):
        assert wide.value_of_css_property("overflow-x") == "visible"
    pdf = opened.execute_cdp_cmd("Page.printToPDF", {})["data"]
    assert len(pdf) > 100_000  # with its pictures
