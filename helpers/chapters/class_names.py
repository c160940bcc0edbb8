"""Names that published codes gave to their classes, and which text each label gets.

Two codes paired texts and labels by position, after one of the two had been sorted as
strings. The lists are those of robertdvdk/lico-fact at 76ed093, and CIFAR-100's folder
numbers as konradszewczyk/lico-reproduction writes them at d63b896. The list in
ymLeiFDU/LICO, one for all data, names a class twice and another not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from helpers.data.scenes import CLASS_NAMES
from helpers.language.spelling import spelled

CIFAR10 = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
IMAGENETTE = (
    *("tench", "English springer", "cassette player", "chain saw", "church"),
    *("French horn", "garbage truck", "gas pump", "golf ball", "parachute"),
)
# The data set's own names, in label order.
_CIFAR100 = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle
    bowl boy bridge bus butterfly camel can castle caterpillar cattle
    chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur
    dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard
    lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain
    mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree
    plain plate poppy porcupine possum rabbit raccoon ray road rocket
    rose sea seal shark shrew skunk skyscraper snail snake spider
    squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
    tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""
CIFAR100 = tuple(name.replace("_", " ") for name in _CIFAR100.split())
# ImageNet-S50, in the order of WordNet's numbers, as lico-reproduction names them.
IMAGENET_S50 = (
    *("goldfish", "tiger shark", "goldfinch", "tree frog", "kuvasz", "red fox"),
    *("siamese cat", "american black bear", "ladybug", "sulphur butterfly"),
    *("wood rabbit", "hamster", "wild boar", "gibbon", "african elephant"),
    *("giant panda", "airliner", "ashcan", "ballpoint", "beach wagon", "boathouse"),
    *("bullet train", "cellular telephone", "chest", "clog", "container ship"),
    *("digital watch", "dining table", "golf ball", "grand piano", "iron", "lab coat"),
    *("mixing bowl", "motor scooter", "padlock", "park bench", "purse", "streetcar"),
    *("table lamp", "television", "toilet seat", "umbrella", "vase", "water bottle"),
    *("water tower", "yawl", "street sign", "lemon", "carbonara", "agaric"),
)


@dataclass(frozen=True)
class Naming:
    """What a code calls the classes, and what its text k says.

    Attributes:
        classes: the data set's names, in label order `[K]`.
        own: how the code spells them, in label order `[K]`.
        texts: what the text of label k says `[K]`.
    """

    classes: tuple[str, ...]
    own: tuple[str, ...]
    texts: tuple[str, ...]

    def wrong(self) -> tuple[int, ...]:
        """Return the labels whose text names another class, in order."""
        both = enumerate(zip(self.own, self.texts, strict=True))
        return tuple(label for label, (own, text) in both if own != text)

    def table(self, labels: Sequence[int] | None = None) -> pd.DataFrame:
        """Return a row a label: class, the code's name of it, what its text says."""
        chosen = range(len(self.classes)) if labels is None else labels
        return pd.DataFrame(
            {
                "label": label,
                "class": self.classes[label],
                "the code's name": self.own[label],
                "its text": self.texts[label],
                "fits": "yes" if self.own[label] == self.texts[label] else "no",
            }
            for label in chosen
        )


def sorted_texts(classes: Sequence[str], own: Sequence[str] | None = None) -> Naming:
    """Return the naming of a code that sorts its list of names as strings.

    Capitals stand before small letters, as in Python's `sorted`.
    """
    names = tuple(classes if own is None else own)
    return Naming(tuple(classes), names, tuple(sorted(names)))


def sorted_folders(classes: Sequence[str]) -> Naming:
    """Return the naming of a code that sorts folders "0", "1", .. as strings.

    Folder number k holds class k. The i-th folder in the order of strings ("0", "1",
    "10", ..) becomes label i, and its text is the i-th of the names in label order.
    """
    folders = sorted(str(number) for number in range(len(classes)))
    texts = [""] * len(classes)
    for label, folder in enumerate(folders):
        texts[int(folder)] = classes[label]
    return Naming(tuple(classes), tuple(classes), tuple(texts))


def authors_list() -> Naming:
    """Return the naming of ymLeiFDU/LICO on CIFAR-10: no text says "bird"."""
    names = spelled(CIFAR10)
    own, texts = (
        tuple(said if name == "bird" else name for name in names)
        for said in ("(none)", "automobile")
    )
    return Naming(CIFAR10, own, texts)


def namings() -> dict[str, Naming]:
    """Return the namings of the chapter, by data set and what was done to the names."""
    return {
        "CIFAR-10, authors' list": authors_list(),
        "CIFAR-10, names": sorted_texts(CIFAR10, spelled(CIFAR10)),
        "Imagenette, names": sorted_texts(IMAGENETTE),
        "CIFAR-100, names": sorted_texts(CIFAR100, spelled(CIFAR100)),
        "CIFAR-100, folders": sorted_folders(CIFAR100),
        "scenes, names": sorted_texts(CLASS_NAMES),
    }


def counts(cases: dict[str, Naming]) -> pd.DataFrame:
    """Return a row a naming: how many classes it has, how many texts do not fit."""
    return pd.DataFrame(
        {
            "data set, list or what is sorted": name,
            "classes": len(case.classes),
            "texts at the wrong label": len(case.wrong()),
        }
        for name, case in cases.items()
    )
