"""Sliders without a kernel: whole, small, and with a text for every frame."""

import re
from base64 import b64decode
from io import BytesIO

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from helpers.report import frames
from helpers.settings import Refused

mpl.use("Agg")


def draw(value: float, width: float = 4.0) -> Figure:
    figure, axis = plt.subplots(figsize=(width, 2.0))
    axis.plot([0, 1], [0, value])
    axis.set_ylim(0, 4)
    return figure


def made(values: tuple[float, ...] = (1.0, 2.0, 3.0), **more: int) -> frames.Slider:
    return frames.over(
        values,
        draw,
        "epsilon",
        lambda value: f"{value:g}",
        lambda value: f"A line from 0 to {value:g}",
        **more,
    )


def pictures(html: str) -> list[Image.Image]:
    found = re.findall(r"data:image/png;base64,([^\"]+)", html)
    return [Image.open(BytesIO(b64decode(text))) for text in found]


def test_every_frame_is_in_the_page_with_its_text() -> None:
    html = made().html()
    shown = pictures(html)
    assert [picture.size for picture in shown] == [(440, 220)] * 3
    assert {picture.mode for picture in shown} == {"P"}
    arrays = [np.array(picture.convert("RGB")) for picture in shown]
    assert not np.array_equal(arrays[0], arrays[1])
    assert re.findall(r'alt="(A line[^"]*)"', html) == [
        f"A line from 0 to {value}" for value in (1, 2, 3)
    ]
    assert re.findall(r'data-label="(\w+)"', html) == ["1", "2", "3"]
    assert not re.search(r"https?:|src=\"(?!data:)|href=|\bid=", html)
    assert plt.get_fignums() == []


def test_the_palette_keeps_what_was_drawn() -> None:
    figure = draw(3.0)
    kept = BytesIO()
    figure.savefig(kept, format="png", dpi=frames.DPI)
    plt.close(figure)
    drawn = np.array(Image.open(kept).convert("RGB"), dtype=float)
    slider = frames.slider([draw(3.0)], "x", ["3"], ["A line from 0 to 3"])
    small = np.array(pictures(slider.html())[0].convert("RGB"), dtype=float)
    assert abs(drawn - small).mean() < 1
    assert abs(drawn - small).max() < 64


@pytest.mark.parametrize(("more", "place"), [({}, 1), ({"start": 0}, 0)])
def test_one_frame_is_left_without_javascript(more: dict, place: int) -> None:
    """The other frames and the control are hidden in the HTML itself."""
    html = made(**more).html()
    images = re.findall(r"<img [^>]*>", html)
    assert [" hidden>" in image for image in images] == [i != place for i in range(3)]
    assert re.search(r"<input [^>]*hidden>", html)
    assert f'<output aria-live="off">{place + 1}</output>' in html
    bundle = made(**more)._repr_mimebundle_()
    fallback = b64decode(bundle["image/png"])
    assert fallback == made(**more).pngs[place]
    assert list(bundle) == ["text/html", "image/png", "text/plain"]


def test_words_are_not_markup() -> None:
    slider = frames.slider([draw(1)], 'a "<b>', ["<1"], ['"x" & y'])
    html = slider.html()
    assert 'aria-label="a &quot;&lt;b&gt;"' in html
    assert 'alt="&quot;x&quot; &amp; y"' in html
    assert "<b>" not in html


def noise(seed: int) -> Figure:
    values = np.random.default_rng(seed).random((200, 400, 3))
    figure, axis = plt.subplots(figsize=(7, 3))
    axis.imshow(values, interpolation="nearest")
    return figure


def test_heavy_frames_become_lighter_and_keep_their_size_on_the_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frames, "MOST", 200_000)
    labels, alts = list("abc"), [f"noise {i}" for i in range(3)]
    slider = frames.slider(map(noise, range(3)), "seed", labels, alts)
    html = slider.html()
    assert len(html) < frames.MOST
    assert 'width="770" height="330"' in html
    assert {picture.size for picture in pictures(html)} != {(770, 330)}


def test_what_cannot_be_light_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MOST", 5_000)
    with pytest.raises(Refused, match="3 frames weigh more than 5 kB"):
        made()


ONE, TWO = ["A line"], ["A line", "Another"]


@pytest.mark.parametrize(
    ("widths", "labels", "alts", "start", "message"),
    [
        ((4, 4), ["1"], TWO, None, "1 labels for 2 frames"),
        ((4, 4), ["1", "2"], ONE, None, "1 alternative texts for 2 frames"),
        ((4, 4), ["1", "1"], TWO, None, "labels must differ"),
        ((4, 4), ["1", "2"], ["A line", " "], None, "texts must differ and not be"),
        ((4, 5), ["1", "2"], TWO, None, "sizes 440 x 220, 550 x 220"),
        ((4, 4), ["1", "2"], TWO, 2, "start=2 is no frame"),
        ((), [], [], None, "no frame"),
    ],
)
def test_faults_are_one_line(
    widths: tuple, labels: list, alts: list, start: int | None, message: str
) -> None:
    drawn = [draw(1.0, width) for width in widths]
    with pytest.raises(Refused, match=message) as refusal:
        frames.slider(drawn, "epsilon", labels, alts, start)
    assert "\n" not in str(refusal.value)
    assert plt.get_fignums() == []


def test_the_frame_of_a_setting() -> None:
    assert frames.nearest([1.0, 0.3, 0.1, 0.03], 0.1) == 2
    assert frames.nearest([1.0, 0.3, 0.1, 0.03], 0.2) in (1, 2)
