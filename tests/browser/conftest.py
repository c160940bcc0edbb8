"""A browser and the built site, or the reason why there is none.

Where CI is "true" a missing browser or site is a failure, elsewhere a skip. SITE
is the folder of the site (default: _build/html), BROWSER_PATH the browser.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # sitecheck lies beside this file
ROOT = Path(__file__).parents[2]


def absent(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def site() -> Path:
    folder = ROOT / os.environ.get("SITE", "_build/html")
    if not (folder / "index.html").is_file():
        absent(f'no site in {folder}: run "make book" first')
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    from helpers.offline.browser import started
    from helpers.settings import Refused

    try:
        with started() as chromium:
            yield chromium
    except Refused as refusal:
        absent(str(refusal))
