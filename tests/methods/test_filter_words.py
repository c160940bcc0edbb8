"""All filters explained at once against one filter and one picture at a time."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.explain import filters as finding
from helpers.explain.naming import vocabulary
from helpers.measure.retrieval import recall
from helpers.methods.explainer import Explainer
from helpers.methods.filter_words import explain_filters, labels_of
from helpers.methods.lavise_settings import DEFECTS, Naming
from helpers.settings import Refused

NAMING = Naming(top=4, quantile=0.9)


@pytest.fixture
def case() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(20, 6, 4, 4, generator=generator).relu()
    features[:, 3] = 0
    masks = torch.zeros(30, 16, 16, dtype=torch.bool)
    corners = torch.randint(0, 10, (30, 2), generator=generator).tolist()
    for j, (top, left) in enumerate(corners):
        masks[j, top : top + 6, left : left + 5] = True
    return {
        "features": features,
        "masks": masks,
        "image_of": torch.randint(0, 20, (30,), generator=generator),
        "positives": F.one_hot(
            torch.randint(0, 5, (30,), generator=generator), 5
        ).bool(),
    }


@pytest.fixture
def explainer() -> Explainer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Explainer(6, 8)


def test_all_filters_at_once_are_each_by_itself(
    case: dict[str, Tensor], explainer: Explainer
) -> None:
    explainer.train()
    found = explain_filters(explainer, **case, naming=NAMING)
    assert explainer.training
    explainer.eval()
    row = 0
    for u in range(6):
        maps = case["features"][:, u]
        highest = maps.amax((1, 2)).tolist()
        above = maps.flatten().quantile(0.9)
        assert found.scan.thresholds[u] == pytest.approx(above.item())
        order = sorted(range(20), key=lambda i: (-highest[i], i))
        for i in [i for i in order if highest[i] > 0][:4]:
            assert (found.filters[row], found.pictures[row]) == (u, i)
            region = finding.regions(maps[i][None], above[None], (16, 16))[0]
            here = [
                case["positives"][j].nonzero().item()
                for j in (case["image_of"] == i).nonzero().flatten().tolist()
                if (case["masks"][j] & region).sum()
                > 0.04 * (case["masks"][j] | region).sum()
            ]
            assert found.truth[row].nonzero().flatten().tolist() == sorted(set(here))
            flat = case["features"][i].flatten(1)
            cosines = F.cosine_similarity(flat[u][None], flat, dim=1)
            with torch.no_grad():
                wanted = explainer((cosines * flat.mean(1))[None])[0]
            assert torch.allclose(found.vectors[row], wanted, atol=1e-5)
            row += 1
    assert row == len(found.filters) == 20
    assert found.scan.dead.tolist() == [False, False, False, True, False, False]


def test_words_and_labels_follow(case: dict[str, Tensor], explainer: Explainer) -> None:
    found = explain_filters(explainer, **case, naming=NAMING)
    generator = torch.Generator().manual_seed(1)
    vectors = torch.randn(40, 8, generator=generator)
    words = vocabulary([f"w{i}" for i in range(40)], vectors)
    lists, labels = labels_of(found, words, 5, NAMING)
    assert lists.shape == (20, 5)
    assert labels.shape == (6, 10)
    assert (labels[3] == -1).all()
    first = lists[found.filters == 0].flatten().tolist()
    counts = sorted((first.count(w) for w in set(first)), reverse=True)[:10]
    assert [first.count(w) for w in labels[0].tolist()][: len(counts)] == counts
    assert recall(lists, found.truth, torch.arange(5)).shape == (20,)
    only = torch.arange(40) < 3
    _, nouns = labels_of(found, words, 5, NAMING, only)
    assert nouns.max() < 3


@pytest.mark.parametrize("attention", ["elementwise", "none", "activation"])
def test_each_attention_reads_something_else(
    case: dict[str, Tensor], explainer: Explainer, attention: str
) -> None:
    plain = explain_filters(explainer, **case, naming=NAMING)
    naming = NAMING.model_copy(update={"attention": attention})
    other = explain_filters(explainer, **case, naming=naming)
    assert torch.equal(other.truth, plain.truth)
    assert not torch.allclose(other.vectors, plain.vectors, atol=1e-3)


@pytest.mark.parametrize("name", ["low quantile", "coarse masks"])
def test_each_defect_of_naming_changes_the_truth(
    case: dict[str, Tensor], explainer: Explainer, name: str
) -> None:
    naming = NAMING.model_copy(update=DEFECTS[name].naming)
    plain = explain_filters(explainer, **case, naming=NAMING)
    other = explain_filters(explainer, **case, naming=naming)
    assert torch.equal(other.pictures, plain.pictures)
    assert not torch.equal(other.truth, plain.truth)
    if name == "low quantile":  # almost everything is in the region
        assert other.truth.sum() > plain.truth.sum()


def test_pictures_may_be_found_in_one_view_and_explained_in_another(
    case: dict[str, Tensor], explainer: Explainer
) -> None:
    view = case["features"].flip(3)  # as far as the maps go: a mirrored picture
    plain = explain_filters(explainer, **case, naming=NAMING)
    other = explain_filters(explainer, **case, naming=NAMING, found_in=view.roll(1, 0))
    assert torch.equal(other.scan.thresholds, plain.scan.thresholds)
    assert not torch.equal(other.pictures, plain.pictures)


def test_masked_pictures_are_encoded_anew(
    case: dict[str, Tensor], explainer: Explainer
) -> None:
    images = torch.randn(20, 3, 16, 16, generator=torch.Generator().manual_seed(2))

    def encode(shown: Tensor) -> Tensor:
        return F.avg_pool2d(torch.cat([shown, -shown], 1), 4)

    naming = NAMING.model_copy(update={"attention": "image"})
    found = explain_filters(
        explainer, **case, naming=naming, images=images, encode=encode
    )
    u, i = found.filters[7], found.pictures[7]
    above = found.scan.thresholds[u][None]
    region = finding.regions(case["features"][i, u][None], above, (16, 16))
    with torch.no_grad():
        wanted = explainer.eval()(encode(images[i][None] * region).mean((2, 3)))
    assert torch.allclose(found.vectors[7], wanted[0], atol=1e-5)
    with pytest.raises(Refused, match="give images and encode"):
        explain_filters(explainer, **case, naming=naming)
