"""Verdicts together: of claims with several parts, versions of a score, families."""

from collections.abc import Sequence
from dataclasses import replace

from helpers.measure.statistics import holm
from helpers.report import margins
from helpers.report.verdict import Verdict


def all_of(verdicts: Sequence[Verdict], claim: str) -> Verdict:
    """Judge that several claims hold together (intersection-union, Berger 1982).

    Supported only if every part is, so that no correction is due. Contradicted if one
    part is, of k that each could be: that part's p must be 1 - confidence over k or
    less (Bonferroni), else it counts as undecided. Else undecided if a part is, else no
    relevant difference. Of the parts with that outcome, numbers are those of the
    weakest, which gains the fewest margins, and `p` is the largest, of a contradiction
    k times the smallest. Raises ValueError on no part.
    """
    deciding = _deciding(verdicts)
    reason = "; ".join(f"{part.claim}: {part.reason}" for part in deciding)
    if len({part.reason for part in verdicts}) == 1:
        reason = deciding[0].reason
    fragile = any(part.fragile for part in verdicts)
    p = max(part.p for part in deciding)
    if deciding[0].outcome == "contradicted":
        p = min(1.0, len(verdicts) * min(part.p for part in deciding))
    return replace(
        weakest(verdicts),
        claim=claim,
        reason=reason,
        p=p,
        fragile=fragile,
        parts=tuple(verdicts),
    )


def weakest(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the part whose numbers `all_of` has. Raises ValueError on no part."""
    return min(_deciding(verdicts), key=lambda part: part.gain / part.margin)


def _deciding(verdicts: Sequence[Verdict]) -> list[Verdict]:
    if not verdicts:
        raise ValueError("at least one verdict is needed")
    order = ("contradicted", "undecided", "no relevant difference", "supported")
    parts = [_one_of(part, len(verdicts)) for part in verdicts]
    outcome = min((part.outcome for part in parts), key=order.index)
    return [part for part in parts if part.outcome == outcome]


def _one_of(part: Verdict, count: int) -> Verdict:
    """Return a part as one of several, each of which could contradict the whole."""
    level = (1 - margins.load().inference.confidence) / count
    if part.outcome != "contradicted" or part.p <= level:
        return part
    reason = f"contradicted alone, p {part.p:.3f} > {level:.3f} as one of {count}"
    return replace(part, outcome="undecided", reason=reason)


def agreeing(verdicts: Sequence[Verdict]) -> Verdict:
    """Keep an outcome only if every version of the scores gives it.

    For insertion and deletion between models: the raw curve, the curve divided by the
    full picture's probability, and the pictures that both models get right. Numbers
    are those of the first version. Raises ValueError on fewer than two.
    """
    if len(verdicts) < 2:
        raise ValueError("agreeing needs two versions of the scores or more")
    first, parts = verdicts[0], tuple(verdicts)
    fragile = any(part.fragile for part in verdicts)
    if all(part.outcome == first.outcome for part in verdicts):
        return replace(first, fragile=fragile, parts=parts)
    reason = "versions disagree: " + ", ".join(part.outcome for part in verdicts)
    return replace(
        first, outcome="undecided", reason=reason, fragile=fragile, parts=parts
    )


def after_holm(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Take back verdicts of a secondary family that Holm's correction does not leave.

    `p` becomes the adjusted p; supported and contradicted need it at 1 - confidence or
    less, else they become undecided. Other outcomes keep.
    """
    level = 1 - margins.load().inference.confidence
    adjusted = []
    for part, p in zip(verdicts, holm([part.p for part in verdicts]), strict=True):
        part = replace(part, p=float(p))
        if part.outcome in ("supported", "contradicted") and p > level:
            reason = f"Holm-adjusted p {p:.3f} > {level:.2f}"
            part = replace(part, outcome="undecided", reason=reason)
        adjusted.append(part)
    return adjusted
