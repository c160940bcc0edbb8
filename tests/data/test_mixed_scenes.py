"""Scenes of several classes: labels, boxes and pixels belong together."""

import pytest
import torch

from helpers.data.mixed_scenes import mixed_scenes
from helpers.data.painting import COLOURS, PLACES
from helpers.data.scenes import FAMILY_OF


def test_each_object_is_of_a_class_of_its_own_and_has_a_box() -> None:
    found = mixed_scenes(40, "test", size=48)
    counts = (found.box_labels >= 0).sum(1)
    assert torch.equal(found.present.sum(1), counts)
    assert set(counts.tolist()) == {1, 2, 3, 4}
    for labels, present, boxes in zip(
        found.box_labels, found.present, found.boxes, strict=True
    ):
        kept = labels[labels >= 0]
        assert len(kept.unique()) == len(kept)
        assert present[kept].all()
        assert ((boxes >= 0).all(1) == (labels >= 0)).all()
        sides = boxes[labels >= 0, 2:] - boxes[labels >= 0, :2]
        assert (sides >= 9).all()
        assert (sides <= 25).all()
        middle = (boxes[labels >= 0, :2] + boxes[labels >= 0, 2:]) / 2 // 24
        assert len(middle.unique(dim=0)) == len(kept)  # a quadrant each
    assert found.present.any(0).sum() > 15


def test_objects_have_the_colours_of_their_class_and_the_rest_those_of_a_place() -> (
    None
):
    found = mixed_scenes(30, "test", size=64)
    shown = found.box_labels >= 0
    palette = torch.tensor([rgb for _, rgb in COLOURS])
    places = torch.tensor([[place.dark, place.light] for place in PLACES])
    for n, image in enumerate(found.images / 255.0):
        outside = torch.ones(64, 64, dtype=torch.bool)
        for label, box in zip(
            found.box_labels[n, shown[n]].tolist(),
            found.boxes[n, shown[n]].long().tolist(),
            strict=True,
        ):
            left, top, right, bottom = box
            pixels = image[:, top:bottom, left:right].flatten(1).T  # [p, 3]
            bodies = palette[2 * FAMILY_OF[label] : 2 * FAMILY_OF[label] + 2]
            near = torch.cdist(pixels, bodies).amin(1) < 0.15
            assert near.float().mean() > 0.1
            outside[top:bottom, left:right] = False
        middle = image[:, outside].mean(1)
        gaps = (middle - places.mean(1)).norm(dim=1)
        assert gaps.min() < 0.2


def test_draws_do_not_depend_on_their_number_and_splits_differ() -> None:
    long, short = mixed_scenes(9, "train", 32), mixed_scenes(4, "train", 32)
    assert torch.equal(long.images[:4], short.images)
    assert torch.equal(long.boxes[:4], short.boxes)
    assert torch.equal(long.box_labels[:4], short.box_labels)
    assert not torch.equal(mixed_scenes(4, "test", 32).images, short.images)
    assert not torch.equal(mixed_scenes(4, "train", 32, seed=1).images, short.images)
    with pytest.raises(ValueError, match="split"):
        mixed_scenes(4, "tests")
    with pytest.raises(ValueError, match="size"):
        mixed_scenes(4, "test", 16)
