"""Tables of the published numbers: what was printed, tested, summed and said."""

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal

import pandas as pd

from helpers.report import published
from helpers.report.published import NAMES, SCORES, Contrast, Published
from helpers.report.published_checks import Checked, Sum
from helpers.report.published_checks import turned as turned_pairs
from helpers.report.published_contrasts import (
    BASELINE,
    LICO,
    Tested,
    Untested,
)

CLAIMS = {
    "1": "maps: lico against ce",
    "2": "accuracy: lico against ce",
    "3": "both losses: lico against mm, ot; mm, ot against ce",
    "none": "of no claim: ot against mm",
}
METHODS = ("", published.MAPS, "Grad-CAM++", "RISE")


def inventory(sources: Sequence[str]) -> pd.DataFrame:
    """Return a row a document and table: numbers, those with an SD, runs behind one."""
    rows = [row for key in sources for row in published.load() if row.source == key]
    found = []
    for source, table in dict.fromkeys((one.source, one.table) for one in rows):
        here = [one for one in rows if (one.source, one.table) == (source, table)]
        found.append(
            {
                "document": NAMES[source],
                "table": table,
                "data": _joined(one.data for one in here),
                "numbers": len(here),
                "with SD": sum(one.sd is not None for one in here),
                "runs": _joined(str(one.runs or "not stated") for one in here),
            }
        )
    return pd.DataFrame(found)


def scope(tests: Sequence[Tested], others: Sequence[Untested]) -> pd.DataFrame:
    """Return a row a claim and document: contrasts, the claim's way, with SDs."""
    pairs: list[Tested | Untested] = [*tests, *others]
    rows = []
    for claim, source in ((c, s) for c in ("1", "2", "3") for s in NAMES):
        here = [p for p in pairs if (p.claim, p.contrast.source) == (claim, source)]
        if here:
            rows.append(
                {
                    "claim": claim,
                    "about": CLAIMS[claim],
                    "document": NAMES[source],
                    "contrasts": len(here),
                    "the claim's way": sum(p.contrast.gain > 0 for p in here),
                    "can be tested": sum(isinstance(p, Tested) for p in here),
                }
            )
    return pd.DataFrame(rows)


def tiles(tests: Sequence[Tested], others: Sequence[Untested]) -> pd.DataFrame:
    """Return a row a contrast of LICO and baseline, for `published_figures.dispute`.

    Sorted by saliency method and metric; `gain` is positive where LICO is the better.
    Marked are overall scores whose order insertion - deletion turns around.
    """
    around = {one.printed for pair in turned_pairs() for one in pair}
    every: list[Tested | Untested] = [*tests, *others]
    pairs = [
        pair
        for pair in every
        if (pair.contrast.a.arm, pair.contrast.b.arm) == (LICO, BASELINE)
    ]
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
                "document": NAMES[source],
                "claim": claim,
                "family": CLAIMS[claim],
                "tests": len(here),
                "clear of 0": sum(t.test.p < t.level for t in here),
                "after Holm": sum(t.holm < t.level for t in here),
                "and any rounding": sum(t.holm_rounded < t.level for t in here),
                "can see the margin": sum(t.sees_margin is True for t in here),
            }
        )
    return pd.DataFrame(rows).sort_values("claim") if rows else pd.DataFrame()


def contrasts(tests: Iterable[Tested]) -> pd.DataFrame:
    """Return a row a tested contrast, with all that its test says."""
    return pd.DataFrame(
        {
            "claim": one.claim,
            "table": one.contrast.table,
            "metric": published.metric(one.contrast.metric).label,
            "A - B": f"{one.contrast.a.arm} - {one.contrast.b.arm}",
            "difference": one.contrast.difference,
            "from": one.test.interval[0],
            "to": one.test.interval[1],
            "detectable": one.detectable,
            "p": one.test.p,
            "Holm": one.holm,
            "Holm, rounding": one.holm_rounded,
            "A is": one.reading,
        }
        for one in tests
    )


def verdicts(tests: Sequence[Tested]) -> pd.DataFrame:
    """Return how often this book's rule gives which answer, by claim."""
    counts = Counter((one.claim, one.verdict) for one in tests)
    return pd.DataFrame(
        {"claim": claim, "verdict": answer, "contrasts": number}
        for (claim, answer), number in sorted(counts.items())
    )


