"""Names from data where they are shown: pages, tables, sliders, figures, terminals."""

import json
import warnings
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from markdown_it import MarkdownIt
from PIL import Image
from safetensors.torch import save_file

from helpers.classroom import expected
from helpers.judge.__main__ import main
from helpers.report import figures, frames, tables
from helpers.report.sortable import sortable
from helpers.report.terminal import one_line
from helpers.vision import backbone
from tests.hostile.broken import MARKUP, NAMES

BREAKING = f"\"'><script>alert(1)</script>{MARKUP}</td></table><a href='javascript:x'>"


class Page(HTMLParser):
    """What a browser would make of a page: its tags, and the words it shows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.within: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.within and self.within.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & {*self.within}:
            self.words.append(data)

    def check(self, *names: str) -> None:
        """Nothing of a name is markup; each name is shown, or said, as it is."""
        for tag, given in self.tags:
            assert not [key for key in given if key.startswith("on")], (tag, given)
            assert tag not in ("iframe", "object", "embed", "base", "form")
            source = given.get("src") or given.get("href") or "data:"
            assert source.startswith(("data:", "https:", "#")), (tag, given)
        scripts = [tag for tag, _ in self.tags if tag == "script"]
        assert len(scripts) <= 1
        said = [value or "" for _, given in self.tags for value in given.values()]
        shown = "".join(self.words)
        for name in names:
            assert name in shown or any(name in one for one in said), name


def test_the_check_sees_what_it_must() -> None:
    with pytest.raises(AssertionError):
        Page(f"<p>{MARKUP}</p>").check()
    with pytest.raises(AssertionError):
        Page("<a href='javascript:x'>y</a>").check()
    with pytest.raises(AssertionError):
        Page("<script></script><p>a</p><script>alert(1)</script>").check()
    with pytest.raises(AssertionError):
        Page("<p>other words</p>").check("a name")


@pytest.fixture
def weights(fence: Path) -> Path:
    torch.manual_seed(0)
    file = fence / "<b>w'.safetensors"
    save_file(backbone("resnet20", 3).state_dict(), file)
    return file


def drawn(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (32, 40, 3), dtype=np.uint8))


def test_the_page_of_a_judgement(
    fence: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names of classes, logits and files, all of them markup."""
    classes = (MARKUP, BREAKING, "x" * 300 + "\u202e\U0001f98a\x1b[2J")
    images, objects = [], []
    folder = fence / "a & <i>b"
    folder.mkdir()
    for number in range(3):
        name = f"<img src=x onerror=alert({number})>.png"
        drawn(number).save(folder / name)
        about = {"id": number, "file_name": name, "width": 40, "height": 32}
        images.append(about)
        corners = [4, 4, 36, 4, 36, 28, 4, 28]
        one = {"id": number, "image_id": number, "category_id": number, "area": 9}
        objects.append({**one, "bbox": [4, 4, 32, 24], "segmentation": [corners]})
    whole = {
        "images": images,
        "annotations": objects,
        "categories": [{"id": i, "name": name} for i, name in enumerate(classes)],
    }
    (fence / "coco.json").write_text(json.dumps(whole))
    (fence / "names.txt").write_text(f"{MARKUP} 0\n{BREAKING} 1\n\u202etwo\n")
    labelled = {name: i for i, name in enumerate(classes)}
    (fence / "map.json").write_text(json.dumps(labelled))
    line = [
        *("--model", f"resnet20:{weights}", "--data", str(folder), "--size", "32"),
        *("--masks", str(fence / "coco.json"), "--metrics", "pointing"),
        *("--labels", str(fence / "map.json"), "--classes", str(fence / "names.txt")),
        *("--out", str(fence / "r.json")),
    ]
    assert main(line) == 0, capsys.readouterr().err
    page = Page((fence / "r.html").read_text("utf-8"))
    page.check(*classes, *(one["file_name"] for one in images), MARKUP + " 0")
    assert [tag for tag, _ in page.tags if tag == "script"] == []
    found = json.loads((fence / "r.json").read_text("utf-8"))
    assert set(found["pictures"]["classes"]) == {*classes}
    said = capsys.readouterr().out
    assert "\x1b" not in said


def test_a_path_that_is_no_text(fence: Path, capsys: pytest.CaptureFixture) -> None:
    """The folder's own name is bytes: the page is written all the same."""
    top = fence / "\udcff"
    for name in ("a", "b", "c"):
        (top / name).mkdir(parents=True)
        drawn(1).save(top / name / "1.png")
    file = fence / "w.safetensors"
    save_file(backbone("resnet20", 3).state_dict(), file)
    line = ["--model", f"resnet20:{file}", "--data", str(top), "--size", "32"]
    more = ["--metrics", "ses", "--limit", "2", "--out", str(fence / "r.json")]
    assert main([*line, *more]) == 0, capsys.readouterr().err
    Page((fence / "r.html").read_text("utf-8")).check("\\udcff")


def test_a_refusal_is_one_line(fence: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "two\nlines\x1b[2J"
    assert main(["--model", f"resnet20:{name}", "--data", str(fence)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "\x1b" not in said


def test_control_characters_are_written_out() -> None:
    assert one_line("a\tb\x00\x7f\u202e\udcff\u2028") == (
        "a\\tb\\x00\\x7f\\u202e\\udcff\\u2028"
    )
    whole = "na\u00efve th\u00e9 \U0001f98a 'x' \\n"
    assert one_line(whole) == whole


def of_names() -> pd.DataFrame:
    rows = [MARKUP, BREAKING, "plain & < >"]
    return pd.DataFrame(
        {
            MARKUP: rows,
            BREAKING: [[name] for name in rows],
            "of two": [(name, 1) for name in rows],
            "paths": [Path(name) for name in rows],
            "kept": [{"a": name} for name in rows],
            "gain": [0.5, None, float("inf")],
        }
    )


def test_a_table_of_the_book() -> None:
    html = tables.show(of_names()).to_html()
    Page(html).check(MARKUP, BREAKING, "plain & < >")


def test_a_table_that_sorts() -> None:
    found = sortable(of_names(), [MARKUP, "of two"])
    Page(found.html()).check(MARKUP, BREAKING)


def test_a_slider() -> None:
    def draw(_: str) -> plt.Figure:
        return plt.figure(figsize=(1, 1))

    names = [MARKUP, BREAKING]
    found = frames.over(names, draw, MARKUP, str, lambda name: f"alt {name}")
    Page(found.html()).check(MARKUP, BREAKING, f"alt {BREAKING}")


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_figures_take_any_name(name: str) -> None:
    """Also what looks like a formula: it is no formula."""
    images = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # letters that the font has not
        for figure in (
            figures.picture_grid(images, [name]),
            figures.overlays(images, {"map": torch.ones(1, 8, 8)}, [name]),
            figures.anatomy(images, images[:, 0], torch.zeros(1, 1, 4), [name]),
        ):
            figure.canvas.draw()
            assert figure.axes[0].get_title() == name
            plt.close(figure)


@pytest.mark.parametrize("fence_marks", ["```", "````", "``` `````"])
def test_what_a_cell_printed_stays_text(fence_marks: str) -> None:
    """Notebooks for students show outputs as Markdown: no output ends its own fence."""
    text = f"{fence_marks}\n{MARKUP}\n"
    for output in (
        nbformat.v4.new_output("stream", text=text),
        nbformat.v4.new_output("display_data", {"text/plain": text}),
    ):
        cell = expected([output])
        assert cell is not None
        page = Page(MarkdownIt("commonmark").render(cell.source))
        page.check(MARKUP)
        assert "img" not in [tag for tag, _ in page.tags]
