"""Pictures with several labels: squashed, padded, normalised."""

import pytest
import torch

from helpers.data.catalog import IMAGENET, normalise
from helpers.data.multi_label import Labelled, MultiLabel, gathered, squashed
from helpers.settings import Refused

NAMES = ("a", "b", "c")


def one(height: int, width: int, boxes: list, labels: list[int]) -> Labelled:
    image = torch.full((3, height, width), 7, dtype=torch.uint8)
    image[0, : height // 2] = 200
    return Labelled(
        image, torch.tensor(boxes).float().reshape(-1, 4), torch.tensor(labels).long()
    )


def test_a_squashed_picture_keeps_its_objects_where_they_are() -> None:
    wide = one(20, 40, [[0, 0, 40, 10], [30, 5, 39, 20]], [0, 2])
    small = squashed(wide, 10)
    assert small.image.shape == (3, 10, 10)
    assert small.boxes.tolist() == [[0, 0, 10, 5], [7.5, 2.5, 9.75, 10]]
    assert (small.image[0, :4] > 190).all()
    assert (small.image[0, 6:] < 20).all()


def test_pictures_are_gathered_with_the_labels_of_their_boxes() -> None:
    found = gathered(
        [
            one(20, 40, [[0, 0, 4, 4], [1, 1, 9, 9], [0, 0, 40, 20]], [1, 1, 2]),
            one(10, 10, [], []),
            one(10, 10, [[0, 0, 5, 5]], [0]),
        ],
        NAMES,
        16,
        IMAGENET,
    )
    assert found.present.tolist() == [
        [False, True, True],
        [False, False, False],
        [True, False, False],
    ]
    assert found.box_labels.tolist() == [[1, 1, 2], [-1] * 3, [0, -1, -1]]
    assert (found.boxes[1] == -1).all()
    assert found.boxes[2, 0].tolist() == [0, 0, 8, 8]
    assert len(found) == 3
    part = found.rows(torch.tensor([2, 0]))
    assert part.box_labels[0, 0] == 0
    assert torch.equal(found.first(1).images, found.images[:1])
    assert torch.equal(found.normalised(), normalise(found.images, *IMAGENET))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(Refused, match="picture 1 has no area"):
        gathered(
            [one(9, 9, [[0, 0, 4, 4]], [1]), one(9, 9, [[3, 3, 3, 5]], [0])],
            NAMES,
            8,
            IMAGENET,
        )
    with pytest.raises(Refused, match="empty"):
        gathered([], NAMES, 8, IMAGENET)
    good = gathered([one(9, 9, [[0, 0, 4, 4]], [1])], NAMES, 8, IMAGENET)
    whole = (good.images, good.present, good.boxes, good.box_labels)
    for wrong, what in (
        ((*whole[:3], whole[3][:0], NAMES), "as many"),
        ((*whole, NAMES[:2]), "one name a label"),
        ((*whole[:3], whole[3] + 5, NAMES), "no class has"),
    ):
        with pytest.raises(Refused, match=what):
            MultiLabel(*wrong, *IMAGENET)
