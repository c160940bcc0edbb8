"""Scenes: what is planted is there, exactly."""

import numpy as np
import pytest
import torch

from helpers.data import painting, scenes


@pytest.fixture(scope="module")
def drawn() -> scenes.Scenes:
    return scenes.draw_scenes(600, "test")


def test_the_same_seed_draws_the_same_scenes_and_more_of_them_begin_alike() -> None:
    few = scenes.draw_scenes(5, "train", seed=3)
    more = scenes.draw_scenes(9, "train", seed=3)
    assert torch.equal(few.images, more.images[:5])
    assert torch.equal(few.instances, more.instances[:5])
    assert few.captions == more.captions[:5]
    other = scenes.draw_scenes(5, "train", seed=4)
    assert not torch.equal(few.labels, other.labels)


def test_splits_have_no_scene_in_common() -> None:
    seen = [scenes.draw_scenes(30, split).images for split in scenes.SPLITS]
    flat = torch.cat(seen).flatten(1)
    assert len(flat.unique(dim=0)) == 30 * len(scenes.SPLITS)


def test_the_cue_changes_the_place_alone() -> None:
    on, off = (  # alone: no border lies inside two masks
        scenes.draw_scenes(40, "test", cue=scenes.CUES[c], single=True)
        for c in ("on", "off")
    )
    assert torch.equal(on.instances, off.instances)
    assert torch.equal(on.labels, off.labels)
    inside = on.masks()[:, None].expand_as(on.images)
    # away from the soft border the object's own pixels are the same
    core = torch.nn.functional.max_pool2d((~inside).float(), 5, 1, 2) == 0
    moved = on.images[core].int() - off.images[core].int()
    assert moved.abs().max() <= 1  # rounding
    assert not torch.equal(on.images, off.images)


@pytest.mark.parametrize(
    ("cue", "expected"), [(1.0, 1.0), (-1 / 7, 0.0), (0.5, 0.5625)]
)
def test_a_class_is_at_home_as_often_as_the_equation_says(
    cue: float, expected: float
) -> None:
    places = scenes.draw_scenes(1500, "train", size=32, cue=cue)
    home = torch.tensor(scenes.HOME_OF)[places.labels]
    share = (places.places == home).float().mean().item()
    assert (
        abs(share - expected) < 3.5 * np.sqrt(0.25 / 1500) * (0 < expected < 1) + 1e-9
    )


def test_boxes_are_the_tight_frames_of_the_masks(drawn: scenes.Scenes) -> None:
    for i in range(40):
        for slot in range(scenes.MAX_INSTANCES):
            rows, columns = (drawn.instances[i] == slot + 1).nonzero(as_tuple=True)
            box = drawn.boxes[i, slot].tolist()
            if len(rows) == 0:
                assert box == [-1, -1, -1, -1]
            else:
                low = [int(columns.min()), int(rows.min())]
                assert box == [*low, int(columns.max()) + 1, int(rows.max()) + 1]


def test_instances_are_counted_whole_and_two_cells_wide(drawn: scenes.Scenes) -> None:
    there = (drawn.boxes[..., 0] >= 0).sum(1)
    assert torch.equal(there, drawn.counts)
    sides = (drawn.boxes[..., 2:] - drawn.boxes[..., :2])[drawn.boxes[..., 0] >= 0]
    assert sides.float().mean(1).min() >= 16  # pixels: two cells of 8


def test_there_are_enough_scenes_for_every_metric() -> None:
    test = scenes.draw_scenes(1000, "test")
    assert (test.counts >= 2).sum() >= 300
    assert len(test.labels.unique()) == len(scenes.CLASS_NAMES) >= 20
    assert len(scenes.FAMILIES) >= 4
    assert test.counts.max() == 4


def test_names_have_one_two_and_three_tokens_in_equal_parts() -> None:
    from helpers.language.tiny_clip import tokenizer

    counts = [len(tokenizer().encode(name)) for name in scenes.CLASS_NAMES]
    assert sorted(counts) == [1] * 8 + [2] * 8 + [3] * 8
    assert len(set(scenes.CLASS_NAMES)) == 24


def test_captions_name_object_attributes_and_background() -> None:
    drawn = scenes.draw_scenes(400, "language", size=32)
    texts = list(zip(drawn.captions, drawn.labels.tolist(), strict=True))
    family = [scenes.FAMILIES[scenes.FAMILY_OF[label]] for _, label in texts]
    assert all(
        scenes.CLASS_NAMES[label].split()[-1][:3] in text or words[0] in text
        for (text, label), words in zip(texts, family, strict=True)
    )
    assert any(place.words in text for text, _ in texts for place in painting.PLACES)
    assert any(name in text for text, _ in texts for name, _ in painting.COLOURS)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"split": "exam"}, "exam"),
        ({"size": 8}, "size"),
        ({"cue": 1.5}, "cue"),
        ({"count": 0}, "count"),
    ],
)
def test_what_cannot_be_drawn_is_named(wrong: dict, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        scenes.draw_scenes(**{"count": 2, "split": "test", **wrong})


@pytest.mark.parametrize("family", range(4))
def test_an_outline_reaches_one_and_never_more(family: int) -> None:
    theta = np.linspace(-np.pi, np.pi, 4001, dtype=np.float32)
    radius = painting.outline(family, theta)
    assert radius.max() <= 1.0 + 0.05
    assert radius.min() > 0.5


@pytest.mark.parametrize("mark", range(6))
def test_a_mark_paints_a_part_of_the_object(mark: int) -> None:
    axis = np.linspace(-1, 1, 101, dtype=np.float32)
    u, v = np.meshgrid(axis, axis)
    share = painting.marked(mark, u, v)[np.hypot(u, v) < 1].mean()
    assert 0.1 < share < 0.6
