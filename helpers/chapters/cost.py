"""Chapter 08: what LICO costs: a step, an epoch, an experiment, and a prediction.

Tokens stand in `cost_tokens`, operations in `cost_flops`, times and memory by size in
`cost_growth`, the bench in `cost_bench`, prediction in `cost_inference`.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import pandas as pd
from pydantic import Field, PositiveFloat, field_validator

from helpers import paths
from helpers.chapters.chapter import LicoChapter
from helpers.lab.runs import Run
from helpers.report import published, records
from helpers.report.published import Published
from helpers.report.published_checks import EPOCHS
from helpers.settings import RunSettings

SOURCE = "bartak2024lico"
HOUR = 3.6e6  # watt seconds in a kilowatt hour


class Cost(LicoChapter):
    """The parameters of chapter 08."""

    layers: int = Field(
        1, ge=1, le=12, description="blocks of the timed tower, of its 12"
    )
    class_counts: list[Annotated[int, Field(ge=2, le=100)]] = Field(
        [6, 12, 24, 48], min_length=3, description="numbers of classes, 100 at most"
    )
    contexts: list[Annotated[int, Field(ge=1, le=70)]] = Field(
        [6, 12, 24, 48], min_length=3, description="numbers of learnable tokens"
    )
    batches: list[Annotated[int, Field(ge=2)]] = Field(
        [16, 32, 64], min_length=3, description="pictures of the steps that are timed"
    )
    epsilons: list[PositiveFloat] = Field(
        [1.0, 0.3, 0.1, 0.03, 0.01],
        min_length=3,
        description="entropic strengths",
    )
    pairs: int = Field(3, ge=1, description="times that two ways take turns")
    watts: float = Field(400.0, gt=0, description="power of your whole machine")
    intensity: float = Field(421.0, ge=0, description="g of CO2 equivalent a kWh")

    @field_validator("class_counts", "contexts", "batches", "epsilons")
    @classmethod
    def sizes_differ(cls, sizes: list[float]) -> list[float]:
        """Refuse a size that is given twice: growth has a slope over sizes."""
        if len(set(sizes)) < len(sizes):
            raise ValueError("give each size once")
        return sizes

    def arms(self) -> dict[str, list[RunSettings]]:
        """Return the baseline and LICO, with the settings of chapter 03's runs."""
        return {
            "ce": self.each(self.data(), self.cross_entropy(), self.seeds),
            "lico": self.each(self.data(), self.lico("paper"), self.seeds),
        }

    def summary(self, arms: dict[str, list[Run]]) -> dict[str, Any]:
        """Return what each run took, for a record of another machine."""
        return {
            "parameters": self.model_dump(),
            "arms": {
                arm: {str(run.settings.seed): _took(run) for run in runs}
                for arm, runs in arms.items()
            },
        }


def _took(run: Run) -> dict[str, float]:
    parts = run.provenance
    return {
        "training": parts["training"]["seconds"],
        "scoring": parts["scoring"]["seconds"],
        "epoch": parts["training"]["seconds"] / run.settings.method.epochs,
    }


def own_prices(arms: Mapping[str, Sequence[Run]]) -> pd.DataFrame:
    """Return a row a seed: seconds an epoch of the baseline and of LICO, and the ratio.

    Of whole trainings, as provenance has them: data, losses, probes and checkpoints.
    """
    rows = []
    for plain, lico in zip(arms["ce"], arms["lico"], strict=True):
        pair = _took(plain)["epoch"], _took(lico)["epoch"]
        made = [run.provenance["training"] for run in (plain, lico)]
        rows.append(
            {
                "seed": plain.settings.seed,
                "baseline, s": pair[0],
                "LICO, s": pair[1],
                "ratio": pair[1] / pair[0] if pair[0] else float("nan"),
                "devices": ", ".join(dict.fromkeys(one["device"] for one in made)),
                "dates": ", ".join(dict.fromkeys(one["date"][:10] for one in made)),
            }
        )
    return pd.DataFrame(rows)


def epochs_printed() -> list[dict[str, Published]]:
    """Return Table 1 of the reproduction study, arm by arm of each of its columns."""
    columns: dict[tuple[str, ...], dict[str, Published]] = {}
    for one in published.load():
        if one.source == SOURCE and one.metric == "seconds an epoch":
            columns.setdefault(one.place, {})[str(one.arm)] = one
    return list(columns.values())


def pictures_printed() -> dict[str, float]:
    """Return the training pictures of each data set of the study, its section 3.2."""
    return {
        str(one.data): one.mean
        for one in published.load()
        if one.source == SOURCE and one.metric == "training pictures"
    }


