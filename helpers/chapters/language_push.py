"""What the language losses push for at one network, before any of them trains it.

A push is a gradient on the feature maps F `[B, C, d']` of a trained baseline: of the
cross-entropy, of alpha L_MM and of beta L_OT, the text side being that with which
training would start.
"""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from helpers.chapters.which_difference import WhichDifference
from helpers.data import catalog
from helpers.lab.recipes import recipe
from helpers.lab.runs import Run, train_or_load
from helpers.methods.factors import FACTORS
from helpers.methods.presets import OPEN_IN_REBUTTAL, PRESETS
from helpers.report.factors import group_of
from helpers.settings import RunSettings

FEW = 64  # training pictures that an untrained module is given


def pushes(chapter: WhichDifference, baseline: Run) -> pd.DataFrame:
    """Return what each text side would do to the feature maps of one network.

    The network is the trained baseline, the pictures its first training pictures, a
    batch; the text sides are those with which training of the chapter's first seed
    would start. A row a code, a difference of the language from `paper`, and another
    reading of `rebuttal`; see `row_of_push`.
    """
    network = baseline.model()
    clip = train_or_load(chapter.clip()).model()
    pictures = catalog.load(baseline.settings.data, "train").first(chapter.batch)
    seen = pictures.normalised().to(chapter.device), pictures.labels.to(chapter.device)
    wanted: list[tuple[str, str, str, dict[str, Any]]] = [
        ("code", name, name, {}) for name in PRESETS
    ]
    wanted += [
        (group_of(one), one.name, "paper", one.changed)
        for one in FACTORS
        if not one.training
    ]
    wanted.append(("rebuttal", "rebuttal", "rebuttal", {}))
    wanted += [
        ("rebuttal", f"{choice.switch}: {other}", "rebuttal", {choice.switch: other})
        for choice, others in OPEN_IN_REBUTTAL.items()
        for other in others
    ]
    slopes = [
        push(chapter, network, clip, seen, start, changed)
        for _, _, start, changed in wanted
    ]
    own = {name: slopes[place] for place, name in enumerate(PRESETS)}
    return pd.DataFrame(
        {"group": group, "row": row, **row_of_push(slope, own[_reference(group)])}
        for (group, row, _, _), slope in zip(wanted, slopes, strict=True)
    )


def _reference(group: str) -> str:
    return "rebuttal" if group == "rebuttal" else "paper"


def push(
    chapter: WhichDifference,
    network: nn.Module,
    clip: nn.Module,
    seen: tuple[Tensor, Tensor],
    start: str,
    changed: Mapping[str, Any],
) -> dict[str, Tensor]:
    """Return the gradients of CE, alpha MM and beta OT on the maps F `[B, C, d']`.

    `network`: the classifier; `clip`: the tower's model; `seen`: normalised pictures
    `[B, 3, H, W]` and labels `[B]`; `start`, `changed`: a preset and its switches. As
    in the first step of training: dropout and shuffled contexts are drawn, by the
    chapter's first seed. A loss without gradient gives zeros.
    """
    seed, (images, labels) = chapter.seeds[0], seen
    settings = RunSettings(
        data=chapter.data().model_copy(update={"train": FEW}),
        method=chapter.lico(start, **changed),
        seed=seed,
        device=chapter.device,
    )
    module, _ = recipe(settings).module_and_tensors(settings, [clip])
    module = module.to(chapter.device)
    with torch.no_grad():
        features = network.features(images)  # type: ignore[operator]
    features.requires_grad_()
    logits = network.head(features.mean((2, 3)))  # type: ignore[operator]
    maps = features.flatten(2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        texts, which = module.text.of_batch(labels, 0)
        matching = module.manifold_matching(maps, module.text, texts, which, labels)
        moving = module.optimal_transport(maps, module.text, texts, which)
    method = settings.method
    weighted = {
        "ce": nn.functional.cross_entropy(logits, labels),
        "mm": method.alpha * matching.loss,  # type: ignore[union-attr]
        "ot": method.beta * moving.loss,  # type: ignore[union-attr]
    }
    return {name: _slope(loss, features) for name, loss in weighted.items()}


def _slope(loss: Tensor, features: Tensor) -> Tensor:
    if not loss.requires_grad:
        return torch.zeros_like(features).flatten(2).double()
    found = torch.autograd.grad(loss, features, retain_graph=True, allow_unused=True)
    slope = torch.zeros_like(features) if found[0] is None else found[0]
    return slope.flatten(2).double()


def row_of_push(
    slope: Mapping[str, Tensor], reference: Mapping[str, Tensor]
) -> dict[str, float]:
    """Return the norms of alpha MM and beta OT in units of CE's, and the direction.

    "cosine": of alpha grad MM + beta grad OT with the reference's; NaN where either
    is zero.
    """
    length = float(slope["ce"].norm())
    here, there = (s["mm"] + s["ot"] for s in (slope, reference))
    both = float(here.norm() * there.norm())
    return {
        "MM": float(slope["mm"].norm()) / length,
        "OT": float(slope["ot"].norm()) / length,
        "both": float(here.norm()) / length,
        "cosine": float((here * there).sum()) / both if both > 0 else math.nan,
    }


def unchanged(rows: pd.DataFrame, least: float = 1e-3) -> list[str]:
    """Return the differences whose first push is that of `paper`, within `least`.

    They may still matter: they change what else moves, or what comes later.
    """
    own = rows[(rows["group"] == "code") & (rows["row"] == "paper")].iloc[0]
    others = rows[~rows["group"].isin(("code", "rebuttal"))]
    same = (others[["MM", "OT"]] / own[["MM", "OT"]].astype(float) - 1).abs() < least
    return list(others.loc[same.all(axis=1) & (others["cosine"] > 1 - least), "row"])
