"""Chapter 12: its bench at small size, rules by hand, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers import paths
from helpers.chapters import (
    eclip_claims,
    eclip_maps,
    eclip_projections,
    eclip_search,
    eclip_towers,
    eclip_views,
)
from helpers.chapters.eclip import Eclip
from helpers.chapters.eclip_claims import NOT_TESTABLE, ONE_KIND, answers, label, masked
from helpers.chapters.eclip_kept import kept_numbers
from helpers.chapters.eclip_material import Reader, clip_of, small_reader
from helpers.chapters.eclip_pictures import pictures
from helpers.chapters.eclip_projections import (
    BLIND,
    OWN_POOLING,
    PLAIN,
    SELF,
    SOURCES,
    TRUTH,
    WAYS,
    Free,
    is_calm,
    is_testable,
)
from helpers.chapters.eclip_rows import ORIGINAL, TINY, Bench, for_record, is_fit, row
from helpers.language.map_clip import MapTower, build_map_clip
from helpers.language.tiny_clip import build_tiny_clip
from helpers.measure.foreground import Beside
from helpers.methods.eclip import Fitting
from helpers.methods.free_attention import Threshold
from helpers.report import eclip_figures
from helpers.report.records import packed
from helpers.report.verdict import Verdict
from helpers.settings import Refused

COUNTS = (16, 4, 6)
HOW = Fitting(epochs=2, batch=8)
SMALL = {"pictures": 50, "validated": 8, "test_pictures": 8}


def reader_of(kind: str) -> Reader:
    if kind == "tiny":
        return small_reader(build_tiny_clip(0), "tiny", "value")
    model = build_map_clip(0, MapTower(depth=1, width=32))
    return small_reader(model, "vit", "value")


@pytest.fixture(scope="module", params=["tiny", "vit"])
def bench(request: pytest.FixtureRequest) -> Bench:
    clip = clip_of(reader_of(request.param), pictures("scenes", 64, COUNTS))
    noise = tuple(torch.rand(n, 8, 8) for n in (16, 6))
    free = eclip_projections.sources(clip, 0.75, 1, {SELF: (noise[0], noise[1])})
    return Bench(clip, free, HOW, eclip_projections.fitted(clip, free, HOW, 1))


def test_a_bench_has_every_map_score_and_projection(bench: Bench) -> None:
    clip = bench.clip
    assert clip.test.grid == (8, 8)
    assert clip.reader.kind == ("CNN" if clip.reader.name == "tiny" else "ViT")
    assert clip.options.reading == ("value" if clip.reader.kind == "CNN" else "token")
    numbers = row(bench)
    json.dumps(numbers, allow_nan=False)
    assert 0 <= numbers["zero-shot"] <= 0.3  # it was never trained
    names = {way.name for way in WAYS if way.source in ("", *bench.free)}
    assert set(numbers["recognition"]) == {ORIGINAL, *names}
    assert names | set(eclip_maps.rivals_of(clip)) <= set(numbers["maps"])
    for one in numbers["maps"].values():
        assert len(one["iou"].split()) == len(one["contrast"].split()) == 6
    assert numbers["maps"]["ground-truth mask"]["iou"] == packed([1.0] * 6)
    summary = {"parameters": {"vlm": TINY}, "towers": {"CNN": {"1": numbers}}}
    for frame in (
        eclip_views.attention(summary, "CNN"),
        eclip_views.maps(summary, "CNN"),
        eclip_views.recognition(summary, "CNN"),
        eclip_views.selection(summary, "CNN"),
        eclip_views.options(bench),
        eclip_claims.table(summary, "CNN"),
        eclip_claims.parts(summary, "CNN"),
        eclip_search.looked_for(summary),
        eclip_search.compared(summary),
        eclip_search.maps_of("CNN")(summary),
    ):
        assert len(frame)
    own, _ = eclip_views.places(bench)
    assert own.shape == (6, 64)


def test_no_training_leaves_the_original_projection(bench: Bench) -> None:
    how = replace(HOW, epochs=0)
    fits = eclip_projections.fitted(bench.clip, bench.free, how, 1)
    for _, fit in fits.values():
        assert torch.equal(fit.projection.weight, bench.clip.own.weight)
    numbers = row(replace(bench, fits=fits))
    own = numbers["maps"][eclip_maps.ITSM]
    assert all(numbers["maps"][name]["iou"] == own["iou"] for name in fits)
    kept = numbers["recognition"]
    assert kept[OWN_POOLING]["hits"] == kept[ORIGINAL]["hits"]


def test_pictures_without_masks_have_maps_and_recognition_alone(bench: Bench) -> None:
    looks = {
        part: replace(look, shown=replace(look.shown, masks=None))
        for part, look in (
            ("train", bench.clip.train),
            ("validation", bench.clip.validation),
            ("test", bench.clip.test),
        )
    }
    clip = replace(bench.clip, **looks)
    free = eclip_projections.sources(clip, 0.75, 1, {})
    assert TRUTH not in free
    fits = eclip_projections.fitted(clip, free, HOW, 1)
    numbers = row(Bench(clip, free, HOW, fits))
    assert numbers["maps"] == numbers["gate"] == {}
    assert numbers["recognition"][ORIGINAL]["hits"]
    summary = {"parameters": {"vlm": "x"}, "towers": {"x": {"1": numbers}}}
    assert set(map(label, answers(summary, "x").values())) == {eclip_claims.NO_SCORES}
    for view in (eclip_views.attention, eclip_views.maps, eclip_views.selection):
        assert eclip_claims.NO_SCORES in str(view(summary, "x").iloc[0, 0])
    assert len(eclip_search.looked_for(summary)) == 0
    assert len(eclip_views.recognition(summary, "x")) == len(fits) + 1


def test_the_gate_asks_for_both_floors() -> None:
    half, third = torch.full((4,), 0.5), torch.full((4,), 0.3)
    assert is_testable(Beside(half, third, third))
    assert not is_testable(Beside(half, third, half))
    assert not is_testable(Beside(third + 0.01, third, third))
    free = Free(torch.rand(2, 8, 8), torch.rand(2, 8, 8), Threshold("quantile", 0.75))
    assert free.kept("train").places.sum().item() == 32
    with pytest.raises(KeyError):
        free.kept("validation")


def test_a_fit_is_calm_when_its_end_hardly_moves() -> None:
    assert is_calm((3.0, 2.0, 1.5, 1.48))
    assert not is_calm((3.0, 2.0, 1.5, 1.40))
    assert not is_calm((3.0,))
    assert not is_calm(())


# the rules, on made-up summaries


def made(
    values: dict[str, tuple[float, float]],
    hits: float = 0.8,
    testable: bool = True,
    kind: str = "CNN",
    first: float = 0.8,
) -> dict:
    """A tower of five seeds: (IoU, contrast) of each method, and masked max's hits."""
    rng = np.random.default_rng(0)

    def scores(mean: float) -> str:
        return packed(list(mean + 0.002 * rng.standard_normal(40)))

    def found(mean: float) -> dict:
        right = [1.0] * round(50 * mean) + [0.0] * (50 - round(50 * mean))
        keys = ("hits", "text of picture", "picture of text")
        return {"top-1": mean, **{key: packed(right) for key in keys}}

    def one() -> dict:
        return {
            "kind": kind,
            "zero-shot": first,
            "gate": {SELF: {"testable": testable}},
            "maps": {
                name: {"iou": scores(iou), "contrast": scores(contrast), "floor": 0.2}
                for name, (iou, contrast) in values.items()
            },
            "correlation": packed([0.1] * 40),
            "recognition": {
                ORIGINAL: found(first),
                **{masked(source): found(hits) for source in (SELF, TRUTH)},
            },
            "trained out": {},
        }

    return {str(seed): one() for seed in range(5)}