def printed_prices() -> pd.DataFrame:
    """Return a row a column of Table 1: seconds, ratios, extra time of a picture.

    "extra, ms a picture" is 1000 (LICO - baseline) / training pictures: unlike the
    ratio it is not divided by how long the baseline takes. NaN where LICO did not fit
    into memory.
    """
    pictures = pictures_printed()
    rows = []
    for cells in epochs_printed():
        plain, lico, cgc = (cells[arm] for arm in ("ce", "lico", "cgc"))
        extra = lico.mean - plain.mean
        rows.append(
            {
                "data": plain.data,
                "network": plain.model,
                "batch": int(str(plain.note).removeprefix("batch ")),
                "baseline, s": plain.mean,
                "LICO, s": lico.mean,
                "ratio": lico.mean / plain.mean,
                "extra, ms a picture": 1000 * extra / pictures[str(plain.data)],
                "CGC, ratio": cgc.mean / plain.mean,
            }
        )
    return pd.DataFrame(rows)


def energy(seconds: float, watts: float) -> float:
    """Return E = P t in kWh, P in watts and t in seconds (the study's appendix D)."""
    return watts * seconds / HOUR


def own_footprint(
    arms: Mapping[str, Sequence[Run]], watts: float, intensity: float
) -> pd.DataFrame:
    """Return a row a run of this page, training and scoring: s, kWh, g of CO2e."""
    return pd.DataFrame(
        _footprint(f"{arm}, seed {run.settings.seed}", seconds, watts, intensity)
        for arm, runs in arms.items()
        for run in runs
        for took in [_took(run)]
        for seconds in [took["training"] + took["scoring"]]
    )


def recorded_footprint(watts: float, intensity: float) -> pd.DataFrame:
    """Return a row a committed record: the seconds of all its runs, kWh, g of CO2e."""
    rows = []
    for file in sorted(paths.records().glob("*.json")):
        made = records.load(file.stem).get("runs")
        if isinstance(made, Mapping) and "training_seconds" in made:
            seconds = made["training_seconds"] + made["scoring_seconds"]
            name = f"{file.stem}, {made['count']} runs"
            rows.append(_footprint(name, seconds, watts, intensity))
    return pd.DataFrame(rows)


def printed_footprint() -> pd.DataFrame:
    """Return a run of each column of Table 1 by appendix D, its own power and carbon.

    A row a column and arm: 100 epochs of a baseline and of LICO; arms that did not fit
    into memory are left out.
    """
    of = {one.metric: one for one in published.load() if one.table == "Appendix D"}
    watts = of["power of the graphics card"].mean + of["power of the rest"].mean
    intensity = of["carbon intensity"].mean
    rows = []
    for cells in epochs_printed():
        for arm, words in (("ce", "baseline"), ("lico", "LICO")):
            one = cells[arm]
            if one.mean == one.mean:
                name = f"{words}, {one.model}, {one.data}, {one.note}"
                rows.append(_footprint(name, EPOCHS * one.mean, watts, intensity))
    return pd.DataFrame(rows)


def study_footprint() -> tuple[float, float]:
    """Return kWh and kg of CO2e of the whole study, by the factors that it prints."""
    of = {one.metric: one for one in published.load() if one.table == "Appendix D"}
    watts = of["power of the graphics card"].mean + of["power of the rest"].mean
    whole = energy(of["seconds a run"].mean * of["full runs"].mean, watts)
    return whole, whole * of["carbon intensity"].mean / 1000


def _footprint(
    what: str, seconds: float, watts: float, intensity: float
) -> dict[str, Any]:
    spent = energy(seconds, watts)
    return {
        "what": what,
        "seconds": seconds,
        "kWh": spent,
        "g CO2e": spent * intensity,
    }


def price_rows(arms: Mapping[str, Sequence[Run]], steps: pd.DataFrame) -> pd.DataFrame:
    """Return every price of LICO by its baseline, a row each: what, kind, ratio.

    `steps` as `cost_growth.over_batches` gives them.
    """
    rows = [
        {
            "what": f"{row['network']}, {row['data']}, batch {row['batch']}",
            "kind": "published, an epoch",
            "ratio": row["ratio"],
        }
        for row in printed_prices().dropna().to_dict("records")
    ]
    own = "this page's network and pictures"
    rows += [
        {"what": own, "kind": "this page, a training", "ratio": ratio}
        for ratio in own_prices(arms)["ratio"]
    ]
    rows += [
        {
            "what": f"the same, steps of {size}",
            "kind": "this page, steps in turn",
            "ratio": part["ratio"].iloc[0],
        }
        for size, part in steps.groupby("size")
    ]
    return pd.DataFrame(rows)


def energy_rows(
    arms: Mapping[str, Sequence[Run]], watts: float, intensity: float
) -> pd.DataFrame:
    """Return every energy of the page, a row each: what, kind, kWh."""
    kinds = {
        "published, 100 epochs": printed_footprint(),
        "committed records": recorded_footprint(watts, intensity),
        "this page": own_footprint(arms, watts, intensity),
    }
    return pd.concat(frame.assign(kind=kind) for kind, frame in kinds.items())
