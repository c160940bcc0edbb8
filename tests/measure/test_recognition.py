"""Zero-shot classes and retrieval: by hand and by loops."""

import pytest
import torch
from torch import Tensor

from helpers.measure.recognition import (
    captions_of,
    is_kept,
    retrieval,
    same_text,
    top1,
)
from helpers.settings import Refused


def draw(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, generator=generator, dtype=torch.double)


def test_top1_by_hand() -> None:
    """The second is as near to both; the third is longer, which does not count."""
    images = torch.tensor([[1.0, 0.1], [1, 1], [0, 9]])
    classes = torch.tensor([[5.0, 0], [0, 1]])
    assert top1(images, classes, torch.tensor([0, 0, 0])).tolist() == [1, 0.5, 0]
    assert top1(images, classes, torch.tensor([1, 1, 1])).tolist() == [0, 0.5, 1]


def slow(images: Tensor, texts: Tensor, belongs: Tensor) -> tuple[list, list]:
    def cosine(a: Tensor, b: Tensor) -> float:
        return float(a @ b / (a.norm() * b.norm()))

    to_text, to_image = [], []
    for n, image in enumerate(images):
        scores = [cosine(image, text) for text in texts]
        to_text.append(float(belongs[n, scores.index(max(scores))]))
    for m, text in enumerate(texts):
        scores = [cosine(image, text) for image in images]
        to_image.append(float(belongs[scores.index(max(scores)), m]))
    return to_text, to_image


def test_retrieval_is_its_slow_twin() -> None:
    images, texts = draw(7, 0), draw(21, 1)
    texts[:7] += 2 * images
    belongs = captions_of([m % 7 for m in range(21)], 7)
    found = retrieval(images, texts, belongs)
    to_text, to_image = slow(images, texts, belongs)
    assert found.text_of_image.tolist() == to_text
    assert found.image_of_text.tolist() == to_image
    assert 0 < sum(to_text) < 7
    assert 0 < sum(to_image) < 21
    torch.testing.assert_close(found.text_by_chance, torch.full((7,), 3 / 21).double())
    torch.testing.assert_close(found.image_by_chance, torch.full((21,), 1 / 7).double())


def test_the_two_ways_are_not_exchanged() -> None:
    """Both pictures are nearest to the first text; each text has its picture."""
    images = torch.tensor([[1.0, 0.0], [0.9, 0.3]])
    texts = torch.tensor([[1.0, 0.1], [0.0, 1.0]])
    found = retrieval(images, texts, same_text(["a", "b"]))
    assert found.text_of_image.tolist() == [1, 0]
    assert found.image_of_text.tolist() == [1, 1]


def test_equal_texts_are_right_for_both() -> None:
    belongs = same_text(["a", "b", "a"])
    assert belongs.int().tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    features = torch.tensor([[1.0, 0], [0, 1], [1, 0.01]])
    texts = torch.tensor([[1.0, 0.005], [0, 1], [1, 0.005]])
    found = retrieval(features, texts, belongs)
    assert found.text_of_image.tolist() == [1, 1, 1]
    assert found.image_of_text.tolist() == [1, 1, 1]
    assert found.text_by_chance.tolist() == pytest.approx([2 / 3, 1 / 3, 2 / 3])


def test_one_point_for_all_has_chance() -> None:
    """Features that are all the same tie everywhere: the share that is right."""
    same = torch.ones(4, 3)
    found = retrieval(same, same, same_text(list("abcd")))
    assert found.text_of_image.tolist() == [0.25] * 4
    assert top1(same, same, torch.arange(4)).tolist() == [0.25] * 4


def test_a_picture_without_text_has_none() -> None:
    found = retrieval(draw(3, 0), draw(2, 1), captions_of([0, 0], 3))
    assert found.text_of_image.isnan().tolist() == [False, True, True]
    assert found.text_by_chance.isnan().tolist() == [False, True, True]


def test_kept_is_within_two_points() -> None:
    assert is_kept(0.80, 0.78)
    assert not is_kept(0.80, 0.7799)
    assert is_kept(0.80, 0.95)
    assert is_kept(0.8, 0.75, lost=0.05)
    assert is_kept(0.3, 0.28)  # .3 - .02 is more than .28 in binary
    with pytest.raises(Refused, match="shares"):
        is_kept(80.0, 78.0)
    with pytest.raises(Refused, match="shares"):
        is_kept(float("nan"), 0.5)


def test_what_is_refused() -> None:
    images, labels = draw(3, 0), torch.tensor([0, 1, 1])
    for call, text in (
        (lambda: top1(images, draw(2, 1)[:, :2], labels), r"\[3, 3\] and \[2, 2\]"),
        (lambda: top1(images, draw(2, 1), labels + 1), r"0\.\.1"),
        (lambda: top1(images, draw(2, 1), labels[:2]), "one a picture"),
        (lambda: top1(images / 0, draw(2, 1), labels), "not finite"),
        (lambda: retrieval(images, images, labels), "belongs must be bool"),
        (lambda: captions_of([3], 3), r"0\.\.2"),
        (lambda: retrieval(images[:0], images, labels), "at least"),
    ):
        with pytest.raises(Refused, match=text) as caught:
            call()
        assert "\n" not in str(caught.value)
