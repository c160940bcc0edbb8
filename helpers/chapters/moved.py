"""What the sliders of the chapters move: plans, prompts, shortcuts, deleted pixels."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from helpers.chapters import cost_tokens, red_dot_trial
from helpers.chapters.ot_alignment import Features
from helpers.chapters.ot_plans import exact_plan
from helpers.chapters.red_dot import SOUND, arm_of
from helpers.losses.transport import optimal_plan
from helpers.measure.perturbation import pixel_ranks

GREY = 128  # what a deleted pixel looks like in a picture


def plans(given: Features, epsilons: Sequence[float]) -> dict[float, Tensor]:
    """Return the first picture's plan `[C, M]` at each epsilon, and at 0 the exact."""
    cost = given.first(1).cost()
    found = {epsilon: optimal_plan(cost, epsilon)[0] for epsilon in epsilons}
    return found | {0.0: exact_plan(cost)[0]}


def token_tables(contexts: Sequence[int], batch: int = 64) -> dict[int, pd.DataFrame]:
    """Return `cost_tokens.token_table` for each number of learnable tokens."""
    return {n: cost_tokens.token_table(batch, n) for n in contexts}


def seen_by_strength(view: Mapping[str, Any]) -> pd.DataFrame:
    """Return what each metric of the trial sees of a shortcut, strength by strength.

    The score of the network that never saw a dot minus that of the one with the dot on
    such a share of the class, of one seed, in committed margins: positive where the
    sound network looks better. A row a metric, strength and seed.
    """
    strengths = [one for one in view["parameters"]["strengths"] if one > 0]
    found = []
    for strength in strengths:
        rows = red_dot_trial.differences(view, arm_of(strength))
        mine = rows[rows["sound"] == SOUND]
        found.append(mine.assign(strength=strength))
    return pd.concat(found, ignore_index=True)


def deleted(image: Tensor, saliency: Tensor, shares: Sequence[float]) -> Tensor:
    """Return a picture without the pixels that a map names first, share by share.

    Shapes: image `[3, H, W]` uint8, saliency `[H, W]` -> `[S, 3, H, W]` uint8, grey
    where a pixel was taken; the order is that of `insertion_deletion`.
    """
    ranks = pixel_ranks(saliency[None], 1, 0)[0, 0].view(saliency.shape)
    taken = [ranks < round(share * ranks.numel()) for share in shares]
    return torch.stack([image.masked_fill(gone, GREY) for gone in taken])
