"""Chapter 02: features, controls, plans and gradients, by hand and against POT."""

import math
from dataclasses import replace

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch
from torch import Tensor

from helpers.chapters import ot_alignment, ot_gradients, ot_plans, ot_presets
from helpers.chapters.ot_alignment import Features, OtAlignment
from helpers.losses.transport import optimal_plan, sinkhorn_plan
from helpers.methods.lico import LicoClassifier
from helpers.methods.presets import PRESETS, preset
from helpers.report import solver_figures
from helpers.settings import Lico, Refused


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).double()


def noise(B: int = 3, C: int = 10, M: int = 4, d: int = 16) -> Features:
    return Features(draw(B, C, d, seed=1), draw(B, M, d, seed=2))


def equal_texts() -> Features:
    given = noise()
    return Features(given.maps, given.tokens[:, :1].expand(-1, 4, -1))


# The parameters


def test_an_arm_with_text_and_one_without_share_pictures_and_schedule() -> None:
    arms = OtAlignment(seeds=[1, 2]).arms()
    assert [len(runs) for runs in arms.values()] == [2, 2]
    lico, plain = (runs[0] for runs in arms.values())
    assert lico.data == plain.data
    assert isinstance(lico.method, Lico)
    assert lico.method.preset == "paper"
    assert lico.method.epochs == plain.method.epochs


def test_an_epsilon_of_zero_is_refused() -> None:
    with pytest.raises(Refused, match="epsilons"):
        OtAlignment.of(epsilons=[0.1, 0.0])


# Features


def test_the_first_pictures_keep_their_texts() -> None:
    given = noise()
    assert torch.equal(given.first(2).cost(), given.cost()[:2])


def test_the_mean_map_of_one_lit_cell_is_that_cell() -> None:
    maps = torch.zeros(1, 3, 4, dtype=torch.float64)
    maps[0, :, 2] = torch.tensor([1.0, 5.0, 0.2])  # lengths have no part in it
    expected = torch.zeros(4, 4, dtype=torch.float64)
    expected[2:, :2] = 1
    assert torch.equal(ot_alignment.mean_map(maps, 4)[0], expected)


# Plans


def test_the_toy_is_solved_as_the_text_says() -> None:
    _, plans = ot_plans.toy()
    third, sixth = 1 / 3, 1 / 6
    expected = torch.tensor([[third, 0], [sixth, sixth], [0, third]]).double()
    assert torch.allclose(plans["exact"], expected, atol=1e-7)
    for plan in plans.values():
        assert torch.allclose(plan.sum(1), torch.full((3,), third).double())
        assert torch.allclose(plan.sum(0), torch.full((2,), 0.5).double())


def test_the_plan_is_pots() -> None:
    cost = noise().cost()
    assert torch.allclose(
        ot_plans.pot_plan(cost, 0.1), optimal_plan(cost, 0.1), atol=1e-10
    )


def test_the_recorded_error_is_that_of_the_rows() -> None:
    cost = noise(B=2).cost()
    frame = ot_plans.convergence(cost, [0.1], most=3)
    mu, nu = ot_plans.marginals(cost[0])
    scores, g, expected = -cost / 0.1, torch.zeros(2, 1, 4).double(), []
    for _ in range(3):
        f = mu.log()[:, None] - (scores + g).logsumexp(2, keepdim=True)
        g = nu.log() - (scores + f).logsumexp(1, keepdim=True)
        expected.append(ot_presets.row_error((scores + f + g).exp()))
    assert frame["iteration"].tolist() == [1, 2, 3]
    assert frame["error"].tolist() == pytest.approx(expected, rel=1e-9)


def test_the_error_falls_to_rounding_where_sinkhorn_converges() -> None:
    cost = noise().cost()
    frame = ot_plans.convergence(cost, [0.3], most=200)
    assert frame["error"].iloc[-1] < 1e-12
    assert ot_presets.row_error(sinkhorn_plan(cost, 0.3)) < 1e-10


