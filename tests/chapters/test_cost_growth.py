"""Chapter 08: memory that is counted, slopes, iterations; no test asserts a time."""

import math
from pathlib import Path

import pandas as pd
import pytest
import torch

from helpers.chapters import cost_growth, cost_tokens, ot_presets
from helpers.chapters.cost_growth import LICO, LOOP, OURS, PADDED, PLAIN, SHORT
from helpers.lab.runs import Run
from helpers.methods.presets import preset
from helpers.settings import CrossEntropy, DataSettings, Method, RunSettings


@pytest.fixture(scope="module")
def cost() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return 4 * torch.rand(3, 16, 5, generator=generator, dtype=torch.float64)


def test_what_autograd_keeps_is_counted_once() -> None:
    x = torch.ones(250, requires_grad=True)  # 1 kB
    assert cost_growth.kept(lambda: (x * x).sum()) == pytest.approx(1e-3)
    assert cost_growth.kept(lambda: (x * x).sum(), [x]) == 0
    assert cost_growth.kept(lambda: x.exp().exp().sum()) == pytest.approx(2e-3)


def test_an_exponent_is_the_power() -> None:
    sizes = [2.0, 4.0, 8.0]
    assert cost_growth.exponent(sizes, [s**2 for s in sizes]) == pytest.approx(2)
    assert cost_growth.exponent(sizes, [3.0] * 3) == pytest.approx(0)
    assert math.isnan(cost_growth.exponent(sizes, [1.0, 0.0, 1.0]))


def test_a_row_an_axis_and_way() -> None:
    rows = [
        {"axis": "a", "size": s, "way": w, "seconds": s**p, "megabytes": float(s)}
        for w, p in (("x", 1), ("y", 2))
        for s in (1, 2, 4)
    ]
    found = cost_growth.exponents(pd.DataFrame(rows)).set_index("way")
    assert found["exponent of time"].tolist() == pytest.approx([1, 2])
    assert found["exponent of memory"].tolist() == pytest.approx([1, 1])
    assert found.loc["y", "seconds, largest"] == 16
    assert found.loc["y", "sizes"] == "1, 2, 4"


def test_the_shared_branch_keeps_less() -> None:
    tower = cost_tokens.text_tower_of(1, seed=0)
    grown = [
        cost_growth.over_classes(tower, [2, 4, 8], contexts=4, pairs=1),
        cost_growth.over_contexts(tower, [4, 8, 16], classes=4, pairs=1),
    ]
    for frame in grown:
        sizes = frame.pivot_table("megabytes", "size", "way")
        assert (sizes[SHORT] < sizes[PADDED]).all()
        assert sizes[SHORT].is_monotonic_increasing
        assert (frame["seconds"] > 0).all()
    padded = grown[1].query("way == @PADDED")["megabytes"]
    assert padded.max() / padded.min() < 1.05  # 77 tokens, whatever stands in them


def test_a_step_of_lico_holds_the_baselines(tmp_path: Path) -> None:
    data = DataSettings(train=12, size=32)

    def run(method: Method) -> Run:
        return Run(RunSettings(data=data, method=method), tmp_path)

    lico = preset("paper", language="random-tower", n_ctx=2, hidden=8)
    arms = {"ce": [run(CrossEntropy())], "lico": [run(lico)]}
    frame = cost_growth.over_batches(arms, [4, 8, 16], pairs=1)
    assert frame["size"].tolist() == [4, 4, 8, 8, 16, 16]  # 16 of 12 pictures
    kept = frame.pivot_table("megabytes", "size", "way")
    assert (kept[LICO] > kept[PLAIN]).all()
    assert kept[PLAIN].is_monotonic_increasing


def test_iterations_are_those_of_the_loop(cost: torch.Tensor) -> None:
    """By counting calls; the witness bisects on the plan that comes out."""
    found = cost_growth.transports(cost, [1.0, 0.1], most=50)
    loops = found[found["way"] == LOOP].set_index("epsilon")["iterations"]
    for epsilon in (1.0, 0.1):
        how = ot_presets.Solver(epsilon, 50, "through")
        assert loops[epsilon] == ot_presets.iterations_used(cost, how)
    ours = found[found["way"] == OURS]
    assert ours["iterations"].isna().all()
    assert ours["error"].max() < 1e-12


def test_a_loop_keeps_every_turn(cost: torch.Tensor) -> None:
    kept = cost_growth.unrolled(cost, 0.1).pivot_table("megabytes", "iterations", "way")
    steps = (kept[LOOP].diff() / kept.index.to_series().diff()).dropna()
    assert steps.max() == pytest.approx(steps.min())
    assert kept[OURS].nunique() == 1
    assert kept[OURS].iloc[0] < kept[LOOP].min()


def test_an_error_of_marginals_by_hand() -> None:
    plan = torch.tensor([[[0.5, 0.0], [0.25, 0.25]]])  # columns .75 and .25
    assert cost_growth.marginal_error(plan) == pytest.approx(0.5)
