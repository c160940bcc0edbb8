"""What torchvision downloads: names, splits, and what is said without a network."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets

from helpers.data import catalog, downloads
from helpers.settings import DataSettings, Refused


def offline(*_: object, **__: object) -> None:
    raise OSError("no network")


@pytest.mark.parametrize(
    ("name", "size", "kind", "file"),
    [
        ("cifar10", 32, datasets.CIFAR10, "cifar-10-python.tar.gz"),
        ("cifar100", 32, datasets.CIFAR100, "cifar-100-python.tar.gz"),
        ("imagenette", 160, datasets.Imagenette, "imagenette2-160.tgz"),
        ("imagenette", 224, datasets.Imagenette, "imagenette2.tgz"),
    ],
)
def test_where_no_download_is_possible_file_and_place_are_named(
    name: str,
    size: int,
    kind: type,
    file: str,
    monkeypatch: pytest.MonkeyPatch,
    home: Path,
) -> None:
    for method in ("download", "_download"):
        monkeypatch.setattr(kind, method, offline, raising=False)
    with pytest.raises(Refused) as caught:
        catalog.load(DataSettings(name=name, size=size), "test")
    line = str(caught.value)
    assert f"{name} is not in '{home / 'data'}'" in line
    assert f"/{file} elsewhere and put {file} there, or use folder:PATH" in line
    assert "\n" not in line


@pytest.mark.parametrize("version", downloads.ARCHIVES)
def test_addresses_are_torchvisions(version: str) -> None:
    address, _ = datasets.Imagenette._ARCHIVES[version]
    assert address == f"{downloads.IMAGENETTE}{downloads.ARCHIVES[version]}.tgz"


def test_cifar_files_are_read_in_label_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Small:
        classes = ("airplane", "maple_tree")
        targets = (0, 1) * 20
        url = filename = "x"
        data = np.arange(40, dtype=np.uint8)[:, None, None, None].repeat(32, 1)
        data = data.repeat(32, 2).repeat(3, 3)

        def __init__(self, *_: object, **__: object) -> None:
            pass

    monkeypatch.setitem(downloads.CIFAR, "cifar10", Small)
    read = downloads.read_cifar("cifar10", tmp_path, "train", 6, 32)
    assert read.class_names == ("airplane", "maple tree")
    assert read.labels.tolist() == [0, 1] * 3
    assert (read.images[:, 0, 0, 0] % 2 == read.labels).all()
    assert not (read.images[:, 0, 0, 0] % 10 == 0).any()  # these validate


@pytest.fixture
def imagenette(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree in the layout of imagenette2-160: 20 + 10 pictures, red says the class."""
    top = home / "data" / "imagenette2-160"
    for part, count in (("train", 2), ("val", 1)):
        for label, wnid in enumerate(sorted(datasets.Imagenette._WNID_TO_CLASS)):
            for number in range(count):
                file = top / part / wnid / f"{wnid}_{number}.JPEG"
                file.parent.mkdir(parents=True, exist_ok=True)
                colour = (20 * label, 255 * (part == "val"), 0)
                Image.new("RGB", (20, 16), colour).save(file, quality=100)
    monkeypatch.setattr(downloads, "PICTURES", {"train": 20, "val": 10})
    return top


def test_imagenette_has_names_in_label_order_and_its_own_test_set(
    imagenette: Path,
) -> None:
    data = DataSettings(name="imagenette", size=16, test=40, train=40)
    parts = {part: catalog.load(data, part) for part in ("train", "validation", "test")}
    assert [len(part) for part in parts.values()] == [18, 2, 10]
    for part in parts.values():
        red = part.images[:, 0, 8, 8].int()
        assert ((red - 20 * part.labels).abs() < 8).all()
    green = {name: part.images[:, 1].float().mean() for name, part in parts.items()}
    assert green["test"] > 240 > 10 > max(green["train"], green["validation"])
    names = catalog.class_names(data)
    assert names == parts["test"].class_names
    assert names[:2] == ("tench", "English springer")
    assert names[9] == "parachute"


def test_a_part_of_imagenette_is_refused(imagenette: Path) -> None:
    next((imagenette / "val").rglob("*.JPEG")).unlink()
    with pytest.raises(Refused, match=r"2-160' has 9 of 10 val pictures .*: remove it"):
        catalog.load(DataSettings(name="imagenette", size=16), "test")
