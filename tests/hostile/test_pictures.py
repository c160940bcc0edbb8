"""Pictures that are broken, odd, or not pictures."""

import io
import os
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets.folder import pil_loader

from helpers.data import pictures
from tests.hostile.broken import answer, assert_answered, bytes_of, fuzzed

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000")


def drawn(mode: str = "RGB", size: tuple[int, int] = (9, 7)) -> Image.Image:
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def in_bytes(kind: str, image: Image.Image | None = None, **given: object) -> bytes:
    kept = io.BytesIO()
    (image or drawn()).save(kept, kind, **given)
    return kept.getvalue()


@pytest.mark.parametrize("kind", FORMATS)
@fuzzed(0.25)  # of each of eight formats
def test_bytes_changed(fence: Path, kind: str, case: int) -> None:
    file = fence / "a.png"
    file.write_bytes(bytes_of(case, WHOLE[kind]))
    assert_answered(fence, lambda: pictures.read(file), "a.png")


WHOLE = {kind: in_bytes(kind) for kind in FORMATS}


@pytest.mark.parametrize("kind", FORMATS)
def test_every_cut_is_one_line(fence: Path, kind: str) -> None:
    """Cut to nothing, to half, and by one byte where that matters."""
    file = fence / "a.jpg"
    for length in (0, 1, 10, len(WHOLE[kind]) // 2):
        file.write_bytes(WHOLE[kind][:length])
        assert "'" in (answer(fence, lambda: pictures.read(file), "a.jpg") or "")


@pytest.mark.parametrize("mode", ["CMYK", "L", "LA", "P", "RGBA", "1", "YCbCr", "LAB"])
def test_every_mode_is_read(fence: Path, mode: str) -> None:
    file = fence / "a.tif"
    drawn(mode).save(file)
    assert pictures.read(file).shape == (3, 7, 9)


def test_what_does_not_hang_on_the_suffix(fence: Path) -> None:
    for kind in FORMATS:
        file = fence / "a.bmp"
        file.write_bytes(WHOLE[kind])
        assert pictures.read(file).shape == (3, 7, 9)


def test_one_pixel_works(fence: Path) -> None:
    drawn(size=(1, 1)).save(fence / "a.png")
    assert pictures.read(fence / "a.png").shape == (3, 1, 1)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "GIF"])
def test_of_many_frames_the_first(fence: Path, kind: str) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "green", "blue")]
    file = fence / "a.png"
    frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    found = pictures.read(file).float().mean((1, 2))
    assert found[0] > 240
    assert found[1:].max() < 15


def test_a_turned_photograph_is_as_torchvision_reads_it(fence: Path) -> None:
    note = Image.Exif()
    note[0x0112] = 6  # turn by a quarter
    file = fence / "a.jpg"
    drawn().save(file, exif=note)
    as_others = np.asarray(pil_loader(str(file)))
    assert torch.equal(pictures.read(file), torch.tensor(as_others).permute(2, 0, 1))


def test_sixteen_bits_are_refused_or_marked(fence: Path) -> None:
    """Shown as they are, all above 255 would be white."""
    file = fence / "a.png"
    Image.fromarray(np.array([[0, 300, 60000]], dtype=np.uint16)).save(file)
    line = answer(fence, lambda: pictures.read(file), "a.png")
    assert line is not None
    assert "more than 8 bits" in line
    assert pictures.opened(file, deep=True).size == (3, 1)  # as a mask


def head_of(width: int, height: int) -> bytes:
    """A PNG whose head says a size, with hardly any bytes behind it."""

    def chunk(kind: bytes, held: bytes) -> bytes:
        whole = kind + held
        size, check = struct.pack(">I", len(held)), struct.pack(">I", zlib.crc32(whole))
        return size + whole + check

    ahead = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1000)
    parts = (chunk(b"IHDR", ahead), chunk(b"IDAT", rows), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("width", "height", "said"),
    [
        (20_000, 20_000, "has over 178,000,000 pixels, 89,000,000 are read at most"),
        (10_000, 9_000, "has 10000 x 9000"),
        (2**31 - 1, 2**31 - 1, "cannot be read|pixels"),
        (1, 60_000, "is 1 x 60000: of more than 100 to 1"),
        (60_000, 1, "is 60000 x 1"),
        (0, 5, "cannot be read"),
    ],
)
def test_sizes_that_no_machine_holds(
    fence: Path, width: int, height: int, said: str
) -> None:
    """A few bytes that say 400 million pixels; one of 1 x 60,000 grows when resized."""
    file = fence / "a.png"
    file.write_bytes(head_of(width, height))
    line = answer(fence, lambda: pictures.read(file), "a.png")
    assert line is not None
    assert re.search(said, line), line


def test_what_starts_a_program_is_no_picture(fence: Path) -> None:
    """Pillow gives PostScript to a program of its own, whatever the suffix."""
    file = fence / "a.png"
    file.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    )
    assert Image.open(file).format == "EPS"
    assert "cannot be read" in (answer(fence, lambda: pictures.read(file)) or "")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_what_is_no_file(fence: Path) -> None:
    os.mkfifo(fence / "pipe.png")
    (fence / "lost.png").symlink_to(fence / "nowhere")
    (fence / "round.png").symlink_to(fence / "round.png")
    (fence / "folder.png").mkdir()
    for name in ("pipe", "lost", "round", "folder", "none", "x" * 300, "a\0b"):
        line = answer(fence, lambda: pictures.read(fence / f"{name}.png"))  # noqa: B023
        assert "no file" in (line or "")
