"""The six claims of chapter 12: rules that stand before any result, and their answers.

A summary is that of `eclip.Eclip.summary`: `towers[tower][seed]`, a `row` each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from helpers.chapters.eclip_judged import judged
from helpers.chapters.eclip_maps import GRAD_CAM, ITSM, REVERSED
from helpers.chapters.eclip_projections import (
    BLIND,
    OWN_POOLING,
    PLAIN,
    SELF,
    TRUTH,
    UNTRAINED,
)
from helpers.chapters.eclip_rows import ORIGINAL, TINY, is_fit
from helpers.chapters.eclip_towers import VARIANTS
from helpers.report.joint import all_of, weakest
from helpers.report.records import unpacked
from helpers.report.verdict import Verdict
from helpers.report.verdict_words import in_few_words

Summary = Mapping[str, Any]
NOT_TESTABLE = "not testable: free attention is at chance"
NO_SCORES = "no masks: nothing is scored"
ONE_KIND = "undecided: one kind of tower"
KINDS = ("CNN", "ViT")


def masked(source: str) -> str:
    """Return the name of masked max pooling with a source of attention."""
    return f"masked max: {source}"


@dataclass(frozen=True)
class Rule:
    """A claim and what decides it.

    Attributes:
        name: of the claim.
        says: the claim, in a sentence.
        where: of what it is read.
        rule: when it is supported.
    """

    name: str
    says: str
    where: str
    rule: str


RULES = (
    Rule(
        "opposite",
        "CLIP's own map shows the opposite of its object",
        "score contrast of ITSM",
        "a uniform map, whose contrast is 0, has more",
    ),
    Rule(
        "pooling",
        "pooling is the cause: another can undo it",
        "score contrast, one frozen tower",
        "a projection trained by max pooling has more contrast than one trained for "
        "as long by the tower's own pooling",
    ),
    Rule(
        "reversal",
        "the reversed map is better",
        "mIoU; its contrast is an identity",
        "1 - M has more mIoU than M",
    ),
    Rule(
        "repair",
        "masked max pooling repairs the map",
        "mIoU",
        "with self-supervised attention it has more than ITSM, its reversal, plain max "
        "pooling and a random mask, each of them; testable only where that attention "
        "finds objects",
    ),
    Rule(
        "repair, oracle",
        "a mask of the ground truth would repair it",
        "mIoU",
        "the same with the mask of the ground truth",
    ),
    Rule(
        "recognition",
        "recognition is kept",
        "top-1, R@1 both ways",
        "the projection of masked max pooling loses at most two points of each, by its "
        "own pooling",
    ),
    Rule(
        "universal",
        "it holds for ViT and CNN",
        "`opposite` and `repair`",
        "both are supported for a ViT and for a CNN; contradicted if one of the four "
        "is, at a quarter of the level",
    ),
)


def rules() -> pd.DataFrame:
    """Return a row a claim: what it says, of what it is read, and its rule."""
    return pd.DataFrame(
        {
            "claim": one.name,
            "says": one.says,
            "read of": one.where,
            "supported if": one.rule,
        }
        for one in RULES
    )


def scores(summary: Summary, tower: str, method: str, score: str) -> np.ndarray:
    """Return a score of a method's maps, `[seeds, pictures]`, NaN without object."""
    rows = summary["towers"][tower].values()
    return np.array([unpacked(one["maps"][method][score]) for one in rows])


def has_scores(summary: Summary, tower: str) -> bool:
    """Tell whether the pictures of a tower had masks."""
    return all(one["maps"] for one in summary["towers"][tower].values())


def testable(summary: Summary, tower: str) -> bool:
    """Tell whether self-supervised attention found objects, for every seed."""
    return all(
        one["gate"][SELF]["testable"] for one in summary["towers"][tower].values()
    )


def better(
    summary: Summary, tower: str, first: str, second: str, metric: str
) -> Verdict:
    """Judge that one method's maps are better than another's, of the same tower.

    metric: "miou" or "contrast".
    """
    key = {"miou": "iou", "contrast": "contrast"}[metric]
    return judged(
        summary,
        scores(summary, tower, first, key),
        scores(summary, tower, second, key),
        claim=f"{first} over {second}",
        metric=metric,
        trained_out=trained_out(summary, tower, (first, second)),
    )


def trained_out(summary: Summary, tower: str, methods: Sequence[str]) -> bool:
    """Tell whether the CLIP recognises enough, and its projections were calm."""
    return all(
        is_fit(one, summary["parameters"])
        and all(one["trained out"].get(name, True) for name in methods)
        for one in summary["towers"][tower].values()
    )


def opposite(summary: Summary, tower: str) -> Verdict:
    """Judge that CLIP's own map has less contrast than a uniform one."""
    own = scores(summary, tower, ITSM, "contrast")
    found = judged(
        summary,
        np.where(np.isnan(own), np.nan, 0.0),
        own,
        claim="A uniform map over CLIP's own",
        metric="contrast",
        trained_out=trained_out(summary, tower, ()),
    )
    return of_one_clip(summary, found)


def of_one_clip(summary: Summary, found: Verdict) -> Verdict:
    """Return a verdict on the CLIP itself; a published one has no training seeds."""
    if summary["parameters"]["vlm"] == TINY:
        return found
    return replace(found, outcome="undecided", reason="one CLIP, whatever the seeds")


