"""Heads at their best rate, shared grids, the shift, switches, labels, LICO's pairs."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from helpers.chapters import probing_backbones as backbones
from helpers.chapters import probing_confounds as confounds
from helpers.chapters import probing_labels as labels
from helpers.chapters import probing_lico as lico
from helpers.chapters import probing_methods as methods
from helpers.chapters import probing_shift as shift
from helpers.chapters.probing import Arm, crossed
from helpers.chapters.probing_bench import (
    Bench,
    Data,
    Frozen,
    Training,
    at_best_rate,
    benches,
    boards,
    freeze,
    with_centred,
)
from helpers.chapters.probing_cells import cell_gridpg, energies
from helpers.chapters.probing_chapter import network_row
from helpers.data.catalog import Pictures
from helpers.explain.cam import upsample
from helpers.measure.shared_grids import Smoothing
from helpers.methods.self_supervised import Pretraining
from helpers.report import probing_figures
from helpers.settings import Refused
from helpers.streams import stream
from helpers.vision import CifarResNet, initialise
from helpers.vision.vit import SceneViT

HOW = Training(30, 16, {"SGD": (3.0, 0.3), "Adam": (0.01,)})
NAMES = ("red", "green", "blue", "white")


def pictures(count: int, seed: int) -> Pictures:
    """Return pictures of four classes, a bright block of a colour, with its mask."""
    found = torch.arange(count) % 4
    noise = torch.randint(60, (count, 3, 16, 16), generator=stream(seed, "x"))
    masks = torch.zeros(count, 16, 16, dtype=torch.bool)
    masks[:, 4:12, 4:12] = True
    for n, label in enumerate(found.tolist()):
        channel = slice(None) if label == 3 else slice(label, label + 1)
        noise[n, channel, 4:12, 4:12] += 180
    shown = noise.to(torch.uint8)
    return Pictures(shown, found, NAMES, (0.5,) * 3, (0.25,) * 3, masks)


def net(seed: int) -> nn.Module:
    made = CifarResNet(4, depth=8)
    initialise(made, stream(seed, "network"))
    return made.eval()


@pytest.fixture(scope="module")
def data() -> Data:
    return Data(pictures(64, 1), pictures(32, 2), pictures(48, 3))


@pytest.fixture(scope="module")
def frozen(data: Data) -> list[Frozen]:
    return [freeze(name, net(n), data) for n, name in enumerate(("ce", "lico", "x"))]


@pytest.fixture(scope="module")
def found(frozen: list[Frozen]) -> dict[str, Bench]:
    arms = crossed(["linear"], ["ce", "bce"], ["SGD", "Adam"])
    given = {"ce": arms, "lico": arms, "x": arms[:2]}
    return benches(frozen, given, HOW, seed=1, apart=("x",))


def test_a_head_has_the_rate_of_best_validation_accuracy(
    frozen: list[Frozen], monkeypatch: pytest.MonkeyPatch
) -> None:
    from helpers.chapters import probing_bench

    arm = Arm("linear", "ce", "SGD")
    given = iter([0.5, 0.9, 0.9])
    monkeypatch.setattr(probing_bench, "accuracy", lambda *_: next(given))
    how = Training(2, 16, {"SGD": (1.0, 0.1, 0.01)})
    assert at_best_rate(arm, frozen[0], how, 1).recipe.lr == 0.1  # the first of two


def test_a_rate_that_does_not_train_is_passed_over(frozen: list[Frozen]) -> None:
    arm = Arm("MLP-2", "ce", "SGD")
    how = Training(8, 8, {"SGD": (1e30, 0.1)})
    assert at_best_rate(arm, frozen[0], how, 1).recipe.lr == 0.1
    with pytest.raises(Refused, match="learning rate"):
        at_best_rate(arm, frozen[0], Training(8, 8, {"SGD": (1e30,)}), 1)
    with pytest.raises(Refused, match="no rate"):
        at_best_rate(arm, frozen[0], Training(2, 8, {}), 1)
    with pytest.raises(Refused, match="SGD and Adam"):
        HOW.recipe("sgd", 0.1)


def test_compared_networks_play_on_the_same_grids(found: dict[str, Bench]) -> None:
    assert all(bench.fair for bench in found.values())
    assert torch.equal(found["ce"].grids.rows, found["lico"].grids.rows)
    assert len(found["ce"].grids.rows) == 200
    assert found["x"].grids.usable >= found["ce"].grids.usable
    row = network_row(found["ce"])
    one = row["arms"]["linear / bce / Adam"]
    assert len(one["gridpg"].split()) == len(one["centred"].split()) == 200
    assert 0 < one["share"] < 1
    assert set(row["known"]) == {"neighbours", "spread", "dimensions"}


def test_where_no_picture_is_right_for_all_grids_are_no_comparison() -> None:
    logits = torch.zeros(8, 4)
    grids, fair = boards({"none": logits}, torch.arange(8) % 4, 2)
    assert not fair
    assert grids.rows.shape == (200, 4)


def test_an_arm_that_was_not_trained_is_named(found: dict[str, Bench]) -> None:
    with pytest.raises(Refused, match="MLP-3"):
        found["ce"].probe(Arm("MLP-3", "ce", "SGD"))


def test_energies_are_the_sums_of_the_wide_map() -> None:
    maps = torch.rand(3, 2, 6, 6, generator=stream(1, "m"))
    wide = upsample(maps.flatten(0, 1), (18, 18)).view(3, 2, 2, 9, 2, 9)
    assert torch.allclose(energies(maps, 2, 9), wide.sum((3, 5)), rtol=1e-5)


def test_a_shift_leaves_what_softmax_says_and_moves_the_score(
    found: dict[str, Bench],
) -> None:
    bench = found["ce"]
    head = bench.head(Arm("linear", "ce", "SGD"))
    swept = shift.sweep(bench, head, shift.direction(bench, head), (-1.0, 0.0, 2.0))
    assert swept["accuracy"].nunique() == 1
    assert swept["probability moved"].max() < 1e-5
    assert swept["CE"].max() - swept["CE"].min() < 1e-4
    assert swept["GridPG"].max() - swept["GridPG"].min() > 0.1
    own = float(bench.gridpg(head).mean())
    assert swept["GridPG"][1] == pytest.approx(own, abs=1e-6)
    exact = shift.exactness(bench, head)
    assert exact["probability"].max() < 1e-12
    assert exact["map"].iloc[1] > 0.01
    shown = shift.one_grid(bench, head, shift.direction(bench, head), (0.0, 1.0))
    assert shown.maps.shape == (2, 32, 32)
    first = bench.frozen.data.test.images[bench.grids.rows[0, 0]]
    assert torch.equal(shown.picture[:, :16, :16], first)
    assert shown.name == NAMES[int(bench.frozen.test.targets[bench.grids.rows[0, 0]])]


def test_each_switch_is_held_against_this_chapters_own(
    found: dict[str, Bench],
) -> None:
    bench = found["ce"]
    pair = (Arm("linear", "ce", "SGD"), Arm("linear", "bce", "SGD"))
    made = confounds.all_switches(bench, pair, HOW, seed=1, few=1)
    table = confounds.table(made)
    assert table["moved"].iloc[0] == 0
    assert table["switch"].is_unique
    assert {"centred weights", "clamped late", "LIME, logits"} <= set(table["switch"])
    first = confounds.on_first(bench, confounds.FEW)
    own, even = with_centred(first, bench.head(pair[1]))
    assert even is not None
    assert table["BCE"].iloc[0] == pytest.approx(float(own.mean()), abs=1e-6)
    by_name = table.set_index("switch")["BCE"]
    assert by_name["centred weights"] == pytest.approx(float(even.mean()), abs=1e-6)


@pytest.mark.parametrize("width", [1, 5, 11])
@pytest.mark.parametrize("early", [False, True])
def test_a_mean_of_means_is_the_mean(width: int, early: bool) -> None:
    maps = torch.randn(3, 4, 8, 8, generator=stream(1, "m"))
    how = Smoothing(width, "clamp, smooth" if early else "smooth, clamp")
    fast = confounds.smoothed_gridpg(maps, 2, 16, width, early)
    assert torch.allclose(fast, cell_gridpg(maps, 2, 16, how), atol=1e-5)


def test_lico_is_held_against_the_head_and_against_nothing(
    found: dict[str, Bench],
) -> None:
    head = found["ce"].head(Arm("linear", "ce", "SGD"))
    same = lico.compared(found, "SGD", (found["ce"].frozen, head))
    table = lico.table([same, same]).set_index("what changes")
    assert table.loc[lico.NOTHING, "1 - cosine of maps"] == pytest.approx(0, abs=1e-4)
    assert table.loc[lico.NOTHING, "SCH moved by"] == 0
    assert table.loc[lico.LICO, "1 - cosine of maps"] > 0.01
    assert table["seeds"].eq(2).all()
    assert set(lico.compared(found, "SGD")) == {lico.HEAD, lico.LICO}
    bare = replace(found["ce"].frozen.data.test, masks=None)
    assert lico.on_object(torch.rand(48, 4, 4), bare) is None
    assert set(lico.unlikenesses(same)) == set(lico.PAIRS)


def test_unlikeness_by_hand() -> None:
    one = torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]], [[0.0, 0.0]]])
    other = torch.tensor([[[0.0, 2.0]], [[3.0, 3.0]], [[1.0, 0.0]]])
    assert lico.unlike(one, other).tolist() == pytest.approx([1, 0, 1])


def test_heads_of_several_labels_have_energy_in_boxes() -> None:
    made = backbones.untrained(24, 1)
    data = labels.several(made, 36, 64)
    arms = [Arm("linear", name, "Adam") for name in ("bce", "bce-uniform")]
    how = Training(4, 16, {"Adam": (0.01,)})
    rows = labels.rows(data, arms, how, 1)
    table = labels.table(rows)
    assert table["boxes' area"].between(0.02, 0.5).all()
    assert table["EPG"].between(0, 1).all()
    heads = [labels.trained_head(arm, data, how, 1) for arm in arms]
    shown = labels.examples(heads, data, ["0", "1/K"], 2)
    assert len(shown[0]) == len(shown[2]) == 2
    assert len(shown[1]) == 2
    for number, boxes in enumerate(shown[2]):
        assert (boxes >= 0).all(), number
    figure = probing_figures.boxed(*shown)
    assert len(figure.axes) == 6
    plt.close(figure)
    with pytest.raises(Refused, match="no rate"):
        labels.trained_head(arms[0], data, Training(1, 8, {}), 1)


def test_methods_that_a_network_has_not_are_left_out_or_refused(
    found: dict[str, Bench],
) -> None:
    bench = found["ce"]
    heads = {one: bench.head(Arm("linear", one, "SGD")) for one in ("ce", "bce")}
    how = methods.how_for(bench.frozen.data.test)
    got = methods.by_method(bench, heads, ["gradcam", "rollout", "ixg"], 3, how)
    assert set(got["ce"]) == {"Grad-CAM", "Input x Gradient"}
    own = float(bench.gridpg(heads["bce"])[:3].mean())
    assert got["bce"]["Grad-CAM"] == pytest.approx(own, abs=1e-5)
    assert "bce - ce" in methods.table(got)
    for name in ("grad-cam", "rollout", "bcos"):
        with pytest.raises(Refused, match="unknown method"):
            methods.check_methods([name])


def test_rollout_is_chance_whatever_the_head_is() -> None:
    network = SceneViT(4, 16, depth=2, heads=2, width=8)
    network.initialise(stream(1, "v"))
    data = Data(pictures(16, 1), pictures(8, 2), pictures(16, 3))
    arms = crossed(["linear"], ["ce", "bce"], ["SGD"])
    how = Training(6, 8, {"SGD": (3.0,)})
    heads = {
        k: v.head
        for k, v in methods.token_heads(network.eval(), data, arms, how, 1).items()
    }
    got = methods.on_tokens(network, heads, data.test, 5, ("rollout", "cgw2"), side=2)
    for name in heads:
        assert got[name]["Rollout"] == pytest.approx(0.25, abs=1e-6)
    one, two = (got[name]["CGW2"] for name in heads)
    assert one != two
    head = heads[arms[0].name]
    whole = methods.with_head(network, head, 1)
    images = data.test.normalised()
    cell = methods.ClassToken(network).features(images)
    assert torch.allclose(whole(images), head(cell)[:, :, 0, 0], atol=1e-5)


def test_networks_are_kept_and_read_again(
    data: Data, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOES_LANGUAGE_EXPLAIN_HOME", str(tmp_path))
    told: list[str] = []
    how = Pretraining(epochs=1, batch=16, projection=4)
    makers = {
        "simclr": lambda: backbones.without_labels(data.train, how, 1, told.append),
        "b-cos": lambda: backbones.b_cos(data.train, 1, 1, told.append),
        "vit": lambda: backbones.transformer(data.train, 1, 1, told.append),
    }
    for name, make in makers.items():
        first = make()
        count = len(told)
        again = make()
        assert len(told) == count, f"{name} was trained twice"
        for key, value in first.state_dict().items():
            assert torch.equal(value, again.state_dict()[key])
    assert len(told) == 3
    assert len(list((tmp_path / "runs/probing").iterdir())) == 3


def test_a_b_cos_network_sees_pictures_as_they_were(data: Data) -> None:
    seen: list[Tensor] = []

    class Looks(nn.Module):
        def features(self, x: Tensor) -> Tensor:
            seen.append(x)
            return x

    wrapped = backbones.WithInverse(Looks(), data.test)
    wrapped.features(data.test.normalised()[:2])
    wanted = data.test.images[:2].float() / 255
    assert torch.allclose(seen[0], torch.cat([wanted, 1 - wanted], 1), atol=1e-6)


def test_figures_of_one_page(found: dict[str, Bench]) -> None:
    bench = found["ce"]
    head = bench.head(Arm("linear", "ce", "SGD"))
    vector = shift.direction(bench, head)
    swept = shift.sweep(bench, head, vector)
    shown = shift.one_grid(bench, head, vector)
    figure = probing_figures.strip(
        shown.picture, shown.maps, shift.DELTAS, swept, 0, 0.5, [0, 5, 10]
    )
    assert len(figure.axes) == 5
    one = probing_figures.frame(shown.picture, shown.maps[0], 0.5, swept, 0, 0.5)
    assert len(one.axes) == 2
    boxes = probing_figures.unlikeness({"a": np.array([0.1, np.nan, 0.3])})
    assert boxes.axes[0].get_yticklabels()[0].get_text() == "a"
    plt.close("all")
