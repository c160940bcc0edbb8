"""Visual Genome in its own layout: words of synsets, boxes, rare words, refusals."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from helpers.data import listing as on
from helpers.data import reference, visual_genome
from helpers.settings import Refused

KNOWN = {"dog", "tree", "traffic", "cat", "sky", "owl"}
SIZE = (100, 50)  # width, height: a box may fit one way round alone


def thing(synset: str | None, *box: int) -> dict[str, Any]:
    left, top, width, height = box or (10, 10, 20, 20)
    return {
        "object_id": 1,
        "names": ["thing"],
        "synsets": [] if synset is None else [synset, "second.n.01"],
        "x": left,
        "y": top,
        "w": width,
        "h": height,
        "merged_object_ids": [],
    }


def written(folder: Path, pictures: dict[int, list[dict[str, Any]]]) -> Path:
    """Odd pictures lie in VG_100K, even ones in VG_100K_2."""
    data, objects = [], []
    for number, things in pictures.items():
        part = visual_genome.FOLDERS[number % 2 == 0]
        (folder / part).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", SIZE, (number, 0, 0)).save(folder / part / f"{number}.jpg")
        url = f"https://cs.stanford.edu/people/rak248/{part}/{number}.jpg"
        about = {"image_id": number, "url": url, "coco_id": None, "flickr_id": 1}
        data.append({**about, "width": SIZE[0], "height": SIZE[1]})
        objects.append({"image_id": number, "objects": things, "image_url": url})
    (folder / "image_data.json").write_text(json.dumps(data))
    (folder / "objects.json").write_text(json.dumps(objects))
    return folder


@pytest.fixture
def genome(tmp_path: Path) -> visual_genome.Genome:
    pictures = {
        1: [
            thing("dog.n.01", 0, 0, 30, 30),
            thing("dog.n.01", 60, 20, 30, 30),
            thing("traffic_light.n.01"),
            thing("unheard-of.n.01"),
            thing(None),
        ],
        2: [thing("tree.n.01", -10, -10, 30, 30), thing("dog.n.03", 200, 10, 5, 5)],
        3: [thing("unheard-of.n.01")],
    }
    return visual_genome.find(written(tmp_path, pictures))


def test_a_category_is_the_first_word_of_its_synset() -> None:
    assert visual_genome.category("traffic_light.n.01") == "traffic"
    assert visual_genome.category("dog.n.01") == "dog"
    assert visual_genome.category("") == ""


def test_objects_are_listed_and_what_cannot_be_taken_is_counted(
    genome: visual_genome.Genome,
) -> None:
    listed = visual_genome.list_objects(genome, KNOWN)
    assert listed.words == ("dog", "traffic", "tree")
    assert listed.unknown == ("unheard-of",)
    assert listed.left_out == {
        on.NO_WORD: 2,
        "annotations without a synset": 1,
        "annotations outside of their picture": 1,
    }
    assert [entry.name for entry in listed.entries] == [
        "VG_100K/1.jpg",
        "VG_100K_2/2.jpg",
        "VG_100K/3.jpg",
    ]
    assert on.count(listed) == on.Counts(3, 1, 4, 0, 3)


def test_a_box_has_its_rows_and_columns_the_right_way_round() -> None:
    """With rows and columns changed over, this box of 9,000 pixels had none."""
    mask = visual_genome.boxed((400, 100, 100, 90), (300, 500))
    assert int(mask.sum()) == 9000
    rows, columns = mask.nonzero(as_tuple=True)
    assert (int(rows.min()), int(rows.max())) == (100, 189)
    assert (int(columns.min()), int(columns.max())) == (400, 499)
    assert int(visual_genome.boxed((-10, -10, 30, 30), (50, 100)).sum()) == 400


def test_masks_lie_on_the_cut_picture(genome: visual_genome.Genome) -> None:
    """50 x 50 of 100 x 50 pixels: 25 columns are cut away on each side."""
    data = reference.read(visual_genome.list_objects(genome, KNOWN), 50, 50)
    rows, columns = torch.meshgrid(torch.arange(50), torch.arange(50), indexing="ij")
    assert torch.equal(data.masks[0], (rows < 30) & (columns < 5))
    assert torch.equal(data.masks[1], (rows >= 20) & (columns >= 35))
    assert data.names[2] == "traffic_light.n.01"


def many(tmp_path: Path) -> visual_genome.Genome:
    """40 pictures of two dogs, 20 with a tree; one of 40 cats; one of nothing known."""
    pictures = {
        n: [thing("dog.n.01"), thing("dog.n.01", 40, 10, 20, 20)]
        + [thing("tree.n.01")] * (n % 2)
        for n in range(1, 41)
    }
    pictures[41] = [thing("cat.n.01")] * 40
    pictures[42] = [thing("unheard-of.n.01")]
    return visual_genome.find(written(tmp_path, pictures))


def test_rare_words_go_and_then_pictures_without_objects(tmp_path: Path) -> None:
    genome = many(tmp_path)
    train, validation = visual_genome.prepare(genome, KNOWN, least=15, share=1.0)
    assert train.words == ("dog", "tree")
    assert (len(train.entries), len(validation.entries)) == (40, 0)
    assert train.left_out["pictures without objects"] == 2
    boxes, _ = visual_genome.prepare(
        genome, KNOWN, least=15, counted_by="instances", share=1.0
    )
    assert boxes.words == ("cat", "dog", "tree")
    assert len(boxes.entries) == 41
    often, _ = visual_genome.prepare(genome, KNOWN, least=21, share=1.0)
    assert often.words == ("dog",)


def test_boxes_of_a_word_become_one_mask_or_stay(tmp_path: Path) -> None:
    genome = many(tmp_path)
    one, _ = visual_genome.prepare(genome, KNOWN, least=15, share=1.0)
    each, _ = visual_genome.prepare(genome, KNOWN, least=15, boxes="single", share=1.0)
    assert on.count(one).annotations == 40 + 20
    assert on.count(each).annotations == 80 + 20
    size = one.entries[0].size
    both = [a.mask(size) for a in each.entries[0].annotations[:2]]
    assert torch.equal(one.entries[0].annotations[0].mask(size), both[0] | both[1])


def test_words_count_in_training_alone_and_the_split_is_seeded(tmp_path: Path) -> None:
    genome = many(tmp_path)
    train, validation = visual_genome.prepare(genome, KNOWN, least=15, share=0.9)
    names = {entry.name for entry in train.entries}
    assert names.isdisjoint(entry.name for entry in validation.entries)
    assert train.words == validation.words
    assert len(names) + len(validation.entries) == 40
    again, _ = visual_genome.prepare(genome, KNOWN, least=15, share=0.9)
    assert [e.name for e in again.entries] == [e.name for e in train.entries]
    other, _ = visual_genome.prepare(genome, KNOWN, least=15, share=0.9, seed=1)
    assert {e.name for e in other.entries} != names
    dogs = on.appearances(train)["dog"]
    with pytest.raises(Refused, match=f"no word appears on {dogs + 1} training images"):
        visual_genome.prepare(genome, KNOWN, least=dogs + 1, share=0.9)


def test_categories_are_split_and_the_held_out_ones_are_dropped(tmp_path: Path) -> None:
    whole = visual_genome.list_objects(many(tmp_path), KNOWN)
    trained, held = on.split_words(whole.words, 0.7, seed=0)
    assert (len(trained), len(held)) == (2, 1)
    left = on.restricted(whole, trained)
    assert set(on.occurrences(left)) == set(trained)


def test_choices_without_such_a_name_are_refused(tmp_path: Path) -> None:
    genome = many(tmp_path)
    with pytest.raises(Refused, match="counted_by 'boxes' must be images or instances"):
        visual_genome.prepare(genome, KNOWN, counted_by="boxes")  # type: ignore[arg-type]
    with pytest.raises(Refused, match="boxes 'both' united or single"):
        visual_genome.prepare(genome, KNOWN, boxes="both")  # type: ignore[arg-type]


def test_pictures_that_are_not_there_are_counted(tmp_path: Path) -> None:
    folder = written(tmp_path, {1: [thing("dog.n.01")], 2: [thing("dog.n.01")]})
    (folder / "VG_100K_2" / "2.jpg").unlink()
    genome = visual_genome.find(folder)
    assert genome.left_out == {"pictures not in the folder": 1}
    assert list(genome.files) == [1]
    (folder / "VG_100K" / "1.jpg").unlink()
    with pytest.raises(Refused, match="has no pictures in VG_100K or VG_100K_2"):
        visual_genome.find(folder)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("objects.json", None, "No such file"),
        ("objects.json", "[", "JSONDecodeError"),
        ("objects.json", '[{"image_id": 1}]', "no Visual Genome (KeyError"),
        ("image_data.json", '[{"image_id": 1, "width": 3}]', "KeyError: 'height'"),
        ("image_data.json", "7", "no Visual Genome (TypeError"),
    ],
)
def test_files_of_another_form_are_refused(
    tmp_path: Path, name: str, text: str | None, said: str
) -> None:
    folder = written(tmp_path, {1: [thing("dog.n.01")]})
    if text is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(text)
    with pytest.raises(Refused) as caught:
        visual_genome.find(folder)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
