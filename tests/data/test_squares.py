"""Squares: a picture, masks and boxes moved alike; by hand and as torchvision does."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2

from helpers.data.squares import Picture, read_squares, square


def test_by_hand() -> None:
    """8 x 4 pixels become 4 x 2, of which the middle two columns stay."""
    image = torch.zeros(3, 4, 8, dtype=torch.uint8)
    image[:, :, 4:] = 200
    mask = torch.zeros(4, 8, dtype=torch.bool)
    mask[3, 3] = True  # nearest to the lower left of the four pixels that stay
    ignored = torch.zeros(4, 8, dtype=torch.bool)
    ignored[1, 5] = True  # to the upper right
    boxes = torch.tensor(
        [
            [2.0, 0, 6, 4],  # just what stays
            [4, 1, 8, 3],  # half a pixel from the top, cut on the right
            [0, 0, 2, 4],  # cut away
            [3, 0, 5, 1],
        ]
    )
    found = square(Picture(image, mask, ignored, boxes), 2)
    assert found.mask.tolist() == [[False, False], [True, False]]
    assert found.ignored.tolist() == [[False, True], [False, False]]
    assert found.boxes.tolist() == [
        [0, 0, 2, 2],
        [1, 0.5, 2, 1.5],
        [-1, -1, -1, -1],
        [0.5, 0, 1.5, 0.5],
    ]
    assert found.image.shape == (3, 2, 2)
    left, right = found.image[0, 0].tolist()
    assert left < 50 < 150 < right
    assert left + right == 200


@pytest.mark.parametrize("shape", [(30, 47), (61, 24), (24, 24), (50, 33), (25, 100)])
@pytest.mark.parametrize("size", [24, 40])  # even: no pixel is nearest to two
def test_as_torchvision_moves_them(shape: tuple[int, int], size: int) -> None:
    height, width = shape
    rng = np.random.default_rng(height)
    image = torch.from_numpy(rng.integers(0, 256, (3, *shape)).astype(np.uint8))
    mask = torch.from_numpy(rng.random(shape) > 0.5)
    first = rng.random((6, 2)) * (width - 4, height - 4)
    last = first + 1 + rng.random((6, 2)) * (width / 2, height / 2)
    boxes = torch.from_numpy(np.concatenate([first, last], 1)).float()
    boxes = boxes.clamp(max=torch.tensor([width, height] * 2).float())
    found = square(Picture(image, mask, None, boxes), size)
    middle = v2.Compose([v2.Resize(size), v2.CenterCrop(size)])
    wanted, theirs = middle(
        tv_tensors.Image(image),
        tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=shape),
    )
    assert (found.image.int() - wanted.int()).abs().max() <= 1
    gone = (found.boxes == -1).all(1)
    torch.testing.assert_close(
        found.boxes[~gone], theirs.as_subclass(torch.Tensor)[~gone]
    )
    left, top, right, bottom = theirs[gone].unbind(1)
    assert ((right <= left) | (bottom <= top)).all()
    # Pillow's nearest takes the middle of a pixel, as the published code does
    resize = v2.Resize(size, v2.InterpolationMode.NEAREST)
    drawn = v2.CenterCrop(size)(resize(Image.fromarray(mask.numpy())))
    assert np.array_equal(found.mask.numpy(), np.asarray(drawn))


def test_object_and_ignored_stay_apart() -> None:
    ids = torch.randint(3, (37, 53), generator=torch.Generator().manual_seed(0))
    image = torch.zeros(3, 37, 53, dtype=torch.uint8)
    found = square(Picture(image, ids == 1, ids == 2), 16)
    assert not (found.mask & found.ignored).any()


def test_pictures_of_one_size_with_places_for_missing_boxes() -> None:
    image = torch.zeros(3, 8, 8, dtype=torch.uint8)
    boxes = (torch.tensor([[0.0, 0, 4, 4], [4, 4, 8, 8]]), torch.zeros(0, 4))
    pictures = [Picture(image + i, boxes=rows) for i, rows in enumerate(boxes)]
    read = read_squares(pictures, [1, 0], ("a", "b"), 4)
    assert read.images[:, 0, 0, 0].tolist() == [0, 1]
    assert read.labels.tolist() == [1, 0]
    assert read.masks is None
    assert read.boxes.tolist() == [
        [[0, 0, 2, 2], [2, 2, 4, 4]],
        [[-1, -1, -1, -1], [-1, -1, -1, -1]],
    ]
    alone = read_squares(pictures[1:], [0], ("a", "b"), 4)
    assert alone.boxes.tolist() == [[[-1, -1, -1, -1]]]
