"""Chapter 00: scenes, the tiny CLIP, a run, its maps and its scores."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from helpers.chapters.chapter import ClassifierChapter
from helpers.lab.runs import Run
from helpers.report.verdict import Verdict, verdict
from helpers.settings import DataSettings, RunSettings, TinyClip

# Arms of the chapter.
BASELINE = "no cue"
CUED = "cue"
CLIP = "tiny CLIP"
SHUFFLED = "shuffled captions"
CLASSIFIERS = (BASELINE, CUED)


class Laboratory(ClassifierChapter):
    """The parameters of chapter 00."""

    cue: float = Field(
        0.9, gt=0, le=1, description="class-background correlation of the second arm"
    )

    def arms(self) -> dict[str, list[RunSettings]]:
        """Return a baseline a seed; for scenes, one with the cue; two CLIPs a seed."""
        plain, method = self.data(), self.cross_entropy()
        arms = {BASELINE: self.each(plain, method, self.seeds)}
        if self.dataset == "scenes":
            arms[CUED] = self.each(self.data(cue=self.cue), method, self.seeds)
        words = DataSettings(train=self.clip_pictures)
        aligned = TinyClip(epochs=self.clip_epochs)
        arms[CLIP] = self.each(words, aligned, self.seeds)
        shuffled = aligned.model_copy(update={"captions": "shuffled"})
        arms[SHUFFLED] = self.each(words, shuffled, self.seeds)
        return arms

    def summary(self, arms: dict[str, list[Run]]) -> dict[str, Any]:
        """Return accuracies, per picture where a verdict needs it, and CLIP's tests."""
        kept: dict[str, Any] = {"parameters": self.model_dump(), "arms": {}}
        for name, runs in arms.items():
            records = [run.record for run in runs]
            if name in (CLIP, SHUFFLED):
                rows = [record["language"] for record in records]
            else:
                rows = [
                    {
                        "accuracy": record["accuracy"],
                        "training_accuracy": record["training_accuracy"],
                        "trained_out": record["trained_out"],
                        "correct": "".join(str(hit) for hit in record["correct"]),
                    }
                    for record in records
                ]
            kept["arms"][name] = dict(zip(map(str, self.seeds), rows, strict=True))
        return kept


def checks(summary: Mapping[str, Any]) -> list[tuple[str, str, float, bool]]:
    """Return the properties that the laboratory must have, and whether it has them.

    A row: property, what is needed, what was measured over the summary's seeds (the
    worst of them, unless it is a mean), and whether it holds. What the summary cannot
    tell (the cue of a folder of photographs, the spread of one seed) has no row.
    """
    arms = summary["arms"]
    rows: list[tuple[str, str, float, bool]] = []

    def row(what: str, low: float | None, high: float | None, value: float) -> None:
        need = f"at least {low}" if high is None else f"at most {high}"
        if low is not None and high is not None:
            need = f"{low} to {high}"
        fits = (low is None or value >= low) and (high is None or value <= high)
        rows.append((what, need, value, fits))

    clip, shuffled = list(arms[CLIP].values()), list(arms[SHUFFLED].values())
    row("tiny CLIP: zero-shot top-1", 0.60, None, min(c["zero-shot"] for c in clip))
    above = [
        c["zero-shot"] - s["zero-shot"] for c, s in zip(clip, shuffled, strict=True)
    ]
    row("tiny CLIP: above shuffled captions", 0.15, None, min(above))
    for kind in ("pooled", "token"):
        row(f"families, {kind}: rho", 0.4, None, min(c[f"{kind} rho"] for c in clip))
        row(f"families, {kind}: p", None, 0.01, max(c[f"{kind} p"] for c in clip))
        worst = max((c[f"{kind} rho, random tower"] for c in clip), key=abs)
        row(f"families, {kind}: rho of a random tower", -0.15, 0.15, worst)
    if summary["parameters"]["dataset"] != "scenes":
        return rows
    plain = list(arms[BASELINE].values())
    tests = [one["accuracy"]["test"] for one in plain]
    row("baseline: mean test top-1", 0.65, 0.90, float(np.mean(tests)))
    out = float(np.mean([one["trained_out"] for one in plain]))
    row("baseline: share of runs trained out", 1.0, None, out)
    if len(tests) > 1:
        row("baseline: SD between seeds", None, 0.02, float(np.std(tests, ddof=1)))
    row("cue's gain, trained without", -0.03, 0.03, max(_gains(plain), key=abs))
    gains = _gains(list(arms[CUED].values()))
    row(
        f"cue's gain, trained at {summary['parameters']['cue']}",
        0.08,
        None,
        min(gains),
    )
    return rows


def _gains(rows: list[Mapping[str, Any]]) -> list[float]:
    """Return accuracy at home minus accuracy anywhere, for each seed."""
    return [r["accuracy"]["on"] - r["accuracy"]["decorrelated"] for r in rows]


def cue_differences(summary: Mapping[str, Any]) -> pd.DataFrame:
    """Return accuracy where the place says nothing, a row a seed: both arms and d_s."""
    arms = summary["arms"]
    if CUED not in arms:
        return pd.DataFrame(columns=["seed", "without", "with", "difference"])
    frame = pd.DataFrame(
        {
            "seed": seed,
            "without": row["accuracy"]["test"],
            "with": arms[CUED][seed]["accuracy"]["test"],
        }
        for seed, row in arms[BASELINE].items()
    )
    return frame.assign(difference=frame["without"] - frame["with"])


def cue_verdict(summary: Mapping[str, Any]) -> Verdict:
    """Judge that training without the cue is better where the place says nothing.

    Arms: the baseline and the network trained with the cue; score: whether a test
    scene with a random place is named right.
    """
    arms = summary["arms"]

    def hits(arm: str) -> np.ndarray:
        return np.array(
            [[int(hit) for hit in row["correct"]] for row in arms[arm].values()]
        )

    both = [*arms[BASELINE].values(), *arms[CUED].values()]
    return verdict(
        hits(BASELINE),
        hits(CUED),
        claim="Trained without the cue, a network names more test scenes right",
        metric="accuracy",
        baseline=hits(BASELINE),
        trained_out=all(row["trained_out"] for row in both),
        inert=False,
    )
