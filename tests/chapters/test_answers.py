"""Chapter 13: rows and twins, maps of named filters, one scoring path, the rules."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from helpers.chapters import answers_tables as table
from helpers.chapters import answers_verdicts as rules
from helpers.chapters.answers import Answers
from helpers.chapters.answers_bench import METRICS, Answer, bench, references, scored
from helpers.chapters.answers_clip import Places, classifier, likeness, own
from helpers.chapters.answers_filters import carriers, filter_maps
from helpers.chapters.answers_rows import (
    BASELINE,
    MADE,
    ROWS,
    VARIANTS,
    WITH_WORDS,
    overview,
    twin_of,
)
from helpers.chapters.answers_title import every_metric, title_answer
from helpers.chapters.eclip_material import small_reader
from helpers.chapters.training import ARMS, CONTRAST
from helpers.data import catalog
from helpers.data.catalog import Pictures
from helpers.explain.cam import grad_cam, upsample
from helpers.lab.score import consistent, perturbed
from helpers.language.tiny_clip import MEAN, STD, build_tiny_clip
from helpers.measure.aggregate import aggregate
from helpers.report import score_names
from helpers.report.records import packed, unpacked
from helpers.report.verdict_words import in_few_words
from helpers.settings import DataSettings, Refused
from helpers.streams import stream
from helpers.vision import backbone, initialise

PICTURES = 12


def scenes(count: int = PICTURES) -> Pictures:
    return catalog.load(DataSettings(test=count), "test")


def network() -> nn.Module:
    made = backbone("scene-resnet", 24)
    initialise(made, stream(1, "initialisation"))
    return made.eval()


# Rows


def test_a_row_with_words_has_twins_without_and_each_has_its_place() -> None:
    for name, row in ROWS.items():
        assert bool(row.twins) or not row.words, name
        for twin in row.twins:
            assert not ROWS[twin].words
            assert row.words == (twin_of(twin) == name)
    assert {*VARIANTS} <= {*ARMS, *CONTRAST}
    assert len(overview()) == len(ROWS) == len(VARIANTS) + len(MADE) + 1


def test_the_study_has_every_row() -> None:
    from helpers.run import chapter_of

    study = chapter_of("13_one_table", "study", [])
    assert isinstance(study, Answers)
    assert set(study.variants) == set(VARIANTS)
    assert {len(runs) for runs in study.arms().values()} == {5}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"variants": ["licco"]}, "did you mean 'lico'"),
        ({"variants": ["lico", "lico"]}, "give each row once"),
        ({"bcos_head": "linear"}, "unknown head 'linear'"),
    ],
)
def test_unknown_rows_are_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused, match=says):
        Answers.of(**given)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"dataset": "cifar10"}, "needs scenes"),
        ({"size": 32}, "size=64"),
        ({"test_pictures": 64, "judged": 65}, "fewer than 'judged'"),
    ],
)
def test_what_cannot_be_compared_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused, match=says):
        Answers.of(**given).check()


# Named filters


class Given(nn.Module):
    """Filters are the colours of the picture, and their negative sum."""

    def features(self, images: Tensor) -> Tensor:
        return torch.cat([images, -images.sum(1, keepdim=True)], 1)


def test_a_filter_carries_a_class_if_one_of_its_words_is_the_classs() -> None:
    words = ("ace", "spades", "cog", "of")
    labels = torch.tensor([[0, 2], [3, -1], [1, 0]])
    found = carriers(labels, words, ["ace of spades", "cog", "sun"])
    assert found.tolist() == [[True, False, True], [True, False, False], [False] * 3]


def test_maps_are_the_rectified_sum_of_the_classs_filters() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(3, 3, 4, 4, generator=generator)
    carry = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]).bool()
    found = filter_maps(Given(), carry)(images, torch.tensor([0, 1, 2]))
    by_hand = [
        (images[0, 0] + images[0, 1]).clamp(min=0),
        (-images[1].sum(0)).clamp(min=0),
        torch.zeros(4, 4),
    ]
    assert torch.allclose(found, upsample(torch.stack(by_hand), (4, 4)), atol=1e-6)
    assert not found[2].any()


# The bench, and the one scoring path


def test_the_class_that_is_asked_for_stands_in_its_cell() -> None:
    shown = bench(scenes(), PICTURES, 4, 8)
    side = shown.images.shape[2]
    for grid, label, cell in zip(shown.grids, shown.asked, shown.where, strict=True):
        row, column = divmod(int(cell), 2)
        there = grid[:, row * side :, column * side :][:, :side, :side]
        same = [torch.equal(there, one) for one in shown.images]
        assert shown.pictures.labels[same.index(True)] == label


@pytest.fixture(scope="module")
def asked() -> tuple[nn.Module, Any, dict[str, Any]]:
    model, shown = network(), bench(scenes(), PICTURES, 4, 8)
    answer = Answer(
        BASELINE,
        model,
        lambda images, targets: grad_cam(model, images, targets),
        torch.ones(PICTURES, dtype=torch.bool),
        True,
        "",
        1.0,
    )
    row, maps = scored(answer, shown, (8, 8))
    assert maps.shape == (PICTURES, 64, 64)
    return model, shown, row


def test_scores_are_those_of_the_record_of_a_run(asked: Any) -> None:
    """Grad-CAM by the chapter's path and by the one that scores every run."""
    model, shown, row = asked
    json.dumps(row, allow_nan=False)
    record = consistent(model, shown.pictures)["Grad-CAM"]
    for name in ("sch", "ses", "mosu", "ses less chance"):
        wanted = aggregate(np.array(record[name], dtype=float)).mean
        assert row["means"][name] == pytest.approx(wanted, abs=2e-5), name
    areas, _ = perturbed(model, shown.pictures.first(4))
    for name in ("insertion", "deletion"):
        wanted = np.mean(areas["Grad-CAM"][name])
        assert row["means"][name] == pytest.approx(wanted, abs=2e-5), name
    assert set(METRICS) <= set(row["means"])
    assert row["empty"] == row["sch"].split().count("0")  # a map of zeros has SCH 0
    assert len(row["right"]) == 4


