"""Chapter 11's rules on summaries with known truth, its parameters, its tables."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers.chapters import probing_claims as claims
from helpers.chapters import probing_lico as lico
from helpers.chapters import probing_networks as networks
from helpers.chapters import probing_published as published
from helpers.chapters import probing_real as real
from helpers.chapters.probing import Arm, crossed
from helpers.chapters.probing_chapter import Probing
from helpers.chapters.training import Training
from helpers.report import probing_figures
from helpers.report.records import packed
from helpers.settings import Refused

SEEDS, GRIDS = range(1, 6), 40
HEADS = ["linear", "MLP-3", "MLP-2", "B-cos-2"]


def summary(
    gain: dict[str, float], gap: float = 0.0, out: bool = True, seeds=SEEDS
) -> dict[str, Any]:
    """Return a summary whose BCE heads gain so much under each optimiser."""
    rows = {}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        known_networks = {}
        for place, name in enumerate(("ce", "lico", "untrained")):
            arms = {}
            for arm in crossed(HEADS, ["ce", "bce"], ["SGD", "Adam"]):
                if name == "untrained" and arm.head != "linear":
                    continue
                mean = 0.6 + 0.01 * place + 0.1 * (arm.head == "B-cos-2")
                mean += gain[arm.recipe] * (arm.loss == "bce")
                scores = mean + 0.005 * rng.standard_normal(GRIDS)
                row = {
                    "accuracy": 0.8 + gap * (arm.loss == "bce"),
                    "rate": 0.3,
                    "gridpg": packed(scores.tolist()),
                    "gini": 0.7,
                    "entropy": None,
                }
                if not arm.head.startswith("B-cos"):
                    even = 0.6 + 0.005 * rng.standard_normal(GRIDS)
                    row |= {"share": 0.2, "centred": packed(even.tolist())}
                arms[arm.name] = row
            known = {"neighbours": 0.5, "spread": 0.5, "dimensions": 9.0}
            known_networks[name] = {
                "fair": True,
                "grids": GRIDS,
                "usable": 30,
                "known": known,
                "arms": arms,
            }
        pairs = {
            lico.HEAD: 0.02 + 0.001 * rng.random(GRIDS),
            lico.LICO: 0.1 + 0.001 * rng.random(GRIDS),
        }
        moved = {
            pair: {
                "unlike": packed(values.tolist()),
                "SCH moved": packed([*values[1:].tolist(), None]),
                "SCH gained": 0.01,
            }
            for pair, values in pairs.items()
        }
        by_method = {"Grad-CAM": 0.6, "LRP": 0.5}
        rows[str(seed)] = {
            "trained out": [out, True],
            "networks": known_networks,
            "methods": {"CE": by_method, "BCE": {"Grad-CAM": 0.7, "LRP": 0.4}},
            "lico": {"SGD": moved, "Adam": moved},
        }
    return {"arms": {claims.HEADS: rows}}


def test_an_effect_under_one_optimiser_is_no_effect_under_all() -> None:
    found = summary({"SGD": 0.15, "Adam": -0.05})
    table = claims.effects(found).set_index(["head", "optimiser"])
    assert table.loc[("linear", "SGD"), "verdict"] == "supported"
    assert table.loc[("linear", "Adam"), "verdict"] == "contradicted"
    assert table.loc[("linear", "SGD"), "BCE - CE"] == pytest.approx(0.15, abs=0.005)
    assert claims.whole(found).outcome == "contradicted"
    both = summary({"SGD": 0.15, "Adam": 0.1})
    assert claims.whole(both).outcome == "supported"
    for one in claims.effect_verdicts(found, "centred"):
        assert one.outcome == "no relevant difference"


def test_heads_of_unequal_accuracy_are_not_compared() -> None:
    found = summary({"SGD": 0.15, "Adam": 0.1}, gap=-0.03)
    assert set(claims.effects(found)["verdict"]) == {
        "undecided: accuracies 0.030 apart"
    }
    assert claims.whole(found).outcome == "undecided"
    for one in claims.effect_verdicts(found, "centred"):
        assert one.outcome == "no relevant difference"


def test_few_seeds_and_short_training_decide_nothing() -> None:
    one = summary({"SGD": 0.15, "Adam": 0.1}, seeds=[1])
    assert claims.whole(one).label == "undecided (1 seed)"
    short = summary({"SGD": 0.15, "Adam": 0.1}, out=False)
    assert "under-trained" in claims.whole(short).label
    against = networks.probe_or_network(one)
    assert against is not None
    assert against.verdict == "undecided (1 seed)"


def test_heads_matter_more_where_they_move_the_score_more() -> None:
    against = networks.probe_or_network(summary({"SGD": 0.2, "Adam": 0.2}))
    assert against is not None
    assert against.networks == ["ce", "lico"]  # the control is left out
    assert against.verdict == "supported"
    assert against.parts.probe.share > 0.9
    table = networks.sources(against)
    assert table["share of squares"].sum() == pytest.approx(1)
    assert "nothing to divide" in networks.sources(None)["source"].iloc[0]


def test_a_network_at_the_floor_or_with_unfair_grids_is_unfit() -> None:
    found = summary({"SGD": 0.1, "Adam": 0.1})
    assert networks.fit(found, "ce")
    low = packed([0.25] * GRIDS)
    for row in found["arms"]["heads"].values():
        row["networks"]["lico"]["arms"]["linear / ce / SGD"]["gridpg"] = low
    assert not networks.fit(found, "lico")
    assert networks.probe_or_network(found) is None
    table = networks.networks(found).set_index("network")["fit"]
    assert table.to_dict() == {"ce": "yes", "lico": "NO", "untrained": "control"}
    found["arms"]["heads"]["3"]["networks"]["ce"]["fair"] = False
    assert not networks.fit(found, "ce")


def test_depth_is_judged_where_both_heads_were_trained() -> None:
    found = summary({"SGD": 0.1, "Adam": 0.1})
    made = {one.claim: one.outcome for one in claims.depth_verdicts(found)}
    assert made == {
        "MLP-3 > linear": "no relevant difference",
        "B-cos-2 > MLP-2": "supported",
    }
    text = published.directions(found).set_index("direction")["here"]
    assert text["B-cos-2 > MLP-2"] == "supported"


def test_the_head_against_lico_by_how_far_sch_moves() -> None:
    found = claims.head_moves_more(summary({"SGD": 0.1, "Adam": 0.1}), "SGD")
    assert found is not None
    assert found.outcome == "contradicted"
    assert found.estimate == pytest.approx(-0.08, abs=0.002)
    assert found.pictures == GRIDS - 1
    bare = summary({"SGD": 0.1, "Adam": 0.1})
    for row in bare["arms"]["heads"].values():
        del row["lico"]["SGD"][lico.HEAD]["SCH moved"]
    assert claims.head_moves_more(bare, "SGD") is None


def test_tables_of_a_study() -> None:
    found = summary({"SGD": 0.1, "Adam": 0.1})
    table = published.methods_of(found).set_index("method")["BCE ahead"]
    assert table.to_dict() == {"Grad-CAM": "5 of 5", "LRP": "0 of 5"}
    heads = published.heads_table(found)
    assert len(heads) == 16
    assert heads["entropy"].isna().all()
    assert len(published.lico_rows(found)) == 4
    top = published.ceilings().set_index("grid")
    assert (top["not smoothed"] == 1).all()
    assert top["Gaussian of 129"].max() < 0.91 < top["mean of 5"].min()
    assert len(claims.rules()) == 5


def test_figures_of_a_study() -> None:
    found = summary({"SGD": 0.1, "Adam": 0.1})
    points = claims.points(found)
    figure = probing_figures.losses_apart(points, 0.25)
    assert len(figure.axes[0].get_yticklabels()) == 8
    probing_figures.centring(points, 0.25)
    probing_figures.by_network({"ce": points, "lico": points}, 0.25)
    plt.close("all")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"heads": ["linear", "MLP-9"]}, "MLP-9"),
        ({"heads": ["MLP-2"]}, "linear"),
        ({"networks": ["simclr", "simclr"]}, "once"),
        ({"networks": ["byol"]}, "byol"),
        ({"methods": ["grad-cam"]}, "grad-cam"),
        ({"grids": 100}, "200"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(change: dict, what: str) -> None:
    with pytest.raises(Refused, match=what):
        Probing.of(**change)


def test_a_size_without_patches_is_refused() -> None:
    with pytest.raises(Refused, match="multiple of 8"):
        Probing.of(size=60).check()
    Probing().check()


def test_the_networks_are_those_of_chapter_03() -> None:
    """And the twin of the only seed is one that chapter 03 trains by itself."""
    own, other = Probing().arms(), Training().arms()
    for name in ("ce", "lico"):
        assert own[name] == other[name][:1]
    assert own["another seed"] == other["ce"][1:2]
    both = Probing.of(seeds=[4, 7], networks=["tiny-clip"]).arms()
    assert [one.seed for one in both["another seed"]] == [7, 4]
    assert len(both["tiny-clip"]) == 1


def test_tables_of_photographs() -> None:
    def row(scores: list[float]) -> dict[str, list[float]]:
        return {
            "accuracy": [0.9, 0.9],
            "mean weight share": [0.1, 0.3],
            "gridpg 2 gradcam": scores,
        }

    record = {
        "arms": {
            Arm("linear", "ce", "document").name: row([0.5, 0.6]),
            Arm("linear", "bce", "document").name: row([0.7, 0.9]),
        },
        "grids": {"2": {}},
    }
    table = real.table(record)
    assert table["2 x 2"].tolist() == pytest.approx([0.55, 0.8])
    assert table["share"].tolist() == pytest.approx([0.2, 0.2])
    apart = real.differences(record)
    assert len(apart) == 1
    assert apart["BCE - CE"].iloc[0] == pytest.approx(0.25)
    assert "--record" in real.COMMAND
