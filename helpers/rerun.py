"""What the page of a chapter says on running it again: parameters, lines, cost."""

import shlex
from collections.abc import Mapping
from typing import Any

import yaml

from helpers import paths
from helpers.chapters import CHAPTERS
from helpers.report.parameters import parameters
from helpers.run import profile_values, profiles

PREFIX = "python -m helpers.run"
# What any chapter can do, where `nbs/commands.yml` has no lines of its own.
USUAL = (
    ("Three training seeds", "-p 'seeds=[1, 2, 3]'"),
    ("From top to bottom in small", "--profile smoke"),
    ("What its record is made of", "--profile study"),
)
WIDTH = 76  # columns of a command, before it goes on in the next line


def commands(chapter: str) -> list[tuple[str, str]]:
    """Return three lines for a chapter: what each does, and the command."""
    file = paths.root() / "nbs" / "commands.yml"
    given = yaml.safe_load(file.read_text("utf-8"))
    own = [(one["does"], one["with"]) for one in given.get(chapter, ())]
    known = CHAPTERS[chapter].model_fields
    usual = [
        (does, text) for does, text in USUAL if "seeds" in known or "-p" not in text
    ]
    return [(does, f"{PREFIX} {chapter} {text}") for does, text in own or usual]


def wrapped(command: str) -> str:
    """Return a command on lines of a page's width, each but the last ending in a \\."""
    words, lines = shlex.split(command), [""]
    pieces, at = [], 0
    while at < len(words):
        two = words[at] in ("-p", "--profile") and at + 1 < len(words)
        taken = words[at : at + 1 + two]
        pieces.append(" ".join(shlex.quote(word) for word in taken))
        at += len(taken)
    for piece in pieces:
        if lines[-1] and len(lines[-1]) + 1 + len(piece) > WIDTH:
            lines.append(f"    {piece}")
        else:
            lines[-1] += f" {piece}" if lines[-1] else piece
    return " \\\n".join(lines)


def cost(provenance: Mapping[str, Any] | None) -> str:
    """Return what the page took: its runs from nothing, its disk, its own seconds."""
    if provenance is None:
        return "What it takes is measured when it is run."
    own = f"The chapter itself took {duration(provenance['seconds'])}"
    runs = provenance.get("runs") or {}
    if not runs:
        return f"{own}, once its runs exist."
    if not runs["runs"]:
        return f"{own}; it trains nothing."
    training, scoring = (runs[f"{part}_seconds"] for part in ("training", "scoring"))
    return (
        f"{own}, once its runs exist. From nothing, two at a time, it needs "
        f"{_runs(runs['runs'])}, some for other chapters too: {duration(training)} of "
        f"training, {duration(scoring)} of scoring, "
        f"{runs['megabytes']:,.0f} MB in `runs/`. Measured under profile "
        f"`{provenance['profile']}` on {provenance['device']}."
    )


def duration(seconds: float) -> str:
    """Return seconds in words: seconds, or from two minutes on, minutes or hours.

    >>> duration(45), duration(600), duration(9000)
    ('45 s', '10 minutes', '2.5 hours')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"


def from_nothing(provenance: Mapping[str, Any]) -> float:
    """Return the seconds of a chapter and its runs, two of them at a time."""
    runs = provenance["runs"]
    training = runs["training_seconds"] + runs["scoring_seconds"]
    return float(provenance["seconds"] + training / max(1, min(2, runs["runs"])))


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"


def top(provenance: Mapping[str, Any] | None) -> str:
    """Return the line under a chapter's objectives: the time from nothing, measured."""
    if provenance is None or not provenance.get("runs"):
        return ""
    return (
        f"*Measured for this page: the chapter {duration(provenance['seconds'])}; with "
        f"its runs, two at a time, {duration(from_nothing(provenance))}.*"
    )


def section(chapter: str, provenance: Mapping[str, Any] | None) -> str:
    """Return the section of a chapter's page, as Markdown."""
    rows = [
        f"| `{one.name}` | {one.type} | `{one.default}` | {one.range} | {one.meaning} |"
        for one in parameters(CHAPTERS[chapter])
    ]
    lines = [f"# {does}\n{wrapped(line)}" for does, line in commands(chapter)]
    set_by = [f"`{name}`" for name in profiles() if profile_values(name, chapter)]
    by = f" Set as a whole by the profiles {', '.join(set_by)}." if set_by else ""
    return "\n".join(
        [
            "## Run this chapter again",
            "",
            f"Names, types and ranges are checked before anything starts.{by}",
            "",
            "| Parameter | Type | Default | Range | Meaning |",
            "|---|---|---|---|---|",
            *(row.replace("\\", "\\\\") for row in rows),
            "",
            "```bash",
            "\n".join(lines),
            "```",
            "",
            cost(provenance),
            "",
            "Real pictures, GPUs, many machines, and how to compare what came out: "
            "{doc}`../rerun`.",
        ]
    )