def pooling(summary: Summary, tower: str) -> Verdict:
    """Judge that max pooling gives more contrast than the tower's own pooling."""
    return better(summary, tower, PLAIN, OWN_POOLING, "contrast")


def reversal(summary: Summary, tower: str) -> Verdict:
    """Judge that the reversed map overlaps more with its object."""
    found = better(summary, tower, REVERSED, ITSM, "miou")
    return of_one_clip(summary, found)


def repair(summary: Summary, tower: str, source: str = SELF) -> Verdict:
    """Judge that masked max pooling beats all that it should beat."""
    rivals = (ITSM, REVERSED, PLAIN, masked(BLIND))
    parts = [better(summary, tower, masked(source), one, "miou") for one in rivals]
    return all_of(parts, f"{masked(source)} over all four")


def recognition(summary: Summary, tower: str, source: str = SELF) -> Verdict:
    """Judge that a projection loses at most two points of top-1 and R@1."""
    rows = summary["towers"][tower].values()
    parts = []
    for key, word in (
        ("hits", "top-1"),
        ("text of picture", "R@1 of texts"),
        ("picture of text", "R@1 of pictures"),
    ):
        ours, original = (
            np.array([unpacked(one["recognition"][name][key]) for one in rows])
            for name in (masked(source), ORIGINAL)
        )
        parts.append(
            judged(
                summary,
                ours,
                original,
                claim=word,
                metric="recognition",
                trained_out=trained_out(summary, tower, (masked(source),)),
                kind="non-inferiority",
            )
        )
    return all_of(parts, "Top-1 and R@1 are kept")


def answers(summary: Summary, tower: str) -> dict[str, Verdict | str]:
    """Return the answer to each claim but the last: a verdict, or why there is none.

    Where attention is at chance, `repair` is not testable and `repair, oracle` alone
    speaks of masked max pooling, `recognition` then of its projection.
    """
    if not has_scores(summary, tower):
        return {one.name: NO_SCORES for one in RULES[:-1]}
    found = testable(summary, tower)
    return {
        "opposite": opposite(summary, tower),
        "pooling": pooling(summary, tower),
        "reversal": reversal(summary, tower),
        "repair": repair(summary, tower) if found else NOT_TESTABLE,
        "repair, oracle": repair(summary, tower, TRUTH),
        "recognition": recognition(summary, tower, SELF if found else TRUTH),
    }


def universal(summary: Summary) -> Verdict | str:
    """Return the answer to the last claim: of every kind of tower, both at once."""
    found: list[Verdict | str] = []
    for kind in KINDS:
        known = [
            tower
            for tower, rows in summary["towers"].items()
            if {one["kind"] for one in rows.values()} == {kind}
            and (tower not in VARIANTS or not VARIANTS[tower].beside)
        ]
        if not known:
            return ONE_KIND
        each = answers(summary, known[0])
        found += [each[name] for name in ("opposite", "repair")]
    judged = [one for one in found if isinstance(one, Verdict)]
    if len(judged) == len(found):
        return all_of(judged, "both hold for a ViT and for a CNN")
    whole = all_of(judged, "both") if judged else None
    if whole is not None and whole.outcome == "contradicted":
        return whole
    return "undecided: " + next(one for one in found if isinstance(one, str))


def label(answer: Verdict | str) -> str:
    """Return the word of an answer, and in few why it is undecided."""
    return answer if isinstance(answer, str) else in_few_words(answer)


def verdict_of(summary: Summary, tower: str, claim: str) -> Verdict | str:
    """Return the answer to one claim: a verdict, or why there is none."""
    return answers(summary, tower)[claim]


def table(summary: Summary, tower: str) -> pd.DataFrame:
    """Return a row a claim: the estimate, its interval, and the answer."""
    rows: list[dict[str, Any]] = []
    for name, answer in answers(summary, tower).items():
        row: dict[str, Any] = {"claim": name, "answer": label(answer)}
        if isinstance(answer, Verdict):
            row |= {
                "A - B": answer.estimate,
                "from": answer.interval[0],
                "to": answer.interval[1],
                "margin": answer.margin,
                "smallest effect": answer.smallest_effect,
                "seeds": answer.seeds,
                "numbers of": weakest(answer.parts).claim if answer.parts else "",
            }
        rows.append(row)
    rows.append({"claim": "universal", "answer": label(universal(summary))})
    columns = ["claim", "A - B", "from", "to", "margin", "smallest effect", "seeds"]
    return pd.DataFrame(rows, columns=[*columns, "numbers of", "answer"])


def parts(summary: Summary, tower: str, source: str = SELF) -> pd.DataFrame:
    """Return a row a comparison of `repair`, and beside them two that decide nothing.

    With the mask of an encoder that was never trained, and with Grad-CAM.
    """
    if not has_scores(summary, tower):
        return pd.DataFrame({"comparison": [NO_SCORES]})
    whole = repair(summary, tower, source)
    found = list(whole.parts)
    for other in (masked(UNTRAINED), GRAD_CAM):
        if all(other in one["maps"] for one in summary["towers"][tower].values()):
            found.append(better(summary, tower, masked(source), other, "miou"))
    return pd.DataFrame(
        {
            "comparison": part.claim,
            "mIoU A - B": part.estimate,
            "from": part.interval[0],
            "to": part.interval[1],
            "answer": label(part),
        }
        for part in found
    )
