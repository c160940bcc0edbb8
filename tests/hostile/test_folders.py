"""Class folders of others, as they are read for training and for the judge."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.data import folder_checks, folders, imagenet_s
from helpers.data.squares import rgb
from helpers.judge import sources
from helpers.judge.sources import Cut
from helpers.lab.runs import check
from helpers.settings import DataSettings, RunSettings
from tests.hostile.broken import NAMES, answer, assert_answered, bytes_of, fuzzed
from tests.hostile.test_pictures import FORMATS, WHOLE, drawn, head_of


@pytest.fixture(autouse=True)
def looked_up_anew() -> Iterator[None]:
    yield
    folders.find.cache_clear()
    folder_checks.check_tree.cache_clear()


@pytest.fixture
def top(fence: Path) -> Path:
    """Two classes of two pictures, each with a mask."""
    for name in ("cat", "dog"):
        for number in range(2):
            for part in (name, f"masks/{name}"):
                (fence / "data" / part).mkdir(parents=True, exist_ok=True)
                file = fence / "data" / part / f"{number}.png"
                drawn("RGB" if part == name else "L", (20, 18)).save(file)
    return fence / "data"


def trained_on(top: Path) -> None:
    data = DataSettings(name=f"folder:{top}", size=16, train=4, test=4)
    for split in ("train", "test"):
        folder_checks.load(data, split)


def judged(top: Path) -> None:
    sources.read(sources.find(top), {"cat": (0,), "dog": (1,)}, Cut(8, 8), None)


@pytest.mark.parametrize("kind", FORMATS)
@fuzzed(0.02)  # four pictures and masks are read, twice
def test_pictures_changed(top: Path, kind: str, case: int) -> None:
    part = "cat" if case % 2 else "masks/cat"
    for number in range(2):
        file = top / part / f"{number}.png"
        file.write_bytes(bytes_of(case + number, WHOLE[kind]))
    assert_answered(top, lambda: trained_on(top), "/cat/")
    assert_answered(top, lambda: judged(top), "/cat/")


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (head_of(20_000, 20_000), "pixels"),
        (head_of(1, 60_000), "of more than 100 to 1"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "cannot be read"),
        (b"", "cannot be read"),
        (WHOLE["JPEG"][:200], "cannot be read"),
    ],
    ids=range(5),
)
@pytest.mark.parametrize("part", ["cat", "masks/cat"])
def test_a_file_that_is_not_read(top: Path, held: bytes, said: str, part: str) -> None:
    for number in range(2):
        (top / part / f"{number}.png").write_bytes(held)
    for read in (trained_on, judged):
        line = answer(top, lambda: read(top), "/cat/")  # noqa: B023
        assert said in (line or ""), line


def test_sixteen_bits_are_refused_for_training_too(top: Path) -> None:
    for number in range(2):
        deep = Image.fromarray(np.full((18, 20), 40_000, np.uint16))
        deep.save(top / "cat" / f"{number}.png")
    assert rgb(Image.open(top / "cat" / "0.png")).min() == 255  # all white
    for read in (trained_on, judged):
        assert "more than 8 bits" in (answer(top, lambda: read(top)) or "")  # noqa: B023


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("kind", ["pipe", "lost", "round"])
def test_what_is_no_file(top: Path, kind: str) -> None:
    file = top / "cat" / "2.png"
    if kind == "pipe":
        os.mkfifo(file)
    else:
        file.symlink_to(top / "none" if kind == "lost" else file)
    settings = RunSettings(data=DataSettings(name=f"folder:{top}"))
    for call in (lambda: check(settings), lambda: judged(top)):
        assert "is no file, or a link to none" in (answer(top, call, "2.png") or "")


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_that_are_no_text(top: Path) -> None:
    shutil.copy(top / "cat" / "0.png", os.fsencode(top / "cat") + b"/\xff.png")
    settings = RunSettings(data=DataSettings(name=f"folder:{top}"))
    for call in (lambda: check(settings), lambda: judged(top)):
        assert "is not in UTF-8" in (answer(top, call) or "")


def test_a_tree_without_end(top: Path) -> None:
    place = top / "cat"
    for _ in range(70):
        place = place / "a"
    place.mkdir(parents=True)
    assert "levels" in (answer(top, lambda: judged(top)) or "")


@pytest.mark.parametrize("name", ["classes.txt", "LOC_synset_mapping.txt"])
def test_names_of_classes_that_are_no_text(top: Path, name: str) -> None:
    (top / name).write_bytes(b"cat\t\xff\ndog\tdog\n")
    settings = RunSettings(data=DataSettings(name=f"folder:{top}"))
    assert "as UTF-8" in (answer(top, lambda: check(settings), name) or "")


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_any_name_of_a_class_works(top: Path, name: str) -> None:
    """As a folder's name where the disk takes it, and in classes.txt."""
    (top / "classes.txt").write_text(f"cat\t{name}\ndog\tdog\n")
    assert_answered(top, lambda: trained_on(top), "classes.txt")
    if 0 < len(name) < 256 and not {"\0", "/"} & {*name} and name != "..":
        (top / "classes.txt").unlink()
        for part in (top, top / "masks"):
            (part / "cat").rename(part / name)
        folders.find.cache_clear()
        folder_checks.check_tree.cache_clear()
        assert answer(top, lambda: trained_on(top)) is None
        found = sources.find(top)
        assert name in found.classes


