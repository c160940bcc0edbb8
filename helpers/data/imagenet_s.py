"""ImageNet-S50: real pictures with masks of their class, and boxes of its instances.

A folder in the layout of Gao et al. 2023 (LUSSeg/ImageNet-S), with boxes added:

- `train/<wnid>/*.JPEG`, 50 class folders: pictures to train on, one in ten validates;
- `validation/<wnid>/*.JPEG`: the pictures to test on (those of its `test/` have no
  public masks and are not read);
- `validation-segmentation/<wnid>/*.png`: their masks, R + 256 G a class: 0 is other,
  1000 counts for nothing, k is the k-th of the sorted class folders;
- `boxes/**/*.xml`, may be left out: the localisation files of ILSVRC 2012 for these
  pictures (of the archive ILSVRC2012_bbox_val_v3), found by the picture's name;
- `classes.txt` with lines `wnid<TAB>name`, or ILSVRC's `LOC_synset_mapping.txt` with
  lines `wnid name, other names`, may be left out: then names are WordNet's first ones.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import torch
from torch import Tensor

from helpers.data import folders
from helpers.data.squares import Picture, Read, opened, read_squares, rgb
from helpers.settings import Refused

CLASSES = 50
IGNORED = 1000  # the id of pixels that count for nothing
PARTS = ("train", "validation", "validation-segmentation")


@cache
def find(path: str) -> folders.Folder:
    """List the folder without reading a picture, once a process.

    Raises `Refused` if a part, a class folder, a name, a mask or a box file is missing.
    """
    top = Path(path).expanduser()
    for part in PARTS:
        if not (top / part).is_dir():
            raise Refused(
                f"folder '{path}' has no {part}/: ImageNet-S50 has "
                f"{', '.join(PARTS)} (github.com/LUSSeg/ImageNet-S)"
            )
    wnids = sorted(entry.name for entry in (top / "train").iterdir() if entry.is_dir())
    if len(wnids) != CLASSES:
        raise Refused(
            f"'{top / 'train'}' has {len(wnids)} class folders, ImageNet-S50 has "
            f"{CLASSES}: ids in masks count all of them, add the others"
        )
    places = {"train": top / "train", "test": top / "validation"}
    beside, boxes = sorted((top / PARTS[2]).rglob("*.png")), _box_files(top)
    if boxes is not None:
        shown = {file.stem for file in (top / "validation").rglob("*.*")}
        beside += sorted(file for stem, file in boxes.items() if stem in shown)
    folder = folders.listed(top, places, class_names(top, wnids), beside)
    for file, _ in folder.files["test"]:
        mask = _mask_of(top, file)
        if not mask.is_file():
            raise Refused(f"mask '{mask}' is not there: add it, or remove its picture")
        if boxes is not None and file.stem not in boxes:
            raise Refused(
                f"'{top / 'boxes'}' has no {file.stem}.xml: add ILSVRC2012's boxes of "
                "all validation pictures, or remove 'boxes'"
            )
    return folder


def class_names(top: Path, wnids: list[str]) -> dict[str, str]:
    """Return wnid -> name in the order of `wnids`.

    From `classes.txt`, else from `LOC_synset_mapping.txt`, else WordNet's first name
    as the package timm keeps it.

    Raises `Refused` for a class without a name, or two of the same name.
    """
    listed, mapping = top / "classes.txt", top / "LOC_synset_mapping.txt"
    if listed.is_file():
        source, given = f"'{listed}'", _names(listed, "\t")
    elif mapping.is_file():
        source, given = f"'{mapping}'", _first(_names(mapping, " "))
    else:
        source, given = "WordNet's list", _first(_wordnet(wnids))
    for wnid in wnids:
        if wnid not in given:
            raise Refused(
                f"class folder '{wnid}' has no name in {source}: put lines "
                f"wnid<TAB>name for all classes into '{listed}'"
            )
    names = {wnid: given[wnid] for wnid in wnids}
    twice = [name for name in names.values() if list(names.values()).count(name) > 1]
    if twice:
        raise Refused(
            f"two classes are called '{twice[0]}' in {source}: tell them apart, in "
            f"lines wnid<TAB>name of '{listed}'"
        )
    return names


def read(
    folder: folders.Folder, split: str, count: int, size: int, seed: int = 0
) -> Read:
    """Read at most `count` pictures of a split, as many of each class as possible.

    Test pictures come with mask, ignored pixels and, where `boxes/` is there, boxes:
    of the picture's own class alone. All are moved by `squares.square`.

    Raises `Refused` naming the first file that cannot be used.
    """
    chosen = folders.balanced(folder.files[split], CLASSES, count, seed)
    if split == "test":
        pictures = _known(folder, chosen)
    else:
        pictures = (Picture(rgb(opened(file))) for file, _ in chosen)
    labels = [label for _, label in chosen]
    return read_squares(pictures, labels, folder.class_names, size)


def read_ids(file: Path) -> Tensor:
    """Return the class ids of a mask, R + 256 G, `[H, W]` int64.

    Raises `Refused` for an id that ImageNet-S50 has not, or a file that is no picture.
    """
    red, green, _ = rgb(opened(file)).long()
    ids = red + 256 * green
    strange = ids[(ids > CLASSES) & (ids != IGNORED)]
    if len(strange):
        raise Refused(
            f"mask '{file}' has the id {int(strange[0])}, ImageNet-S50 has 0 to "
            f"{CLASSES} and {IGNORED}: take the masks of the 50 classes"
        )
    return ids


def read_boxes(file: Path, wnid: str, size: tuple[int, int]) -> Tensor:
    """Return the boxes of a class in a localisation file, `[M, 4]` float32.

    (left, top, right, bottom) in pixels, right and bottom exclusive: the file's first
    pixel is 1 and its last is inside, so left = xmin - 1 and right = xmax. M may be 0.

    Args:
        file: of ILSVRC 2012, in XML.
        wnid: objects of another name are left out.
        size: (width, height) of the picture; the file must say the same.

    Raises `Refused` naming a file that cannot be read.
    """
    try:
        root = ElementTree.parse(file).getroot()
        said = tuple(int(root.findtext(f"size/{of}", "")) for of in ("width", "height"))
        rows = [
            [int(thing.findtext(f"bndbox/{of}", "")) for of in _CORNERS]
            for thing in root.iter("object")
            if thing.findtext("name", "").strip() == wnid
        ]
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise Refused(
            f"boxes '{file}' cannot be read ({type(error).__name__}): take ILSVRC2012's"
        ) from None
    if said != size:
        raise Refused(
            f"boxes '{file}' are for {said[0]} x {said[1]} pixels, the picture has "
            f"{size[0]} x {size[1]}: take the original picture"
        )
    first = torch.tensor([1, 1, 0, 0])
    return (torch.tensor(rows).reshape(-1, 4) - first).float()


_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def _known(folder: folders.Folder, chosen: list[tuple[Path, int]]) -> Iterator[Picture]:
    """Yield each picture with mask, ignored pixels and boxes of its own class."""
    boxes = _box_files(folder.path)
    for file, label in chosen:
        image, at = rgb(opened(file)), _mask_of(folder.path, file)
        ids = read_ids(at)
        size = (image.shape[2], image.shape[1])
        folders.check_size(at, (ids.shape[1], ids.shape[0]), image)
        found = None
        if boxes is not None:
            found = read_boxes(boxes[file.stem], file.parent.name, size)
        yield Picture(image, ids == label + 1, ids == IGNORED, found)


def _mask_of(top: Path, file: Path) -> Path:
    below = file.relative_to(top / "validation").with_suffix(".png")
    return top / "validation-segmentation" / below


def _box_files(top: Path) -> Mapping[str, Path] | None:
    """Return the localisation file of each picture by its name, if there are any."""
    if not (top / "boxes").is_dir():
        return None
    return {file.stem: file for file in (top / "boxes").rglob("*.xml")}


def _names(file: Path, between: str) -> dict[str, str]:
    lines = [line for line in file.read_text("utf-8").splitlines() if between in line]
    pairs = [line.split(between, 1) for line in lines]
    return {wnid.strip(): name.strip() for wnid, name in pairs}


def _first(names: Mapping[str, str]) -> dict[str, str]:
    return {wnid: name.split(",")[0].strip() for wnid, name in names.items()}


def _wordnet(wnids: list[str]) -> dict[str, str]:
    """Return the names of those classes of ImageNet-1k that are asked for."""
    from timm.data import ImageNetInfo

    known = ImageNetInfo("imagenet-1k")
    there = set(known.label_names()) & set(wnids)
    return {wnid: known.label_name_to_description(wnid) for wnid in there}
