"""Which class text k names: as a published code sorts, and where that moves none."""

import pytest

from helpers.chapters.class_names import CIFAR10, CIFAR100, namings
from helpers.data import catalog
from helpers.data.scenes import CLASS_NAMES
from helpers.lab import lico_recipe
from helpers.lab.recipes import recipe
from helpers.language.spelling import spelled
from helpers.methods.presets import preset
from helpers.settings import DataSettings, Refused, RunSettings

NAMES = {"cifar10": CIFAR10, "cifar100": CIFAR100, "scenes": CLASS_NAMES}


def asked(data: str, name: str = "paper", **changed: str) -> RunSettings:
    return RunSettings(data=DataSettings(name=data), method=preset(name, **changed))


@pytest.mark.parametrize(
    ("data", "naming"),
    [("cifar10", "CIFAR-10"), ("cifar100", "CIFAR-100"), ("scenes", "scenes")],
)
def test_sorted_names_are_those_of_the_published_code(data: str, naming: str) -> None:
    """7 of 10 and 15 of 100 texts at the wrong label, as chapter 01 counts them."""
    found = lico_recipe._named(asked(data, names="sorted"), NAMES[data])
    theirs = namings()[f"{naming}, names"]
    own = spelled(found) if data != "scenes" else found
    assert own == theirs.texts
    wrong = [k for k, name in enumerate(found) if name != NAMES[data][k]]
    assert tuple(wrong) == theirs.wrong()


def test_an_order_that_moves_no_name_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Labels 0 to 9 are sorted as strings; so are the folders' names of most data."""
    monkeypatch.setattr(catalog, "class_names", lambda data: NAMES[data.name])
    for settings in (
        asked("cifar10", names="sorted"),
        asked("cifar10", "lico_fact"),
        asked("scenes", names="lexicographic"),
    ):
        recipe(settings).check(settings)
    nothing = asked("cifar10", names="lexicographic")
    with pytest.raises(Refused, match=r"'cifar10' at its label.*names='aligned'"):
        recipe(nothing).check(nothing)
    monkeypatch.setattr(catalog, "class_names", lambda data: ("apple", "pear"))
    folder = asked("cifar10", "lico_fact", names="lexicographic")
    with pytest.raises(Refused, match="leaves every name"):
        recipe(folder).check(folder)


def test_a_preset_may_sort_names_that_are_sorted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalog, "class_names", lambda data: ("ant", "bee", "cat"))
    settings = asked("cifar100", "lico_fact")
    recipe(settings).check(settings)
