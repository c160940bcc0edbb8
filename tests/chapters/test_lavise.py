"""Chapter 10: benches, held-out categories, boxes on a swapped canvas, the check."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from helpers.chapters import lavise_kinds as sorting
from helpers.chapters import lavise_naming as benches
from helpers.chapters import lavise_novel as novel
from helpers.chapters import lavise_swapped as swapping
from helpers.chapters import lavise_switches as switches
from helpers.chapters import lavise_views as views
from helpers.chapters.lavise import Lavise, checked_recalls
from helpers.chapters.lavise_alexnet import CELLS, AlexNetLike, trained_alexnet
from helpers.chapters.lavise_material import Material, list_mixed, material
from helpers.data.listing import Annotation, Entry, Listing
from helpers.data.mixed_scenes import mixed_scenes
from helpers.methods.lavise_settings import Naming, Teaching
from helpers.settings import DataSettings, Refused
from helpers.vision import backbone
from tests.chapters import planted

TEACHING, NAMING = Teaching(epochs=60, lr=3e-3, batch=64), Naming(top=6, quantile=0.95)


@pytest.fixture(scope="module")
def known() -> Material:
    return planted.material()


@pytest.fixture(scope="module")
def bench(known: Material) -> benches.Bench:
    return benches.bench(
        planted.Planted(), known, "scenes", TEACHING, NAMING, 1, controls=benches.PAIRED
    )


@pytest.fixture(scope="module")
def held(bench: benches.Bench, known: Material) -> novel.HeldOut:
    return novel.hold_out(bench, known, TEACHING, 0.25, 1)


def test_filters_that_see_one_colour_get_its_word(
    bench: benches.Bench, known: Material
) -> None:
    """And no control does: the floors and the ceiling are where they must be."""
    row = benches.row(bench, known)
    found = {name: three["5"][0] for name, three in row["recall"]["raw"].items()}
    assert found["taught"] > 0.95
    assert found["oracle"] == 1
    assert max(found[name] for name in benches.PAIRED) < 0.65
    assert row["dead"] == 1
    assert row["filters"] == planted.CLASSES + 1
    assert all(row["above"]["raw"][name]["5"][1] > 0 for name in benches.PAIRED)
    assert json.loads(json.dumps(row)) == row


def test_the_same_seed_gives_the_same_words(
    bench: benches.Bench, known: Material
) -> None:
    again = benches.bench(
        planted.Planted(), known, "scenes", TEACHING, NAMING, 1, controls=()
    )
    assert torch.equal(again.found.vectors, bench.found.vectors)


def test_a_control_that_was_not_made_is_refused(
    bench: benches.Bench, known: Material
) -> None:
    for name in ("random network", "nobody"):
        with pytest.raises(Refused, match="this bench was made without"):
            benches.recalls(bench, known, name, 5)
    with pytest.raises(Refused, match="layer 'nowhere'"):
        benches.maps_of(backbone("scene-resnet", 3), known, "scenes", "nowhere")


def test_a_random_network_leaves_its_model_alone() -> None:
    network = backbone("scene-resnet", 3)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    drawn = benches.random_network(network, 1)
    for name, value in network.state_dict().items():
        assert torch.equal(before[name], value)
    assert not torch.equal(drawn.head.weight, network.head.weight)
    again = benches.random_network(network, 1)
    assert torch.equal(drawn.head.weight, again.head.weight)


def test_permuted_words_are_the_same_vectors_elsewhere(known: Material) -> None:
    wrong = benches.permuted(known.categories, 1)
    assert not torch.equal(wrong, known.categories)
    assert torch.equal(
        wrong.sum(1).sort().values, known.categories.sum(1).sort().values
    )


def test_a_held_out_category_teaches_nothing(held: novel.HeldOut) -> None:
    assert len(held.names) == 3
    words = {planted.NAMES[c] for c in held.columns.nonzero()[:, 0].tolist()}
    assert words == set(held.names)


def test_nothing_of_held_out_words_reaches_the_explainer(
    held: novel.HeldOut, bench: benches.Bench, known: Material
) -> None:
    """With other vectors for them it says the same, bit by bit."""
    others = known.categories.clone()
    others[held.columns] = 7.0
    changed = replace(known, categories=others)
    again = novel.hold_out(bench, changed, TEACHING, 0.25, 1)
    assert torch.equal(again.found.vectors, held.found.vectors)
    kept = replace(known, categories=known.categories.roll(1, 0))
    moved = novel.hold_out(bench, kept, TEACHING, 0.25, 1)
    assert not torch.equal(moved.found.vectors, held.found.vectors)


def test_the_table_of_held_out_words_has_its_controls(
    held: novel.HeldOut, known: Material
) -> None:
    table = novel.table(held, known)
    assert table["explainer"].tolist()[:3] == ["taught"] * 3
    assert set(table["explainer"][3:]) == {*held.answers, "chance"}
    row = novel.row(held, known)
    assert json.loads(json.dumps(row)) == row


def test_a_forced_choice_counts_couples(held: novel.HeldOut, known: Material) -> None:
    """Against a slow twin: loops over pairs and couples of words."""
    columns = held.columns.nonzero()[:, 0].tolist()
    found = novel.told_apart(held, known)
    vectors = torch.nn.functional.normalize(known.raw.vectors.double(), dim=1)
    for pair in range(0, len(found), 7):
        own = held.found.vectors[pair].double()
        won = count = 0.0
        for one in columns:
            for other in columns:
                if held.found.truth[pair, one] and not held.seen[pair, other]:
                    apart = float(own @ vectors[one] - own @ vectors[other])
                    won += 0.5 + 0.5 * ((apart > 0) - (apart < 0))
                    count += 1
        if count:
            assert float(found[pair]) == pytest.approx(won / count)
        else:
            assert found[pair].isnan()


def test_label_words_are_sorted_by_what_they_are(
    held: novel.HeldOut, bench: benches.Bench, known: Material
) -> None:
    kinds = novel.label_kinds(held, known, bench)
    shares = kinds.set_index("explainer")
    assert torch.allclose(
        torch.tensor(shares.sum(axis=1).to_numpy()), torch.ones(4, dtype=torch.float64)
    )
    assert shares.loc["vocabulary", "taught word"] == pytest.approx(9 / 42)


def test_kinds_of_the_scenes_words() -> None:
    scenes = material("mixed", "own", (8, 4, 4), 32)
    nothing = torch.zeros(len(scenes.words), dtype=torch.bool)
    held = torch.tensor([word in ("beach", "ball") for word in scenes.words])

    def kind(word: str, out: Tensor = nothing) -> str:
        place = int(scenes.raw.index([word])[0])
        return sorting.KINDS[int(sorting.kinds_of(scenes, out)[place])]

    assert kind("wheel") == "taught word"
    assert kind("wheels") == kind("hoop") == "form of one"
    assert kind("petal") == kind("towel") == "of the same world"
    assert kind("ball", held) == kind("orbs", held) == "held-out word"
    assert kind("and") == "foreign" if "and" in scenes.raw.words else True
    assert scenes.teach.images.shape == (8, 3, 32, 32)
    assert not torch.equal(scenes.teach.images[:4], scenes.explain.images)


def test_boxes_of_mixed_scenes_hold_their_objects() -> None:
    drawn = mixed_scenes(3, "train", 48, 7)
    listed = list_mixed(drawn)
    for i, entry in enumerate(listed.entries):
        assert torch.equal(entry.image(), drawn.images[i])
        for one, box in zip(entry.annotations, drawn.boxes[i].tolist(), strict=False):
            left, top, right, bottom = (int(x) for x in box)
            mask = one.mask(entry.size)
            assert mask.sum() == (right - left) * (bottom - top)
            assert mask[top, left]
            assert mask[bottom - 1, right - 1]


def square_listing() -> Listing:
    """Two pictures of 8 x 8 with an object each: at the left, and over all."""

    def picture(value: int) -> Tensor:
        return torch.full((3, 8, 8), value, dtype=torch.uint8)

    def left(size: tuple[int, int]) -> Tensor:
        mask = torch.zeros(size, dtype=torch.bool)
        mask[:, :3] = True
        return mask

    def whole(size: tuple[int, int]) -> Tensor:
        return torch.ones(size, dtype=torch.bool)

    return Listing(
        ("a", "b"),
        (
            Entry("one", (8, 8), lambda: picture(1), (Annotation("a", (0,), left),)),
            Entry("two", (8, 8), lambda: picture(2), (Annotation("b", (1,), whole),)),
        ),
    )


def test_a_square_picture_is_widened_by_half_of_the_next() -> None:
    one = square_listing()
    wide = swapping.wide((one, one, one))[0]
    first = wide.entries[0]
    assert first.size == (8, 12)
    assert first.image()[0, 0].tolist() == [1] * 8 + [2] * 4
    left, whole = (a.mask(first.size) for a in first.annotations)
    assert left.any(0).nonzero()[:, 0].tolist() == [0, 1, 2]
    assert whole.any(0).nonzero()[:, 0].tolist() == [8, 9, 10, 11]
    second = wide.entries[1].annotations[1].mask((8, 12))
    assert second.any(0).nonzero()[:, 0].tolist() == [8, 9, 10]
    assert swapping.wide((wide, wide, wide))[0] is wide


def test_a_swapped_canvas_moves_boxes_of_wide_pictures_alone() -> None:
    one = square_listing()
    for entry, moved in zip(one.entries, swapping.swapped(one).entries, strict=True):
        for a, b in zip(entry.annotations, moved.annotations, strict=True):
            assert torch.equal(a.mask((8, 8)), b.mask((8, 8)))
    wide = swapping.wide((one, one, one))[0]
    moved = swapping.swapped(wide).entries[0].annotations[1]
    assert not moved.mask((8, 12)).any()  # beyond the columns of the canvas: lost


def test_a_defect_moves_what_it_must(bench: benches.Bench, known: Material) -> None:
    encode = switches.as_encoder(planted.Planted())
    names = ("low quantile", "instances apart", "masks left behind")
    moved = switches.defects(bench, known, TEACHING, encode, "scenes", 1, names)
    low, apart, left = moved
    assert low.truth >= switches.words_there(bench.found)  # R is almost everything
    assert apart.apart == pytest.approx(0, abs=0.05)  # no picture has one class twice
    assert left.name == "masks left behind"
    assert len(switches.defect_table(moved, bench)) == 4


def test_a_change_is_compared_pair_by_pair(
    bench: benches.Bench, known: Material
) -> None:
    """An explainer that says the opposite has recall 0, on the same pairs or others."""
    found = bench.found
    wrong = replace(found, vectors=-found.vectors)
    elsewhere = replace(wrong, pictures=wrong.pictures.roll(1))
    for other in (wrong, elsewhere):
        one = switches.compared("n", "w", found, other, known, bench.rows.positives, 5)
        assert one.recall == pytest.approx(0, abs=0.1)
        assert one.apart == pytest.approx(one.recall - 1)
        assert one.low <= one.apart <= one.high


def test_readings_and_the_optimum_have_a_row_each(
    bench: benches.Bench, known: Material
) -> None:
    found = switches.attentions(bench, known, planted.Planted(), "scenes")
    assert set(found["attention"]) == set(switches.ATTENTIONS)
    assert found["recall"].between(0, 1).all()
    optimum = switches.optimum(bench, known, TEACHING).set_index("mean over instances")
    values = optimum["value"]
    assert values["cosine to the closed form"] > values["cosine to the word"] > 0.5
    sizes = switches.sizes(512, 300)
    assert sizes["built as the text says"].iloc[-1] == "418,604"
    assert sizes["by the formula"].iloc[-1] == sizes["norm last"].iloc[-1] == "418,180"


def test_views_show_live_filters(bench: benches.Bench, known: Material) -> None:
    numbers = views.chosen_filters(bench)
    assert len(set(numbers)) == 3
    assert not bench.found.scan.dead[numbers].any()
    for view in views.filter_views(bench, known, numbers):
        assert view.images.shape == (5, 3, planted.SIDE, planted.SIDE)
        assert view.words[0][0] == planted.NAMES[view.number]
    steps = views.steps(bench, known, numbers[0])
    assert planted.NAMES[numbers[0]] in steps.truth
    name, mask, share = max(steps.objects, key=lambda one: one[2])
    assert name == planted.NAMES[numbers[0]]
    slow = (mask & steps.region).sum() / (mask | steps.region).sum()
    assert share == pytest.approx(float(slow))


def test_right_at_all_is_no_recall(bench: benches.Bench, known: Material) -> None:
    table = views.right_at_all(bench, known)
    assert (table["any word of G"] >= table["recall@s"] - 1e-9).all()
    assert (table["all words of G"] <= table["recall@s"] + 1e-9).all()
    assert (table["chance of any"] >= table["chance of recall"] - 1e-6).all()
    fewer = views.by_vocabulary(bench, known)
    assert fewer["V"].is_monotonic_increasing
    assert fewer["chance"].is_monotonic_decreasing
    nearest = views.neighbours(known, ["class0"], 3)
    assert "class0" not in nearest["nearest"][0].split(", ")


def test_an_alexnet_like_network_is_the_same_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("helpers.chapters.lavise_alexnet.PICTURES", 64)
    data = DataSettings.of(name="scenes", size=32, train=48, test=64, explained=8)
    network, accuracy = trained_alexnet(data, 1, 1)
    again, _ = trained_alexnet(data, 1, 1)
    assert 0 <= accuracy <= 1
    images = torch.zeros(2, 3, 64, 64)
    assert torch.equal(network(images), again(images))
    assert AlexNetLike(4).features(images).shape[2] >= CELLS
    blank = benches.random_network(network, 1)
    assert not any(
        module.bias.any() for module in blank.features if hasattr(module, "bias")
    )


def test_parameters_that_cannot_be_met_are_refused(tmp_path: Path) -> None:
    for values, told in (
        ({"reference": "mixde"}, "unknown reference data 'mixde'"),
        ({"reference": f"coco:{tmp_path}"}, "has no annotations/instances_"),
        ({"reference": f"vg:{tmp_path / 'none'}"}, "are not there"),
        ({"vectors": "glove.txt"}, "must be own, or file:PATH"),
        ({"vectors": f"file:{tmp_path / 'none'}"}, "are not there"),
        ({"extractor": "resnet19:x"}, "unknown extractor 'resnet19'"),
        ({"extractor": "resnet20:none.th"}, "weights 'none.th' are not there"),
        ({"variants": ["lico"]}, "have it in 'variants'"),
    ):
        with pytest.raises(Refused, match=told) as refusal:
            Lavise.of(**values).check()
        assert "\n" not in str(refusal.value)


def test_table_1_stands_beside_what_is_printed(known: Material) -> None:
    own = Lavise().table_1(known)
    assert "published" not in own
    coco = Lavise(reference="coco:PATH").table_1(known)
    assert coco["published"].tolist()[:3] == ["117k", "5k", "122k"]
    assert Lavise(reference="vg:PATH").table_1(known)["published"][8] == "1128"


def test_the_runs_are_those_of_chapter_03() -> None:
    from helpers.chapters.training import Training

    own, other = Lavise().arms(), Training().arms()
    assert list(own) == list(other)
    assert all(own[arm][0] == other[arm][0] for arm in own)


@pytest.fixture
def photographs(tmp_path: Path) -> dict[str, str]:
    """Eight pictures in COCO's layout, GloVe's text for 24 words, a network's file."""
    folder = tmp_path / "train2017"
    (tmp_path / "annotations").mkdir()
    folder.mkdir()
    generator = torch.Generator().manual_seed(0)
    names = ["cat", "hot dog", "bus"]
    images, objects = [], []
    for number in range(1, 17):
        pixels = torch.randint(0, 255, (80, 96, 3), generator=generator).byte()
        Image.fromarray(pixels.numpy()).save(folder / f"{number}.jpg")
        images.append(
            {"id": number, "file_name": f"{number}.jpg", "width": 96, "height": 80}
        )
        corners = [8, 8, 60, 8, 60, 70, 8, 70]
        objects.append(
            {
                "id": number,
                "image_id": number,
                "category_id": number % 3 + 1,
                "segmentation": [corners],
                "bbox": [8, 8, 52, 62],
                "area": 52 * 62,
                "iscrowd": 0,
            }
        )
    whole = {
        "images": images,
        "annotations": objects,
        "categories": [{"id": k + 1, "name": name} for k, name in enumerate(names)],
    }
    (tmp_path / "annotations/instances_train2017.json").write_text(json.dumps(whole))
    words = ["cat", "hot_dog", "bus", *(f"w{k}" for k in range(21))]
    lines = [
        " ".join([word, *(f"{x:.4f}" for x in torch.randn(12, generator=generator))])
        for word in words
    ]
    for name, some in (("one", lines[:10]), ("two", lines[10:])):
        (tmp_path / f"{name}.txt").write_text("\n".join(some) + "\n")
    save_file(backbone("resnet20", 10).state_dict(), tmp_path / "weights.safetensors")
    return {
        "reference": f"coco:{tmp_path}",
        "vectors": f"file:{tmp_path / 'one.txt'},{tmp_path / 'two.txt'}",
        "extractor": f"resnet20:{tmp_path / 'weights.safetensors'}",
    }


def test_the_check_on_photographs_runs_from_files(photographs: dict[str, str]) -> None:
    chapter = Lavise.of(**photographs, passes=1)
    chapter.check()
    found = chapter.photographs()
    assert found is not None
    recalls = checked_recalls(found)
    assert recalls["s"].tolist() == [5, 10, 20]
    assert recalls["chance"].iloc[0] == pytest.approx(5 / 24)
    counts = found.counts.set_index("what")["number"]
    assert counts["pictures"] == 16
    assert counts["category words"] == 3  # "hot dog" is one word of these vectors
    assert len(found.words) == 5


def test_without_an_extractor_a_line_says_how(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = Lavise().photographs()
    assert isinstance(checked_recalls(found), pd.DataFrame)
    assert "extractor=NETWORK:FILE" in capsys.readouterr().out
