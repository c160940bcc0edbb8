"""CLIP's own maps on COCO's pictures and captions: one command, one record.

`python -m helpers.chapters.eclip_captions --pictures FOLDER --captions FILE --instances
FILE` trains a tiny CLIP on one part of the captioned pictures and looks at the others,
each picture once, and prints what it found as JSON. On some dozens of pictures it is a
check of the pipeline: nothing is said of any claim.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from open_clip.model import CLIP
from torch import Tensor

from helpers.chapters.eclip_material import Reader, small_reader
from helpers.data import coco, listing, reference
from helpers.data.captions import (
    Captions,
    find_captions,
    folds,
    listed,
    read_pictures,
)
from helpers.explain.clip_tokens import own_projection
from helpers.explain.similarity import reverse, token_maps
from helpers.language.map_clip import RESNET, VIT, build_map_clip
from helpers.language.tiny_clip import MEAN, STD, build_tiny_clip, tokenise
from helpers.measure.aggregate import aggregate
from helpers.measure.localisation import score_contrast
from helpers.measure.overlap import overlap
from helpers.measure.recognition import captions_of, retrieval
from helpers.measure.reference_maps import centred_gaussian
from helpers.methods.caption_pairs import Pairing, train_pairs
from helpers.settings import Refused

TOWERS = {"tiny": None, "vit": VIT, "resnet": RESNET}
BATCH = 25
SIZE = 64  # pixels a side


@dataclass(frozen=True, eq=False)
class Labels:
    """A row a picture and class in it: where the class is.

    Attributes:
        picture: the picture of each row, `[R]`.
        label: its class, `[R]`, a row of `names`.
        masks: the pixels of the class's instances, `[R, H, W]` bool.
        ignored: those of its crowds, which count nowhere.
        names: of all classes.
        unseen: rows that were left out: nothing of the class is in the cut picture.
    """

    picture: Tensor
    label: Tensor
    masks: Tensor
    ignored: Tensor
    names: tuple[str, ...]
    unseen: int


@dataclass(frozen=True, eq=False)
class Part:
    """Pictures with their captions and labels."""

    images: Tensor
    texts: list[str]
    of: list[int]
    labels: Labels


def part_of(
    captions: Captions, instances: coco.Instances, names: Sequence[str], size: int
) -> Part:
    """Return some of the captioned pictures, cut to squares of `size` pixels.

    Raises:
        Refused: a picture without instances in the file, or that cannot be read.
    """
    texts, of = listed(captions, names)
    images = read_pictures(captions, names, size)
    return Part(images, texts, of, labels_of(instances, names, size))


def labels_of(instances: coco.Instances, names: Sequence[str], size: int) -> Labels:
    """Return where each class of each picture is; instances of a class are one mask.

    Raises:
        Refused: a picture that the file of instances does not have.
    """
    whole = coco.list_instances(instances, listing.as_one)
    entries = {one.name: one for one in whole.entries}
    missing = [name for name in names if name not in entries]
    if missing:
        raise Refused(f"picture '{missing[0]}' has no instances: give its own file")
    chosen = replace(whole, entries=tuple(entries[name] for name in names))
    read = reference.read(chosen, size, size)
    classes = tuple(instances.classes[number] for number in sorted(instances.classes))
    rows: dict[tuple[int, str], list[Tensor]] = {}
    for mask, picture, name, crowd in zip(
        read.masks, read.image_of.tolist(), read.names, read.crowd, strict=True
    ):
        pair = rows.setdefault((picture, name), [torch.zeros_like(mask) for _ in "ab"])
        pair[int(crowd)] |= mask
    seen = {key: pair for key, pair in rows.items() if pair[0].any()}
    if not seen:
        raise Refused("no class is seen in any of the pictures: give larger ones")
    masks = torch.stack([pair[0] for pair in seen.values()])
    crowds = torch.stack([pair[1] for pair in seen.values()])
    return Labels(
        torch.tensor([picture for picture, _ in seen]),
        torch.tensor([classes.index(name) for _, name in seen]),
        masks,
        crowds & ~masks,
        classes,
        len(rows) - len(seen),
    )


def built(tower: str, seed: int) -> CLIP:
    """Return an untrained CLIP: the tiny one, or one with 8 x 8 places.

    Raises:
        Refused: an unknown tower.
    """
    if tower not in TOWERS:
        raise Refused(f"unknown tower '{tower}': take {', '.join(TOWERS)}")
    shape = TOWERS[tower]
    return build_tiny_clip(seed) if shape is None else build_map_clip(seed, shape)


def looked(reader: Reader, known: Part, asked: Part) -> dict[str, Tensor]:
    """Return the scores of one CLIP on the asked pictures, a value a row or picture.

    The threshold of a map is chosen on the known pictures, which trained the CLIP.
    """
    maps = {one: _maps(reader, one) for one in (known, asked)}
    given = (known.labels.masks, asked.labels.masks)
    found: dict[str, Tensor] = {}
    ways = {
        "ITSM": lambda saliency: saliency,
        "ITSM, reversed": reverse,
        "centred Gaussian": lambda saliency: centred_gaussian(tuple(saliency.shape)),
    }
    for name, way in ways.items():
        chosen, judged = (way(maps[one]) for one in (known, asked))
        one = overlap(judged, given[1], (chosen, given[0]), asked.labels.ignored)
        found |= {
            f"iou {name}": one.iou,
            f"blind {name}": one.blind,
            f"contrast {name}": score_contrast(judged, given[1], asked.labels.ignored),
        }
        found["all pixels"] = one.everything
    pictures = own_projection(reader.model)(reader.tokens(asked.images).whole)
    joined = retrieval(
        pictures,
        reader.features(asked.texts),
        captions_of(asked.of, len(asked.images)),
    )
    return found | {
        "R@1 of captions": joined.text_of_image,
        "R@1 of pictures": joined.image_of_text,
        "R@1 of captions, chance": joined.text_by_chance,
        "R@1 of pictures, chance": joined.image_by_chance,
    }


def study(
    captions: Captions,
    instances: coco.Instances,
    tower: str = "tiny",
    count: int = 2,
    epochs: int = 40,
    seed: int = 1,
    size: int = SIZE,
) -> dict[str, Any]:
    """Return the means over all pictures, each asked of a CLIP that never saw it.

    Beside the trained CLIP stands the same one untrained.

    Raises:
        Refused: as the readers of the data; too few pictures for the folds.
    """
    parts = folds(captions.names, count, seed)
    scores: dict[str, list[dict[str, Tensor]]] = {"trained": [], "untrained": []}
    rows = unseen = 0
    losses = []
    for number, asked_names in enumerate(parts):
        rest = [n for k, one in enumerate(parts) if k != number for n in one]
        known = part_of(captions, instances, rest, size)
        asked = part_of(captions, instances, asked_names, size)
        rows, unseen = rows + len(asked.labels.label), unseen + asked.labels.unseen
        for name in scores:
            model = built(tower, seed)
            if name == "trained":
                how = Pairing("muon", epochs=epochs, batch=min(BATCH, len(known.texts)))
                images, words = known.images[known.of], tokenise(known.texts)
                passed = train_pairs(model, images, words, MEAN, STD, how, seed)
                losses.append(round(passed[-1].loss, 4))
            reader = small_reader(model, tower, "value")
            scores[name].append(looked(reader, known, asked))
    return {
        "kind": "pipeline check",
        "parameters": {
            "tower": tower,
            "folds": count,
            "epochs": epochs,
            "seed": seed,
            "size": size,
        },
        "pictures": len(captions.names),
        "captions": sum(len(texts) for texts in captions.texts.values()),
        "rows": rows,
        "rows left out": unseen,
        "losses": losses,
        **{name: _means(found) for name, found in scores.items()},
    }


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of a study, by the command's arguments."""
    folder = Path(arguments["pictures"])
    return study(
        find_captions(folder, Path(arguments["captions"])),
        coco.find(folder, Path(arguments["instances"])),
        arguments["tower"],
        arguments["folds"],
        arguments["epochs"],
        arguments["seed"],
        arguments["size"],
    )


