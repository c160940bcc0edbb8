"""Where the text features of a training come from, and the controls beside them.

A source is a name: `tiny-clip`, trained on scenes and captions; `open-clip:MODEL/TAG`,
any CLIP of open_clip with OpenAI's tokens; `file:PATH`, fixed features of class names;
or a control that knows no words: `random-tower`, and `random-vectors` or `one-hot` in
the place of the class token's feature, `vectors:random` or `vectors:one-hot` in that of
fixed features.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.settings import Refused, nearest

Order = Literal["aligned", "permuted", "sorted", "lexicographic"]
CONTROLS = ("random-tower", "random-vectors", "one-hot")
FIXED = ("vectors:random", "vectors:one-hot")
SOURCES = ("tiny-clip", "open-clip:MODEL/TAG", "file:PATH", *CONTROLS, *FIXED)


def is_fixed(language: str) -> bool:
    """Tell whether a source is a row of numbers a class, without a tower."""
    return language.partition(":")[0] in ("file", "vectors")


def check_source(language: str) -> None:
    """Raise `Refused` for a source that is unknown, or a file that is not there."""
    kind, _, rest = language.partition(":")
    if kind == "file":
        if not Path(rest).expanduser().is_file():
            raise Refused(
                f"text features '{rest}' are not there: give the path of an .npz with "
                "the arrays `features` and `names`"
            )
    elif kind == "open-clip":
        _check_open_clip(rest)
    elif language not in SOURCES:
        raise Refused(
            f"unknown language '{language}'{nearest(language, list(SOURCES))}"
        )


def read_features(path: str, class_names: Sequence[str], width: int) -> Tensor:
    """Return fixed features `[K, E]` of an .npz, its names checked against the data's.

    The file holds `features [K, E]` and `names [K]`, a name a row, in label order.

    Raises `Refused` in one line for a file that cannot be read, features of another
    width or not finite, and names that are not the data's, in the data's order.
    """
    try:
        with np.load(Path(path).expanduser(), allow_pickle=False) as arrays:
            features = torch.from_numpy(arrays["features"].astype(np.float32))
            names = [str(name) for name in arrays["names"]]
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise Refused(
            f"text features '{path}' cannot be read ({type(error).__name__}): write "
            "np.savez(path, features=[K, E] numbers, names=[K] strings)"
        ) from None
    if features.shape != (len(names), width):
        raise Refused(
            f"text features '{path}' have shape {list(features.shape)} for "
            f"{len(names)} names, [{len(names)}, {width}] is expected: give another "
            "file, or its width as text_width"
        )
    if not features.isfinite().all():
        raise Refused(f"text features '{path}' hold values that are not finite")
    check_alignment(names, class_names)
    return features


def check_alignment(names: Sequence[str], class_names: Sequence[str]) -> None:
    """Raise `Refused` unless text k names class k of the data, for every k.

    All three published codes give names that do not fit the labels of some data.
    """
    if sorted(names) != sorted(class_names):
        strange = sorted(set(names) - set(class_names)) or [f"{len(names)} names"]
        raise Refused(
            f"texts name '{strange[0]}', the data's {len(class_names)} classes do "
            f"not: give one text for each of {', '.join(class_names[:4])}, ..."
        )
    wrong = [k for k, name in enumerate(names) if name != class_names[k]]
    if wrong:
        k = wrong[0]
        raise Refused(
            f"{len(wrong)} of {len(names)} texts stand at the wrong label, the first: "
            f"label {k} is '{class_names[k]}', its text says '{names[k]}'; put them "
            "in label order"
        )


def ordered(
    class_names: Sequence[str],
    order: Order,
    generator: torch.Generator,
) -> tuple[str, ...]:
    """Return the name that text k bears, for each label k.

    "aligned": the class's own. "permuted": another class's, for every class (the
    control). "sorted": sorted as strings, as one published code does to its names.
    "lexicographic": the labels are sorted as strings, "0", "1", "10", and the i-th of
    them gets the i-th name, as another does by its folders.
    """
    names = tuple(class_names)
    if order == "sorted":
        return tuple(sorted(names))
    if order == "lexicographic":
        labels = sorted(range(len(names)), key=str)
        return tuple(names[labels.index(k)] for k in range(len(names)))
    if order == "permuted":  # one cycle through all classes: nobody keeps a name
        return shuffled(names, generator)
    return names


def shuffled(texts: Sequence[str], generator: torch.Generator) -> tuple[str, ...]:
    """Return the texts moved along one cycle through all: none stays at its place."""
    cycle = torch.randperm(len(texts), generator=generator).tolist()
    taken = dict(zip(cycle, cycle[1:] + cycle[:1], strict=True))
    return tuple(texts[taken[k]] for k in range(len(texts)))


def class_vectors(
    kind: str, classes: int, width: int, generator: torch.Generator
) -> Tensor:
    """Return unit vectors `[K, E]` that know no word, a row a class.

    "random-vectors" or "random": uniform on the sphere. "one-hot": all at the same
    distance.
    Raises `Refused` where K classes do not fit into E equidistant axes.
    """
    if kind in ("random-vectors", "random"):
        drawn = torch.randn(classes, width, generator=generator)
        return F.normalize(drawn, dim=1)
    if classes > width:
        raise Refused(
            f"one-hot targets of {classes} classes do not fit into {width} text "
            "features: take random-vectors"
        )
    return torch.eye(classes, width)


def open_clip_tower(name: str) -> nn.Module:
    """Return a CLIP of open_clip, "MODEL/TAG" as "ViT-B-32-quickgelu/openai".

    Raises `Refused` where its weights are neither here nor can be downloaded.
    """
    import open_clip

    _check_open_clip(name)
    model, _, tag = name.partition("/")
    try:
        return open_clip.create_model(model, pretrained=tag).eval()
    except Exception as error:
        raise Refused(
            f"the weights of '{name}' could not be downloaded "
            f"({type(error).__name__}): go online once, or use language=tiny-clip or "
            "file:PATH"
        ) from None


def _check_open_clip(name: str) -> None:
    import open_clip

    known = ["/".join(pair) for pair in open_clip.list_pretrained()]
    if name not in known:
        raise Refused(
            f"open-clip model '{name}' is not in open_clip.list_pretrained(): write it "
            "as ViT-B-32-quickgelu/openai"
        )
