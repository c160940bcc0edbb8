"""What a record holds of accuracy, and that ignored pixels reach the scores."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from helpers.data.catalog import Pictures
from helpers.lab import maps, score
from helpers.measure import consistency
from helpers.settings import RunSettings

HALF = (0.5, 0.5, 0.5)


class Noting(nn.Module):
    """A small network that notes how many pictures each pass had."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(2, classes)
        self.seen: list[int] = []

    def features(self, images: Tensor) -> Tensor:
        return images[:, :2, ::2, ::2]

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(len(images))
        return self.head(self.features(images).mean((2, 3)))


def pictures(classes: int, count: int = 24, size: int = 8) -> Pictures:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 3, size, size), generator=generator)
    labels = torch.arange(count) % classes
    names = tuple(f"class {k}" for k in range(classes))
    return Pictures(images.to(torch.uint8), labels, names, HALF, HALF)


def test_ranks_by_hand() -> None:
    logits = torch.tensor(
        [[3.0, 1, 2], [3, 1, 2], [3, 1, 2], [1, 1, 1], [1, 1, 1], [float("nan")] * 3]
    )
    labels = torch.tensor([0, 1, 2, 0, 2, 0])
    assert score.label_ranks(logits, labels).tolist() == [0, 2, 1, 0, 2, 2]


def test_ranks_give_top_k_as_sorting_does() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(50, 30, generator=generator)
    labels = torch.randint(30, (50,), generator=generator)
    ranks = score.label_ranks(logits, labels)
    for k in (1, 2, 5):
        chosen = (logits.topk(k).indices == labels[:, None]).any(1)
        assert torch.equal(ranks < k, chosen)


@pytest.mark.parametrize(("classes", "first"), [(24, 5), (20, 5), (10, 2)])
def test_top_5_is_kept_and_top_2_where_classes_are_few(
    classes: int, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = pictures(classes, 40)
    monkeypatch.setattr(score.catalog, "load", lambda *_, **__: test)
    torch.manual_seed(0)
    model = Noting(classes)
    found = score.score_classifier(RunSettings(), model)
    logits = score.logits(model, test)
    right = {
        k: (logits.topk(k).indices == test.labels[:, None]).any(1).float().mean()
        for k in (1, first)
    }
    accuracy = found["accuracy"]
    assert accuracy[f"top-{first}"] == pytest.approx(right[first].item())
    assert accuracy["test"] == pytest.approx(right[1].item())
    assert sum(found["correct"]) / 40 == pytest.approx(accuracy["test"])
    assert set(accuracy) == {
        *("validation", "test", f"top-{first}", "on", "off", "decorrelated")
    }


def test_ignored_pixels_count_in_no_score() -> None:
    plain = pictures(10)
    generator = torch.Generator().manual_seed(1)
    kinds = torch.randint(3, (24, 8, 8), generator=generator)
    masked = replace(plain, masks=kinds == 1, ignored=kinds == 2)
    found = score.consistent(Noting(10), masked)
    uniform = found["uniform"]
    share = consistency.mask_share(masked.masks, masked.ignored)
    assert uniform["sch"] == pytest.approx(share.tolist(), abs=1e-5)
    assert uniform["sch less area"] == pytest.approx([0.0] * 24, abs=1e-5)
    whole = score.consistent(Noting(10), replace(masked, ignored=None))["uniform"]
    assert whole["sch"] != uniform["sch"]


def test_large_pictures_pass_in_smaller_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maps, "PIXELS", 5 * 64)
    model = Noting(10)
    many = score.logits(model, pictures(10))
    assert model.seen == [5, 5, 5, 5, 4]
    monkeypatch.setattr(maps, "PIXELS", 2**20)
    torch.testing.assert_close(score.logits(model, pictures(10)), many)