def test_references_are_where_they_must_be(asked: Any) -> None:
    model, shown, _ = asked
    found = references(model, shown, (8, 8))
    uniform, truth = found["uniform"]["means"], found["ground-truth mask"]["means"]
    assert uniform["gridpg"] == pytest.approx(0.25)
    assert uniform["ses"] == pytest.approx(1)
    assert uniform["mosu"] == pytest.approx(0, abs=1e-5)
    assert uniform["score contrast"] == 0
    assert truth["sch"] == truth["gridpg"] == truth["score contrast"] == 1


# CLIP


def test_a_grid_is_read_cell_by_cell_and_pictures_once() -> None:
    reader = small_reader(build_tiny_clip(0), "tiny", "value")
    shown = scenes(4)
    images = shown.normalised()
    assert (shown.mean, shown.std) == (MEAN, STD)  # so one normalisation serves both
    places = Places(reader)
    alone = places.of(images)
    assert places.of(images) is alone
    assert torch.allclose(alone, reader.tokens(shown.images).places, atol=1e-5)
    rows = [torch.cat([images[0], images[1]], 2), torch.cat([images[2], images[3]], 2)]
    grid = torch.cat(rows, 1)[None]
    wide = places.of(grid)[0]
    size = alone.shape[1]
    for number, (row, column) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        part = wide[row * size :, column * size :][:size, :size]
        assert torch.allclose(part, alone[number], atol=1e-5)