METHODS = {
    eclip_maps.ITSM: (0.3, -0.2),
    eclip_maps.REVERSED: (0.5, 0.2),
    OWN_POOLING: (0.3, -0.2),
    PLAIN: (0.5, 0.1),
    masked(BLIND): (0.5, 0.1),
    masked(SELF): (0.6, 0.3),
    masked(TRUTH): (0.7, 0.4),
}
PARAMETERS = {"vlm": TINY, "test_pictures": 40}


def words(towers: dict, tower: str = "CNN") -> dict[str, str]:
    summary = {"parameters": PARAMETERS, "towers": towers}
    return {name: label(one) for name, one in answers(summary, tower).items()}


def test_all_claims_are_supported_where_all_hold() -> None:
    towers = {"CNN": made(METHODS), "ViT": made(METHODS, kind="ViT")}
    assert set(words(towers).values()) == {"supported"}
    summary = {"parameters": PARAMETERS, "towers": towers}
    assert label(eclip_claims.universal(summary)) == "supported"
    shown = eclip_claims.table(summary, "CNN").set_index("claim")
    assert shown.loc["opposite", "A - B"] == pytest.approx(0.2, abs=0.01)
    assert shown.loc["reversal", "A - B"] == pytest.approx(0.2, abs=0.01)
    assert isinstance(eclip_claims.verdict_of(summary, "CNN", "repair"), Verdict)
    del towers["ViT"]
    assert eclip_claims.universal(summary) == ONE_KIND


