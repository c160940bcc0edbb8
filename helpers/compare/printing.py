"""A comparison as text for a terminal of 80 columns."""

import re
from collections.abc import Iterator, Mapping, Sequence
from math import isnan
from textwrap import wrap

from helpers.compare.comparing import ABSENT, UNIT, Comparison, Pair
from helpers.compare.scores import Answers, Compared

WIDTH = 80
NAME = 30  # columns of a setting's name
FEW = 4  # settings of one side alone that are shown with their values
HASH = re.compile("[0-9a-f]{32,}")
# Scores that stand in the table unless all are asked for: accuracy and the first map.
FIRST = ("accuracy", "correct", "training_accuracy", "trained_out", "flips")
MAP = "Grad-CAM"
# Origin that differs between any two runs: it says nothing.
NOISE = ("date", "seconds", "peak_memory_mb", "dirty")


def lines(found: Comparison, every: bool = False) -> Iterator[str]:
    """Yield the lines: bits first, then settings, scores, answers, origin.

    `every`: all scores, not only accuracy and those of Grad-CAM.
    """
    yield f"A: {found.first.name}"
    yield f"B: {found.second.name}"
    yield bits(found.same_bits)
    yield ""
    yield from pairs("settings that differ", found.settings)
    yield from pairs("on one side alone", found.apart)
    unit = UNIT[found.first.is_run]
    if not found.pictures:
        yield "Other test pictures: nothing is paired, and no interval is given."
    for arm, rows in found.scores.items():
        chosen = [one for one in rows if every or _is_first(one)]
        yield from table(arm, chosen, len(rows) - len(chosen), unit)
    yield from answers(found.answers)
    origin = {
        name: pair
        for name, pair in found.origin.items()
        if name.rpartition(".")[2] not in NOISE
    }
    yield from pairs("code and machine that differ", origin)
    if found.first.is_run:
        yield "One training each: the intervals are of these two networks on other"
        yield "pictures, and say nothing of other seeds."


def bits(same: Mapping[str, bool]) -> str:
    """Return one line: whether the two are the same, bit for bit."""
    if all(same.values()):
        return f"Bit for bit the same: {', '.join(same)}."
    unlike = [name for name, value in same.items() if not value]
    alike = [name for name, value in same.items() if value]
    rest = f"; the same: {', '.join(alike)}" if alike else ""
    return f"Not the same bits: {', '.join(unlike)}{rest}."


def pairs(title: str, found: Mapping[str, Pair]) -> Iterator[str]:
    """Yield a block of values, A's and B's; nothing where none differ.

    What one side alone has is named in a paragraph, without its values, if it is much.
    """
    if not found:
        return
    yield f"{title}:"
    room = (WIDTH - NAME - 7) // 2
    rest = dict(found)
    for side, place in (("A", 1), ("B", 0)):
        alone = [name for name, pair in found.items() if pair[place] == ABSENT]
        if len(alone) > FEW:
            text = f"{side} alone has {len(alone)}: {', '.join(alone)}"
            yield from wrap(
                text, WIDTH - 2, initial_indent="  ", subsequent_indent="    "
            )
            rest = {name: pair for name, pair in rest.items() if name not in alone}
    for name, values in rest.items():
        one, other = (_short(_plain(value), room) for value in values)
        yield f"  {_short(name, NAME):{NAME}} {one:{room}} | {other}"
    yield ""


def table(arm: str, rows: Sequence[Compared], more: int, unit: str) -> Iterator[str]:
    """Yield the scores of one arm, with interval and margin of B - A."""
    if not rows:
        return
    before = f"{arm}: s" if arm else "S"
    yield f"{before}cores, B - A with its 95 % interval over {unit}:"
    head = f"{'A':>8}{'B':>9}{'B - A':>9}  {'interval':<16}{'margin':<8}"
    yield f"  {'':26}{head}".rstrip()
    for one in rows:
        known = "" if isnan(one.low) else f"{one.low:+.4f} {one.high:+.4f}"
        margin = "" if isnan(one.margin) else f"{one.margin:g}"
        beyond = abs(one.difference) > one.margin  # never of a margin that is NaN
        mark = f"{margin}{' *' * beyond}"
        yield (
            f"  {_short(one.path, 26):26}{one.first:8.4f} {one.second:8.4f} "
            f"{one.difference:+8.4f}  {known:<16}{mark}"
        ).rstrip()
    if any(abs(one.difference) > one.margin for one in rows):
        yield "  * B - A is larger than the margin; an interval tells how sure that is."
    if more:
        yield f"  {more} more with --all, and in the file of --out."
    yield ""


def answers(found: Mapping[str, Answers]) -> Iterator[str]:
    """Yield McNemar's test, a line a pair of networks."""
    if not found:
        return
    yield "right on the test pictures, A alone and B alone (McNemar's exact test):"
    for name, one in found.items():
        counts = f"{one.first_alone} and {one.second_alone} of {one.pictures}"
        yield f"  {f'{name}: ' if name else ''}{counts}, p = {one.p:.3g}"
    yield ""


def _is_first(one: Compared) -> bool:
    parts = one.path.split(" / ")
    return parts[0] in FIRST or MAP in parts


def _plain(value: object) -> str:
    """Return a value as text; of a hash its beginning."""
    text = str(value)
    return text[:10] if HASH.fullmatch(text) else text


def _short(text: str, room: int) -> str:
    return text if len(text) <= room else "..." + text[-(room - 3) :]
