"""Pictures in files of others: decoded, or refused in one line that names the file.

Pillow knows 40 formats, some of which start other programs, and a small file may
unpack to more than a machine holds: what a file is, and how large, is read from its
head first. Pixels are taken as they are stored: a camera's note on how to turn them is
not followed, so that masks and boxes drawn on them fit (as in torchvision and COCO).
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from torch import Tensor

from helpers.data.places import is_there
from helpers.data.squares import rgb
from helpers.settings import Refused

FORMATS = ("BMP", "DIB", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
MOST = 89_000_000  # pixels; 267 MB; Pillow opens none of twice as many
LONGEST = 100  # times the short side, which is brought to the network's
DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")  # numbers above 255 a pixel
REMEDY = "replace it or take it out of the folder"


def check_head(file: Path, deep: bool = False) -> None:
    """Check what a file's head says: its format, its size, its numbers a pixel.

    `deep`: pixels may have more than 8 bits, as those of masks do.

    Raises:
        Refused: no picture, or one that is not read.
    """
    with _named(file), Image.open(file, formats=FORMATS) as picture:
        _check(file, picture, deep)


def opened(file: Path, deep: bool = False) -> Image.Image:
    """Return a picture, decoded; of several frames the first.

    Raises:
        Refused: as `check_head`, and for a file that is damaged or cut off.
    """
    with _named(file), Image.open(file, formats=FORMATS) as picture:
        _check(file, picture, deep)
        picture.load()
        return picture


def read(file: Path) -> Tensor:
    """Return a picture of any mode as `[3, H, W]` uint8.

    Raises:
        Refused: as `opened`.
    """
    picture = opened(file)
    with _named(file):
        return rgb(picture)


def _check(file: Path, picture: Image.Image, deep: bool) -> None:
    width, height = picture.size
    if width * height > MOST:
        raise Refused(
            f"picture '{file}' has {width} x {height} pixels, {MOST:,} are read at "
            "most: make it smaller"
        )
    if max(width, height) > LONGEST * min(width, height):
        raise Refused(
            f"picture '{file}' is {width} x {height}: of more than {LONGEST} to 1 "
            "no square is cut, cut it yourself"
        )
    if picture.mode in DEEP and not deep:
        raise Refused(
            f"picture '{file}' has more than 8 bits a pixel ({picture.mode}): it would "
            "be shown white where it is above 255, save it with 8 bits"
        )


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Turn whatever Pillow raises into `Refused` with the file's name."""
    if not is_there(file):  # a pipe would be waited for
        raise Refused(f"picture '{file}' cannot be read (no file): {REMEDY}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Refused:
        raise
    except Image.DecompressionBombError:
        raise Refused(
            f"picture '{file}' has over {2 * MOST:,} pixels, {MOST:,} are read at "
            "most: make it smaller"
        ) from None
    except Exception as error:
        said = " ".join(str(error).split())
        known = said and str(file) not in said
        fault = type(error).__name__ + (f": {said[:80]}" if known else "")
        raise Refused(f"picture '{file}' cannot be read ({fault}): {REMEDY}") from None
