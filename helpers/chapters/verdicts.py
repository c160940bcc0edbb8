"""Chapter 09: the ledger of claims, from the committed records and the reader's run."""

from collections.abc import Mapping

import pandas as pd

from helpers.chapters.training import GROUPS, Training
from helpers.report import arms, ledger
from helpers.report.records import NOT_MADE, Record
from helpers.report.statements import Statement

# That LICO with a bounded temperature does more than the baseline.
STABLE = tuple(Statement("stable", "ce", m) for m in ("accuracy", "sch", "insertion"))


class Verdicts(Training):
    """The parameters of chapter 09: those of chapter 03, whose runs it judges."""


def page_name(summary: Record) -> str:
    """Return what the runs of a page are called, "modified" if one of its arms is."""
    return "this page, modified" if summary["modified"] else "this page"


def gains_apart(record: Record) -> pd.DataFrame:
    """Return (LICO - CE) - (CGC - three views), a row a metric: what words add to it.

    CGC is held against the network that sees its crops, LICO against the one without.
    """
    claim = "LICO gains more over its baseline than CGC over three views"
    judged = [
        ledger.judge(record, ["lico", "three-views"], ["ce", "cgc"], metric, claim)
        for metric in ("sch", "accuracy")
        if {"cgc", "three-views"} <= set(record["arms"])
    ]
    rows = [ledger.cells(found) for found in judged if found is not None]
    return pd.DataFrame(rows or {"metric": ["CGC and three views are not recorded"]})


def about_words(record: Record | None) -> Record | None:
    """Return a record with baseline, LICO, its language controls and captions alone."""
    return arms.only(record, ["ce", "lico", *GROUPS["controls"], *GROUPS["captions"]])


def origins(made: Mapping[str, Record | None]) -> pd.DataFrame:
    """Return a row a record: its runs, and with what, where and when it was made."""
    rows = []
    for name, record in made.items():
        if record is None:
            rows.append({"record": name, "runs": NOT_MADE})
            continue
        kept = record["provenance"]
        rows.append(
            {
                "record": name,
                "runs": str(record["runs"]["count"]),
                "commit": kept["commit"][:9] + ("+" if kept["dirty"] else ""),
                "device": kept["device"],
                "torch": kept["versions"]["torch"],
                "date": kept["date"][:10],
            }
        )
    return pd.DataFrame(rows).fillna("—")
