"""Class folders: all their pictures, in turn, with masks moved as the pictures are."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.data.squares import Picture
from helpers.judge import sources
from helpers.judge.sources import Cut
from helpers.settings import Refused

GROUPS = {name: (i,) for i, name in enumerate(("ant", "bee", "cat", "dog", "elk"))}


def test_all_pictures_are_read_with_their_masks(folders: Path) -> None:
    found = sources.find(folders)
    assert found.classes == tuple(GROUPS)
    whole = sources.read(found, GROUPS, Cut(36, 32), None)
    assert whole.images.shape == (15, 3, 32, 32)
    assert len(set(whole.names)) == 15
    assert whole.masks is not None
    inside = torch.zeros(32, 32, dtype=torch.bool)
    inside[:, :16] = True  # of 48: 24; less 8 that are cut
    assert all(torch.equal(mask, inside) for mask in whole.masks)
    for name, label, group in zip(
        whole.names, whole.classes, whole.groups, strict=True
    ):
        assert name.split("/")[0] == label
        assert group == GROUPS[label]


def test_classes_take_turns_and_the_rest_is_counted(folders: Path) -> None:
    found = sources.find(folders)
    some = sources.read(found, {k: GROUPS[k] for k in ("bee", "elk")}, Cut(32, 32), 4)
    assert sorted(some.classes) == ["bee", "bee", "elk", "elk"]
    assert some.left_out == {"outside the label map": 9, "over the limit": 2}
    again = sources.read(found, GROUPS, Cut(32, 32), 4)
    assert again.fingerprint != some.fingerprint


def test_a_cut_moves_masks_and_boxes_with_the_picture() -> None:
    image = torch.randint(0, 256, (3, 20, 20), dtype=torch.uint8)
    mask = torch.zeros(20, 20, dtype=torch.bool)
    mask[3:9, 4:10] = True
    boxes = torch.tensor([[4.0, 3, 10, 9], [0, 0, 4, 3], [-1] * 4])
    part = Cut(20, 12).of(Picture(image, mask, ~mask, boxes))
    assert torch.equal(part.image, image[:, 4:16, 4:16])
    assert part.mask is not None
    assert part.boxes is not None
    assert torch.equal(part.mask, mask[4:16, 4:16])
    assert part.boxes.tolist() == [[0, 0, 6, 5], [-1] * 4, [-1] * 4]
    with pytest.raises(Refused, match="--crop 21 must be from 1 to --size"):
        Cut(20, 21)


def test_a_cut_is_torchvisions_resize_and_centre_crop() -> None:
    from torchvision.transforms.v2.functional import center_crop, resize

    for size in ((31, 50), (50, 31), (40, 40)):
        image = torch.randint(0, 256, (3, *size), dtype=torch.uint8)
        wanted = center_crop(resize(image, [36], antialias=True), [32])
        found = Cut(36, 32).of(Picture(image)).image
        assert (found.int() - wanted.int()).abs().max() <= 1


def test_folders_that_cannot_be_judged_are_refused(
    folders: Path, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match="are not there"):
        sources.find(tmp_path / "none")
    (tmp_path / "flat").mkdir()
    with pytest.raises(Refused, match="no class folders with pictures"):
        sources.find(tmp_path / "flat")
    (tmp_path / "split" / "test" / "a").mkdir(parents=True)
    with pytest.raises(Refused, match=r"holds test: name the one to judge on"):
        sources.find(tmp_path / "split")
    (folders / "masks" / "bee" / "1.png").unlink()
    with pytest.raises(Refused, match=r"no mask '.*bee/1.png' for a picture of class"):
        sources.find(folders)


@pytest.mark.parametrize("mode", ["1", "L", "I;16", "P", "RGB", "RGBA"])
def test_masks_of_any_mode_mark_what_is_not_black(mode: str, tmp_path: Path) -> None:
    """As dark as the mode allows; a palette may have black in any place."""
    pixels = np.zeros((4, 6), dtype=np.uint16 if mode == "I;16" else np.uint8)
    pixels[1:3, 2:5] = 1
    if mode == "P":
        drawn = Image.fromarray(1 - pixels.astype(np.uint8))
        drawn.putpalette([0, 0, 1, 0, 0, 0])
    elif mode in ("RGB", "RGBA"):
        blue = np.zeros((4, 6, 3), dtype=np.uint8)
        blue[..., 2] = pixels
        drawn = Image.fromarray(blue).convert(mode)
    else:
        drawn = Image.fromarray(pixels if mode != "1" else pixels > 0)
    assert drawn.mode == mode
    drawn.save(tmp_path / "m.png")
    found = sources.marked(Image.open(tmp_path / "m.png"))
    assert torch.equal(found, torch.tensor(pixels.astype(np.int64) > 0))


def test_a_mask_of_another_size_and_a_broken_picture(folders: Path) -> None:
    Image.fromarray(np.zeros((9, 9), dtype=np.uint8)).save(folders / "masks/ant/0.png")
    with pytest.raises(Refused, match="is 9 x 9, its picture 48 x 36"):
        sources.read(sources.find(folders), GROUPS, Cut(32, 32), None)
    (folders / "ant" / "0.png").write_bytes(b"no picture")
    with pytest.raises(Refused, match=r"0.png' cannot be read"):
        sources.read(sources.find(folders), GROUPS, Cut(32, 32), None)
