"""Tables of the published numbers: what was printed, tested, summed and said."""

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal

import numpy as np
import pandas as pd

from helpers.report import published
from helpers.report.published import NAMES, SCORES, Contrast, Published
from helpers.report.published_checks import Checked, Sum
from helpers.report.published_checks import turned as turned_pairs
from helpers.report.published_contrasts import LICO, Tested, Untested

CLAIMS = {
    "1": "1, maps",
    "2": "2, accuracy",
    "3": "3, both losses",
    "none": "none of them",
}
SHORT = {key: name.removesuffix(", 2024") for key, name in NAMES.items()}
METHODS = ("", published.MAPS, "Grad-CAM++", "RISE")


def inventory(sources: Sequence[str]) -> pd.DataFrame:
    """Return a row a document and table: numbers, those with an SD, runs behind one."""
    rows = [row for key in sources for row in published.load() if row.source == key]
    found = []
    for source, table in dict.fromkeys((one.source, one.table) for one in rows):
        here = [one for one in rows if (one.source, one.table) == (source, table)]
        found.append(
            {
                "document": SHORT[source],
                "table": table,
                "data": _joined(one.data for one in here),
                "numbers": int(np.isfinite([one.mean for one in here]).sum()),
                "with SD": sum(one.sd is not None for one in here),
                "runs": _joined(str(one.runs or "not stated") for one in here),
            }
        )
    return pd.DataFrame(found)


def scope(tests: Sequence[Tested], others: Sequence[Untested]) -> pd.DataFrame:
    """Return a row a claim and document: contrasts, the claim's way, with SDs."""
    pairs: list[Tested | Untested] = [*tests, *others]
    frame = pd.DataFrame(
        {
            "claim": _part(pair),
            "document": SHORT[pair.contrast.source],
            "contrasts": 1,
            "the claim's way": int(pair.contrast.gain > 0),
            "can be tested": int(isinstance(pair, Tested)),
        }
        for pair in pairs
        if pair.claim != "none"
    )
    if frame.empty:
        return frame
    frame["document"] = pd.Categorical(frame["document"], list(SHORT.values()))
    return frame.groupby(["claim", "document"], observed=True, as_index=False).sum()


def _part(pair: Tested | Untested) -> str:
    """Return a claim; of the third, which losses are compared with which."""
    if pair.claim != "3":
        return CLAIMS[pair.claim]
    both = pair.contrast.a.arm == LICO
    return "3, both against one" if both else "3, one against none"


def tiles(tests: Sequence[Tested], others: Sequence[Untested]) -> pd.DataFrame:
    """Return a row a contrast of LICO and baseline, for `published_figures.dispute`.

    Sorted by saliency method and metric; `gain` is positive where LICO is the better.
    Marked are overall scores whose order insertion - deletion turns around.
    """
    around = {one.printed for pair in turned_pairs() for one in pair}
    every: list[Tested | Untested] = [*tests, *others]
    pairs = [pair for pair in every if pair.claim in ("1", "2")]
    pairs.sort(
        key=lambda pair: (
            METHODS.index(pair.contrast.a.saliency or ""),
            SCORES.index(pair.contrast.metric),
        )
    )
    return pd.DataFrame(
        {
            "source": pair.contrast.source,
            "data": pair.contrast.data,
            "metric": _named(pair.contrast),
            "gain": pair.contrast.gain,
            "evidence": pair.evidence,
            "mark": " †" if pair.contrast.a in around else "",
        }
        for pair in pairs
    )


def families(tests: Sequence[Tested]) -> pd.DataFrame:
    """Return a row a family: its tests, those clear of 0, those that see the margin."""
    rows = []
    for source, claim in dict.fromkeys((t.contrast.source, t.claim) for t in tests):
        here = [t for t in tests if (t.contrast.source, t.claim) == (source, claim)]
        rows.append(
            {
                "document": SHORT[source],
                "claim": CLAIMS[claim],
                "tests": len(here),
                "clear of 0": sum(t.test.p < t.level for t in here),
                "after Holm": sum(t.holm < t.level for t in here),
                "at any rounding": sum(t.holm_rounded < t.level for t in here),
                "see the margin": sum(t.sees_margin is True for t in here),
            }
        )
    return pd.DataFrame(rows).sort_values("claim") if rows else pd.DataFrame()


def contrasts(tests: Iterable[Tested]) -> pd.DataFrame:
    """Return a row a tested contrast, with all that its test says."""
    return pd.DataFrame(
        {
            "claim": one.claim,
            "table": _unbroken(one.contrast.table),
            "metric": published.metric(one.contrast.metric).label,
            "A - B": _pair(one.contrast),
            "difference": _unbroken(f"{one.contrast.difference:+.4f}"),
            "interval": _unbroken("{:+.4f}, {:+.4f}".format(*one.test.interval)),
            "detectable": one.detectable,
            "p": one.test.p,
            "Holm": one.holm,
            "rounded": one.holm_rounded,
            "A is": _unbroken(one.reading),
        }
        for one in tests
    )


def verdicts(tests: Sequence[Tested]) -> pd.DataFrame:
    """Return how often this book's rule gives which answer, by claim."""
    counts = Counter((one.claim, one.verdict) for one in tests)
    return pd.DataFrame(
        {"claim": CLAIMS[claim], "verdict": answer, "contrasts": number}
        for (claim, answer), number in sorted(counts.items())
    )