def _maps(reader: Reader, part: Part) -> Tensor:
    """Return the map of each row's class, `[R, H, W]`."""
    tokens = reader.tokens(part.images)
    rows = part.labels.picture
    each = replace(
        tokens, places=tokens.places[rows], whole=tokens.whole[rows], attention=None
    )
    size = (part.images.shape[2], part.images.shape[3])
    return token_maps(
        each,
        own_projection(reader.model),
        reader.classes(part.labels.names),
        part.labels.label,
        size,
    )


def _means(found: Sequence[Mapping[str, Tensor]]) -> dict[str, float]:
    """Return the mean of each score over the pictures or rows of all folds."""
    return {
        name: round(aggregate(torch.cat([one[name] for one in found])).mean, 4)
        for name in found[0]
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for option, what in (
        ("pictures", "their folder"),
        ("captions", "COCO's JSON of captions"),
        ("instances", "COCO's JSON of instances"),
    ):
        parser.add_argument(f"--{option}", required=True, help=what)
    parser.add_argument("--tower", default="tiny", choices=list(TOWERS))
    for option, number in (("folds", 2), ("epochs", 40), ("seed", 1), ("size", SIZE)):
        parser.add_argument(f"--{option}", type=int, default=number)
    torch.set_num_threads(1)
    print(json.dumps(main(vars(parser.parse_args())), indent=1))
