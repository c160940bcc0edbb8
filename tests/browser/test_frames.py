"""A slider in a browser: by keyboard, two on a page, without JavaScript, on paper."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest

from helpers.report import frames

pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page from the disk with two equal sliders, one of one frame, one other."""

    def made(values: list[int]) -> str:
        def draw(value: int) -> Any:
            figure, axis = plt.subplots(figsize=(3, 2))
            axis.plot([0, value])
            return figure

        return frames.over(
            values, draw, "delta", "{} px".format, "line to {}".format
        ).html()

    body = made([1, 2, 3]) + made([1, 2, 3]) + made([1]) + made([4, 5])
    file: Path = tmp_path_factory.mktemp("page") / "page.html"
    head = "<!doctype html><html lang=en><meta charset=utf-8><title>sliders</title>"
    file.write_text(f"{head}<body>{body}</body></html>", "utf-8")
    return file.as_uri()


def seen(tab: Any) -> list[str]:
    return [
        image.get_attribute("alt")
        for image in tab.locator(".frames img").all()
        if image.is_visible()
    ]


def test_it_moves_by_keyboard_and_alone(browser: Any, page: str) -> None:
    tab = browser.new_page()
    faults: list[str] = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("request", lambda r: faults.append(r.url) if "http" in r.url else None)
    tab.goto(page)
    assert seen(tab) == ["line to 2", "line to 2", "line to 1", "line to 5"]
    tab.keyboard.press("Tab")  # the first control can be reached
    tab.keyboard.press("ArrowRight")
    assert seen(tab) == ["line to 3", "line to 2", "line to 1", "line to 5"]
    tab.keyboard.press("Home")
    assert seen(tab)[0] == "line to 1"
    tab.keyboard.press("Tab")
    tab.keyboard.press("ArrowLeft")
    assert seen(tab) == ["line to 1", "line to 1", "line to 1", "line to 5"]
    ranges = tab.get_by_role("slider", name="delta", include_hidden=False)
    assert ranges.count() == 3  # one frame alone has no control
    assert ranges.nth(0).get_attribute("aria-valuetext") == "1 px"
    assert tab.locator("output").nth(0).text_content() == "1 px"
    assert faults == []
    tab.close()


def test_without_javascript_and_on_paper_one_frame_is_left(
    browser: Any, page: str
) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(page)
    assert seen(tab) == ["line to 2", "line to 2", "line to 1", "line to 5"]
    assert not any(one.is_visible() for one in tab.locator("input").all())
    assert tab.locator("output").nth(0).is_visible()
    context.close()
    tab = browser.new_page()
    tab.goto(page)
    tab.emulate_media(media="print")
    assert not any(one.is_visible() for one in tab.locator("input").all())
    tab.close()