def test_a_claim_of_several_parts_has_the_numbers_of_its_weakest() -> None:
    towers = {"CNN": made(METHODS | {PLAIN: (0.55, 0.1)})}
    summary = {"parameters": PARAMETERS, "towers": towers}
    shown = eclip_claims.table(summary, "CNN").set_index("claim")
    assert shown.loc["repair", "numbers of"] == f"{masked(SELF)} over {PLAIN}"
    assert shown.loc["repair", "A - B"] == pytest.approx(0.05, abs=0.01)
    assert shown.loc["opposite", "numbers of"] == ""


def test_each_claim_fails_by_its_own_number() -> None:
    def changed(**values: tuple[float, float]) -> dict[str, str]:
        names = {"itsm": eclip_maps.ITSM, "plain": PLAIN, "blind": masked(BLIND)}
        new = {names[key]: value for key, value in values.items()}
        return words({"CNN": made(METHODS | new)})

    assert changed(itsm=(0.3, 0.2))["opposite"] == "contradicted"
    assert changed(itsm=(0.5, -0.2))["reversal"] == "no relevant difference"
    assert changed(itsm=(0.55, -0.2))["reversal"] == "contradicted"
    assert changed(plain=(0.5, -0.2))["pooling"] == "no relevant difference"
    assert changed(blind=(0.6, 0.1))["repair"] == "no relevant difference"
    assert changed(blind=(0.65, 0.1))["repair"] == "contradicted"
    assert changed(blind=(0.65, 0.1))["repair, oracle"] == "supported"


def test_recognition_may_lose_two_points() -> None:
    for hits, answer in (
        (0.8, "supported"),
        (0.78, "undecided"),
        (0.7, "contradicted"),
    ):
        found = words({"CNN": made(METHODS, hits=hits)})["recognition"]
        assert found.startswith(answer), (hits, found)


def test_attention_at_chance_leaves_the_oracle_alone() -> None:
    found = words({"CNN": made(METHODS, testable=False)})
    assert found["repair"] == NOT_TESTABLE
    assert found["repair, oracle"] == "supported"
    summary = {
        "parameters": PARAMETERS,
        "towers": {
            "CNN": made(METHODS, testable=False),
            "ViT": made(METHODS, kind="ViT"),
        },
    }
    assert eclip_claims.universal(summary) == f"undecided: {NOT_TESTABLE}"


def test_a_clip_that_recognises_too_little_is_not_judged() -> None:
    found = words({"CNN": made(METHODS, hits=0.5, first=0.5)})
    assert found["opposite"] == "undecided: under-trained"
    assert found["repair"].startswith("undecided")


def test_random_weights_are_not_judged_and_published_ones_are() -> None:
    numbers = {"note": "random weights: a check that all runs, no result"}
    assert not is_fit(numbers, {"vlm": "ViT-B-32:random"})
    assert is_fit({"note": ""}, {"vlm": "ViT-B-32-quickgelu/openai"})


def test_towers_are_compared_with_what_they_differ_from() -> None:
    more = METHODS | {eclip_maps.ITSM: (0.3, 0.1)}
    towers = {"ViT": made(METHODS, kind="ViT"), "ViT, max": made(more, kind="ViT")}
    summary = {"parameters": PARAMETERS, "towers": towers}
    frame = eclip_search.compared(summary)
    assert frame["towers"].tolist() == ["ViT, max over ViT"]
    assert frame["A has more"].tolist() == ["supported"]
    assert frame["contrast A - B"].iloc[0] == pytest.approx(0.3, abs=0.01)
    assert len(eclip_search.looked_for(summary)) == 2
    assert len(eclip_search.answers_of("ViT")(summary)) == len(eclip_claims.RULES)
    assert "only ViT" in eclip_search.answers_of("CNN")(summary).iloc[0, 0]


def test_a_published_clip_is_one_network_whatever_the_seeds() -> None:
    towers = {"ViT": made(METHODS, kind="ViT")}
    summary = {"parameters": {"vlm": "ViT-B-32-quickgelu/openai"}, "towers": towers}
    towers["ViT"] = {seed: one | {"note": ""} for seed, one in towers["ViT"].items()}
    found = answers(summary, "ViT")
    for claim in ("opposite", "reversal"):
        assert label(found[claim]) == "undecided: one CLIP, whatever the seeds"
    assert label(found["repair"]) == "supported"


