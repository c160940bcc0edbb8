"""Recall of words: does an explainer name what a filter looks at? With its floors.

A recall says little by itself: it grows with s, falls with the vocabulary, and most of
it may be the frequency of categories. So chance, the most frequent categories and a
perfect explainer belong beside it.

Axes: P pairs of a filter and a picture, C categories, s words, V words in all.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from helpers.losses.ranking import best_directions
from helpers.settings import Refused


@dataclass(frozen=True)
class Estimate:
    """A mean over pairs with an interval over filters.

    Attributes:
        mean: over all pairs with a value.
        low: end of the interval.
        high: the other end.
        pairs: with a value.
        filters: with a pair that has one.
    """

    mean: float
    low: float
    high: float
    pairs: int
    filters: int


def recall(words: Tensor, truth: Tensor, places: Tensor) -> Tensor:
    """Return |W and G| / |G| of each pair (Buis et al. 2023), `[P]`.

    Recall@s with s words a pair; the first s columns of a longer list give a smaller s.
    NaN where G is empty: such pairs are left out, and counted. A category whose word is
    not in the vocabulary is never found, but counts in G.

    Args:
        words: W, places in the vocabulary, `[P, s]`, -1 for none.
        truth: G, `[P, C]`, bool (`helpers.explain.filters.concepts`).
        places: of the categories in the vocabulary, `[C]`, -1 for none.

    Raises:
        Refused: words and truth of different pairs; places of another number than the
            categories; two categories of one place.
    """
    if len(words) != len(truth) or truth.dtype != torch.bool:
        raise Refused(
            f"{len(words)} lists of words need as many rows of truth [P, C], bool, got "
            f"{truth.dtype} {list(truth.shape)}"
        )
    if len(places) != truth.shape[1]:
        raise Refused(
            f"{truth.shape[1]} categories need as many places, got {len(places)}"
        )
    there = places >= 0
    if len(places[there].unique()) != int(there.sum()):
        raise Refused("two categories have one place in the vocabulary: unite them")
    count = int(torch.cat([words.flatten(), places]).max().clamp(min=-1)) + 1
    category = torch.full((count + 1,), -1)  # the last row is that of "no word"
    category[places[there]] = there.nonzero().flatten()
    named = category[words]  # [P, s]; words of -1 read the last row
    found = torch.zeros(len(truth), len(places) + 1, dtype=torch.bool)
    found.scatter_(1, named.where(named >= 0, len(places)), True)
    hits = (found[:, :-1] & truth).sum(1)
    return hits / truth.sum(1)  # 0 / 0 is NaN


def over_filters(values: Tensor, filters: Tensor, confidence: float = 0.95) -> Estimate:
    """Return the mean over all pairs (micro) with a t interval over filters.

    The mean R = sum_u S_u / sum_u n_u is a ratio, S_u the sum over the n_u pairs of
    filter u; its variance is that of (S_u - R n_u) / mean n over the filters,
    divided by their number: pairs of one filter share pictures and are no
    independent evidence. (Cochran 1977, chapter 6.) Filters with no value say nothing.

    Args:
        values: of pairs, `[P]`, NaN for none; differences of two arms on the same
            pairs give the interval of a difference.
        filters: the pair's filter, `[P]`.
        confidence: of the interval; unbounded with one filter, NaN without any.
    """
    there = ~values.isnan()
    chosen, which = filters[there].unique(return_inverse=True)
    number = len(chosen)
    if not number:
        return Estimate(math.nan, math.nan, math.nan, 0, 0)
    sums = torch.zeros(number, dtype=torch.float64)
    sums.index_add_(0, which, values[there].double())
    counts = torch.bincount(which, minlength=number).double()
    mean = float(sums.sum() / counts.sum())
    if number == 1:
        return Estimate(mean, -math.inf, math.inf, int(there.sum()), 1)
    errors = (sums - mean * counts) / counts.mean()
    half = float(errors.square().sum() / (number - 1) / number) ** 0.5
    half *= float(stats.t.ppf(0.5 + confidence / 2, number - 1))
    return Estimate(mean, mean - half, mean + half, int(there.sum()), number)


def difference(one: Estimate, two: Estimate) -> Estimate:
    """Return the difference of two means over pairs that are not the same.

    Of two networks, say, whose filters have other pictures. The interval is that of
    Zou and Donner (2008), from both intervals: low = d - sqrt((m1 - l1)^2 + (u2 -
    m2)^2). On the same pairs give `over_filters` the differences instead: it is
    narrower. `pairs` and `filters` are the lesser ones.
    """
    mean = one.mean - two.mean
    return Estimate(
        mean,
        mean - math.hypot(one.mean - one.low, two.high - two.mean),
        mean + math.hypot(one.high - one.mean, two.mean - two.low),
        min(one.pairs, two.pairs),
        min(one.filters, two.filters),
    )


def by_chance(vocabulary: int, words: int, categories: int | None = None) -> float:
    """Return the expected recall of s words drawn blindly from V: s / V.

    For every |G|: of each of its words s / V is found. With `categories` C, words are
    drawn from the categories alone: s / C, the chance of one who knows them.

    Raises:
        Refused: more words than there are.
    """
    total = vocabulary if categories is None else categories
    if not 0 <= words <= total:
        raise Refused(f"{words} words cannot be drawn from {total}")
    return words / total


def hit_by_chance(vocabulary: int, words: int, truth: int) -> float:
    """Return the chance that s words drawn from V hit one of |G| or more.

    1 - C(V - |G|, s) / C(V, s). It is this, not the recall, that "right in 13 % of the
    cases" would have to be compared with.

    Raises:
        Refused: more words than there are.
    """
    if not 0 <= max(words, truth) <= vocabulary:
        raise Refused(f"{words} and {truth} words cannot be drawn from {vocabulary}")
    return float(1 - stats.hypergeom.pmf(0, vocabulary, truth, words))


def most_frequent(positives: Tensor, places: Tensor, number: int) -> Tensor:
    """Return the most frequent categories' places, -1 where there are fewer, `[s]`.

    The baseline that answers the same to every filter: a recall at its level shows that
    the explainer knows how often things are, not what a filter sees.

    Args:
        positives: categories of the training instances, `[J, C]`, bool.
        places: of the categories in the vocabulary, `[C]`, -1 for none.
        number: s.
    """
    counts = positives.sum(0)
    order = counts.sort(descending=True, stable=True).indices
    order = order[(counts[order] > 0) & (places[order] >= 0)][:number]
    found = torch.full((number,), -1)
    found[: len(order)] = places[order]
    return found


def oracle_vectors(categories: Tensor, truth: Tensor) -> Tensor:
    """Return what a perfect explainer would say of each pair, `[P, E]`: a ceiling.

    The closed-form optimum of the loss for the pair's own truth G
    (`helpers.losses.ranking.best_directions`); its recall is what the loss, the vectors
    and the vocabulary allow.

    Shapes: categories `[C, E]`, truth `[P, C]`, bool.
    """
    return best_directions(categories, truth)


def share_of(part: Estimate, whole: Estimate) -> float:
    """Return a recall as a share of the oracle's, NaN where that is 0."""
    return part.mean / whole.mean if whole.mean else float(np.nan)
