"""Chapter 11: every saliency method that a network is valid for, head beside head."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import pandas as pd
import torch
from torch import Tensor, nn
from torchvision.models.vision_transformer import interpolate_embeddings

from helpers.chapters.probing import Arm, Probe, accuracy, planned
from helpers.chapters.probing_bench import Bench, Data, Training
from helpers.data.catalog import Pictures
from helpers.explain.named import METHODS, How, method
from helpers.measure.grid_pointing import draw_grids
from helpers.measure.shared_grids import SharedGrids, Smoothing, grid_scores
from helpers.methods.heads import CELLS, Head, Probed, head_shape
from helpers.methods.probing import Cached, cached, random_head, train_head
from helpers.settings import Refused, nearest
from helpers.streams import stream
from helpers.vision.vit import SceneViT

RANDOM = "random head"
ON_TOKENS = ("rollout", "cgw1", "cgw2", "vit-cx")
TOKENS = 120  # pictures that heads on a class token are trained on, and judged by


def check_methods(names: Sequence[str]) -> None:
    """Raise `Refused` for a method that convolutional networks do not have."""
    known = [name for name in METHODS if name not in (*ON_TOKENS, "bcos")]
    for name in names:
        if name not in known:
            raise Refused(f"unknown method '{name}'{nearest(name, known)}")


def by_method(
    bench: Bench, heads: Mapping[str, Head], names: Sequence[str], few: int, how: How
) -> dict[str, dict[str, float]]:
    """Return mean GridPG `[head][method]` on the first grids of the list.

    Methods are in `explain.named`; one that a network is not valid for is left out.
    """
    data = bench.frozen.data.test
    grids = replace(bench.grids, rows=bench.grids.rows[:few])
    images = data.normalised()
    found: dict[str, dict[str, float]] = {}
    for title, head in heads.items():
        model = Probed(bench.frozen.network, head).eval()
        found[title] = {}
        for name in names:
            scores = _scores(model, name, images, data.labels, grids, how)
            if scores is not None:
                found[title][method(name).title] = float(scores.mean())
    return found


def _scores(
    model: nn.Module,
    name: str,
    images: Tensor,
    labels: Tensor,
    grids: SharedGrids,
    how: How,
) -> Tensor | None:
    def saliency(pictures: Tensor, targets: Tensor) -> Tensor:
        return method(name).maps(model, pictures, targets, how)

    try:
        return grid_scores(saliency, images, labels, grids, Smoothing())
    except ValueError:  # not valid for this head, as LRP for B-cos
        return None


def how_for(pictures: Pictures, samples: int = 200, steps: int = 16) -> How:
    """Return what methods need besides network, pictures and classes."""
    return How(
        mean=pictures.mean,
        std=pictures.std,
        layer=CELLS,
        samples=samples,
        masks=samples,
        steps=steps,
    )


def never_trained(bench: Bench, name: str, seed: int) -> Head:
    """Return a head of a shape with the weights it would begin with: the control."""
    frozen = bench.frozen
    channels = frozen.train.maps.shape[1]
    return random_head(head_shape(name), channels, frozen.data.classes, seed)


def table(found: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """Return a row a method, a column a head, and the last column the difference.

    The difference is of the second head less the first.
    """
    frame = pd.DataFrame(found)
    first, second = list(found)[:2]
    frame[f"{second} - {first}"] = frame[second] - frame[first]
    return frame.rename_axis("method").reset_index()


class ClassToken(nn.Module):
    """A Vision Transformer's class token as a map of one cell: what its head reads."""

    def __init__(self, network: SceneViT) -> None:
        super().__init__()
        self.network = network

    def features(self, images: Tensor) -> Tensor:
        """Return the class token, `[B, 3, H, W]` -> `[B, C, 1, 1]`."""
        return self.network.tokens(images)[:, 0, :, None, None]


def token_heads(
    network: SceneViT, data: Data, arms: Sequence[Arm], training: Training, seed: int
) -> dict[str, Probe]:
    """Return linear heads on the class token, at the first rate of each optimiser."""
    trunk = ClassToken(network)
    known, asked = (
        cached(trunk, one.normalised(), one.labels)
        for one in (data.train.first(TOKENS), data.test.first(TOKENS))
    )
    return {
        arm.name: _token_head(arm, known, asked, data, training, seed) for arm in arms
    }


def _token_head(
    arm: Arm, known: Cached, asked: Cached, data: Data, training: Training, seed: int
) -> Probe:
    recipe = training.recipe(arm.recipe, training.rates[arm.recipe][-1])
    plan = planned(arm, recipe, data.classes)
    found = train_head(plan.shape, known, data.classes, plan.loss, recipe, seed)
    right = accuracy(found.head, asked)
    return Probe(arm, seed, found.head, right, found.losses[-1], recipe)


def with_head(network: SceneViT, head: Head, side: int) -> SceneViT:
    """Return a transformer with a linear head, for grids of side x side pictures.

    Its position embeddings are interpolated to the grid, as torchvision does for larger
    pictures.

    Raises:
        Refused: a head that is not linear.
    """
    if not head.is_linear:
        raise Refused("methods on attention read a linear head on the class token")
    wide = network.image_size * side
    state = interpolate_embeddings(wide, network.patch_size, dict(network.state_dict()))
    last = cast(nn.Conv2d, head.last)
    found = SceneViT(
        last.out_channels,
        wide,
        len(network.encoder.layers),
        network.encoder.layers[0].num_heads,
        network.hidden_dim,
    )
    found.load_state_dict(
        {k: v for k, v in state.items() if not k.startswith("heads.")}, strict=False
    )
    linear = found.heads[-1]
    assert isinstance(linear, nn.Linear)
    with torch.no_grad():
        linear.weight.copy_(last.weight[:, :, 0, 0])
        if last.bias is None:
            linear.bias.zero_()
        else:
            linear.bias.copy_(last.bias)
    return found.eval().requires_grad_(False)


def on_tokens(
    network: SceneViT,
    heads: Mapping[str, Head],
    pictures: Pictures,
    few: int,
    names: Sequence[str] = ("rollout", "cgw1", "cgw2"),
    side: int = 2,
) -> dict[str, dict[str, float]]:
    """Return mean GridPG `[head][method]` of a transformer, on one list of grids.

    All pictures may stand in them: the control of Rollout asks nothing of a head.
    """
    rows = draw_grids(pictures.labels, side, few, stream(0, "tokens", side))
    grids = SharedGrids(rows, side, len(pictures), len(pictures), 0)
    images, how = pictures.normalised(), How(mean=pictures.mean, std=pictures.std)
    found: dict[str, dict[str, float]] = {}
    for title, head in heads.items():
        model = with_head(network, head, side)
        found[title] = {}
        for name in names:
            scores: Any = _scores(model, name, images, pictures.labels, grids, how)
            if scores is not None:
                found[title][method(name).title] = float(scores.mean())
    return found
