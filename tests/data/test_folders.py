"""Class folders: read rightly, refused in one line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.data import catalog, folders
from helpers.settings import DataSettings, Refused


def picture(path: Path, colour: tuple[int, int, int], size: tuple = (40, 32)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for split, count in (("train", 30), ("test", 6)):
        for name, colour in (("cat", (255, 0, 0)), ("tree_frog", (0, 255, 0))):
            for i in range(count):
                picture(tmp_path / split / name / f"{i}.png", colour)
    folders.find.cache_clear()
    return tmp_path


def settings(path: Path, **more: int) -> DataSettings:
    return DataSettings(name=f"folder:{path}", size=32, **more)


def test_pictures_labels_and_names_agree(tree: Path) -> None:
    test = catalog.load(settings(tree, test=8), "test")
    assert test.class_names == ("cat", "tree frog")
    assert test.images.shape == (8, 3, 32, 32)
    assert test.labels.bincount().tolist() == [4, 4]
    red = test.images[:, 0, 0, 0] == 255
    assert torch.equal(red, test.labels == 0)


def test_validation_comes_from_training_and_not_from_test(tree: Path) -> None:
    found = folders.find(str(tree))
    parts = {split: {file for file, _ in rows} for split, rows in found.files.items()}
    assert len(parts["train"]) + len(parts["validation"]) == 60
    assert len(parts["validation"]) > 0
    assert len(parts["test"]) == 12
    assert not parts["train"] & parts["validation"]


def test_a_validation_folder_is_the_test_set_where_there_is_no_other(
    tree: Path,
) -> None:
    (tree / "test").rename(tree / "val")
    folders.find.cache_clear()
    found = folders.find(str(tree))
    assert {file.parts[-3] for file, _ in found.files["test"]} == {"val"}
    assert {file.parts[-3] for file, _ in found.files["validation"]} == {"train"}


def test_plain_class_folders_are_split_by_the_hash_of_their_paths(
    tmp_path: Path,
) -> None:
    for name in ("a", "b"):
        for i in range(60):
            picture(tmp_path / name / f"{i}.png", (1, 2, 3))
    found = folders.find(str(tmp_path))
    sizes = {split: len(rows) for split, rows in found.files.items()}
    assert sizes == {"train": 84, "validation": 12, "test": 24}


def test_a_small_class_has_pictures_to_train_and_to_test_on(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for i in range(3):
            picture(tmp_path / name / f"{i}.png", (1, 2, 3))
    found = folders.find(str(tmp_path))
    assert {split: len(rows) for split, rows in found.files.items()} == {
        "train": 2,
        "validation": 2,
        "test": 2,
    }


def test_a_test_folder_alone(tmp_path: Path) -> None:
    for name in ("a", "b"):
        picture(tmp_path / "test" / name / "1.png", (1, 2, 3))
    assert "has test/ but no train/" in refused(tmp_path)


def test_names_come_from_classes_txt(tree: Path) -> None:
    (tree / "classes.txt").write_text("tree_frog\tfrog\ncat\thouse cat\n")
    folders.find.cache_clear()
    assert catalog.class_names(settings(tree)) == ("house cat", "frog")


def test_masks_move_with_their_pictures(tree: Path) -> None:
    for file in (tree / "test").rglob("*.png"):
        mask = np.zeros((32, 40), dtype=np.uint8)
        mask[:, 20:] = 255
        at = tree / "masks" / file.relative_to(tree)
        at.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(at)
    read = catalog.load(settings(tree, test=4), "test")
    assert read.masks is not None
    assert read.masks.shape == (4, 32, 32)
    assert read.masks[0, 0].tolist() == [False] * 16 + [True] * 16


def test_the_fingerprint_is_of_the_content_and_not_of_the_place(
    tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import shutil

    moved = tmp_path_factory.mktemp("moved") / "copy"
    shutil.copytree(tree, moved)
    before = catalog.fingerprint(settings(tree))
    assert catalog.fingerprint(settings(moved)) == before
    picture(moved / "masks" / "test" / "cat" / "1.png", (1, 1, 1))
    folders.find.cache_clear()
    masked = catalog.fingerprint(settings(moved))
    assert masked != before
    (moved / "classes.txt").write_text("cat\thouse cat\ntree_frog\tfrog\n")
    folders.find.cache_clear()
    assert catalog.fingerprint(settings(moved)) not in (before, masked)
    next((moved / "test").rglob("*.png")).unlink()
    folders.find.cache_clear()
    assert catalog.fingerprint(settings(moved)) != before


def refused(path: Path, split: str = "test") -> str:
    folders.find.cache_clear()
    with pytest.raises(Refused) as caught:
        catalog.load(settings(path, test=12), split)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_a_missing_folder(tmp_path: Path) -> None:
    assert "nowhere' is not there" in refused(tmp_path / "nowhere")


def test_an_empty_folder(tmp_path: Path) -> None:
    assert "0 class folder" in refused(tmp_path)


def test_a_folder_of_one_class(tmp_path: Path) -> None:
    picture(tmp_path / "train" / "cat" / "1.png", (1, 1, 1))
    assert "1 class folder" in refused(tmp_path)


def test_a_class_without_pictures(tree: Path) -> None:
    for file in (tree / "test" / "cat").iterdir():
        file.unlink()
    assert "no test picture of class 'cat'" in refused(tree)


@pytest.mark.parametrize("content", [b"", b"not a picture", None])
def test_an_unreadable_picture_is_named(tree: Path, content: bytes | None) -> None:
    file = tree / "test" / "cat" / "3.png"
    file.write_bytes(file.read_bytes()[:60] if content is None else content)
    assert "3.png' cannot be read" in refused(tree)


def test_a_mask_of_another_size_than_its_picture(tree: Path) -> None:
    for file in (tree / "test").rglob("*.png"):
        picture(tree / "masks" / file.relative_to(tree), (1, 1, 1), size=(32, 32))
    line = refused(tree)
    assert "is 32 x 32, its picture 40 x 32" in line


def test_fewer_names_than_classes(tree: Path) -> None:
    (tree / "classes.txt").write_text("cat\tcat\n")
    assert "names 1 of 2 classes, 'tree_frog' is missing" in refused(tree)


def test_fewer_names_than_labels() -> None:
    images = torch.zeros(3, 3, 8, 8, dtype=torch.uint8)
    half = (0.5, 0.5, 0.5)
    with pytest.raises(Refused, match="1 class names for labels up to 2"):
        catalog.Pictures(images, torch.tensor([0, 1, 2]), ("cat",), half, half)


@pytest.mark.parametrize("name", ["scene", "folder", "cifar", "scenes:x/y"])
def test_an_unknown_data_set(name: str) -> None:
    with pytest.raises(Refused, match=f"unknown data set '{name}'"):
        catalog.check(DataSettings(name=name))


def test_the_message_offers_the_nearest_name() -> None:
    with pytest.raises(Refused, match="did you mean 'scenes'"):
        catalog.check(DataSettings(name="scens"))


def test_a_cue_is_refused_where_there_is_none() -> None:
    with pytest.raises(Refused, match="'cue' is for scenes"):
        catalog.check(DataSettings(name="cifar10", cue=0.5))
