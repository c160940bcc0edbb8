"""A data set's classes meet a network's by what is said, never by chance."""

import json
from pathlib import Path

import pytest

from helpers import paths
from helpers.judge.labels import class_names, groups, read_map
from helpers.settings import Refused

KNOWN = ("ant", "bee", "cat", "crane", "crane")


def test_a_map_by_index_name_and_list(tmp_path: Path) -> None:
    file = tmp_path / "map.json"
    file.write_text('{"pet": ["cat", 3], "insect": "Bee", "x": 0}')
    found = groups(["insect", "pet", "lamp"], 5, read_map(str(file)), KNOWN)
    assert found == {"insect": (1,), "pet": (2, 3)}
    file = tmp_path / "map.csv"
    file.write_text("pet,cat,3\ninsect, bee\n\n")
    assert groups(["insect", "pet"], 5, read_map(str(file)), KNOWN) == found


def test_without_a_map_equal_names_or_the_order() -> None:
    assert groups(["Cat", "dog"], 5, None, KNOWN) == {"Cat": (2,)}
    assert groups(["a", "b"], 2) == {"a": (0,), "b": (1,)}


@pytest.mark.parametrize(
    ("names", "outputs", "given", "known", "text"),
    [
        (["a", "b"], 3, None, None, "2 classes for a network of 3 logits"),
        (["a"], 3, {"a": [3]}, None, "'a' is class 3, the model has 0 to 2"),
        (["a"], 3, {"a": [-1]}, None, "'a' is class -1"),
        (["a"], 3, {"a": ["cat"]}, None, "say by --classes what"),
        (["a"], 5, {"a": ["cta"]}, KNOWN, "no class is called 'cta'; did you mean"),
        (["a"], 5, {"a": ["crane"]}, KNOWN, r"classes \[3, 4\] are called 'crane'"),
        (["a"], 5, {"b": [1]}, None, "names no class of the data: they are 'a'"),
        (["a"], 4, None, KNOWN, "5 class names for 4 logits"),
        (["a"], 5, None, KNOWN, "no class of the data has a name of the network"),
        (["crane"], 5, None, KNOWN, r"classes \[3, 4\] are called 'crane'"),
    ],
)
def test_what_does_not_fit_is_refused(names, outputs, given, known, text) -> None:
    with pytest.raises(Refused, match=text) as caught:
        groups(names, outputs, given, known)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("map.json", "[1]"),
        ("map.json", "{"),
        ("map.json", '{"a": 1.5}'),
        ("map.json", '{"a": true}'),
        ("map.json", '{"a": []}'),
        ("map.csv", "a\n"),
        ("map.csv", "a,1\na,2\n"),
    ],
)
def test_a_map_of_another_form_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(Refused, match="label map"):
        read_map(str(tmp_path / name))
    with pytest.raises(Refused, match="cannot be read"):
        read_map(str(tmp_path / "none.json"))


def test_class_names_of_a_file_and_of_imagenet(tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    file.write_text("ant\n bee \n\n")
    assert class_names(str(file)) == ("ant", "bee")
    known = class_names("imagenet")
    assert len(known) == 1000
    assert (known[0], known[207], known[999]) == (
        "tench",
        "golden retriever",
        "toilet tissue",
    )
    file.write_text("")
    with pytest.raises(Refused, match="are none"):
        class_names(str(file))
    with pytest.raises(Refused, match="cannot be read"):
        class_names(str(tmp_path / "none.txt"))


def test_the_map_of_the_book_names_each_class_of_imagenet_once() -> None:
    file = paths.root() / "book" / "_static" / "coco_to_imagenet.json"
    found = read_map(str(file))
    every = [one for many in found.values() for one in many]
    assert len(every) == len(set(every))
    names = class_names("imagenet")
    mapped = groups(list(found), 1000, found, names)
    assert json.loads(file.read_text())["cat"] == [281, 282, 283, 284, 285]
    assert [names[i] for i in mapped["traffic light"]] == ["traffic light"]
    assert {names[i] for i in mapped["dog"]} >= {"Chihuahua", "pug", "Mexican hairless"}
    assert len(mapped["dog"]) == 118
    assert len(mapped["bird"]) == 59
    for name, classes in mapped.items():  # the names that both have are not crossed
        same = {i for i, other in enumerate(names) if other.lower() == name}
        assert same <= set(classes), name
