"""Row 15: LaViSE's explanation of all filters of the scenes' network, 1,000 pictures.

The plain side does what ErikBuis/FACT2023 does for the filters it is asked for: two
passes of one picture at a time, a sorted list a filter, activations that grow by
concatenation, a third pass over each filter's pictures, and for each of them the
lengths of all word vectors and a full sort of the vocabulary.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from bench_explain import CLASSES, SIDE, network
from rows import Row, timed
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.data.scenes import draw_scenes
from helpers.explain.filters import cached, feature_blocks
from helpers.explain.naming import nearest_words, vocabulary
from helpers.lab.pairs import alternate
from helpers.methods.explainer import Explainer
from helpers.methods.filter_words import explain_filters
from helpers.methods.lavise_settings import Naming
from helpers.streams import stream

THREADS = 1
NAMING = Naming(attention="elementwise")  # as the plain side
WORDS = 5  # a picture
Result = tuple[Tensor, Tensor, Tensor, Tensor]  # pictures, thresholds, truth, words


@dataclass(frozen=True, eq=False)
class Case:
    """What both sides are given."""

    model: nn.Module
    explainer: Explainer
    images: Tensor
    masks: Tensor
    image_of: Tensor
    positives: Tensor
    vectors: Tensor


def rows(pictures: int = 1000, words: int = 10_000, pairs: int = 3) -> Iterator[Row]:
    """Yield the rows, from pictures and from maps that both sides have."""
    case = made(pictures, words)
    kept = maps(case)
    for number, what, plainly, ours in (
        ("15a", "from pictures", encoding(case), lambda: fast(case, maps(case))),
        ("15b", "from maps", lambda i: kept[i : i + 1], lambda: fast(case, kept)),
    ):
        wrong = differing(plain(case, plainly), ours())
        found = alternate(lambda one=plainly: plain(case, one), ours, pairs, warm=0)
        on = f"{kept.shape[1]} filters, {pictures:,} pictures, {words:,} words"
        yield timed(
            number,
            f"LaViSE, all filters, {what}",
            "one picture and one filter at a time",
            on,
            found,
            "at least",
            bar=12,
            error=wrong,
            note="error: the share of pictures, truths and words that differ",
        )


def made(pictures: int, words: int, width: int = 50) -> Case:
    """Return an untrained network and explainer, scenes, and drawn word vectors."""
    drawn = draw_scenes(pictures, "test", SIDE)
    images = (drawn.images.float() / 255 - 0.5) * 4
    apart = drawn.instances[:, None] == torch.arange(1, 5)[:, None, None]
    there = apart.flatten(2).any(2)  # [N, 4]
    masks, image_of = apart[there], there.nonzero()[:, 0]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        explainer = Explainer(128, width).eval()
    vectors = torch.randn(words, width, generator=stream(0, "words"))
    positives = F.one_hot(drawn.labels[image_of], CLASSES).bool()
    return Case(network(), explainer, images, masks, image_of, positives, vectors)


def maps(case: Case) -> Tensor:
    """Return the last maps of all pictures."""
    blocks = case.images.split(64)
    found = feature_blocks(case.model, case.model.blocks, blocks)
    return cached(found, len(case.images), torch.float32)


def encoding(case: Case) -> Callable[[int], Tensor]:
    """Return what encodes one picture, `[1, d, h, w]`."""

    @torch.no_grad()
    def encode(picture: int) -> Tensor:
        return case.model.features(case.images[picture : picture + 1])

    return encode


def fast(case: Case, features: Tensor) -> Result:
    """Explain all filters at once."""
    found = explain_filters(
        case.explainer, features, case.masks, case.image_of, case.positives, NAMING
    )
    listed = [f"w{i}" for i in range(len(case.vectors))]
    words = nearest_words(vocabulary(listed, case.vectors), found.vectors, WORDS)
    return found.pictures, found.scan.thresholds, found.truth, words


@torch.no_grad()
def plain(case: Case, encode: Callable[[int], Tensor]) -> Result:
    """Explain the filters one after the other."""
    best: list[list[tuple[float, int]]] = []
    for picture in range(len(case.images)):
        features = encode(picture)[0]
        best = best or [[] for _ in features]
        for ranked, highest in zip(best, features.amax((1, 2)), strict=True):
            entry = (-highest.item(), picture)
            place = bisect_right(ranked, entry)
            if place < NAMING.top:
                ranked.insert(place, entry)
                del ranked[NAMING.top :]
    grown = [torch.empty(0) for _ in best]
    for picture in range(len(case.images)):
        features = encode(picture)[0]
        for u in range(len(grown)):
            grown[u] = torch.cat((grown[u], features[u].flatten()))
    above = [values.sort().values.quantile(NAMING.quantile) for values in grown]
    pictures, truth, words = [], [], torch.empty(0, WORDS, dtype=torch.long)
    for u, ranked in enumerate(best):
        for _, picture in ranked:
            features = encode(picture)
            mine = features[:, [u]]
            if mine.amax() <= 0:
                continue
            large = F.interpolate(mine, (SIDE, SIDE), mode="bilinear")[0, 0]
            seen = features * (mine / mine.norm(dim=(2, 3), keepdim=True))
            vector = case.explainer(seen.mean((2, 3)))
            lengths = vector.norm(dim=1, keepdim=True) * case.vectors.norm(dim=1)
            alike = vector @ case.vectors.T / lengths
            nearest = alike.argsort(dim=1, descending=True)[:, :WORDS]
            words = torch.cat((words, nearest))
            pictures.append(picture)
            truth.append(here(case, picture, large > above[u]))
    return torch.tensor(pictures), torch.stack(above), torch.stack(truth), words


def here(case: Case, picture: int, region: Tensor) -> Tensor:
    """Return the categories of a picture in a region, instance by instance, `[C]`."""
    found = torch.zeros(case.positives.shape[1], dtype=torch.bool)
    for j in (case.image_of == picture).nonzero().flatten().tolist():
        both = (case.masks[j] & region).sum().item()
        either = (case.masks[j] | region).sum().item()
        if both > NAMING.least_iou * either:
            found |= case.positives[j]
    return found


def differing(one: Result, two: Result) -> float:
    """Return the greatest share of entries that differ; thresholds by 1e-5."""
    shares = [
        float((a != b).float().mean()) if a.shape == b.shape else 1.0
        for a, b in ((one[0], two[0]), (one[2], two[2]), (one[3], two[3]))
    ]
    off = (one[1] - two[1]).abs() > 1e-5 * one[1].abs().max()
    return max(*shares, float(off.float().mean()))