def test_a_sweep_ends_in_the_exact_plan() -> None:
    frame = ot_plans.sweep({"noise": noise()}, [0.01, 1.0])
    assert frame["epsilon"].tolist() == [1.0, 0.01, 0.0]
    assert frame["gain"].is_monotonic_increasing
    assert frame["entropy"].is_monotonic_decreasing
    paid = frame[ot_plans.PAID]
    assert 0 <= paid.iloc[1] - paid.iloc[2] <= 0.01 * math.log(4)


def test_taxes_are_no_choice() -> None:
    rows, columns = draw(2, 5, 1), draw(2, 1, 3, seed=1)
    assert float(ot_plans.choice(rows + columns).max()) < 1e-12
    assert float(ot_plans.choice(torch.ones(2, 5, 3).double()).max()) == 0
    checked = torch.tensor([[[1.0, -1.0], [-1.0, 1.0]]]).double()
    assert float(ot_plans.choice(checked)) == pytest.approx(1)


def test_alike_is_the_mean_cosine_of_pairs() -> None:
    rows = torch.tensor([[[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 0.0]]]).double()
    # six pairs: one has cosine 1, the others 0
    assert ot_plans.alike(rows) == pytest.approx(1 / 6)


def test_the_border_of_an_even_map_is_what_its_cells_are_due() -> None:
    maps = torch.ones(1, 2, 64).double()
    maps[0, 1] = 0  # silent: it has no share
    assert float(ot_plans.border(maps)) == pytest.approx(28 / 64)
    left = torch.zeros(1, 1, 4, 4).double()
    left[..., 0] = 3
    assert float(ot_plans.border(left.flatten(2))) == 1
    assert float(ot_plans.border(torch.zeros(1, 1, 16).double())) == 0


def test_another_pictures_plan_of_equal_pictures_is_ones_own() -> None:
    one = noise(B=1)
    same = Features(one.maps.expand(3, -1, -1), one.tokens.expand(3, -1, -1))
    row = ot_plans.compare({"same": same}, 0.1).iloc[0]
    assert row["by another's plan"] == pytest.approx(row["gain"])
    assert row["saved"] == pytest.approx(row["gain"] * row["mean cost"])


def test_each_token_gets_its_share_unless_the_channels_choose() -> None:
    given = noise()
    masses = ot_plans.token_masses(given, 0.05)
    assert torch.allclose(masses, torch.full((4,), 0.25).double())
    free = ot_plans.free_masses(given, 0.05)
    assert float(free.sum()) == pytest.approx(1)
    assert float(free.std()) > 0.01


def test_equal_texts_and_a_single_one_leave_nothing_to_choose() -> None:
    single = Features(noise().maps, noise().tokens[:, :1])
    frame = ot_plans.degenerate({"equal": equal_texts(), "one": single}, 0.1)
    for _, row in frame.iterrows():
        assert row["T C M, smallest"] == pytest.approx(1)
        assert row["T C M, largest"] == pytest.approx(1)
        assert row[f"{ot_plans.PAID} - mean cost"] == pytest.approx(0, abs=1e-12)
        assert row["rows differ by"] == 0
    assert frame["M"].tolist() == [4, 1]


# Gradients


def test_a_gradient_against_itself_against_half_and_against_none() -> None:
    exact = draw(2, 3)
    assert ot_gradients.against(exact, exact)["relative difference"] == 0
    half = ot_gradients.against(exact / 2, exact)
    assert half["relative difference"] == pytest.approx(0.5)
    assert half["cosine"] == pytest.approx(1)
    none = ot_gradients.against(torch.zeros_like(exact), exact)
    assert none["relative difference"] == 1
    assert math.isnan(none["cosine"])