def single_runs(others: Sequence[Untested]) -> pd.DataFrame:
    """Return a row a document and metric: contrasts without a test, what hides them.

    `SD from`, `SD to`: the range of between-run SDs from which on they are undecided;
    `some printed`, `each printed`: how many of them are, by some or by each of the SDs
    that are printed for the metric anywhere.
    """
    groups = dict.fromkeys((p.contrast.source, p.contrast.metric) for p in others)
    rows = []
    for source, metric in groups:
        here = [
            p
            for p in others
            if (p.contrast.source, p.contrast.metric) == (source, metric)
        ]
        limits = [p.undecidable_sd for p in here]
        rows.append(
            {
                "document": NAMES[source],
                "metric": published.metric(metric).label,
                "contrasts": len(here),
                "SD from": min(limits),
                "SD to": max(limits),
                "printed SDs": _range(here[0].printed_sds),
                "some printed": sum(p.share > 0 for p in here),
                "each printed": sum(p.share == 1 for p in here),
            }
        )
    return pd.DataFrame(rows)


def untestable(others: Iterable[Untested]) -> pd.DataFrame:
    """Return a row a contrast of single runs."""
    return pd.DataFrame(
        {
            "document": NAMES[one.contrast.source],
            "table": one.contrast.table,
            "data": one.contrast.data,
            "metric": _named(one.contrast),
            "A - B": f"{one.contrast.a.arm} - {one.contrast.b.arm}",
            "difference": one.contrast.difference,
            "test": "no test possible",
            "undecided from SD": one.undecidable_sd,
            "printed SDs over it": f"{one.share:.0%}" if one.printed_sds else "—",
        }
        for one in others
    )


def misfits(sums: Iterable[Sum]) -> pd.DataFrame:
    """Return a row an overall cell that insertion - deletion misses."""
    return pd.DataFrame(
        {
            "document": NAMES[one.printed.source],
            "table": one.printed.table,
            "data": one.printed.data,
            "maps": one.printed.saliency,
            "arm": one.printed.arm,
            "printed": _text(one.printed),
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
            "document": NAMES[one.printed.source],
            "data": one.printed.data,
            "maps": one.printed.saliency,
            "higher as printed": _higher(one, two, one.printed.mean > two.printed.mean),
            "higher, recomputed": _higher(one, two, one.made > two.made),
        }
        for one, two in pairs
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
            "document": NAMES[source],
            "statements": len(here),
            "tables agree": sum(one.agrees is True for one in here),
            "tables disagree": sum(one.agrees is False for one in here),
            "would need a test": sum(one.agrees is None for one in here),
        }
        for source in NAMES
        if (here := [one for one in found if one.statement.source == source])
    )


def disagreements(found: Iterable[Checked]) -> pd.DataFrame:
    """Return a row a cell that says otherwise than the text, with both values."""
    return pd.DataFrame(
        {
            "document": NAMES[one.statement.source],
            "section": one.statement.section,
            "text": f"“{one.statement.quote}”",
            "asked": one.statement.relation,
            "cell": _place(cell.value),
            "value": f"{cell.value.arm}: {_text(cell.value)}",
            "beside": "; ".join(
                f"{other.arm}: {_text(other)}" for other in cell.others
            ),
            "otherwise": f"{len(one.against)} of {len(one.cells)} cells",
        }
        for one in found
        if one.agrees is False
        for cell in one.against
    )


def statements(found: Iterable[Checked]) -> pd.DataFrame:
    """Return a row a statement: what the text says, and in how many cells it holds."""
    return pd.DataFrame(
        {
            "document": NAMES[one.statement.source],
            "section": one.statement.section,
            "says": f"“{one.statement.quote}”",
            "tables": ", ".join(one.statement.tables),
            "cells": len(one.cells),
            "hold": sum(cell.holds is True for cell in one.cells),
            "say otherwise": len(one.against),
            "need a test": len(one.untested),
        }
        for one in found
    )


def _place(one: Published) -> str:
    label = published.metric(one.metric).label
    return _joined([one.table, one.data, label, one.saliency])


def _named(contrast: Contrast) -> str:
    """Return the metric with the method of its maps."""
    label = published.metric(contrast.metric).label
    made = contrast.a.saliency
    return f"{label}, {made}" if made else label


def _text(one: Published) -> str:
    """Return a number with the digits that are printed."""
    exponent = Decimal(str(one.step)).normalize().as_tuple().exponent
    digits = max(0, -int(exponent))
    mean = f"{one.mean:.{digits}f}"
    return mean if one.sd is None else f"{mean} ± {one.sd:.{digits}f}"


def _higher(one: Sum, two: Sum, first: bool) -> str:
    return (one if first else two).printed.arm or ""


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.4g} to {max(values):.4g}" if values else "—"


def _joined(words: Iterable[str | None]) -> str:
    return ", ".join(dict.fromkeys(word for word in words if word))
