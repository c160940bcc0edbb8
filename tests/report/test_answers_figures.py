"""The figure of chapter 13: who is filled, who is hollow, what stands at the right."""

import math

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.colors import to_hex

from helpers.report.answers_figures import with_and_without

FRAME = pd.DataFrame(
    [
        ("lico", "LICO", "words", "chapter 03", 0.4, 0.02, 0.83, "undecided: inert"),
        ("permuted", "permuted", "twin", "chapter 03", 0.39, math.nan, 0.82, ""),
        ("clip", "CLIP", "words", "this page", 0.3, 0.02, 0.7, "supported"),
        ("ce", "baseline", "without", "this page", 0.5, 0.02, 0.81, ""),
    ],
    columns=["name", "title", "kind", "source", "mean", "half", "top-1", "verdict"],
)


def test_dots_stand_at_their_means_hollow_for_twins_diamonds_from_elsewhere() -> None:
    lines = {"uniform": 0.26, "pooled mask": 0.7}
    figure = with_and_without(FRAME, lines, "SCH", "what it shows")
    (axis,) = figure.axes
    dots = [line for line in axis.lines if line.get_marker() in ("o", "s", "D")]
    assert [line.get_xdata()[0] for line in dots] == list(FRAME["mean"])
    assert [line.get_marker() for line in dots] == ["D", "D", "o", "s"]
    assert to_hex(dots[1].get_markerfacecolor()) == "#ffffff"
    assert to_hex(dots[0].get_markerfacecolor()) != "#ffffff"
    assert figure.get_suptitle() == "what it shows"
    upright = {round(line.get_xdata()[0], 3) for line in axis.lines if _upright(line)}
    assert upright == {0.5, 0.26, 0.7}  # the baseline and both references
    said = [text.get_text() for text in axis.texts]
    assert "undecided:\ninert" in said
    assert "0.83" in said
    heights = axis.get_yticks()
    assert heights[2] - heights[1] > heights[1] - heights[0]  # a gap before a group
    plt.close(figure)


def test_without_rows_from_elsewhere_no_diamond_is_explained() -> None:
    page = FRAME[FRAME["source"] == "this page"]
    figure = with_and_without(page, {}, "SCH", "")
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert not any("diamond" in word for word in words)
    plt.close(figure)


def _upright(line: object) -> bool:
    x, y = line.get_xdata(), line.get_ydata()  # type: ignore[attr-defined]
    return len(x) == 2 and x[0] == x[1] and y[0] != y[1]
