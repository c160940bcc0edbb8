"""Chapter 13: the rows of the one table, which of them use words, and their twins.

A twin of a row with words is the same training or reading in which words say nothing
of the pictures. What a row with words gains over its twins it owes to what they mean.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

BASELINE = "ce"
CONTROLS = ("permuted", "random-tower", "random-vectors", "one-hot")
CE_PROBED, BCE_PROBED, BCOS_PROBED = "ce-probed", "bce-probed", "bcos-probed"
FILTERS, FILTERS_PERMUTED = "filters", "filters-permuted"
CLIP, CLIP_SHUFFLED = "clip", "clip-shuffled"
MASKED, MASKED_SHUFFLED = "masked-max", "masked-max-shuffled"
# Rows that no run of chapter 03 stands for: made from its baseline, or from a CLIP.
MADE = (
    *(CE_PROBED, BCE_PROBED, BCOS_PROBED, FILTERS, FILTERS_PERMUTED),
    *(CLIP, CLIP_SHUFFLED, MASKED, MASKED_SHUFFLED),
)
FLOORS = ("uniform", "centred Gaussian", "random smooth")
CEILINGS = ("ground-truth mask", "pooled mask")


@dataclass(frozen=True)
class Row:
    """One answer to the question, or a control of one.

    Attributes:
        title: as in tables and figures.
        words: whether words that say something of the pictures enter.
        twins: rows that differ in that alone, or in what else the row is made for.
        trained: how its network, or what is new of it, was trained.
        maps: how its maps are made.
    """

    title: str
    words: bool
    twins: tuple[str, ...]
    trained: str
    maps: str = "Grad-CAM"


_CE, _LICO, _CLIP = "cross-entropy", "LICO's losses", "captions of its scenes"
_HEAD, _OTHER = "its head anew", "captions of other scenes"
_NAMED = "filters named after the class"
ROWS: dict[str, Row] = {
    BASELINE: Row("baseline", False, (), _CE),
    "lico": Row("LICO", True, CONTROLS, _LICO),
    "permuted": Row("LICO, names permuted", False, (), _LICO),
    "random-tower": Row("LICO, random tower", False, (), _LICO),
    "random-vectors": Row("LICO, random vectors", False, (), _LICO),
    "one-hot": Row("LICO, one-hot", False, (), _LICO),
    "active": Row(
        "LICO, matching active",
        True,
        tuple(f"active-{one}" for one in CONTROLS),
        _LICO,
    ),
    "active-permuted": Row("active, names permuted", False, (), _LICO),
    "active-random-tower": Row("active, random tower", False, (), _LICO),
    "active-random-vectors": Row("active, random vectors", False, (), _LICO),
    "active-one-hot": Row("active, one-hot", False, (), _LICO),
    "cgc": Row("CGC", False, ("three-views",), "contrast of maps"),
    "three-views": Row("three views alone", False, (), _CE),
    BCE_PROBED: Row("BCE-probed", False, (CE_PROBED,), f"{_HEAD}, sigmoids"),
    CE_PROBED: Row("CE-probed", False, (), f"{_HEAD}, softmax"),
    BCOS_PROBED: Row("B-cos-probed", False, (CE_PROBED,), f"{_HEAD}, B-cos, sigmoids"),
    FILTERS: Row("named filters", True, (FILTERS_PERMUTED,), "LaViSE's words", _NAMED),
    FILTERS_PERMUTED: Row(
        "filters, words permuted", False, (), "words of other objects", _NAMED
    ),
    CLIP: Row("CLIP's own map", True, (CLIP_SHUFFLED,), _CLIP, "likeness to the text"),
    CLIP_SHUFFLED: Row(
        "CLIP, captions shuffled", False, (), _OTHER, "likeness to the text"
    ),
    MASKED: Row(
        "masked max pooling",
        True,
        (MASKED_SHUFFLED,),
        "a projection, by captions",
        "likeness to the text",
    ),
    MASKED_SHUFFLED: Row(
        "masked max, captions shuffled", False, (), _OTHER, "likeness to the text"
    ),
}
WITH_WORDS = tuple(name for name, row in ROWS.items() if row.words)
VARIANTS = tuple(name for name in ROWS if name not in (BASELINE, *MADE))


def ordered(names: Iterable[str]) -> list[str]:
    """Return names of rows in the order of the table."""
    known = set(names)
    return [name for name in ROWS if name in known]


def twin_of(name: str) -> str | None:
    """Return the row with words of which this is a twin, or None."""
    for other, row in ROWS.items():
        if row.words and name in row.twins:
            return other
    return None


def overview() -> pd.DataFrame:
    """Return a row an answer: what is trained, how maps are made, words, twins."""
    return pd.DataFrame(
        {
            "row": row.title,
            "trained by": row.trained,
            "map": row.maps,
            "words": "yes" if row.words else "no",
            "twin": ", ".join(ROWS[one].title for one in row.twins) or "—",
        }
        for row in ROWS.values()
    )
