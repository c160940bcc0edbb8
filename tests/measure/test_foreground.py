"""Foreground selection, overlap of attention, correlation: by hand and by loops."""

import math

import pytest
import torch
from torch import Tensor

from helpers.measure.foreground import (
    Beside,
    attention_iou,
    foreground_selection,
    place_shares,
    text_share_of_foreground,
    token_correlation,
)
from helpers.settings import Refused


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.double)


def test_selection_by_hand() -> None:
    """Three channels: maximum at place 0, at place 2, and at both."""
    tokens = torch.tensor([[[5.0, 0, 1], [1, 1, 0], [2, 3, 1]]])
    foreground = torch.tensor([[1.0, 0.0, 0.5]])
    found = foreground_selection(tokens, foreground)
    assert found.score.item() == pytest.approx((1 + 0.5 + 0.75) / 3)
    assert found.chance.item() == pytest.approx(0.5)
    kept = torch.tensor([[False, True, True]])
    found = foreground_selection(tokens, foreground, kept)
    assert found.score.item() == pytest.approx((0.5 + 0.5 + 0.5) / 3)
    assert found.chance.item() == pytest.approx(0.25)


def test_selection_is_its_slow_twin() -> None:
    tokens, foreground = draw(3, 6, 4), draw(3, 6, seed=1).sigmoid()
    kept = draw(3, 6, seed=2) > -0.5
    found = foreground_selection(tokens, foreground, kept)
    for b in range(3):
        read = []
        for e in range(4):
            allowed = [i for i in range(6) if kept[b, i]]
            best = max(allowed, key=lambda i: float(tokens[b, i, e]))
            read.append(float(foreground[b, best]))
        assert found.score[b].item() == pytest.approx(sum(read) / 4)


def test_noise_has_chance() -> None:
    tokens = draw(400, 16, 64)
    foreground = (draw(400, 16, seed=1) > 0.5).double()
    found = foreground_selection(tokens, foreground)
    excess = found.excess[~found.score.isnan()]
    assert abs(float(excess.mean())) < 4 * float(excess.std()) / len(excess) ** 0.5
    assert abs(float(excess.mean())) < 0.01


def test_without_object_there_is_no_score() -> None:
    found = foreground_selection(draw(2, 3, 4), torch.tensor([[0.0, 0, 0], [1, 0, 0]]))
    assert found.score.isnan().tolist() == [True, False]
    assert found.chance.isnan().tolist() == [True, False]


def test_attention_of_the_mask_itself_and_of_its_opposite() -> None:
    masks = torch.zeros(2, 8, 8, dtype=torch.bool)
    masks[0, :4, :4] = True
    masks[1, 4:, 4:] = True
    kept = torch.zeros(2, 2, 2, dtype=torch.bool)
    kept[0, 0, 0] = kept[1, 1, 1] = True
    found = attention_iou(kept, masks)
    assert found.score.tolist() == [1, 1]
    assert found.another is not None
    assert found.another.tolist() == [0, 0]
    assert found.chance.tolist() == pytest.approx([1 / 7] * 2)  # .0625 / .4375
    assert found.excess.tolist() == pytest.approx([6 / 7] * 2)
    assert attention_iou(~kept, masks).score.tolist() == [0, 0]


def test_a_prior_of_places_is_no_attention() -> None:
    """Objects in the middle, the same places kept in all: another's are as good."""
    masks = torch.zeros(3, 8, 8, dtype=torch.bool)
    masks[:, 2:6, 2:6] = True
    kept = torch.zeros(3, 4, 4, dtype=torch.bool)
    kept[:, 1:3, 1:3] = True
    found = attention_iou(kept, masks)
    assert found.score.tolist() == [1, 1, 1]
    assert found.excess.tolist() == [0, 0, 0]


def test_random_places_are_at_chance() -> None:
    masks = torch.zeros(600, 16, 16, dtype=torch.bool)
    masks[:, 2:12, 3:9] = True
    kept = draw(600, 16, 16) > 0.8
    found = attention_iou(kept, masks)
    assert abs(float((found.score - found.chance).mean())) < 0.005


def test_text_shares_by_hand() -> None:
    """Products 2, -1, 1 times weights 1/2, 1/4, 1/4: sizes 4, 1, 1 of 6."""
    tokens = torch.tensor([[[2.0, 7], [-1, 3], [1, 1]]])
    found = text_share_of_foreground(
        tokens,
        torch.tensor([[0.5, 0.25, 0.25]]),
        torch.tensor([[1.0, 0.0]]),
        torch.tensor([[0.0, 1.0, 0.5]]),
    )
    assert found.score.item() == pytest.approx(1.5 / 6)
    assert found.chance.item() == pytest.approx(0.5)


def test_correlation_is_numpys() -> None:
    import numpy as np

    alike, foreground = draw(4, 9), draw(4, 9, seed=1).sigmoid()
    found = token_correlation(alike, foreground)
    for a, b, value in zip(alike, foreground, found, strict=True):
        wanted = np.corrcoef(a.numpy(), b.numpy())[0, 1]
        assert value.item() == pytest.approx(wanted, abs=1e-12)
    torch.testing.assert_close(token_correlation(-alike, foreground), -found)
    same = torch.ones(1, 9).double()
    assert token_correlation(same, foreground[:1]).isnan().all()
    assert token_correlation(alike[:1], same).isnan().all()


def test_shares_of_places() -> None:
    masks = torch.zeros(1, 4, 4, dtype=torch.bool)
    masks[0, :2, 1] = True
    assert place_shares(masks, (2, 2)).tolist() == [[0.5, 0, 0, 0]]


def test_what_is_refused() -> None:
    tokens, foreground = draw(2, 3, 4), torch.ones(2, 3).double()
    masks = torch.ones(2, 8, 8, dtype=torch.bool)
    kept = torch.ones(2, 2, 2, dtype=torch.bool)
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    for call, text in (
        (lambda: foreground_selection(tokens, foreground[:, :2]), "beside"),
        (lambda: foreground_selection(tokens, 2 * foreground), "shares of places"),
        (lambda: foreground_selection(tokens, foreground, nothing), "kept must be"),
        (lambda: attention_iou(kept.float(), masks), "kept must be bool"),
        (lambda: attention_iou(kept[:1], masks), "kept must be bool"),
        (lambda: attention_iou(kept[:1], masks[:1]), "two pictures"),
        (lambda: token_correlation(tokens, foreground), r"\[B, N\]"),
    ):
        with pytest.raises(Refused, match=text) as caught:
            call()
        assert "\n" not in str(caught.value)
    assert math.isnan(Beside(torch.tensor(math.nan), torch.tensor(0.0)).excess)
