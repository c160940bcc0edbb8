"""ImageNet-S50 in its own layout: masks by their ids, boxes, names; refusals."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.data import catalog, imagenet_s
from helpers.data.catalog import Pictures
from helpers.settings import DataSettings, Refused

WNIDS = [f"n{number:08d}" for number in range(100, 150)]
SIZE = (20, 16)  # width, height


def box(name: str, *corners: int) -> str:
    parts = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    inside = "".join(f"<{tag}>{value}</{tag}>" for tag, value in parts)
    return f"<object><name>{name}</name><bndbox>{inside}</bndbox></object>"


def write_xml(file: Path, *boxes: str, size: tuple[int, int] = SIZE) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    said = f"<size><width>{width}</width><height>{height}</height></size>"
    file.write_text(f"<annotation>{said}{''.join(boxes)}</annotation>")


def write_mask(file: Path, ids: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    channels = np.stack([ids % 256, ids // 256, np.zeros_like(ids)], -1)
    Image.fromarray(channels.astype(np.uint8)).save(file)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50 classes, two pictures each to train and one to test, with mask and boxes.

    Of a test picture of 20 x 16 pixels the object has columns 4 to 7, class 50 (or 1)
    columns 8 to 11, and columns 12 to 15 are ignored.
    """
    top = tmp_path_factory.mktemp("imagenet-s")
    for label, wnid in enumerate(WNIDS):
        for number in range(2):
            file = top / "train" / wnid / f"{wnid}_{number}.JPEG"
            file.parent.mkdir(parents=True) if not number else None
            Image.new("RGB", SIZE, (5 * label, 0, 0)).save(file, quality=100)
        stem = f"ILSVRC2012_val_{label:08d}"
        file = top / "validation" / wnid / f"{stem}.JPEG"
        file.parent.mkdir(parents=True)
        Image.new("RGB", SIZE, (5 * label, 200, 0)).save(file, quality=100)
        ids = np.zeros((16, 20), dtype=np.int64)
        ids[:, 4:8], ids[:, 8:12], ids[:, 12:16] = label + 1, 50 - label, 1000
        write_mask(top / "validation-segmentation" / wnid / f"{stem}.png", ids)
        write_xml(
            top / "boxes" / "val" / f"{stem}.xml",
            box(wnid, 5, 1, 8, 16),
            box(WNIDS[label - 1], 1, 1, 20, 16),
        )
    (top / "test").mkdir()  # its masks are not public: it is not read
    names = (f"{wnid}\tclass {number}" for number, wnid in enumerate(WNIDS))
    (top / "classes.txt").write_text("\n".join(names))
    return top


