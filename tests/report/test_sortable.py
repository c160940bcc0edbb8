"""A sortable table is whole without its script, and says what it sorts by."""

import math
import re

import pandas as pd
import pytest

from helpers.report.sortable import sortable
from helpers.settings import Refused

FRAME = pd.DataFrame(
    {
        "claim": ["1", "10", "2"],
        "source": ["<paper>", "response", "<paper>"],
        "gain": [0.12345, math.nan, -1.0],
    }
)


def test_every_value_is_there_and_has_its_key() -> None:
    html = sortable(FRAME, ["source"], digits=2).html()
    cells = re.findall(r'<td data-value="([^"]*)">([^<]*)</td>', html)
    assert cells[2::3] == [("0.12345", "0.12"), ("", "—"), ("-1.0", "-1.00")]
    assert cells[1] == ("&lt;paper&gt;", "&lt;paper&gt;")
    kinds = re.findall(r'data-kind="(\w+)">(\w+)<', html)
    assert kinds == [("text", "claim"), ("text", "source"), ("number", "gain")]
    assert re.findall(r'<option value="([^"]*)">', html) == [
        "",
        "&lt;paper&gt;",
        "response",
    ]


def test_without_a_script_there_is_a_table_and_no_control() -> None:
    html = sortable(FRAME, ["source"]).html()
    assert '<div class="sortable-choices" hidden>' in html
    assert "<button" not in html.split("<script>")[0]
    assert not re.search(r"https?:|src=|href=|\bid=", html)


def test_an_unknown_column_is_refused_in_one_line() -> None:
    with pytest.raises(Refused, match=r"no column 'origin'.*claim, source, gain"):
        sortable(FRAME, ["origin"])