def single_runs(others: Sequence[Untested]) -> pd.DataFrame:
    """Return a row a document and metric: contrasts without a test, what hides them.

    `hidden by`: the range of between-run SDs from which on they are undecided; `by
    some`, `by each`: how many of them are, with some or with each of the SDs that are
    printed for the metric anywhere.
    """
    groups = dict.fromkeys((p.contrast.source, p.contrast.metric) for p in others)
    rows = []
    for source, metric in groups:
        key = (source, metric)
        here = [p for p in others if (p.contrast.source, p.contrast.metric) == key]
        limits = [p.undecidable_sd for p in here]
        rows.append(
            {
                "document": SHORT[source],
                "metric": published.metric(metric).label,
                "contrasts": len(here),
                "hidden by": _range(limits),
                "printed SDs": _range(here[0].printed_sds),
                "by some": sum(p.share > 0 for p in here),
                "by each": sum(p.share == 1 for p in here),
            }
        )
    return pd.DataFrame(rows)


def untestable(others: Iterable[Untested]) -> pd.DataFrame:
    """Return a row a contrast of single runs."""
    return pd.DataFrame(
        {
            "document": SHORT[one.contrast.source],
            "table": one.contrast.table,
            "data": one.contrast.data,
            "metric": _named(one.contrast),
            "A - B": _pair(one.contrast),
            "difference": _unbroken(f"{one.contrast.difference:+.4f}"),
            "test": one.evidence,
            "hidden by": f"{one.undecidable_sd:.2g}",
        }
        for one in others
    )


def misfits(sums: Iterable[Sum]) -> pd.DataFrame:
    """Return a row an overall cell that insertion - deletion misses."""
    return pd.DataFrame(
        {
            "document": SHORT[one.printed.source],
            "cell": f"{_place(one.printed)}, {one.printed.arm}",
            "printed": _unbroken(_text(one.printed)),
            "recomputed": f"{one.made:.4g}",
            "units of the last digit": f"{one.units:+.0f}",
        }
        for one in sums
        if one.misses
    )


def turned(pairs: Iterable[tuple[Sum, Sum]]) -> pd.DataFrame:
    """Return a row a pair of arms whose order the recomputed scores turn around."""
    return pd.DataFrame(
        {
            "document": SHORT[pair[0].printed.source],
            "cell": _place(pair[0].printed),
            "higher as printed": max(pair, key=lambda s: s.printed.mean).printed.arm,
            "higher, recomputed": max(pair, key=lambda s: s.made).printed.arm,
        }
        for pair in pairs
    )


def products(sums: Iterable[Sum]) -> pd.DataFrame:
    """Return a row a number of Appendix D, beside what its factors give."""
    return pd.DataFrame(
        {
            "number": one.printed.metric,
            "note": one.printed.note or "",
            "printed": one.printed.mean,
            "recomputed": one.made,
            "unit": one.printed.unit,
        }
        for one in sums
    )


def agreement(found: Sequence[Checked]) -> pd.DataFrame:
    """Return a row a document: its statements, and how many its tables bear out."""
    return pd.DataFrame(
        {
            "document": SHORT[source],
            "statements": len(here),
            "tables agree": sum(one.agrees is True for one in here),
            "tables disagree": sum(one.agrees is False for one in here),
            "would need a test": sum(one.agrees is None for one in here),
        }
        for source in NAMES
        if (here := [one for one in found if one.statement.source == source])
    )


def disagreements(found: Iterable[Checked]) -> pd.DataFrame:
    """Return a row a statement and table that say otherwise, with both values."""
    rows = [
        {
            "document, section": _where(one),
            "text": f"“{one.statement.quote}”",
            "so A is": one.statement.relation,
            "otherwise": f"{len(one.against)} of {len(one.cells)}",
            "cell": _place(cell.value),
            "A, B": ", ".join(_value(value) for value in (cell.value, *cell.others)),
        }
        for one in found
        if one.agrees is False
        for cell in one.against
    ]
    frame = pd.DataFrame(rows)
    if rows:  # a text is shown once, above its first cell
        words = ["document, section", "text", "so A is", "otherwise"]
        frame.loc[frame.duplicated(words), words] = ""
    return frame


def statements(found: Iterable[Checked]) -> pd.DataFrame:
    """Return a row a statement: what the text says, and in how many cells it holds."""
    return pd.DataFrame(
        {
            "document, section": _where(one),
            "text": f"“{one.statement.quote}”",
            "so A is": one.statement.relation,
            "on": ", ".join(published.metric(m).label for m in one.statement.metrics),
            "in": ", ".join(one.statement.tables),
            "cells": len(one.cells),
            "otherwise": len(one.against),
            "no test": len(one.untested),
        }
        for one in found
    )


def _place(one: Published) -> str:
    label = published.metric(one.metric).label
    return _joined([one.table, one.data, label, one.saliency])


def _value(one: Published) -> str:
    return f"{one.arm} {_unbroken(_text(one))}"


def _where(one: Checked) -> str:
    return f"{SHORT[one.statement.source]}, {one.statement.section}"


def _pair(contrast: Contrast) -> str:
    return _unbroken(f"{contrast.a.arm} − {contrast.b.arm}")


def _unbroken(words: str) -> str:
    """Return words that stay on one line of a narrow column."""
    return words.replace(" ", "\u00a0").replace("-", "−")


def _named(contrast: Contrast) -> str:
    """Return the metric with the method of its maps."""
    return _joined([published.metric(contrast.metric).label, contrast.a.saliency])


def _text(one: Published) -> str:
    """Return a number with the digits that are printed."""
    exponent = Decimal(str(one.step)).normalize().as_tuple().exponent
    digits = max(0, -int(exponent))
    mean = f"{one.mean:.{digits}f}"
    return mean if one.sd is None else f"{mean} ± {one.sd:.{digits}f}"


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.2g} to {max(values):.2g}" if values else "—"


def _joined(words: Iterable[str | None]) -> str:
    return ", ".join(dict.fromkeys(word for word in words if word))
