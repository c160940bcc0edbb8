"""How one published code spells the classes of CIFAR, and where sorting moves them.

The names of CIFAR-10 and -100 are sorted as they come. robertdvdk/lico-fact at 76ed093
sorts its own spellings of them, which are not.
"""

from collections.abc import Sequence

# The code's spelling of a class, where it is not the data set's.
SPELLED = {
    **{"airplane": "plane", "automobile": "car"},
    **{"keyboard": "computer keyboard", "lawn mower": "lawn-mower"},
    **{f"{tree} tree": tree for tree in ("maple", "oak", "palm", "pine", "willow")},
    "poppy": "poppies",
    **{
        name: f"{name}s"
        for name in (
            *("orchid", "rose", "sunflower", "tulip", "bottle", "bowl", "can", "cup"),
            *("plate", "apple", "mushroom", "orange", "pear", "sweet pepper"),
        )
    },
}
SPELT_DATA = ("cifar10", "cifar100")  # the data sets whose classes it spells


def spelled(class_names: Sequence[str]) -> tuple[str, ...]:
    """Return the names as lico-fact writes them, in the order given."""
    return tuple(SPELLED.get(name, name) for name in class_names)


def sorted_as_spelled(class_names: Sequence[str]) -> tuple[str, ...]:
    """Return the data set's names in the order of lico-fact's spellings of them.

    The k-th is the class that text k names, for each label k.
    """
    return tuple(sorted(class_names, key=lambda name: SPELLED.get(name, name)))