def test_clips_map_is_the_scaled_cosine_and_its_logits_have_its_own_scale() -> None:
    reader = small_reader(build_tiny_clip(0), "tiny", "value")
    shown = scenes(2)
    classes = reader.classes(shown.class_names)
    projection = own(reader)
    maps = likeness(Places(reader), projection, classes)
    found = maps(shown.normalised(), shown.labels)
    for picture, label in enumerate(shown.labels):
        tokens = projection(reader.tokens(shown.images).places[picture])  # [h, w, E]
        alike = torch.cosine_similarity(tokens, classes[label][None, None], dim=2)
        cells = (alike - alike.min()) / (alike.max() - alike.min())
        wanted = upsample(cells[None], (64, 64))[0]
        assert torch.allclose(found[picture], wanted, atol=1e-4)
    logits = classifier(reader, shown.class_names)(shown.normalised())
    model: Any = reader.model
    with torch.no_grad():
        whole = nn.functional.normalize(model.visual(shown.normalised()), dim=1)
    assert torch.allclose(
        logits, model.logit_scale.exp() * whole @ classes.T, atol=1e-4
    )


# The rules


def made_up(
    levels: dict[str, float], seeds: int = 5, noise: float = 0.002, **changed: Any
) -> dict[str, Any]:
    """Return a summary in which each row's SCH, and all else, has a level."""
    generator = np.random.default_rng(0)
    rows: dict[str, Any] = {}
    for name, level in levels.items():
        for seed in range(1, seeds + 1):
            values = level + noise * generator.standard_normal(30)
            values += noise * generator.standard_normal()
            rows.setdefault(name, {})[str(seed)] = {
                "means": {one: float(values.mean()) for one in METRICS}
                | {one: 0.1 for one in table.SHOWN if one not in METRICS},
                "half": dict.fromkeys(table.SHOWN, 0.01),
                "sch": packed(values.tolist()),
                "insertion": packed(values[:8].tolist()),
                "deletion": packed(values[:8].tolist()),
                "full": packed([0.9] * 8),
                "right": "1" * 8,
                "accuracy": 0.8,
                "correct": "1" * 24 + "0" * 6,
                "trained_out": True,
                "barred": "",
                "empty": 0,
                "pictures": 30,
                "seconds a map": 0.001,
                "training seconds": 10.0,
            }
    known = {
        "rows": rows,
        "references": {"uniform": {"1": rows[BASELINE]["1"]}},
        "may judge": list(METRICS),
        "standing": dict.fromkeys(METRICS, "it may judge."),
    }
    return known | changed


def test_words_help_only_ahead_of_baseline_and_twins() -> None:
    for level, twin, wanted in (
        (0.7, 0.5, "supported"),
        (0.7, 0.7, "no relevant difference"),
        (0.7, 0.9, "contradicted"),
        (0.4, 0.3, "contradicted"),
    ):
        found = made_up({BASELINE: 0.5, "clip": level, "clip-shuffled": twin})
        assert rules.words_helped(found)["clip"].outcome == wanted, (level, twin)
        assert title_answer(found).outcome == wanted


def test_other_metrics_are_corrected_together_wherever_they_are_shown() -> None:
    # each alone has a p of about .01: it holds for one claim, and not among twelve
    found = made_up({BASELINE: 0.5, "clip": 0.7, "clip-shuffled": 0.5}, noise=0.1)
    alone = {metric: rules.parts(found, "clip", metric) for metric in METRICS}
    together = rules.others(found)
    table_of = rules.secondary(found).set_index("metric")["verdict"]
    for metric in METRICS[1:]:
        claim = together[metric]["clip"]
        assert claim.p >= max(part.p for part in alone[metric])
        assert table_of[score_names.label(metric)] == in_few_words(claim)
        assert title_answer(found, metric).outcome == claim.outcome
    narrow = found | {"may judge": ["sch", "epg"]}
    assert rules.others(narrow)["ses"] == {}
    assert title_answer(narrow, "ses").outcome == "undecided"
    few = rules.others(narrow)["epg"]["clip"].p
    assert few < together["epg"]["clip"].p  # fewer claims, a smaller correction


def test_a_missing_twin_leaves_it_undecided_but_not_a_lost_comparison() -> None:
    found = rules.words_helped(made_up({BASELINE: 0.5, "clip": 0.7}))["clip"]
    assert (found.outcome, found.reason) == ("undecided", rules.NO_TWIN)
    lost = rules.words_helped(made_up({BASELINE: 0.5, "clip": 0.3}))["clip"]
    assert lost.outcome == "contradicted"


