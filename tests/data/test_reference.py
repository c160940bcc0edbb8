"""Reference data: listed, worked on, read; picture and masks moved together."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from helpers.data import listing as on
from helpers.data import reference
from helpers.data.listing import Annotation, Entry, Listing
from helpers.data.scene_text import scene_vectors
from helpers.data.scenes import CLASS_NAMES, Scenes, draw_scenes
from helpers.data.squares import Picture, square
from helpers.settings import Refused


def filled(rows: slice, columns: slice, size: tuple[int, int]) -> Tensor:
    mask = torch.zeros(size, dtype=torch.bool)
    mask[rows, columns] = True
    return mask


def made(size: tuple[int, int], number: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(number)
    return torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8)


def thing(name: str, *words: int, crowd: bool = False, row: int = 0) -> Annotation:
    draw = partial(filled, slice(row, row + 4), slice(0, 6))
    return Annotation(name, words, draw, crowd)


@pytest.fixture
def listed() -> Listing:
    """Three pictures: two dogs and a hot dog; a crowd of dogs and a cat; nothing."""
    size = (20, 30)
    many = (thing("dog", 1), thing("dog", 1, row=8), thing("hot dog", 0, 1))
    crowd = (thing("dog", 1, crowd=True), thing("cat", 2, row=5))
    entries = tuple(
        Entry(f"{n}.jpg", size, partial(made, size, n), objects)
        for n, objects in enumerate((many, crowd, ()))
    )
    return Listing(("hot", "dog", "cat"), entries)


def test_names_become_words() -> None:
    assert on.by_token("Hot dog") == ("hot", "dog")
    assert on.by_token("dog dog") == ("dog",)
    assert on.as_one("hot dog") == ("hot_dog",)
    assert reference.naming_words("ace of spades") == ("ace", "spades")
    words = on.category_words(["hot dog", "dog", "cat"], on.by_token, {"dog", "cat"})
    assert words == (("dog", "cat"), ("hot",))


def test_pictures_annotations_and_words_are_counted(listed: Listing) -> None:
    assert on.count(listed) == on.Counts(3, 1, 5, 1, 3)
    assert on.occurrences(listed) == {"dog": 4, "hot": 1, "cat": 1}
    assert on.appearances(listed) == {"dog": 2, "hot": 1, "cat": 1}


def test_objects_of_the_same_words_become_one_and_crowds_stay_apart(
    listed: Listing,
) -> None:
    whole = on.united(listed)
    assert [len(e.annotations) for e in whole.entries] == [2, 2, 0]
    dogs = whole.entries[0].annotations[0].mask((20, 30))
    both = [one.mask((20, 30)) for one in listed.entries[0].annotations[:2]]
    assert torch.equal(dogs, both[0] | both[1])
    assert int(dogs.sum()) == 48
    again = on.united(replace(whole, entries=(_doubled(whole.entries[1]),)))
    assert [one.crowd for one in again.entries[0].annotations] == [True, False, False]


def _doubled(entry: Entry) -> Entry:
    return replace(entry, annotations=(*entry.annotations, thing("dog", 1)))


def test_what_is_left_out_is_counted(listed: Listing) -> None:
    tame = on.without_crowds(listed)
    assert tame.left_out == {"crowds": 1}
    assert on.count(tame).annotations == 4
    full = on.without_empty(tame)
    assert full.left_out == {"crowds": 1, "pictures without objects": 1}
    assert [entry.name for entry in full.entries] == ["0.jpg", "1.jpg"]
    dogs = on.restricted(on.restricted(full, ("dog", "cat")), ("dog",))
    cats = on.restricted(dogs, ())
    assert dogs.left_out[on.NO_WORD] == 1
    assert cats.left_out[on.NO_WORD] == 1 + 3


def test_words_are_restricted_and_an_object_keeps_those_that_stay(
    listed: Listing,
) -> None:
    dogs = on.restricted(listed, ("cat", "dog"))
    assert dogs.words == ("cat", "dog")
    assert [one.words for one in dogs.entries[0].annotations] == [(1,), (1,), (1,)]
    hot = on.restricted(listed, ("hot",))
    assert [len(entry.annotations) for entry in hot.entries] == [1, 0, 0]
    assert hot.left_out == {on.NO_WORD: 4}
    with pytest.raises(Refused, match="'owl' is none of 3"):
        on.restricted(listed, ("owl",))


def test_splits_are_drawn_by_their_seed_and_leave_nothing_out() -> None:
    words = tuple(f"w{i}" for i in range(50))
    trained, held = on.split_words(words, 0.7, seed=3)
    assert (len(trained), len(held)) == (35, 15)
    assert sorted((*trained, *held), key=words.index) == list(words)
    assert list(trained) == sorted(trained, key=words.index)
    assert on.split_words(words, 0.7, seed=3) == (trained, held)
    assert on.split_words(words, 0.7, seed=4) != (trained, held)
    entries = tuple(Entry(w, (4, 4), partial(made, (4, 4)), ()) for w in words)
    first, second = on.split_pictures(Listing((), entries), 0.9, seed=0)
    assert (len(first.entries), len(second.entries)) == (45, 5)
    assert {e.name for e in (*first.entries, *second.entries)} == set(words)
    with pytest.raises(Refused, match=r"share 1.5"):
        on.split_words(words, 1.5, seed=0)


@pytest.mark.parametrize("size", [(40, 61), (61, 40), (33, 33), (128, 50)])
@pytest.mark.parametrize("cut", [(24, 24), (32, 28), (64, 57)])
def test_picture_and_masks_are_cut_as_squares_are(
    size: tuple[int, int], cut: tuple[int, int]
) -> None:
    """The same pixels as `squares.square`, then the middle."""
    masks = torch.rand(3, *size, generator=torch.Generator().manual_seed(1)) > 0.5
    objects = tuple(
        Annotation("x", (0,), partial(_given, mask)) for mask in masks.unbind()
    )
    entry = Entry("x", size, partial(made, size), objects)
    read = reference.read(Listing(("x",), (entry,)), *cut)
    start = round((cut[0] - cut[1]) / 2)
    inside = slice(start, start + cut[1])
    for row, mask in enumerate(masks):
        one = square(Picture(made(size), mask), cut[0])
        assert one.mask is not None
        assert torch.equal(read.masks[row], one.mask[inside, inside])
        assert torch.equal(read.images[0], one.image[:, inside, inside])


def _given(mask: Tensor, size: tuple[int, int]) -> Tensor:
    assert tuple(mask.shape) == size
    return mask


def test_a_mask_lies_on_its_object_after_the_cut() -> None:
    """The object is bright: its mask's pixels are bright, and no others are."""
    size = (60, 90)
    where = filled(slice(20, 50), slice(30, 54), size)
    image = (where * 255).to(torch.uint8).expand(3, -1, -1)
    objects = (Annotation("x", (0,), partial(_given, where)),)
    entry = Entry("x", size, partial(_fixed, image), objects)
    read = reference.read(Listing(("x",), (entry,)), 30, 26)
    bright = read.images[0, 0] > 127
    assert torch.equal(bright, read.masks[0])
    assert 0 < int(bright.sum()) < 26 * 26


