"""Every profile is read, and asks for runs that may be made."""

import pytest

from helpers import run
from helpers.chapters import CHAPTERS

# The records of chapters 03 and 09 that a profile of their own makes.
RECORDED = (
    *("32px", "128px", "2000", "active-controls"),
    *("rate-01", "rate-06", "rate-06-losses", "cifar10", "readings"),
)


@pytest.mark.parametrize("profile", run.profiles())
def test_a_profile_sets_parameters_that_its_chapters_have(profile: str) -> None:
    for name in CHAPTERS:
        chapter = run.chapter_of(name, profile, [])
        values = run.profile_values(profile, name)
        assert {key: getattr(chapter, key) for key in values} == values
        assert chapter.runs() or name == "90_published"


def test_the_profiles_are_those_that_chapters_speak_of(
    capsys: pytest.CaptureFixture[str],
) -> None:
    others = {"smoke", "book", "study", "training", "precision"}
    assert {*others, *RECORDED} == set(run.profiles())
    with pytest.raises(SystemExit):
        run.main(["03_training", "--profile", "stody"])
    assert "invalid choice: 'stody'" in capsys.readouterr().err


@pytest.mark.parametrize("profile", RECORDED)
def test_a_record_has_a_baseline_and_its_seeds(profile: str) -> None:
    arms = run.chapter_of("03_training", profile, []).arms()
    assert "ce" in arms
    seeds = 1 if profile in ("rate-01", "rate-06") else 5
    assert {len(runs) for runs in arms.values()} == {seeds}


def test_a_profile_changes_what_it_is_named_for_and_little_else() -> None:
    study = run.chapter_of("03_training", "study", []).model_dump()
    free = {"seeds", "few_seeds", "variants"}
    for profile, changed in {
        "32px": {"size"},
        "128px": {"size"},
        "2000": {"pictures", "epochs"},
        "active-controls": set(),
        "readings": set(),
        "rate-01": {"lr"},
        "rate-06": {"lr"},
        "rate-06-losses": {"lr"},
    }.items():
        found = run.chapter_of("03_training", profile, []).model_dump()
        differs = {name for name, value in found.items() if value != study[name]}
        assert differs - free == changed
