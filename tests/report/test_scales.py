"""Signs over sizes, and the check of the learning rate."""

from typing import Any

import matplotlib.pyplot as plt
import pytest

from helpers.report import learning_rates, ledger, ledger_figures, lico_figures, scales
from tests.report.test_ledger import summary

pytestmark = pytest.mark.usefixtures("all_admitted")


def of_size(size: int, gap: float, **other: Any) -> dict[str, Any]:
    made = summary(lico=gap)
    made["parameters"] = {"dataset": "scenes", "size": size, "epochs": 64, **other}
    return made


def test_a_sign_that_changes_is_said() -> None:
    rows = scales.rows([of_size(64, 0.1), None, of_size(32, -0.1)], "size")
    sch = rows[rows["metric"] == "SCH"]
    assert sch["size"].tolist() == [32, 64]
    assert sch["sign"].tolist() == ["-", "+"]
    assert sch["verdict"].tolist() == ["contradicted", "supported"]
    said = scales.signs(rows, "size").set_index("metric")
    assert said.loc["SCH", "does the sign change"] == "yes"
    assert said.loc["SCH", "signs"] == "- at 32; + at 64"


def test_another_intervention_is_said() -> None:
    made = [of_size(32, 0.1), of_size(64, 0.1)]
    for run in made[0]["arms"]["lico"].values():
        run["intervention"] = {"inert": "mm"}
    rows = scales.rows(made, "size", ["lico"])
    assert rows[rows["metric"] == "SCH"]["inert"].tolist() == ["mm", "no"]
    said = scales.signs(rows, "size").set_index("metric")
    expected = "no: the same everywhere (not the same losses act)"
    assert said.loc["SCH", "does the sign change"] == expected


@pytest.mark.parametrize(
    ("gaps", "said"),
    [
        ((0.1, 0.2), "no: the same everywhere"),
        ((0.1, 0.0), "not shown: an interval holds 0"),
        ((0.1,), "only one value is recorded"),
    ],
)
def test_what_is_said_of_signs(gaps: tuple[float, ...], said: str) -> None:
    made = [of_size(32 * 2**i, gap) for i, gap in enumerate(gaps)]
    rows = scales.rows(made, "size")
    found = scales.signs(rows, "size").set_index("metric")
    assert found.loc["SCH", "does the sign change"] == said


def test_records_that_differ_by_more_are_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = [of_size(64, 0.1), of_size(32, 0.1, lr=0.1), of_size(128, 0.1, device="x")]
    made[0]["parameters"] |= {"lr": 0.03, "device": "cpu"}
    assert scales.comparable(made, "size") == [made[0], made[2]]
    assert "size 32: it differs by lr too" in capsys.readouterr().out
    assert scales.rows([None], "size").empty
    assert len(scales.signs(scales.rows([None], "size"), "size")) == 1


def at_rate(lr: float, ce: float, lico: float) -> dict[str, Any]:
    made = summary(lico=0.0)
    made["parameters"] = {"lr": lr}
    for arm, value in (("ce", ce), ("lico", lico)):
        for i, run in enumerate(made["arms"][arm].values()):
            run["accuracy"]["validation"] = value + 0.01 * (i % 2)
    return made


def test_rates_are_compared_on_validation_accuracy() -> None:
    used, low = at_rate(0.03, 0.80, 0.80), at_rate(0.01, 0.79, 0.90)
    del low["arms"]["ce"]["6"]
    frame = learning_rates.by_rate([used, low, None]).set_index("arm")
    assert frame.loc["ce", "seeds"] == 5
    assert frame.loc["ce", "best"] == 0.03
    assert frame.loc["ce", "gain"] == 0
    assert frame.loc["ce", "within seeds"] == "yes"
    assert frame.loc["lico", "best"] == 0.01
    assert frame.loc["lico", "gain"] == pytest.approx(0.1)
    # SD of the baseline: .01 or .0, half each, n - 1; two of them over root 6 is .0045
    assert frame.loc["lico", "within seeds"] == "NO"
    near = learning_rates.by_rate([used, at_rate(0.06, 0.80, 0.804)]).set_index("arm")
    assert near.loc["lico", "within seeds"] == "yes"
    far = learning_rates.by_rate([used, at_rate(0.06, 0.80, 0.805)]).set_index("arm")
    assert far.loc["lico", "within seeds"] == "NO"


def test_one_rate_says_nothing_and_two_alike_are_refused() -> None:
    used = at_rate(0.03, 0.8, 0.8)
    assert len(learning_rates.by_rate([used, None])) == 1
    assert len(learning_rates.by_rate([None])) == 1
    with pytest.raises(ValueError, match="rates must differ"):
        learning_rates.by_rate([used, used])


def test_the_figures_are_drawn() -> None:
    rows = scales.rows([of_size(64, 0.1), of_size(32, -0.1)], "size")
    figure = ledger_figures.scales(rows, "size", "pixels a side")
    labels = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert labels == ["32", "64"]
    ledger_figures.scales(scales.rows([None], "size"), "size", "pixels a side")
    made = summary(lico=0.10, mm=0.05)
    for run in made["arms"]["mm"].values():
        run["intervention"]["inert"] = "mm"
    figure = lico_figures.study(made, ["accuracy", "sch", "gridpg"])
    assert len(figure.axes) == 2
    judged = ledger.judge(made, ["lico"], ["ce"], "sch", "claim")
    assert judged is not None
    (line,) = [x for x in figure.axes[1].lines if len(x.get_xdata()) == 2][1:2]
    assert line.get_xdata() == pytest.approx(judged.interval, abs=1e-5)
    hollow = [
        line.get_markerfacecolor()
        for line in figure.axes[0].lines
        if line.get_marker() == "o"
    ]
    assert hollow == ["C0", "white"]
    assert len(lico_figures.study(None, ["accuracy"]).axes) == 1
    plt.close("all")
