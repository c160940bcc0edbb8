"""How a scene is painted: outlines, marks and places as functions of coordinates."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

# An outline each: shape word, attribute word.
FAMILIES: tuple[tuple[str, str], ...] = (
    ("round", "smooth"),
    ("square", "flat"),
    ("spiky", "sharp"),
    ("petalled", "soft"),
)
MARKS: tuple[str, ...] = ("rim", "core", "dots", "stripes", "halves", "cross")
# Two colours a family, in the families' order: the bodies of its objects.
COLOURS: tuple[tuple[str, tuple[float, float, float]], ...] = (
    ("red", (0.86, 0.15, 0.15)),
    ("orange", (0.98, 0.58, 0.12)),
    ("blue", (0.15, 0.27, 0.80)),
    ("black", (0.08, 0.08, 0.08)),
    ("yellow", (0.97, 0.88, 0.25)),
    ("white", (0.97, 0.97, 0.97)),
    ("pink", (0.96, 0.60, 0.75)),
    ("purple", (0.47, 0.20, 0.62)),
)


@dataclass(frozen=True)
class Place:
    """A background: its words, two colours, waves per picture and their direction."""

    words: str
    dark: tuple[float, float, float]
    light: tuple[float, float, float]
    waves: float
    direction: float


PLACES: tuple[Place, ...] = (
    Place("on grass", (0.25, 0.50, 0.20), (0.45, 0.68, 0.30), 14, 0.1),
    Place("on sand", (0.76, 0.66, 0.45), (0.90, 0.82, 0.62), 5, 1.4),
    Place("on water", (0.10, 0.38, 0.55), (0.25, 0.58, 0.72), 7, 1.6),
    Place("in the sky", (0.50, 0.72, 0.93), (0.82, 0.91, 0.98), 2, 1.5),
    Place("on snow", (0.82, 0.86, 0.90), (0.95, 0.97, 0.99), 3, 0.8),
    Place("on brick", (0.55, 0.27, 0.20), (0.70, 0.38, 0.30), 10, 1.57),
    Place("on wood", (0.42, 0.28, 0.16), (0.58, 0.41, 0.25), 9, 0.0),
    Place("at night", (0.05, 0.06, 0.16), (0.15, 0.16, 0.30), 4, 0.4),
)
DISTRACTORS = 3
NOISE = 0.04  # standard deviation of the pixel noise, intensities in [0, 1]


def outline(family: int, theta: Array) -> Array:
    """Return the radius of a family's outline at angle theta; the largest is 1."""
    if family == 0:
        return np.ones_like(theta)
    if family == 1:
        edge = np.maximum(np.abs(np.cos(theta)), np.abs(np.sin(theta)))
        return (0.74 / edge).astype(np.float32)
    if family == 2:
        saw = np.abs((theta * 8 / (2 * np.pi)) % 1 * 2 - 1)
        return (0.62 + 0.38 * saw).astype(np.float32)
    return (0.80 + 0.20 * np.cos(5 * theta)).astype(np.float32)


def marked(mark: int, u: Array, v: Array) -> NDArray[np.bool_]:
    """Return where a mark is painted, in coordinates of the object, [-1, 1]."""
    rho = np.hypot(u, v)
    if mark == 0:
        return (rho > 0.38) & (rho < 0.62)
    if mark == 1:
        return rho < 0.36
    if mark == 2:
        return np.hypot(np.abs(u) - 0.33, np.abs(v) - 0.33) < 0.19
    if mark == 3:
        return np.sin(u * 2 * np.pi / 0.46) > 0
    if mark == 4:
        return u > 0
    return np.minimum(np.abs(u), np.abs(v)) < 0.15


def paint(
    size: int,
    *,
    family: NDArray[np.int64],
    mark: NDArray[np.int64],
    place: NDArray[np.int64],
    present: NDArray[np.bool_],
    centre: NDArray[np.float64],
    radius: NDArray[np.float64],
    angle: NDArray[np.float64],
    body: NDArray[np.int64],
    colour: NDArray[np.int64],
    streams: tuple[np.random.Generator, np.random.Generator, np.random.Generator],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Paint N scenes and return images `[N, 3, H, W]` and instance maps `[N, H, W]`.

    Lengths are in picture widths, angles in radians; per scene `[N]`: family, mark,
    place, body and mark colour; per instance `[N, 4]`: present, radius, angle, and
    centre `[N, 4, 2]`. The streams paint background, distractors and noise.
    """
    count = len(family)
    images = np.empty((count, 3, size, size), dtype=np.uint8)
    instances = np.zeros((count, size, size), dtype=np.uint8)
    palette = np.array([rgb for _, rgb in COLOURS], dtype=np.float32)
    axis = ((np.arange(size) + 0.5) / size).astype(np.float32)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    for i in range(count):
        canvas = _background(PLACES[place[i]], x, y, streams[0])
        _scatter(canvas, x, y, palette, streams[1])
        for slot in np.flatnonzero(present[i]):
            dx = (x - centre[i, slot, 0]) / radius[i, slot]
            dy = (y - centre[i, slot, 1]) / radius[i, slot]
            cos, sin = np.cos(angle[i, slot]), np.sin(angle[i, slot])
            u = (cos * dx + sin * dy).astype(np.float32)
            v = (cos * dy - sin * dx).astype(np.float32)
            edge = outline(int(family[i]), np.arctan2(v, u)) - np.hypot(u, v)
            cover = np.clip(edge * radius[i, slot] * size + 0.5, 0, 1)  # soft border
            ink = np.where(
                marked(int(mark[i]), u, v)[..., None],
                palette[colour[i]],
                palette[body[i]],
            )
            canvas += cover[..., None] * (ink - canvas)
            instances[i][cover >= 0.5] = slot + 1
        canvas += NOISE * streams[2].standard_normal(canvas.shape, dtype=np.float32)
        images[i] = (np.clip(canvas, 0, 1) * 255).round().transpose(2, 0, 1)
    return images, instances


def _background(place: Place, x: Array, y: Array, rng: np.random.Generator) -> Array:
    """Return waves between a place's two colours, their phase and tint random."""
    phase, bend, turn, tint = rng.uniform(-1, 1, 4)
    direction = place.direction + 0.15 * turn
    along = np.cos(direction) * x + np.sin(direction) * y
    across = np.cos(direction) * y - np.sin(direction) * x
    wave = np.sin(
        2 * np.pi * (place.waves * along + phase) + 2 * bend * np.sin(6 * across)
    )
    share = (0.5 + 0.5 * wave)[..., None]
    dark, light = np.array(place.dark), np.array(place.light)
    return (dark + share * (light - dark) + 0.06 * tint).astype(np.float32)


def _scatter(
    canvas: Array, x: Array, y: Array, palette: Array, rng: np.random.Generator
) -> None:
    """Paint up to three small discs and bars that belong to no class, in place."""
    number = rng.integers(DISTRACTORS + 1)
    where = rng.random((DISTRACTORS, 2))
    extent = rng.uniform(0.02, 0.05, (DISTRACTORS, 2))
    ink = rng.integers(len(palette), size=DISTRACTORS)
    for (left, top), (width, height), colour in zip(
        where[:number], extent[:number], ink[:number], strict=True
    ):
        inside = np.hypot((x - left) / width, (y - top) / height) < 1
        canvas[inside] = palette[colour]