def test_one_part_that_is_no_relevant_difference_does_not_contradict_all() -> None:
    flat = METHODS | {masked(SELF): (0.5, 0.1)}
    towers = {"CNN": made(flat), "ViT": made(METHODS, kind="ViT", first=0.5)}
    summary = {"parameters": PARAMETERS, "towers": towers}
    found = eclip_claims.universal(summary)
    assert label(found) == "undecided: under-trained"
    turned = METHODS | {eclip_maps.ITSM: (0.3, 0.2)}
    towers["CNN"] = made(turned)
    assert label(eclip_claims.universal(summary)) == "contradicted"


def test_pooling_as_a_cause_is_asked_of_towers_trained_with_another() -> None:
    more = METHODS | {eclip_maps.ITSM: (0.3, 0.1)}
    towers = {"ViT": made(METHODS, kind="ViT"), "ViT, max": made(more, kind="ViT")}
    summary = {"parameters": PARAMETERS, "towers": towers}
    assert label(eclip_search.pooling_in_training(summary)) == "supported"
    short = {
        tower: {seed: for_record(one) for seed, one in rows.items()}
        for tower, rows in towers.items()
    }
    kept = {"parameters": PARAMETERS, "towers": short}
    found = eclip_search.pooling_in_training(kept)
    assert isinstance(found, Verdict)
    assert (found.pictures, found.all_pictures) == (40, 40)
    del towers["ViT, max"]
    assert "ViT, max" in eclip_search.pooling_in_training(summary)


def test_all_towers_are_judged_on_the_same_scenes() -> None:
    plain, cued = (pictures("scenes", 64, (50, 20, 20), cue) for cue in (0.0, 0.8))
    assert not torch.equal(plain["train"].images, cued["train"].images)
    for part in ("validation", "test"):
        assert torch.equal(plain[part].images, cued[part].images)


def test_a_record_has_means_and_the_same_answers() -> None:
    full = {"CNN": made(METHODS), "ViT": made(METHODS, kind="ViT")}
    short = {
        tower: {seed: for_record(one) for seed, one in rows.items()}
        for tower, rows in full.items()
    }
    one = short["CNN"]["1"]
    assert len(one["maps"][eclip_maps.ITSM]["iou"].split()) == 1
    assert one["kind"] == full["CNN"]["1"]["kind"]
    assert one["maps"].keys() == full["CNN"]["1"]["maps"].keys()
    for tower in full:
        before, after = (
            eclip_claims.table({"parameters": PARAMETERS, "towers": towers}, tower)
            for towers in (full, short)
        )
        assert before["answer"].tolist() == after["answer"].tolist()
        gap = (before["A - B"] - after["A - B"]).abs().max()
        assert gap < 2e-4
    found = eclip_claims.opposite({"parameters": PARAMETERS, "towers": short}, "CNN")
    assert (found.pictures, found.all_pictures) == (40, 40)


def test_the_figure_of_towers_has_a_dot_a_seed_and_a_hollow_one_where_unfit() -> None:
    weak = made(METHODS, hits=0.5, first=0.5)
    summary = {"parameters": PARAMETERS, "towers": {"CNN": made(METHODS), "ViT": weak}}
    frame = eclip_search.by_seed(summary)
    assert frame.groupby("tower")["fit"].all().to_dict() == {"CNN": True, "ViT": False}
    (axis,) = eclip_figures.towers(frame).axes
    dots = [line for line in axis.lines if line.get_marker() == "o"]
    assert len(dots) == len(frame)
    hollow = [line for line in dots if line.get_markerfacecolor() == "white"]
    assert len(hollow) == len(weak)
    assert not eclip_figures.towers(frame[:0]).axes[0].get_yticklabels()


def test_numbers_are_computed_once_for_the_same_settings_and_code(home) -> None:
    asked: list[int] = []

    def compute() -> dict:
        asked.append(1)
        return {"zero-shot": 0.5, "maps": {"ITSM": {"iou": "1 2"}}, "note": None}

    code = ("chapters/eclip_kept.py",)
    one = kept_numbers({"seed": 1}, code, compute)
    assert kept_numbers({"seed": 1}, code, compute) == one == compute()
    assert len(asked) == 2
    kept_numbers({"seed": 2}, code, compute)
    kept_numbers({"seed": 1}, ("paths.py", *code, "chapters/eclip_rows.py"), compute)
    assert len(asked) == 4

    def broken() -> dict:
        return {"zero-shot": float("nan")}

    with pytest.raises(ValueError, match="JSON"):
        kept_numbers({"seed": 3}, code, broken)
    assert kept_numbers({"seed": 3}, code, compute) == one


