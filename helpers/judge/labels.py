"""From a data set's class names to a network's class indices: said, never guessed."""

import csv
from collections.abc import Mapping, Sequence

from helpers.data.json_text import fault, parsed
from helpers.data.places import expanded
from helpers.settings import Refused, nearest

Groups = dict[str, tuple[int, ...]]


def class_names(given: str) -> tuple[str, ...]:
    """Return the names of a network's classes, in the order of its logits.

    `given` is a text file with a name a line, or `imagenet` for WordNet's first names
    of the 1,000 classes.

    Raises `Refused` for a file that is missing or empty.
    """
    if given == "imagenet":
        from timm.data import ImageNetInfo

        known = ImageNetInfo()
        found = (known.index_to_description(i) for i in range(known.num_classes()))
        return tuple(text.split(",")[0].strip() for text in found)
    try:
        lines = expanded(given).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(
            f"class names '{given}' cannot be read ({fault(error)}): give a text file "
            "with a name a line, in the order of the logits, or imagenet"
        ) from None
    names = tuple(line.strip() for line in lines if line.strip())
    if not names:
        raise Refused(f"class names '{given}' are none: write one name a line")
    return names


def read_map(file: str) -> dict[str, list[int | str]]:
    """Return a label map: a data set's class names to the network's indices or names.

    JSON, `{"car": "automobile", "dog": [151, 152]}`, or CSV lines `car,automobile`.

    Raises `Refused` for a file that is missing or holds something else.
    """
    path = expanded(file)
    try:
        text = path.read_text("utf-8")
        if path.suffix == ".csv":
            rows = [row for row in csv.reader(text.splitlines()) if any(row)]
            found = {
                row[0].strip(): [_number(cell) for cell in row[1:]] for row in rows
            }
            if len(found) != len(rows):
                raise Refused(
                    f"label map '{file}' names a class twice: put its classes into one "
                    "line, name,class,class"
                )
        else:
            loaded = parsed(text)
            if not isinstance(loaded, Mapping):
                raise ValueError("no names")
            found = {
                str(name): list(one) if isinstance(one, list) else [one]
                for name, one in loaded.items()
            }
    except Refused:
        raise
    except (OSError, ValueError, csv.Error) as error:
        raise Refused(
            f"label map '{file}' cannot be read ({fault(error)}): write JSON, "
            '{"car": "automobile", "dog": [151, 152]}, or CSV lines car,automobile'
        ) from None
    for name, classes in found.items():
        fine = all(
            isinstance(c, int | str) and not isinstance(c, bool) for c in classes
        )
        if not classes or not fine:
            raise Refused(
                f"label map '{file}': '{name}' needs a class index or name, or a list"
            )
    return found


def groups(
    names: Sequence[str],
    outputs: int,
    label_map: Mapping[str, Sequence[int | str]] | None = None,
    known: Sequence[str] | None = None,
) -> Groups:
    """Return the class indices that each of a data set's classes stands for.

    By the label map, else by equal names where the network's are known; else the
    classes are the network's, one by one in the order given, if they are as many. A
    class that is not mapped is left out of what is returned.

    Args:
        names: the data set's classes.
        outputs: the network's number of logits, K.
        label_map: as `read_map` gives it.
        known: the network's class names, K of them.

    Raises:
        Refused: names that are not as many as logits, indices outside 0..K-1, names
            that the network does not know or has twice, nothing in common.
    """
    if known is not None and len(known) != outputs:
        raise Refused(
            f"{len(known)} class names for {outputs} logits: give one a logit, in order"
        )
    if label_map is not None:
        wanted = {name: label_map[name] for name in names if name in label_map}
        if not wanted:
            raise Refused(
                f"the label map names no class of the data: they are {_listed(names)}"
            )
        return {
            name: tuple(
                dict.fromkeys(_index(name, one, outputs, known) for one in many)
            )
            for name, many in wanted.items()
        }
    if known is not None:
        own = {other.lower() for other in known}
        found: Groups = {
            name: (_index(name, name, outputs, known),)
            for name in names
            if name.lower() in own
        }
        if not found:
            raise Refused(
                f"no class of the data has a name of the network: {_listed(names)}; "
                "give a label map by --labels"
            )
        return found
    if len(names) != outputs:
        raise Refused(
            f"{len(names)} classes for a network of {outputs} logits: say by --labels "
            "which is which, or by --classes what the logits are called"
        )
    return {name: (number,) for number, name in enumerate(names)}


def _index(name: str, one: int | str, outputs: int, known: Sequence[str] | None) -> int:
    if isinstance(one, int):
        if not 0 <= one < outputs:
            raise Refused(
                f"label map: '{name}' is class {one}, the model has 0 to {outputs - 1}"
            )
        return one
    if known is None:
        raise Refused(
            f"label map: '{name}' is the class '{one}': say by --classes what the "
            "model's classes are called, or give its index"
        )
    places = [i for i, other in enumerate(known) if other.lower() == one.lower()]
    if not places:
        raise Refused(f"label map: no class is called '{one}'{nearest(one, [*known])}")
    if len(places) > 1:
        raise Refused(
            f"label map: classes {places} are called '{one}': give the index for it"
        )
    return places[0]


def _number(cell: str) -> int | str:
    text = cell.strip()
    return int(text) if text.isdigit() else text


def _listed(names: Sequence[str], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"'{name}'" for name in names[:most]) + more
