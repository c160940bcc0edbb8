import pytest
import torch
from scipy.stats import spearmanr

from helpers.measure.language import mantel, text_distances


def two_groups() -> torch.Tensor:
    group = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    return (group[:, None] != group[None, :]).float()


def test_a_distance_is_one_minus_the_cosine_and_knows_no_length() -> None:
    features = torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0], [1.0, 1.0]])
    root = 0.5**0.5
    expected = torch.tensor(
        [
            [0, 1, 2, 1 - root],
            [1, 0, 1, 1 - root],
            [2, 1, 0, 1 + root],
            [1 - root, 1 - root, 1 + root, 0],
        ],
        dtype=torch.float64,
    )
    torch.testing.assert_close(text_distances(features), expected, atol=1e-7, rtol=0)


def test_rho_is_spearmans_of_the_upper_triangle() -> None:
    found = text_distances(torch.randn(8, 5, generator=torch.manual_seed(0)))
    upper = torch.triu_indices(8, 8, 1)
    expected = spearmanr(found[*upper], two_groups()[*upper]).statistic
    assert mantel(found, two_groups(), 9)[0] == pytest.approx(expected)


def test_planted_distances_are_found_and_chance_is_not() -> None:
    planted = two_groups()
    rho, p = mantel(planted, planted, 999)
    assert rho == pytest.approx(1)
    assert p < 0.06  # 2 * 4! * 4! of 8! orders leave the matrix as it is: 1 in 35
    values = [
        mantel(text_distances(torch.randn(8, 64, generator=g)), planted, 99, seed)[1]
        for seed, g in enumerate([torch.Generator().manual_seed(3)] * 40)
    ]
    assert 0.3 < sum(values) / len(values) < 0.7


def test_a_seed_fixes_p() -> None:
    found = text_distances(torch.randn(8, 5, generator=torch.manual_seed(1)))
    assert mantel(found, two_groups(), 99, 7) == mantel(found, two_groups(), 99, 7)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (torch.zeros(8, 7), "K x K"),
        (torch.zeros(2, 2), "K x K"),
        (torch.zeros(8, 8), "all distances are the same"),
        (torch.full((8, 8), torch.nan), "not finite"),
    ],
)
def test_what_has_no_rank_correlation_is_refused(
    found: torch.Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        mantel(found, two_groups())