@pytest.fixture
def tree(whole: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    shutil.copytree(whole, tmp_path / "s50")
    return tmp_path / "s50"


def load(top: Path, split: str = "test", **more: int) -> Pictures:
    imagenet_s.find.cache_clear()
    data = DataSettings(name=f"imagenet-s50:{top}", size=16, test=50, train=90, **more)
    return catalog.load(data, split)


def refused(top: Path, split: str = "test") -> str:
    with pytest.raises(Refused) as caught:
        load(top, split)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_pictures_masks_ignored_pixels_and_boxes_lie_on_one_another(
    whole: Path,
) -> None:
    """16 x 16 of 20 x 16 pixels: two columns are cut away on each side."""
    test = load(whole)
    assert test.images.shape == (50, 3, 16, 16)
    assert test.class_names == tuple(f"class {number}" for number in range(50))
    assert sorted(test.labels.tolist()) == list(range(50))
    assert ((test.images[:, 0, 8, 8].int() - 5 * test.labels).abs() < 8).all()
    assert (test.images[:, 1] > 150).all()
    columns = torch.arange(16)
    assert (test.masks == ((columns >= 2) & (columns < 6))).all()
    assert (test.ignored == ((columns >= 10) & (columns < 14))).all()
    assert test.boxes.tolist() == [[[2, 0, 6, 16]]] * 50
    some = test.rows(torch.tensor([3, 1]))
    assert torch.equal(some.ignored, test.ignored[[3, 1]])


def test_training_pictures_have_no_masks_and_some_of_them_validate(
    whole: Path,
) -> None:
    train, validation = load(whole, "train"), load(whole, "validation")
    assert len(train) + len(validation) == 75  # of 100, and half of 50
    assert (train.images[:, 1] < 50).all()
    assert train.masks is None
    assert train.boxes is None
    assert train.ignored is None


def test_a_picture_may_have_several_boxes_or_none_of_its_class(tree: Path) -> None:
    write_xml(
        tree / "boxes" / "val" / "ILSVRC2012_val_00000000.xml",
        box(WNIDS[0], 1, 1, 4, 8),
        box(WNIDS[0], 5, 5, 12, 20),
    )
    write_xml(tree / "boxes" / "val" / "ILSVRC2012_val_00000001.xml")
    test = load(tree)
    found = {
        int(label): rows.tolist()
        for label, rows in zip(test.labels, test.boxes, strict=True)
    }
    none = [-1, -1, -1, -1]
    assert found[0] == [[0, 0, 2, 8], [2, 4, 10, 16]]
    assert found[1] == [none, none]
    assert found[2] == [[2, 0, 6, 16], none]


def test_class_ids_above_255_and_links_are_read(tree: Path, tmp_path: Path) -> None:
    (tree / "train").rename(tmp_path / "elsewhere")
    (tree / "train").mkdir()
    for wnid in WNIDS:  # as the published lists are unpacked: links to ImageNet
        (tree / "train" / wnid).symlink_to(tmp_path / "elsewhere" / wnid)
    assert len(load(tree, "train")) > 40
    ids = imagenet_s.read_ids(
        next((tree / "validation-segmentation").rglob("*_00000006.png"))
    )
    assert sorted(ids.unique().tolist()) == [0, 7, 44, 1000]


def test_without_boxes_there_are_none(tree: Path) -> None:
    before = imagenet_s.find(str(tree)).fingerprint
    shutil.rmtree(tree / "boxes")
    assert load(tree).boxes is None
    assert imagenet_s.find(str(tree)).fingerprint != before


def test_the_fingerprint_covers_names_and_masks(tree: Path) -> None:
    seen = {imagenet_s.find(str(tree)).fingerprint}
    text = (tree / "classes.txt").read_text()
    (tree / "classes.txt").write_text(text.replace("class 7", "seven"))
    load(tree)
    seen.add(imagenet_s.find(str(tree)).fingerprint)
    mask = next((tree / "validation-segmentation").rglob("*.png"))
    write_mask(mask, np.full((16, 20), 3))
    load(tree)
    seen.add(imagenet_s.find(str(tree)).fingerprint)
    assert len(seen) == 3


# Names


def named(top: Path) -> tuple[str, ...]:
    imagenet_s.find.cache_clear()
    return catalog.class_names(DataSettings(name=f"imagenet-s50:{top}"))


def test_names_come_from_ilsvrcs_mapping_where_there_is_no_list(tree: Path) -> None:
    (tree / "classes.txt").unlink()
    lines = [f"{wnid} name {wnid[-2:]}, other" for wnid in reversed(WNIDS)]
    (tree / "LOC_synset_mapping.txt").write_text("\n".join(["n1 a fish", *lines]))
    assert named(tree)[:2] == ("name 00", "name 01")


def test_wordnet_names_follow_the_numbers_and_not_the_order_asked_for() -> None:
    """Three numbers and names as Bartak et al. give them for ImageNet-S50."""
    wnids = ["n12998815", "n01443537", "n02119022"]
    found = imagenet_s.class_names(Path("nowhere"), wnids)
    assert found == dict(zip(wnids, ["agaric", "goldfish", "red fox"], strict=True))


def test_a_class_without_a_name(tree: Path) -> None:
    (tree / "classes.txt").unlink()
    assert "'n00000100' has no name in WordNet's list: put lines" in refused(tree)
    (tree / "classes.txt").write_text("n00000100\tone\n")
    assert "'n00000101' has no name in" in refused(tree)


def test_two_classes_of_one_name(tree: Path) -> None:
    text = (tree / "classes.txt").read_text().replace("class 7\n", "class 8\n")
    (tree / "classes.txt").write_text(text)
    assert "two classes are called 'class 8'" in refused(tree)


# Refusals


@pytest.mark.parametrize("part", imagenet_s.PARTS)
def test_a_missing_part(tree: Path, part: str) -> None:
    shutil.rmtree(tree / part)
    assert f"has no {part}/: ImageNet-S50 has train, validation," in refused(tree)


def test_fewer_classes_would_shift_the_ids(tree: Path) -> None:
    shutil.rmtree(tree / "train" / WNIDS[3])
    assert "has 49 class folders, ImageNet-S50 has 50" in refused(tree)


def test_a_missing_mask_and_one_of_another_size(tree: Path) -> None:
    mask = next((tree / "validation-segmentation").rglob("*_00000003.png"))
    Image.new("RGB", (16, 16)).save(mask)
    assert "is 16 x 16, its picture 20 x 16" in refused(tree)
    mask.unlink()
    assert "_00000003.png' is not there: add it, or remove" in refused(tree)


def test_masks_of_another_subset(tree: Path) -> None:
    mask = next((tree / "validation-segmentation").rglob("*_00000003.png"))
    write_mask(mask, np.full((16, 20), 407))
    assert "_00000003.png' has the id 407, ImageNet-S50 has 0 to 50" in refused(tree)


def test_boxes_that_are_missing_broken_or_of_another_picture(tree: Path) -> None:
    file = tree / "boxes" / "val" / "ILSVRC2012_val_00000003.xml"
    write_xml(file, size=(500, 375))
    assert "are for 500 x 375 pixels, the picture has 20 x 16" in refused(tree)
    for text in ("", "<annotation>", "<annotation/>", "not xml"):
        file.write_text(text)
        assert "00000003.xml' cannot be read" in refused(tree)
    file.unlink()
    assert "has no ILSVRC2012_val_00000003.xml: add" in refused(tree)


@pytest.mark.parametrize("name", ["imagenet-s50", "imagenet-s50:", "imagenet-s:x"])
def test_a_name_without_path(name: str) -> None:
    with pytest.raises(Refused, match=f"unknown data set '{name}'.*imagenet-s50:PATH"):
        catalog.check(DataSettings(name=name))