def test_few_seeds_a_barred_row_and_an_unheard_metric_answer_nothing() -> None:
    levels = {BASELINE: 0.5, "clip": 0.7, "clip-shuffled": 0.4}
    one = rules.words_helped(made_up(levels, seeds=1))["clip"]
    assert one.label == "undecided (1 seed)"
    barred = made_up(levels)
    barred["rows"]["clip"]["3"]["barred"] = "inert"
    assert rules.words_helped(barred)["clip"].reason == "inert"
    learning = made_up(levels)
    learning["rows"]["clip-shuffled"]["2"]["trained_out"] = False
    assert rules.words_helped(learning)["clip"].reason.endswith("under-trained")
    unheard = made_up(levels, **{"may judge": ["epg"]})
    assert title_answer(unheard).outcome == "undecided"
    assert "not admitted" in title_answer(unheard).sentence
    allowed = title_answer(unheard | {"may judge": ["sch"]})
    assert f"Had it been admitted: {allowed.outcome} (" in title_answer(unheard).note
    assert not allowed.note
    heard = every_metric(unheard).set_index("metric")
    assert heard.loc["EPG"].tolist() == ["secondary", "yes", "supported"]
    assert heard.loc["SCH"].tolist() == ["primary", "no", "undecided"]
    frame = rules.secondary(unheard).set_index("metric")["verdict"]
    assert frame["EPG"] == "supported"
    assert frame["GridPG"] == rules.NOT_ADMITTED


def test_holm_takes_back_what_one_of_several_reaches_by_luck() -> None:
    """A p of .03 is enough for one row, and not for one of five."""
    alone = {BASELINE: 0.5, "clip": 0.5167, "clip-shuffled": 0.4}
    others = [name for row in WITH_WORDS for name in (row, *ROWS[row].twins)]
    many = dict.fromkeys(others, 0.5) | alone
    shifts = np.array([-1.2649, -0.6325, 0.0, 0.6325, 1.2649])  # mean 0, SD 1
    for levels, wanted in ((alone, "supported"), (many, "undecided")):
        found = made_up(levels, noise=0.0005)
        for seed, shift in zip("12345", shifts, strict=True):
            own_row = found["rows"]["clip"][seed]
            base = np.mean(unpacked(found["rows"][BASELINE][seed]["sch"]))
            own_row["sch"] = packed([float(base + 0.0167 + 0.0115 * shift)] * 30)
        answer = rules.words_helped(found)["clip"]
        assert answer.outcome == wanted, answer.sentence
    assert "Holm" in answer.reason


def test_the_price_is_non_inferiority_and_areas_must_agree() -> None:
    levels = {BASELINE: 0.5, "clip": 0.7, "clip-shuffled": 0.4}
    found = made_up(levels)
    assert rules.prices(found)["verdict"].tolist() == ["supported"]
    for row in found["rows"]["clip"].values():
        row["correct"] = "1" * 20 + "0" * 10
    assert rules.prices(found)["verdict"].tolist() == ["contradicted"]
    assert rules.judge(found, "clip", BASELINE, "insertion").outcome == "supported"  # type: ignore[union-attr]
    for row in found["rows"]["clip"].values():
        row["full"] = packed([0.0] * 7 + [2.0])
        row["right"] = "0" * 7 + "1"
    undone = rules.judge(found, "clip", BASELINE, "insertion")
    assert undone is not None
    assert undone.outcome == "undecided"
    assert "versions disagree" in undone.reason


def test_the_best_without_words_is_named_by_each_metrics_own_direction() -> None:
    levels = {BASELINE: 0.5, "cgc": 0.8, "clip": 0.6, "clip-shuffled": 0.2}
    frame = rules.best_without(made_up(levels)).set_index("metric")
    assert frame.loc["SCH", "best without words"] == "CGC"
    assert frame.loc["MOSU", "best without words"] == ROWS["clip-shuffled"].title
    assert frame.loc["SCH", "best with words"] == ROWS["clip"].title