def test_only_the_detached_gradient_is_not_its_values_slope() -> None:
    error = ot_gradients.slopes(noise(), 0.1).set_index("gradient")["error"]
    assert error[ot_gradients.EXACT] < 1e-6
    assert error[ot_gradients.ENVELOPE] < 1e-6
    assert error[ot_gradients.DETACHED] > 0.05


def test_envelope_and_detached_gradients_coincide() -> None:
    given = noise()
    both = [
        ot_gradients.map_gradient(given, 0.1, kind)
        for kind in (ot_gradients.ENVELOPE, ot_gradients.DETACHED)
    ]
    assert torch.equal(*both)


def test_with_equal_texts_all_gradients_are_that_of_the_mean_cost() -> None:
    frame = ot_gradients.gradients({"equal": equal_texts()}, [0.1])
    differs = frame.set_index("gradient")["relative difference"]
    assert differs[ot_gradients.UNIFORM] < 1e-9
    assert differs[ot_gradients.DETACHED] < 1e-9
    assert differs[ot_gradients.NONE] == 1


# Presets


def by_preset(frame: pd.DataFrame, name: str) -> dict:
    """Return the row of the first kind of features whose presets hold a name."""
    return next(
        row for row in frame.to_dict("records") if name in row["presets"].split(", ")
    )


def test_every_preset_has_a_solver() -> None:
    named = [name for names in ot_presets.solvers() for name in names.split(", ")]
    assert sorted(named) == sorted(PRESETS)
    assert len(set(ot_presets.solvers().values())) == len(ot_presets.solvers())


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        *((name, {}) for name in PRESETS),
        ("paper", {"plan_gradient": "detached"}),
        ("paper", {"plan_gradient": "envelope"}),
        ("paper", {"plan_gradient": "none"}),
        ("lico_fact", {"plan_gradient": "detached"}),
    ],
)
def test_a_preset_transports_as_its_training_does(name: str, changed: dict) -> None:
    """The witness is the module that trains, at the same cost: value and gradient."""
    method = preset(name, **changed)
    trained = LicoClassifier.__new__(LicoClassifier)
    torch.nn.Module.__init__(trained)
    trained.lico = method
    both = []
    for transport in (
        trained._transported,
        lambda cost: ot_presets.solved(cost, ot_presets.solver(method)),
    ):
        cost = noise().cost().requires_grad_()
        values, plan = transport(cost)
        assert not plan.requires_grad
        slope = torch.zeros_like(cost)
        if values.requires_grad:
            (slope,) = torch.autograd.grad(values.sum(), cost)
        both.append((values.detach(), plan, slope))
    assert all(torch.equal(a, b) for a, b in zip(*both, strict=True))


def test_a_loop_stops_where_it_hardly_moves() -> None:
    """The witness counts: the loop written out, in logarithms of its masses."""
    cost, epsilon, most = noise().cost(), 0.1, 1000
    channels, tokens = cost.shape[1:]
    rows = torch.full((channels,), 1 / channels + 1e-8).double().log()[:, None]
    columns = torch.full((tokens,), 1 / tokens + 1e-8).double().log()
    g = torch.zeros(len(cost), 1, tokens).double()
    f, steps = torch.zeros(len(cost), channels, 1).double(), 0
    while True:
        steps += 1
        new = rows - (g - cost / epsilon).logsumexp(2, keepdim=True)
        g = columns - (new - cost / epsilon).logsumexp(1, keepdim=True)
        moved, f = epsilon * (new - f).abs().sum(1).mean(), new
        if moved < 1e-3:
            break
    how = ot_presets.Solver(epsilon, most, "through")
    assert ot_presets.iterations_used(cost, how) == steps
    assert 1 < steps < most
    assert ot_presets.iterations_used(cost, how._replace(most=2)) == 2
    assert ot_presets.iterations_used(cost, how._replace(most=None)) is None