# networks of the chapter, and its parameters


def test_a_network_is_trained_once_and_kept(home, monkeypatch) -> None:
    monkeypatch.setitem(
        eclip_towers.VARIANTS,
        "ViT",
        eclip_towers.Variant(MapTower(depth=1, width=32)),
    )
    told: list[str] = []
    one = eclip_towers.varied_clip("ViT", 1, 48, 1, told.append)
    two = eclip_towers.varied_clip("ViT", 1, 48, 1, told.append)
    assert len(told) == 1
    for name, weight in one.state_dict().items():
        assert torch.equal(weight, two.state_dict()[name])
    eclip_towers.varied_clip("ViT", 2, 48, 1, told.append)
    assert len(told) == 2
    assert len(list((paths.runs() / "maps" / "vit").glob("*.safetensors"))) == 2


def test_an_encoder_without_training_is_its_start(home) -> None:
    shown = pictures("scenes", 64, (50, 1, 1))["train"]
    settings = ((0.5,) * 3, (0.25,) * 3)
    start = eclip_towers.encoder(shown, *settings, 0, 1)
    trained = eclip_towers.encoder(shown, *settings, 1, 1)
    again = eclip_towers.encoder(shown, *settings, 1, 1)
    differs = [
        not torch.equal(a, b)
        for a, b in zip(start.parameters(), trained.parameters(), strict=True)
    ]
    assert any(differs)
    for a, b in zip(trained.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    seen = eclip_towers.encoder_attention(trained, reader_of("vit"), shown.images[:3])
    assert seen.shape == (3, 8, 8)
    wide = torch.zeros(2, 3, 128, 128, dtype=torch.uint8)
    assert eclip_towers.small(wide, 64).shape == (2, 3, 64, 64)


def test_its_runs_are_the_laboratorys() -> None:
    chapter = Eclip(seeds=[1, 2])
    assert [one.seed for one in chapter.runs()] == [1, 2]
    assert {one.method.name for one in chapter.runs()} == {"tiny-clip"}
    assert chapter.names() == ["CNN"]
    other = Eclip(vlm="ViT-B-32:random")
    assert (other.runs(), other.names()) == ([], ["ViT-B-32:random"])
    other.check()


def test_a_clip_of_open_clip_is_looked_at(monkeypatch) -> None:
    chapter = Eclip.of(vlm="RN50:random", **SMALL)
    reader = eclip_material_reader(chapter, monkeypatch)
    assert reader.reading == "value"
    assert reader.size == 64
    look = chapter.clip({}, chapter.vlm, 0)
    assert look.test.tokens.places.shape[:3] == (8, 8, 8)
    assert look.classes.shape == (24, 64)


def eclip_material_reader(chapter: Eclip, monkeypatch) -> Reader:
    """A small model in the place of a large one, through the same door."""
    from helpers.chapters import eclip_material
    from helpers.language.open_models import OpenModel
    from helpers.language.tiny_clip import MEAN, STD, tokenise

    def small(name: str) -> OpenModel:
        model = build_tiny_clip(3).eval()
        return OpenModel(name, model, tokenise, (64, 64), MEAN, STD, "random")

    monkeypatch.setattr(eclip_material, "open_model", small)
    return eclip_material.open_reader(chapter.vlm, chapter.reading)


def test_what_is_refused() -> None:
    for values, text in (
        ({"towers": ["cnn"]}, "unknown tower 'cnn'"),
        ({"towers": ["ViT", "ViT"]}, "each tower once"),
        ({"seeds": [1, 1]}, "each seed once"),
        ({"quantile": 1.0}, "quantile"),
        ({"reading": "v-v"}, "reading"),
    ):
        with pytest.raises(Refused, match=text):
            Eclip.of(**values)
    for values, text in (
        ({"vlm": "ViT-B-33/openai"}, "ViT-B-33"),
        ({"vlm": "nothing"}, "no model of open_clip"),
        ({"dataset": "folder:/not/there"}, "not/there"),
    ):
        with pytest.raises(Refused, match=text):
            Eclip.of(**values).check()


def test_sources_are_named_once() -> None:
    assert len({*SOURCES}) == len(SOURCES)
    assert len({way.name for way in WAYS}) == len(WAYS)
