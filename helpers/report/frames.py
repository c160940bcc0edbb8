"""A figure with a slider that needs no kernel: all its frames are in the page.

The frames are small PNGs within the HTML, one visible at a time. A control of the
browser's own moves between them, by mouse, by touch or by the arrow keys. Nothing is
asked of any other file or host. Without JavaScript, and on paper, the frame it starts
with is left, with its label.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import Any, TypeVar

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

from helpers.settings import Refused

MOST = 400_000  # bytes of HTML for all frames of one slider
DPI = 110
# What is given up step by step to stay below MOST: (share of DPI, colours).
STEPS = ((1.0, 256), (1.0, 96), (0.8, 64), (0.65, 32), (0.5, 16), (0.4, 8))
T = TypeVar("T")

STYLE = """<style>
.frames [hidden] {display: none !important}
.frames img {display: block; max-width: 100%; height: auto}
.frames input {display: block; width: 100%; margin: 0; accent-color: currentColor}
.frames-label {margin: .4em 0 .2em; font-variant-numeric: tabular-nums}
@media print {.frames input {display: none}}
</style>"""

# Each script wires what no script before it has: two sliders share no name.
SCRIPT = """<script>
for (const box of document.querySelectorAll(".frames:not([data-wired])")) {
  const frames = [...box.querySelectorAll("img")];
  const range = box.querySelector("input"), label = box.querySelector("output");
  const show = () => {
    frames.forEach((frame, i) => { frame.hidden = i !== range.valueAsNumber; });
    label.textContent = frames[range.valueAsNumber].dataset.label;
    range.setAttribute("aria-valuetext", label.textContent);
  };
  box.dataset.wired = "yes";
  range.addEventListener("input", show);
  range.hidden = frames.length < 2;
  show();
}
</script>"""


@dataclass(frozen=True)
class Slider:
    """Frames of one moved quantity: a cell that ends with it shows it."""

    moved: str
    labels: tuple[str, ...]
    alts: tuple[str, ...]
    pngs: tuple[bytes, ...]
    start: int  # the frame shown first, and alone where there is no JavaScript
    size: tuple[int, int]  # pixels of the page, width and height

    def html(self) -> str:
        """Return the slider as HTML that needs nothing else."""
        width, height = self.size
        images = "\n".join(
            f'<img src="data:image/png;base64,{b64encode(png).decode()}" '
            f'alt="{escape(alt)}" data-label="{escape(label)}" width="{width}" '
            f'height="{height}"{"" if i == self.start else " hidden"}>'
            for i, (png, label, alt) in enumerate(
                zip(self.pngs, self.labels, self.alts, strict=True)
            )
        )
        moved, first = escape(self.moved), escape(self.labels[self.start])
        return (
            f'<div class="frames" role="group" aria-label="Figure over {moved}">\n'
            f"{STYLE}\n{images}\n"
            f'<p class="frames-label">{moved}: <output aria-live="off">{first}</output>'
            f'</p>\n<input type="range" min="0" max="{len(self.pngs) - 1}" step="1" '
            f'value="{self.start}" autocomplete="off" aria-label="{moved}" '
            f'aria-valuetext="{first}" hidden>\n{SCRIPT}\n</div>'
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """Return what a cell shows: HTML, or its first frame where that is no use."""
        return {
            "text/html": self.html(),
            "image/png": b64encode(self.pngs[self.start]).decode(),
            "text/plain": f"<slider over {self.moved}: {', '.join(self.labels)}>",
        }


def slider(
    figures: Iterable[Figure],
    moved: str,
    labels: Sequence[str],
    alts: Sequence[str],
    start: int | None = None,
) -> Slider:
    """Return a slider over figures of one size, which are closed.

    `moved` names the quantity; `labels` and `alts` hold its value and the alternative
    text of each frame. `start` is the frame shown first, the middle one if not given.

    Raises `Refused` where counts or sizes differ, where an alternative text is missing
    or said twice, and where the frames are too many to weigh less than `MOST` bytes.
    """
    frames = [_drawn(figure) for figure in figures]
    for what, given in (("labels", labels), ("alternative texts", alts)):
        if len(given) != len(frames):
            raise Refused(
                f"slider over {moved}: {len(given)} {what} for {len(frames)} frames: "
                "give one a frame"
            )
        if len(set(given)) < len(given) or not all(text.strip() for text in given):
            raise Refused(f"slider over {moved}: {what} must differ and not be empty")
    if not frames:
        raise Refused(f"slider over {moved}: no frame was given")
    if len({frame.size for frame in frames}) > 1:
        sizes = ", ".join(sorted({f"{w} x {h}" for w, h in (f.size for f in frames)}))
        raise Refused(f"slider over {moved}: frames of sizes {sizes}: draw one size")
    begin = len(frames) // 2 if start is None else start
    if not 0 <= begin < len(frames):
        raise Refused(f"slider over {moved}: start={start} is no frame")
    pngs = _within(frames, moved)
    return Slider(moved, tuple(labels), tuple(alts), pngs, begin, frames[0].size)


def over(
    values: Sequence[T],
    draw: Callable[[T], Figure],
    moved: str,
    label: Callable[[T], str],
    alt: Callable[[T], str],
    start: int | None = None,
) -> Slider:
    """Return the slider whose frames are `draw(value)`, one a value.

    `label(value)` and `alt(value)` are the text of its place and its alternative text.
    """
    labels, alts = [label(value) for value in values], [alt(value) for value in values]
    return slider(map(draw, values), moved, labels, alts, start)


def nearest(values: Sequence[float], value: float) -> int:
    """Return the place of the value that is nearest: the frame of a setting.

    >>> nearest([1.0, 0.3, 0.1, 0.03], 0.12)
    2
    """
    return min(range(len(values)), key=lambda i: abs(values[i] - value))


def _drawn(figure: Figure) -> Image.Image:
    """Return the figure as a picture, and close it."""
    kept = BytesIO()
    figure.savefig(kept, format="png", dpi=DPI)
    plt.close(figure)
    return Image.open(kept).convert("RGB")


def _within(frames: Sequence[Image.Image], moved: str) -> tuple[bytes, ...]:
    """Return PNGs that weigh less than `MOST` as text, as good as that allows."""
    for share, colours in STEPS:
        pngs = tuple(_png(frame, share, colours) for frame in frames)
        if sum(4 * -(-len(png) // 3) for png in pngs) < MOST - 2000 - 500 * len(pngs):
            return pngs
    raise Refused(
        f"slider over {moved}: {len(frames)} frames weigh more than {MOST // 1000} kB: "
        "take fewer, or draw less in each"
    )


def _png(frame: Image.Image, share: float, colours: int) -> bytes:
    size = (round(frame.width * share), round(frame.height * share))
    small = frame if share == 1 else frame.resize(size, Image.Resampling.LANCZOS)
    kept = BytesIO()
    few = small.quantize(colours, dither=Image.Dither.NONE)
    few.save(kept, format="PNG", optimize=True)
    return kept.getvalue()
