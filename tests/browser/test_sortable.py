"""A sortable table in a browser: by mouse, by keyboard, without JavaScript."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from helpers.report.sortable import sortable

pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page from the disk with two equal tables."""
    frame = pd.DataFrame(
        {"n": ["5", "10", "?"], "who": ["b", "a", "b"], "gain": [0.5, None, -1.5]}
    )
    file: Path = tmp_path_factory.mktemp("page") / "page.html"
    head = "<!doctype html><html lang=en><meta charset=utf-8><title>tables</title>"
    body = sortable(frame, ["who"], 1).html()
    file.write_text(f"{head}<body>{body}{body}</body></html>", "utf-8")
    return file.as_uri()


def gains(tab: Any, which: int = 0) -> list[str]:
    rows = tab.locator(".sortable").nth(which).locator("tbody tr").all()
    return [row.locator("td").nth(2).text_content() for row in rows if row.is_visible()]


def test_it_sorts_and_filters(browser: Any, page: str) -> None:
    tab = browser.new_page()
    faults: list[str] = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.goto(page)
    first = tab.locator(".sortable").nth(0)
    assert gains(tab) == ["0.5", "—", "-1.5"]
    first.get_by_role("button", name="gain").click()
    assert gains(tab) == ["-1.5", "0.5", "—"]
    tab.keyboard.press("Enter")  # once more, by keyboard: the other way, none last
    assert gains(tab) == ["0.5", "-1.5", "—"]
    heads = first.locator("th")
    assert heads.nth(2).get_attribute("aria-sort") == "descending"
    first.get_by_role("button", name="n", exact=True).click()
    assert first.locator("tbody td:first-child").all_text_contents() == ["?", "5", "10"]
    assert heads.nth(2).get_attribute("aria-sort") is None
    first.get_by_label("who").select_option("b")
    assert sorted(gains(tab)) == ["-1.5", "0.5"]
    assert first.locator("output").text_content() == "2 of 3 rows"
    assert gains(tab, 1) == ["0.5", "—", "-1.5"]
    assert faults == []
    tab.close()


def test_without_javascript_the_table_is_whole(browser: Any, page: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(page)
    assert gains(tab) == ["0.5", "—", "-1.5"]
    assert not tab.locator("select").first.is_visible()
    context.close()
