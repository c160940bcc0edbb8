"""The runner: strict before a kernel starts, and nothing good is replaced."""

import errno
import json
from base64 import b64decode, b64encode
from io import BytesIO
from pathlib import Path

import nbformat
import pytest
import torch
from PIL import Image

from helpers import execute as execute_module
from helpers import run
from helpers.execute import ChapterFailed, Execution, execute, lighter, published
from helpers.lab.watching import in_notebook
from helpers.settings import Refused


def refused(*words: str) -> str:
    with pytest.raises(Refused) as caught:
        run.chapter_of("00_laboratory", "smoke", words).check()
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("sead=[1]", "unknown parameter 'sead'; did you mean 'seeds'?"),
        ("seeds=3", "parameter 'seeds' = 3: input should be a valid list"),
        ("seeds=[]", "parameter 'seeds' = []: list should have at least 1"),
        ("seeds=[-1]", "parameter 'seeds.0' = -1: input should be greater than or"),
        ("seeds=[1, 1]", "parameter 'seeds' = [1, 1]: give each seed once"),
        ("epochs=abc", "parameter 'epochs' = 'abc': input should be a valid integer"),
        ("epochs=0", "parameter 'epochs' = 0: input should be greater than"),
        ("lr=-1", "parameter 'lr' = -1: input should be greater than 0"),
        ("cue=1.5", "parameter 'cue' = 1.5: input should be less than"),
        ("flip=maybe", "parameter 'flip' = 'maybe': input should be a valid boolean"),
        (
            "backbone=vgg",
            "parameter 'backbone' = 'vgg': input should be 'scene-resnet'",
        ),
        ("dataset=scens", "unknown data set 'scens'; did you mean 'scenes'?"),
        ("dataset=folder:/no/such", "folder '/no/such' is not there"),
        ("device=cuda:5", "device 'cuda:5' is not there"),
        ("size=16", "maps of 2 x 2 cells"),
        ("epochs", "-p 'epochs' has no value: write -p 'name=value'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(given: str, expected: str) -> None:
    assert expected in refused(given)


def test_values_have_the_types_they_look_like() -> None:
    assert run.value_of("[1, 2]") == [1, 2]
    assert run.value_of("1e-3") == 1e-3
    assert run.value_of("True") is run.value_of("true") is True
    assert run.value_of("folder:x") == "folder:x"
    assert run.value_of("__import__('os')") == "__import__('os')"  # text, never run


def test_parameters_override_the_profile() -> None:
    chapter = run.chapter_of("00_laboratory", "smoke", ["epochs=7", "lr=1e-2"])
    assert (chapter.epochs, chapter.lr, chapter.explained) == (7, 0.01, 8)


def test_an_unknown_chapter(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["00_labratory"]) == 2
    assert "did you mean '00_laboratory'?" in capsys.readouterr().err


def test_a_refusal_trains_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(["00_laboratory", "-p", "sead=1"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (home / "runs").exists()


def test_a_full_disk_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", "book.ipynb")

    monkeypatch.setattr(run, "_run", full)
    assert run.main(["00_laboratory", "--profile", "smoke"]) == 1
    told = capsys.readouterr().err
    assert "No space left on device: 'book.ipynb': what was there is as it was" in told
    assert told.count("\n") == 1


def notebook(*sources: str) -> nbformat.NotebookNode:
    book = nbformat.v4.new_notebook()
    book.metadata.kernelspec = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    first = nbformat.v4.new_code_cell("n: int = 1  # a number")
    first.metadata["tags"] = ["parameters"]
    book.cells = [first, *map(nbformat.v4.new_code_cell, sources)]
    return book


@pytest.fixture
def chapter(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with one small notebook in `nbs/`."""
    (home / "nbs").mkdir()
    monkeypatch.setattr(execute_module.paths, "root", lambda: home)
    return home / "nbs" / "09_small.ipynb"


def execution(home: Path, **parameters: int) -> Execution:
    return Execution("09_small", parameters, "smoke", "s", "x", home / "book")


def test_a_chapter_is_executed_with_its_parameters_and_finished(chapter: Path) -> None:
    home = chapter.parents[1]
    nbformat.write(notebook("print(n + 1)"), chapter)
    execute(execution(home, n=41))
    done = nbformat.read(home / "book" / "09_small.ipynb", as_version=4)
    assert done.cells[-1].outputs[0].text == "42\n"
    assert "papermill" not in done.metadata
    assert all("papermill" not in cell.metadata for cell in done.cells)
    injected = [
        c for c in done.cells if "injected-parameters" in c.metadata.get("tags", [])
    ]
    assert "hide-input" in injected[0].metadata["tags"]
    details = json.loads((home / "book" / "09_small.json").read_text())
    assert {"commit", "device", "seconds", "date", "versions"} <= set(details)
    assert details["parameters"] == {"n": 41}
    assert published("09_small", home / "book") == "s"
    assert str(home) not in (home / "book" / "09_small.ipynb").read_text()


def test_a_chart_gets_lighter_and_a_picture_keeps_its_colours() -> None:
    def png(image: Image.Image) -> str:
        kept = BytesIO()
        image.save(kept, "PNG", compress_level=0)
        return b64encode(kept.getvalue()).decode()

    def back(text: str) -> Image.Image:
        return Image.open(BytesIO(b64decode(text)))

    chart = Image.new("RGBA", (40, 30), "white")
    chart.paste("red", (5, 5, 20, 20))
    drawn = torch.randint(256, (3600,), generator=torch.Generator().manual_seed(0))
    picture = Image.frombytes("RGB", (40, 30), bytes(drawn.tolist())).convert("RGBA")
    for image, mode in ((chart, "P"), (picture, "RGB")):
        light = lighter(png(image))
        assert len(light) < len(png(image))
        assert back(light).mode == mode
        assert back(light).convert("RGBA").tobytes() == image.tobytes()
    chart.putpixel((0, 0), (0, 0, 0, 0))
    assert lighter(png(chart)) == png(chart)


def test_a_failed_chapter_never_replaces_a_good_one(chapter: Path) -> None:
    home = chapter.parents[1]
    nbformat.write(notebook("print('good')"), chapter)
    execute(execution(home, n=1))
    good = (home / "book" / "09_small.ipynb").read_bytes()
    nbformat.write(notebook("raise ValueError('no such picture')"), chapter)
    with pytest.raises(ChapterFailed, match="no such picture") as caught:
        execute(execution(home, n=2))
    assert "\n" not in str(caught.value)
    assert (home / "book" / "09_small.ipynb").read_bytes() == good
    failed = list((home / "runs" / "failed").glob("*.ipynb"))
    assert len(failed) == 1
    assert list((home / "runs" / "chapters").glob("*executing*")) == []


def test_two_chapters_are_executed_side_by_side(chapter: Path) -> None:
    home = chapter.parents[1]
    nbformat.write(notebook("print(n)"), chapter)
    nbformat.write(notebook("print(-n)"), chapter.with_name("08_other.ipynb"))
    both = [
        execution(home, n=5),
        Execution("08_other", {"n": 6}, "smoke", "s", "x", home / "book"),
    ]
    done: list[tuple[int, str]] = []
    execute_module.execute_all(both, lambda n, file: done.append((n, file.name)))
    assert done == [(1, "09_small.ipynb"), (2, "08_other.ipynb")]
    texts = [
        nbformat.read(home / "book" / f"{one.chapter}.ipynb", 4)
        .cells[-1]
        .outputs[0]
        .text
        for one in both
    ]
    assert texts == ["5\n", "-6\n"]


def test_progress_in_a_notebook_is_one_output_without_a_widget(chapter: Path) -> None:
    cell = """
import threading
from helpers.lab.watching import LINES, in_notebook
report = in_notebook()
for number in range(LINES):
    report(f"epoch {number}")
worker = threading.Thread(target=report, args=("epoch of a worker",))
worker.start()
worker.join()
"""
    nbformat.write(notebook(cell), chapter)
    execute(execution(chapter.parents[1]))
    done = nbformat.read(chapter.parents[1] / "book" / "09_small.ipynb", as_version=4)
    (output,) = done.cells[-1].outputs
    assert list(output.data) == ["text/plain"]
    lines = output.data["text/plain"].splitlines()
    assert lines == [*(f"epoch {n}" for n in range(1, 6)), "epoch of a worker"]
    assert "widgets" not in done.metadata


def test_progress_outside_of_a_notebook_is_not_its_matter() -> None:
    assert in_notebook() is None


def test_ctrl_c_ends_kernels_and_keeps_nothing_of_them(chapter: Path) -> None:
    """Kernels are in no group of a terminal: nobody else would end them."""
    import os
    import signal
    import threading
    import time

    home = chapter.parents[1]
    told = home / "nbs" / "process"
    source = f"import os, time\nopen('{told}', 'w').write(str(os.getpid()))"
    nbformat.write(notebook(f"{source}\ntime.sleep(600)"), chapter)
    (home / "book").mkdir()
    (home / "book" / "09_small.ipynb").write_text("as it was")

    def press() -> None:
        while not (told.is_file() and told.read_text()):
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    waiting = [execution(home, n=number) for number in range(3)]
    with pytest.raises(KeyboardInterrupt):
        execute_module.execute_all(waiting, lambda done, target: None)
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)
    assert list((home / "runs").rglob("*.ipynb")) == []
    assert (home / "book" / "09_small.ipynb").read_text() == "as it was"


def test_the_stamp_covers_parameters_profile_and_source(
    chapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute_module, "everything", lambda: "code")
    source = chapter.with_suffix(".py")
    source.write_text("1")
    stamps = [
        execute_module.stamp("09_small", {"n": 1}, "book"),
        execute_module.stamp("09_small", {"n": 2}, "book"),
        execute_module.stamp("09_small", {"n": 1}, "study"),
    ]
    source.write_text("2")
    stamps.append(execute_module.stamp("09_small", {"n": 1}, "book"))
    monkeypatch.setattr(execute_module, "everything", lambda: "other code")
    stamps.append(execute_module.stamp("09_small", {"n": 1}, "book"))
    margins = chapter.parents[1] / "helpers" / "report" / "margins.yml"
    margins.parent.mkdir(parents=True)
    margins.write_text("claims: []\n")
    stamps.append(execute_module.stamp("09_small", {"n": 1}, "book"))
    assert len(set(stamps)) == 6
