"""Tables of the book: tidy frames, shown with few digits and no index."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from helpers.measure.aggregate import aggregate
from helpers.report import margins

# Of these pandas would show the texts within as they are, markup too.
HOLDERS = (list, tuple, set, dict, PurePath)


def show(frame: pd.DataFrame, digits: int = 3) -> Styler:
    """Return the table as a page shows it: no index, numbers with `digits` digits.

    What is not there, as the interval of one seed, is a dash.
    """
    frame = frame.replace([np.inf, -np.inf], np.nan)
    texts = frame.map(lambda one: str(one) if isinstance(one, HOLDERS) else one)
    texts = texts.replace(" ± ", "\u00a0± ", regex=True)  # two lines at most
    styler = texts.style.hide(axis="index").format(
        precision=digits, na_rep="—", escape="html"
    )
    styler = styler.format_index(escape="html", axis="columns")
    return styler.set_table_attributes('class="dataframe"')


def of_maps(
    records: Sequence[Mapping[str, Any]], scores: Sequence[str], correct: bool = False
) -> pd.DataFrame:
    """Return a row a map: each of its scores, the mean over pictures, then over seeds.

    `records`: one a training seed, each with `maps[name][score]`, a list over pictures;
    `aggregate` takes the mean over those that have the score. A seed that has none
    counts nowhere. `correct`: on the pictures that the network gets right, alone.
    """
    rows = []
    for name in records[0]["maps"]:
        row: dict[str, Any] = {"map": name}
        for score in scores:
            means, used = [], 0
            for record in records:
                values = np.array(record["maps"][name][score], dtype=float)
                if correct:
                    right = np.array(record["full_correct"], dtype=bool)
                    values = np.where(right, values, np.nan)
                    used += int(right.sum())
                means.append(aggregate(values).mean)
            if correct:
                row["pictures"] = used
            row[score] = over_seeds(means)
        rows.append(row)
    return pd.DataFrame(rows)


def over_seeds(means: Sequence[float]) -> float:
    """Return the mean of seeds' means, NaN where no seed has one."""
    return aggregate(np.array(means, dtype=float)).mean


def of_checks(rows: Sequence[tuple[str, str, float, bool]]) -> pd.DataFrame:
    """Return a table: property, what is needed, what was measured, does it hold.

    >>> of_checks([("rows sum to 1/C", "0", 1e-9, True)])["holds"].tolist()
    ['yes']
    """
    frame = pd.DataFrame(rows, columns=["property", "needed", "measured", "holds"])
    frame["holds"] = frame["holds"].map({True: "yes", False: "NO"})
    return frame


def of_margins() -> pd.DataFrame:
    """Return the committed margins: metric, direction, margin, unit."""
    kept = margins.load()
    return pd.DataFrame(
        {
            "metric": metric.label,
            "better": "higher" if metric.higher_is_better else "lower",
            "margin": metric.margin,
            "unit": metric.unit,
        }
        for metric in kept.metrics.values()
    )
