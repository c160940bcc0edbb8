"""Where chapter 12 looks for the effect: towers that differ in one thing each."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from helpers.chapters.eclip_claims import (
    Summary,
    has_scores,
    label,
    opposite,
    scores,
    table,
    trained_out,
)
from helpers.chapters.eclip_judged import judged
from helpers.chapters.eclip_maps import ITSM
from helpers.chapters.eclip_rows import is_fit
from helpers.chapters.eclip_towers import VARIANTS
from helpers.chapters.eclip_views import attention, maps
from helpers.report.records import unpacked
from helpers.report.verdict import Verdict


def looked_for(summary: Summary) -> pd.DataFrame:
    """Return a row a tower: where the effect was looked for, and what is seen there.

    `contrast` and `correlation` are means over pictures and seeds; `opposite` is the
    verdict. A tower that recognises too little is "under-trained" in it.
    """
    rows = []
    for tower, seeds in summary["towers"].items():
        if not has_scores(summary, tower):
            continue
        row: dict[str, Any] = {
            "tower": tower,
            "zero-shot": _over(seeds, lambda one: one["zero-shot"]),
        }
        row["contrast"] = float(np.nanmean(scores(summary, tower, ITSM, "contrast")))
        row["correlation"] = _over(
            seeds, lambda one: float(np.nanmean(unpacked(one["correlation"])))
        )
        row["mIoU"] = float(np.nanmean(scores(summary, tower, ITSM, "iou")))
        row["floor"] = _over(seeds, lambda one: one["maps"][ITSM]["floor"])
        row["opposite"] = label(opposite(summary, tower))
        rows.append(row)
    return pd.DataFrame(rows)


def by_seed(summary: Summary) -> pd.DataFrame:
    """Return a row a tower and seed: the contrast of CLIP's own map, and whether fit.

    Without masks there is no contrast, and no row.
    """
    return pd.DataFrame(
        {
            "tower": tower,
            "seed": int(seed),
            "contrast": float(np.nanmean(unpacked(one["maps"][ITSM]["contrast"]))),
            "fit": is_fit(one, summary["parameters"]),
        }
        for tower, seeds in summary["towers"].items()
        if has_scores(summary, tower)
        for seed, one in seeds.items()
    )


def between(summary: Summary, tower: str, other: str, claim: str) -> Verdict | None:
    """Judge that one tower's own map has more contrast than another's, if both exist.

    Both were trained on as many pictures, for as long, but for the laboratory's own.
    """
    known = summary["towers"]
    if tower not in known or other not in known or not has_scores(summary, tower):
        return None
    return judged(
        summary,
        scores(summary, tower, ITSM, "contrast"),
        scores(summary, other, ITSM, "contrast"),
        claim=claim,
        metric="contrast",
        trained_out=all(trained_out(summary, one, ()) for one in (tower, other)),
    )


def compared(summary: Summary) -> pd.DataFrame:
    """Return a row a variant: its contrast less that of the tower it differs from."""
    rows = []
    for name, variant in VARIANTS.items():
        if variant.beside:
            claim = f"{name} over {variant.beside}"
            found = between(summary, name, variant.beside, claim)
            if found is not None:
                rows.append(
                    {
                        "towers": claim,
                        "contrast A - B": found.estimate,
                        "from": found.interval[0],
                        "to": found.interval[1],
                        "A has more": label(found),
                    }
                )
    if not rows:
        return pd.DataFrame({"towers": [f"only {', '.join(summary['towers'])}"]})
    return pd.DataFrame(rows)


def pooling_in_training(summary: Summary) -> Verdict | str:
    """Judge that a ViT has more contrast if it was trained by max pooling.

    More than by its class token; or say that a tower is missing. Written after the
    first record of these towers.
    """
    claim = "A ViT trained by max pooling over one trained by its class token"
    found = between(summary, "ViT, max", "ViT", claim)
    return found or "no verdict: 'ViT' and 'ViT, max' are not both among the towers"


def attention_of(tower: str) -> Callable[[Summary], pd.DataFrame]:
    """Return the table of attention of one tower, as a function of a summary."""
    return lambda summary: _of(summary, tower, attention)


def answers_of(tower: str) -> Callable[[Summary], pd.DataFrame]:
    """Return the table of answers of one tower, as a function of a summary."""
    return lambda summary: _of(summary, tower, table)


def maps_of(tower: str) -> Callable[[Summary], pd.DataFrame]:
    """Return the table of maps of one tower, as a function of a summary."""
    return lambda summary: _of(summary, tower, maps)


def _of(
    summary: Summary, tower: str, make: Callable[[Summary, str], pd.DataFrame]
) -> pd.DataFrame:
    if tower not in summary["towers"]:
        return pd.DataFrame({"towers": [f"only {', '.join(summary['towers'])}"]})
    return make(summary, tower)


def _over(seeds: Mapping[str, Any], of: Callable[[Any], float]) -> float:
    return float(np.mean([of(one) for one in seeds.values()]))
