"""The report's page in headless Chromium: it opens without a network, draws every chart, says
nothing on the console, and its controls work."""

import re

import pytest
from support import browser
from support.finished_run import IMAGES, finished_run

from sstdp_hw.verbs.report import write_page

pytestmark = pytest.mark.skipif(
    browser.executable() is None, reason="no Chromium: apt-get install chromium"
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser") / "run"
    finished_run(folder)
    return write_page(folder, IMAGES)


@pytest.fixture(scope="module")
def context():
    with browser.chromium() as found:
        yield found


@pytest.fixture(scope="module")
def opened(context, file):
    """The page, light and 1400 pixels wide, and what it complains about."""
    return browser.opened(context, file, width=1400, dark=False)


def drawn(page):
    """Charts that can be seen: each has marks, and how wide it is."""
    return page.evaluate(
        """[...document.querySelectorAll(".vega")].filter(e => !e.closest("[hidden]")).map(e => ({
             id: e.id, marks: e.querySelectorAll("svg .mark-group, svg path, svg line").length,
             width: e.getBoundingClientRect().width, text: e.textContent.slice(0, 60)}))"""
    )


@pytest.mark.parametrize("width, dark", [(1400, False), (1400, True), (400, True), (400, False)])
def test_opens_and_draws_everything(opened, width, dark):
    page, trouble = opened
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if dark else "light")
    page.wait_for_function(browser.DRAWN)
    fits = f"[...document.querySelectorAll('.vega svg')].every(e => e.clientWidth <= {width})"
    page.wait_for_function(fits)
    charts = drawn(page)
    assert trouble == []
    assert len(charts) > 15
    for chart in charts:
        assert chart["marks"] > 3 and "cannot be drawn" not in chart["text"], chart
        assert 0.4 * min(width, 600) < chart["width"] <= width, chart
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", back)[:3])) > 384) != dark
    pictures = "[...document.images].every(i => i.complete && i.naturalWidth > 0)"
    assert page.evaluate(pictures) and page.evaluate("document.images.length") > 3


def test_controls_work(opened):
    """Another image of those to choose from, and the other theme."""
    page, trouble = opened
    seen = "[...document.querySelectorAll('.option:not([hidden])')].map(e => e.dataset.name)"
    before, theme = page.evaluate(seen), "getComputedStyle(document.body).backgroundColor"
    page.locator("fieldset label").nth(1).click()
    page.wait_for_function(browser.DRAWN)
    assert len(before) == 1 and page.evaluate(seen) not in ([], before)
    assert all(chart["marks"] > 3 for chart in drawn(page))
    colour = page.evaluate(theme)
    page.locator("#theme").click()
    page.wait_for_function(browser.DRAWN)
    assert page.evaluate(theme) != colour
    assert all(chart["marks"] > 3 for chart in drawn(page))
    assert trouble == []


def test_a_broken_chart_is_noticed(context, file, tmp_path):
    """What the tests above look for is seen, and the reader is told."""
    text = file.read_text(encoding="utf-8")
    broken = tmp_path / "broken.html"
    broken.write_text(text.replace('"mark":{', '"mark":{"type":"none such","was":', 1))
    page, trouble = browser.opened(context, broken, width=1000, dark=False)
    assert any(told.startswith("error") for told in trouble)
    assert any("cannot be drawn" in chart["text"] for chart in drawn(page))
    page.close()