# Tables and what the figure is given


def recorded(levels: dict[str, float]) -> dict[str, Any]:
    """Return a record of chapter 03 with these levels of SCH, of three seeds."""
    arms = {
        name: {
            str(seed): {
                "means": {"Grad-CAM": {"sch": level + 0.001 * seed}},
                "accuracy": {"test": 0.8},
                "correct": "1" * 10,
                "sch": packed([level] * 10),
                "trained_out": True,
            }
            for seed in (1, 2, 3)
        }
        for name, level in levels.items()
    }
    return {"arms": arms}


def test_rows_away_come_from_chapter_03_with_all_their_twins() -> None:
    page = made_up({BASELINE: 0.5, "lico": 0.4, "clip": 0.6, "clip-shuffled": 0.3})
    twins = dict.fromkeys(ROWS["lico"].twins, 0.35)
    record = recorded({BASELINE: 0.45, "lico": 0.5, "cgc": 0.7, **twins})
    frame = table.for_figure(page, record).set_index("name")
    came = frame["source"].to_dict()
    assert came["lico"] == came["permuted"] == came["cgc"] == table.ELSEWHERE
    assert came[BASELINE] == came["clip"] == table.PAGE
    assert frame.loc["lico", "mean"] == pytest.approx(0.502)
    assert list(frame.index[:5]) == ["lico", *ROWS["lico"].twins]
    assert frame.loc["lico", "verdict"] == "undecided (3 seeds)"
    says = table.message(page, record)
    assert "in 2 of the 2 answers" in says  # each over its own source's twins
    assert "in 2 of 2:" in says  # .502 over .452, .6 over .5
    alone = table.for_figure(page).set_index("name")
    assert set(alone["source"]) == {table.PAGE}


def test_a_record_of_other_networks_is_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = {"parameters": {"epochs": 64, "seeds": [1], "judged": 48}}
    record = {"parameters": {"epochs": 64, "seeds": [1, 2], "alpha": 1.0}}
    assert table.comparable(record, page) is record
    shorter = {"parameters": {"epochs": 2, "seeds": [1, 2]}}
    assert table.comparable(shorter, page) is None
    assert "other parameters: epochs" in capsys.readouterr().out
    assert table.comparable(None, page) is None


def test_the_tables_have_every_row_and_say_what_is_under_study() -> None:
    page = made_up({BASELINE: 0.5, "clip": 0.6}, seeds=1)
    whole = table.whole(page)
    assert list(whole["row"]) == ["baseline", ROWS["clip"].title, "uniform"]
    assert "±" in whole["SCH"][0]
    other = table.of_chapter_03(recorded({BASELINE: 0.45, "cgc": 0.7}), page)
    seeds = other.set_index("row")["seeds"]
    assert seeds["CGC"] == "3"
    assert seeds["LICO"] == table.NOT_THERE
    assert len(table.of_chapter_03(None, page)) == len(VARIANTS) + 1
    assert list(table.costs(page)["training, s"]) == [10.0, 10.0]


def test_intervals_are_over_seeds_where_there_are_several() -> None:
    page = made_up({BASELINE: 0.5}, seeds=1)["rows"][BASELINE]
    assert table.level(page, "sch").half == pytest.approx(0.01)
    more = made_up({BASELINE: 0.5}, seeds=4)["rows"][BASELINE]
    means = np.array([run["means"]["sch"] for run in more.values()])
    half = 3.182446 * means.std(ddof=1) / 2
    assert table.level(more, "sch").half == pytest.approx(half, rel=1e-5)


def test_without_a_trial_no_metric_may_judge() -> None:
    chapter = Answers.of(assayed=0)
    assert chapter.assay({}) is None
    kept = chapter.told([], None)
    assert kept["may judge"] == []
    assert set(kept["standing"]) == set(METRICS)
    assert all("not tried" in says for says in kept["standing"].values())
