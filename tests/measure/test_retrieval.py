"""Recall by hand, its floors by simulation, its ceiling, its interval by coverage."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from helpers.explain.naming import nearest_words, vocabulary
from helpers.measure import retrieval
from helpers.settings import Refused

PLACES = torch.tensor([4, 0, -1, 7])  # of four categories in the vocabulary


def test_a_case_by_hand() -> None:
    words = torch.tensor([[0, 4, 9], [7, 1, 2], [4, 0, 7], [1, 2, 3], [4, -1, -1]])
    truth = torch.tensor(
        [
            [True, True, False, False],  # both named
            [True, False, False, True],  # one of two
            [False, False, False, False],  # nothing is there: no value
            [False, False, True, True],  # one has no word: never found
            [True, False, True, False],
        ]
    )
    found = retrieval.recall(words, truth, PLACES)
    assert found[[0, 1, 3, 4]].tolist() == [1, 0.5, 0, 0.5]
    assert found[2].isnan()
    first = retrieval.recall(words[:, :1], truth, PLACES)
    assert first[[0, 1, 3, 4]].tolist() == [0.5, 0.5, 0, 0.5]
    kept = retrieval.over_filters(found, torch.tensor([0, 0, 1, 1, 2]))
    assert (kept.mean, kept.pairs, kept.filters) == (0.5, 4, 3)


def test_recall_is_that_of_sets() -> None:
    generator = torch.Generator().manual_seed(0)
    places = torch.randperm(60, generator=generator)[:12]
    words = torch.stack(
        [torch.randperm(60, generator=generator)[:20] for _ in range(50)]
    )
    truth = torch.rand(50, 12, generator=generator) > 0.7
    for s in (5, 10, 20):
        found = retrieval.recall(words[:, :s], truth, places)
        for row in range(50):
            here = set(places[truth[row]].tolist())
            both = here & set(words[row, :s].tolist())
            wanted = len(both) / len(here) if here else math.nan
            assert found[row].item() == pytest.approx(wanted, nan_ok=True)


def test_chance_is_that_of_blind_draws() -> None:
    rng = np.random.default_rng(0)
    draws = np.stack([rng.permutation(86)[:20] for _ in range(4000)])
    places = torch.arange(86)
    for size in (1, 3, 8):
        truth = torch.zeros(4000, 86, dtype=torch.bool)
        truth[:, :size] = True
        found = retrieval.recall(torch.from_numpy(draws), truth, places)
        assert found.mean().item() == pytest.approx(
            retrieval.by_chance(86, 20), abs=4 * float(found.std()) / 4000**0.5
        )
        hit = (found > 0).float().mean().item()
        wanted = retrieval.hit_by_chance(86, 20, size)
        spread = (wanted * (1 - wanted) / 4000) ** 0.5
        assert hit == pytest.approx(wanted, abs=4 * spread)
    assert retrieval.by_chance(86, 20) == pytest.approx(0.2326, abs=1e-4)
    assert retrieval.by_chance(400_000, 20, 92) == 20 / 92
    wanted = 1 - math.comb(78, 20) / math.comb(86, 20)
    assert retrieval.hit_by_chance(86, 20, 8) == pytest.approx(wanted)
    for wrong in ((5, 6), (5, -1)):
        with pytest.raises(Refused, match="cannot be drawn"):
            retrieval.by_chance(*wrong)
    with pytest.raises(Refused, match="cannot be drawn"):
        retrieval.hit_by_chance(5, 2, 6)


def test_the_frequent_categories_are_the_floor() -> None:
    positives = torch.tensor([[1, 0, 1, 1], [1, 0, 1, 0], [0, 0, 1, 1]]).bool()
    found = retrieval.most_frequent(positives, PLACES, 4)
    assert found.tolist() == [4, 7, -1, -1]  # the third has no word, the second none
    assert retrieval.most_frequent(positives, PLACES, 1).tolist() == [4]
    words = found.expand(3, -1)
    assert retrieval.recall(words, positives, PLACES).tolist() == pytest.approx(
        [2 / 3, 1 / 2, 1 / 2]
    )


def test_the_oracle_finds_all_where_words_are_apart() -> None:
    axes = torch.eye(112)
    categories = axes[:12] + axes[20]  # alike, but each with an axis of its own
    others = axes[12:]
    words = vocabulary([f"w{i}" for i in range(112)], torch.cat([categories, others]))
    truth = torch.zeros(30, 12, dtype=torch.bool)
    truth[torch.arange(30), torch.arange(30) % 12] = True
    truth[20:, 3] = True
    vectors = retrieval.oracle_vectors(categories, truth)
    found = retrieval.recall(nearest_words(words, vectors, 2), truth, torch.arange(12))
    assert (found == 1).all()
    oracle = retrieval.over_filters(found, torch.arange(30))
    half = retrieval.over_filters(found / 2, torch.arange(30))
    assert retrieval.share_of(half, oracle) == 0.5
    nothing = retrieval.over_filters(0 * found, torch.arange(30))
    assert math.isnan(retrieval.share_of(half, nothing))


def test_with_as_many_pairs_a_filter_the_interval_is_that_of_filter_means() -> None:
    rng = np.random.default_rng(2)
    table = rng.normal(size=(9, 25))
    values = torch.from_numpy(table).flatten()
    found = retrieval.over_filters(values, torch.arange(9).repeat_interleave(25))
    means = table.mean(1)
    wanted = stats.t.interval(0.95, 8, means.mean(), stats.sem(means))
    assert (found.low, found.high) == pytest.approx(wanted)


def test_the_interval_covers_with_pairs_that_hang_together() -> None:
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(400):
        sizes = rng.integers(1, 26, 40)
        own = rng.uniform(0, 1, 40)  # the filter's recall: its pairs share it
        filters = np.repeat(np.arange(40), sizes)
        values = rng.uniform(size=len(filters)) < own[filters]
        found = retrieval.over_filters(
            torch.from_numpy(values.astype(float)), torch.from_numpy(filters)
        )
        inside += found.low <= 0.5 <= found.high
    assert 0.91 <= inside / 400 <= 0.98


def test_filters_with_more_pairs_are_no_spread_of_their_own() -> None:
    which = torch.arange(5).repeat_interleave(torch.tensor([1, 4, 9, 2, 25]))
    same = retrieval.over_filters(torch.full((41,), 0.5), which)
    assert (same.low, same.high, same.pairs) == (0.5, 0.5, 41)
    rng = np.random.default_rng(4)
    values = rng.uniform(size=41)
    found = retrieval.over_filters(torch.from_numpy(values), which)
    mean = values.mean()
    errors = [
        (values[which == u] - mean).sum() / (41 / 5) for u in range(5)
    ]  # the ratio's linear part, filter by filter
    half = stats.t.ppf(0.975, 4) * (np.square(errors).sum() / 4 / 5) ** 0.5
    assert (found.low, found.high) == pytest.approx((mean - half, mean + half))


def test_a_difference_has_the_spread_of_both() -> None:
    one = retrieval.Estimate(0.5, 0.2, 0.6, 90, 9)
    two = retrieval.Estimate(0.4, 0.39, 0.8, 70, 12)
    found = retrieval.difference(one, two)
    assert found.low == pytest.approx(0.1 - math.hypot(0.3, 0.4))
    assert found.high == pytest.approx(0.1 + math.hypot(0.1, 0.01))
    assert (found.pairs, found.filters) == (70, 9)
    turned = retrieval.difference(two, one)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


def test_few_filters_say_little() -> None:
    none = retrieval.over_filters(torch.full((3,), torch.nan), torch.zeros(3))
    assert math.isnan(none.mean)
    assert none.filters == 0
    one = retrieval.over_filters(torch.tensor([0.5, 1.0]), torch.zeros(2))
    assert (one.mean, one.low, one.filters) == (0.75, -math.inf, 1)


def test_what_does_not_fit_is_refused() -> None:
    truth = torch.ones(2, 4, dtype=torch.bool)
    words = torch.zeros(2, 3, dtype=torch.long)
    with pytest.raises(Refused, match="1 lists of words need as many rows"):
        retrieval.recall(words[:1], truth, PLACES)
    with pytest.raises(Refused, match="4 categories need as many places, got 3"):
        retrieval.recall(words, truth, PLACES[:3])
    with pytest.raises(Refused, match="two categories have one place"):
        retrieval.recall(words, truth, torch.tensor([1, 2, 1, -1]))