def _fixed(image: Tensor) -> Tensor:
    return image


def test_read_says_which_object_is_on_which_picture(listed: Listing) -> None:
    data = reference.read(listed, 16, 16)
    assert data.images.shape == (3, 3, 16, 16)
    assert data.masks.shape == (5, 16, 16)
    assert data.image_of.tolist() == [0, 0, 0, 1, 1]
    assert data.names == ("dog", "dog", "hot dog", "dog", "cat")
    assert data.crowd.tolist() == [False] * 3 + [True, False]
    assert data.pictures == ("0.jpg", "1.jpg", "2.jpg")
    assert data.positives().int().tolist() == [
        [0, 1, 0],
        [0, 1, 0],
        [1, 1, 0],
        [0, 1, 0],
        [0, 0, 1],
    ]


def test_blocks_are_the_whole_in_parts(listed: Listing) -> None:
    whole = reference.read(listed, 16, 14)
    parts = list(reference.blocks(listed, 2, 16, 14))
    assert [len(part.images) for part in parts] == [2, 1]
    assert torch.equal(torch.cat([part.images for part in parts]), whole.images)
    assert torch.equal(torch.cat([part.masks for part in parts]), whole.masks)
    assert parts[1].masks.shape == (0, 14, 14)
    with pytest.raises(Refused, match="count 0"):
        next(reference.blocks(listed, 0))


