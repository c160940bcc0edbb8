"""The time that a chapter says it takes is within twice the time it took.

`times.json` holds what was measured under profile `book`, in seconds, of two cores:
`own`, once the runs exist, and `nothing`, from nothing, where that is known. As a
program, after `make book`, this file writes it anew: `python tests/nbs/test_times.py`.
"""

import json
import re
from pathlib import Path

import jupytext
import pytest

from helpers import paths
from helpers.chapters import CHAPTERS
from helpers.rerun import from_nothing

FILE = Path(__file__).with_name("times.json")
TIMES = json.loads(FILE.read_text("utf-8"))["seconds"]
WORDS = {"half a": 0.5, "a": 1.0}
NUMBER = r"(half a|a|\d+)(?: to (\d+))?"
OWN = re.compile(rf"Running: {NUMBER} minutes?")
NOTHING = re.compile(rf"exist, (?:about )?{NUMBER} (?:minutes )?from nothing")
LEAST = 30  # seconds; a shorter time may be called a minute


def stated(text: str, pattern: re.Pattern[str]) -> tuple[float, float] | None:
    """The least and the greatest number of seconds that a chapter says."""
    found = pattern.search(re.sub(r"\s+", " ", text))
    if found is None:
        return None
    least = WORDS.get(found[1]) or float(found[1])
    return 60 * least, 60 * float(found[2] or least)


def agrees(said: tuple[float, float], took: float) -> bool:
    """Whether what is said is within twice what it took, and the other way round."""
    least, greatest = said
    return took <= 2 * greatest and least <= 2 * max(took, LEAST)


def first(chapter: str) -> str:
    script = paths.root() / "nbs" / f"{chapter}.py"
    return jupytext.read(script).cells[0].source


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_says_how_long_it_runs(chapter: str) -> None:
    assert stated(first(chapter), OWN), "Running: 1 minute ..."


@pytest.mark.parametrize("chapter", TIMES)
def test_the_time_it_says_is_within_twice_of_what_was_measured(chapter: str) -> None:
    for kind, pattern in (("own", OWN), ("nothing", NOTHING)):
        said, took = stated(first(chapter), pattern), TIMES[chapter].get(kind)
        if said and took is not None:
            assert agrees(said, took), f"{kind}: {said} s are said, it took {took} s"


@pytest.mark.parametrize(
    ("text", "took", "right"),
    [
        ("Running: 1 minute once", 20, True),
        ("Running: 1\nminute once", 119, True),
        ("Running: 1 minute once", 121, False),
        ("Running: half a minute;", 61, False),
        ("Running: 2 to 3 minutes once", 59, False),
        ("Running: 2 to 3 minutes once", 61, True),
        ("Running: 2 to 3 minutes once", 361, False),
    ],
)
def test_a_wrong_time_would_be_found(text: str, took: float, right: bool) -> None:
    said = stated(text, OWN)
    assert said is not None
    assert agrees(said, took) is right


def test_the_time_from_nothing_is_read() -> None:
    for text, said in {
        "the runs exist, about 12 from nothing": (720, 720),
        "the runs exist, 4 to 8 from\nnothing": (240, 480),
        "the runs exist, 2 to 4 minutes from nothing": (120, 240),
        "the runs exist.": None,
    }.items():
        assert stated(text, NOTHING) == said


def measured() -> dict[str, dict[str, int]]:
    """The times of the chapters that `make book` left."""
    found = {}
    for file in sorted((paths.root() / "book" / "chapters").glob("*.json")):
        made = json.loads(file.read_text("utf-8"))
        if made["profile"] != "book":
            continue
        found[file.stem] = {"own": round(made["seconds"])}
        if made.get("runs"):
            found[file.stem]["nothing"] = round(from_nothing(made))
    return found


if __name__ == "__main__":
    FILE.write_text(json.dumps({"seconds": measured()}, indent=1) + "\n", "utf-8")
