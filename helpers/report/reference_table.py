"""How much reference data there is, beside Table 1 of Buis et al. 2023."""

from collections.abc import Sequence

import pandas as pd

from helpers.data.listing import Listing, count
from helpers.settings import Refused

WHAT = ("pictures", "annotations", "categories")
PARTS = ("train", "validation", "both")
# As printed, rows as WHAT, columns as PARTS; the second 90% of VG reads 10% elsewhere.
PUBLISHED: dict[str, tuple[tuple[str, str, str], ...]] = {
    "COCO": (("117k", "5k", "122k"), ("860k", "37k", "897k"), ("92", "92", "92")),
    "VG": (("90%", "10%", "93k"), ("90%", "90%", "1963k"), ("70%", "30%", "1128")),
}


def reference_table(
    train: Listing,
    validation: Listing,
    published: str | None = None,
    words: tuple[Sequence[str], Sequence[str]] | None = None,
) -> pd.DataFrame:
    """Return a row a number: what, part, here, its share of both; as published, if so.

    Args:
        train: what is trained on.
        validation: what chooses the epoch, with the same category words.
        published: "COCO", "VG", or None for data that no document describes.
        words: category words that are trained on and held out; without, those that
            each part shows.

    Raises:
        Refused: another name, or parts with other words.
    """
    if published is not None and published not in PUBLISHED:
        raise Refused(f"published '{published}' must be one of {', '.join(PUBLISHED)}")
    if train.words != validation.words:
        raise Refused(
            f"training has {len(train.words)} category words, validation other "
            f"{len(validation.words)}: restrict both to the same"
        )
    parts = count(train), count(validation)
    shown = [
        {row for e in part.entries for one in e.annotations for row in one.words}
        for part in (train, validation)
    ]
    categories = [len(rows) for rows in shown]
    together = len(shown[0] | shown[1])
    if words is not None:
        categories, together = [len(w) for w in words], len({*words[0], *words[1]})
    numbers = (
        (parts[0].images, parts[1].images, parts[0].images + parts[1].images),
        tuple(
            [one.annotations for one in parts] + [sum(one.annotations for one in parts)]
        ),
        (*categories, together),
    )
    printed = PUBLISHED.get(published or "", (("–",) * 3,) * 3)
    table = pd.DataFrame(
        [
            {
                "what": what,
                "part": part,
                "here": here,
                "share": here / row[-1] if row[-1] else float("nan"),
                "published": said,
            }
            for what, row, told in zip(WHAT, numbers, printed, strict=True)
            for part, here, said in zip(PARTS, row, told, strict=True)
        ]
    )
    return table if published else table.drop(columns="published")