def test_what_cannot_be_read_is_refused(listed: Listing) -> None:
    with pytest.raises(Refused, match="crop 32 must be from 1 to size, which is 16"):
        reference.read(listed, 16, 32)
    none = replace(listed, entries=(), left_out={"crowds": 4})
    with pytest.raises(Refused, match="no reference picture is left: 4 crowds"):
        reference.read(none)
    wrong = replace(listed.entries[0], size=(30, 20))
    with pytest.raises(Refused, match=r"'0.jpg' is 30 x 20, .* for 20 x 30"):
        reference.read(replace(listed, entries=(wrong,)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"images": torch.zeros(3, 3, 16, 16)}, "uint8"),
        ({"masks": torch.zeros(5, 16, 16)}, "masks must be bool"),
        ({"masks": torch.zeros(5, 8, 8, dtype=torch.bool)}, r"\[5, 16, 16\]"),
        ({"names": ("dog",)}, "5 masks need as many"),
        ({"pictures": ("a",)}, "3 pictures as many names"),
        ({"words_of": ((3,),) * 5}, "rows of the 3"),
        ({"words_of": ((),) * 5}, "needs words"),
        ({"image_of": torch.tensor([0, 0, 1, 0, 1])}, "must rise"),
        ({"image_of": torch.tensor([0, 0, 1, 1, 3])}, "0 to 2"),
    ],
)
def test_parts_that_do_not_fit_are_refused(
    listed: Listing, change: dict, said: str
) -> None:
    data = reference.read(listed, 16, 16)
    with pytest.raises(Refused, match=said):
        replace(data, **change)


@pytest.fixture(scope="module")
def drawn() -> Scenes:
    return draw_scenes(30, "test")


def test_scenes_have_exact_masks_and_the_words_of_their_class(drawn: Scenes) -> None:
    vectors = scene_vectors()
    listed = reference.list_scenes(drawn, vectors)
    assert listed.unknown == ()
    assert "of" not in listed.words
    assert all(word in vectors for word in listed.words)
    data = reference.read(listed, 64, 64)
    assert torch.equal(data.images, drawn.images)
    assert len(data.masks) == int(drawn.counts.sum())
    for row, picture in enumerate(data.image_of.tolist()):
        label = int(drawn.labels[picture])
        slot = 1 + (data.image_of[:row] == picture).sum()
        assert torch.equal(data.masks[row], drawn.instances[picture] == slot)
        assert data.names[row] == CLASS_NAMES[label]
        said = {data.words[word] for word in data.words_of[row]}
        assert said == set(reference.naming_words(CLASS_NAMES[label]))
    assert [len(e.annotations) for e in on.united(listed).entries] == [1] * 30


def test_words_that_the_vocabulary_has_not_are_named(drawn: Scenes) -> None:
    listed = reference.list_scenes(drawn, {"bike", "dice"})
    assert listed.words == ("bike", "dice")
    assert "wheel" in listed.unknown
    wanted = [CLASS_NAMES.index(name) for name in ("bike wheel", "dice")]
    there = int(drawn.counts[torch.isin(drawn.labels, torch.tensor(wanted))].sum())
    lost = int(drawn.counts.sum()) - there
    assert listed.left_out == {on.NO_WORD: lost}
    assert on.count(listed).annotations == there