def test_a_half_relaxed_plan_keeps_its_columns_and_takes_the_cheapest() -> None:
    cost = noise().cost()
    plan = ot_presets.half_relaxed(cost, 1e-4)
    assert torch.allclose(plan.sum(1), torch.tensor(1 / 4).double())
    paid = (plan * cost).sum((1, 2))
    assert torch.allclose(paid, cost.amin(1).mean(1), atol=1e-6)


def test_presets_at_the_same_features() -> None:
    frame = ot_presets.of_presets({"noise": noise(C=40)})
    paper, authors, fact, study = (
        by_preset(frame, name)
        for name in ("paper", "authors_jan", "lico_fact", "repro_shared")
    )
    assert authors["gradient"] == 0
    assert math.isnan(authors["cosine"])
    assert (paper["cosine"], paper["way"]) == pytest.approx((1, 1))
    assert math.isnan(paper["iterations"])
    assert fact["cosine"] > 0.999
    assert fact["row error"] < 1e-2 < study["row error"]
    assert study["iterations"] == 2  # an absolute stop, met by steps of epsilon
    assert study["way"] != pytest.approx(1, abs=1e-3)
    assert study["gradient"] > 0


def test_a_plan_of_one_picture_is_shown_with_where_it_would_end() -> None:
    plans = ot_presets.plans_of_one(noise())
    assert len(plans) == len(ot_presets.solvers()) + 1
    *_, early, end = plans.values()
    assert ot_presets.row_error(end[None]) < 1e-9 < ot_presets.row_error(early[None])
    figure = solver_figures.plans_and_rows(plans)
    assert len(figure.axes) == 2 * len(plans) + 1
    plt.close(figure)


def test_what_holds_of_presets_is_told_when_it_does_not() -> None:
    found = {ot_alignment.UNTRAINED: noise(C=40), "noise": noise()}
    frame = ot_presets.of_presets(found)
    assert all(row[3] for row in ot_presets.preset_verdicts(frame))
    authors = frame["presets"] == "authors_jan, authors_oct"
    leaking = frame.assign(gradient=frame["gradient"].mask(authors, 1e-12))
    fails = [row[0] for row in ot_presets.preset_verdicts(leaking) if not row[3]]
    assert fails == ["authors: length of the gradient"]
    figure = solver_figures.preset_dots(frame.assign(times=frame["gradient"]))
    said = [text.get_text() for axis in figure.axes for text in axis.texts]
    assert said == ["none", "none"]
    plt.close(figure)


def test_the_row_error_of_a_plan_that_forgets_a_channel() -> None:
    plan = torch.tensor([[[0.5, 0.5], [0.0, 0.0]]]).double()
    assert ot_presets.row_error(plan) == pytest.approx(1)


# Verdicts


def test_the_arithmetic_holds_on_noise() -> None:
    rows = ot_gradients.verdicts(noise(), 0.1, 0.003)
    assert all(row[3] for row in rows)


def test_a_plan_held_fixed_is_another_gradient_unless_all_texts_are_equal() -> None:
    found = noise()
    assert all(row[3] for row in ot_gradients.held_fixed(found, 0.1))
    alike = replace(found, tokens=found.tokens[:, :1].expand_as(found.tokens))
    _, on_maps = ot_gradients.held_fixed(alike, 0.1)
    assert on_maps[2] < 1e-9
    assert not on_maps[3]


def test_a_plan_that_saves_no_more_than_its_controls_is_told() -> None:
    kinds = (
        ot_alignment.UNTRAINED,
        ot_alignment.WITHOUT,
        ot_alignment.SHUFFLED,
        ot_alignment.GAUSSIAN,
        ot_alignment.OTHER,
    )
    found = {ot_alignment.TRAINED: noise()} | {name: noise() for name in kinds}
    *same, swapped = ot_gradients.plan_verdicts([found, found], 0.1)
    assert [row[2] for row in same] == pytest.approx([1.0] * 11)
    assert not any(row[3] for row in same)
    assert swapped[0].startswith("gain: own")
