"""Figures of cost: every token, row and bar of what they are given is there."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.figure import Figure

from helpers.report import cost_figures, price_figures


@pytest.fixture(autouse=True)
def _closed() -> Any:
    yield
    plt.close("all")


def words(figure: Figure) -> set[str]:
    """Return all texts of a figure."""
    figure.canvas.draw()
    return {text.get_text() for text in figure.findobj(plt.Text)}


def test_a_square_a_token() -> None:
    cells = [(0.0, 0.0, "start"), (1.0, 0.0, "name"), (2.0, 0.0, "pad")]
    figure = cost_figures.squares({"padded": (cells, [])}, 10, ["cat"])
    (axis,) = figure.axes
    assert sum(len(c.get_paths()) for c in axis.collections) == 3
    assert {"padded: 3 tokens", "cat"} <= words(figure)


def test_a_way_that_is_barred_has_no_point() -> None:
    rows = [
        {"data": "A", "prompts": "x", "one": 100.0, "two": 50.0, "three": 10.0},
        {"data": "A", "prompts": "y", "one": 100.0, "two": float("nan"), "three": 20},
    ]
    figure = cost_figures.staircase(pd.DataFrame(rows), ["one", "two", "three"])
    lines = [len(line.get_xdata()) for line in figure.axes[0].lines]
    assert lines == [3, 2]


def test_growth_has_its_exponents() -> None:
    rows = [
        {"axis": "K", "size": s, "way": w, "seconds": s / 10, "megabytes": float(s)}
        for w in ("a", "b")
        for s in (2, 4, 8)
    ]
    slopes = pd.DataFrame(
        {"over": ["K", "K"], "way": ["a", "b"], "exponent of time": [1.0, 0.25]}
    )
    figure = cost_figures.growth([pd.DataFrame(rows)], slopes)
    assert len(figure.axes) == 2
    assert {"a: 1.00", "b: 0.25", "K"} <= words(figure)


def test_iterations_stand_at_the_points_of_the_loop() -> None:
    times = pd.DataFrame(
        {
            "epsilon": [1.0, 1.0, 0.1, 0.1],
            "way": ["loop", "ours"] * 2,
            "seconds": [0.01, 0.02, 0.1, 0.03],
            "iterations": pd.array([4, None, 17, None], dtype="Int64"),
        }
    )
    kept = pd.DataFrame(
        {
            "iterations": [10, 10, 20, 20],
            "way": ["loop", "ours"] * 2,
            "megabytes": [1.0, 0.5, 2.0, 0.5],
        }
    )
    assert {"4", "17"} <= words(cost_figures.transport(times, kept))


def test_a_dot_a_price_and_a_line_at_one() -> None:
    rows = pd.DataFrame(
        {"what": ["a", "b", "b"], "kind": ["x", "y", "y"], "ratio": [4.0, 1.2, 1.3]}
    )
    figure = price_figures.price(rows)
    (axis,) = figure.axes
    assert {"a", "b", "x", "y"} <= words(figure)
    assert [1, 1] in [list(line.get_xdata()) for line in axis.lines]


def bench(**changed: Any) -> dict[str, Any]:
    return {
        "number": "1",
        "name": "text",
        "on": "K = 10",
        "ratio": 18.0,
        "sense": "at least",
        "unit": "x",
        "bar": 15,
        "holds": True,
        "spread": [17.0, 19.0],
    } | changed


def test_a_bench_that_holds_and_one_that_does_not() -> None:
    rows = [
        bench(),
        bench(on="K = 100", ratio=12.0, holds=False),
        bench(number="2", ratio=1e-9, unit=""),
        bench(number="3", ratio=None, holds=None),
    ]
    figure = price_figures.bench({"record": rows, "your machine": None})
    (axis,) = figure.axes
    colours = [line.get_color() for line in axis.lines]
    assert price_figures.GOOD in colours
    assert price_figures.BAD in colours
    found = words(figure)
    assert {"1  text, K = 10", "1  text, K = 100", "record"} <= found
    assert "your machine" not in found
    assert not any(word.startswith(("2  ", "3  ")) for word in found)


def test_a_bench_that_was_not_made_says_so() -> None:
    assert "not recorded yet" in words(price_figures.bench({"record": None}))
    only_errors = {"record": [bench(unit="")]}
    assert "not recorded yet" not in words(price_figures.bench(only_errors))


def test_energy_has_a_row_a_thing() -> None:
    rows = pd.DataFrame(
        {"what": ["a", "b", "c"], "kind": ["x", "x", "y"], "kWh": [0.1, 1.0, 20.0]}
    )
    assert {"a", "b", "c", "x", "y"} <= words(price_figures.energy(rows))