@pytest.mark.parametrize("path", [*NAMES, "~nobody/x"], ids=range(len(NAMES) + 1))
def test_paths_that_are_none(
    fence: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(fence)
    for name in (f"folder:{path}", f"imagenet-s50:{path}", path):
        settings = RunSettings(data=DataSettings(name=name))
        assert answer(fence, lambda: check(settings)) is not None  # noqa: B023


@pytest.mark.parametrize(
    "device", ["cuda:x", "cuda:-1", "cpu:99", "cpu:" + "9" * 20, "\u00b2", "", "tpu"]
)
def test_devices_that_are_none(fence: Path, device: str) -> None:
    settings = RunSettings(device=device)
    assert "is not there" in (answer(fence, lambda: check(settings)) or "")


# -- ImageNet-S --------------------------------------------------------------------

BOXES = """<annotation><size><width>20</width><height>18</height></size><object>
<name>n00000000</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax>
<ymax>9</ymax></bndbox></object></annotation>"""


@pytest.fixture
def s50(fence: Path) -> Path:
    """Fifty classes of two pictures to train and one to test, with mask and boxes."""
    top = fence / "s50"
    picture, mask = drawn("RGB", (20, 18)), Image.new("RGB", (20, 18), (1, 0, 0))
    for number in range(50):
        wnid = f"n{number:08d}"
        for part, name in (("train", "a.JPEG"), ("train", "b.JPEG")):
            (top / part / wnid).mkdir(parents=True, exist_ok=True)
            picture.save(top / part / wnid / name)
        for part in ("validation", "validation-segmentation"):
            (top / part / wnid).mkdir(parents=True)
        picture.save(top / "validation" / wnid / f"v{number}.JPEG")
        mask.save(top / "validation-segmentation" / wnid / f"v{number}.png")
        (top / "boxes").mkdir(exist_ok=True)
        (top / "boxes" / f"v{number}.xml").write_text(BOXES)
    names = "".join(f"n{number:08d}\tname {number}\n" for number in range(50))
    (top / "classes.txt").write_text(names)
    return top


def scored_on(top: Path) -> None:
    data = DataSettings(name=f"imagenet-s50:{top}", size=16, test=2, train=50)
    folder_checks.load(data, "test")


@fuzzed(0.1)  # the folder of 150 pictures is looked through
def test_boxes_changed(s50: Path, case: int) -> None:
    chosen = imagenet_s.find(str(s50)).files["test"]
    first = min(chosen, key=lambda one: one[1])[0]
    file = s50 / "boxes" / f"{first.stem}.xml"
    file.write_bytes(bytes_of(case, BOXES.encode()))
    assert_answered(s50, lambda: scored_on(s50), file.stem)


@pytest.mark.parametrize(
    "text",
    [
        BOXES.replace(">9<", f">{10**30}<"),
        BOXES.replace(">9<", ">x<"),
        BOXES.replace("<annotation>", '<?xml version="1.0" encoding="none"?><a>'),
        '<?xml version="1.0" encoding="none"?>' + BOXES,
        '<?xml version="1.0" encoding="utf-7"?>' + BOXES,
        '<?xml version="1.0" encoding="hex"?>' + BOXES,
        "<a>" * 100_000,
        "",
    ],
    ids=range(8),
)
def test_boxes_that_are_none(s50: Path, text: str) -> None:
    for file in (s50 / "boxes").iterdir():
        file.write_text(text)
    assert_answered(s50, lambda: scored_on(s50), "v0", "JPEG", "boxes")


def test_masks_that_are_none(s50: Path) -> None:
    for held in (head_of(20_000, 20_000), b"", head_of(1, 60_000)):
        for file in (s50 / "validation-segmentation").rglob("*.png"):
            file.write_bytes(held)
        assert answer(s50, lambda: scored_on(s50), "validation-segmentation")
