"""The command: a table, a JSON and a page, or one line that says what is wrong."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from torchvision.models import get_model

from helpers.explain.named import METHODS
from helpers.judge import arguments, outcome
from helpers.judge.__main__ import main
from helpers.measure.named import METRICS
from helpers.settings import Refused
from helpers.vision import backbone


@pytest.fixture
def line(
    weights: Path, annotated: Callable[..., tuple[Path, Path]], tmp_path: Path
) -> list[str]:
    """A line that works: COCO pictures, a label map by names, all in small."""
    top, file = annotated()
    (tmp_path / "map.json").write_text('{"cat": ["tom", 1], "dog": 3, "car": 4}')
    (tmp_path / "names.txt").write_text("a\nb\ntom\nd\ne\n")
    return [
        *("--model", f"resnet20:{weights}", "--data", str(top)),
        *("--masks", str(file), "--labels", str(tmp_path / "map.json")),
        *("--classes", str(tmp_path / "names.txt"), "--size", "32"),
        *("--methods", "gradcam,ixg", "--metrics", "pointing,ses,mosu"),
        *("--out", str(tmp_path / "r.json"), "--batch", "2"),
    ]


def changed(line: list[str], *pairs: str) -> list[str]:
    """Return the line with other values, or without what is None."""
    found = list(line)
    for name, value in zip(pairs[::2], pairs[1::2], strict=True):
        if name in found:
            found[found.index(name) + 1] = value
        else:
            found += [name, value]
    return found


class Reader(HTMLParser):
    """What a page shows and loads."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[dict] = []
        self.outside: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        given = dict(attrs)
        if tag == "img":
            self.images.append(given)
        if tag not in ("img", "meta"):
            self.open.append(tag)
        for name in ("src", "href"):
            if not given.get(name, "data:").startswith("data:"):
                self.outside.append(given[name])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_table_json_and_page(line, tmp_path: Path, capsys) -> None:
    assert main(line) == 0
    told = capsys.readouterr().out
    assert "3 pictures of 32 x 32, 3 classes of the data, 5 logits" in told
    for cause in ("without any object", "without object of a mapped class"):
        assert f" 1 {cause}" in told
    assert "MOSU: 2 without score, fewer than two boxes" in told
    heads = [text for text in told.splitlines() if text.startswith("map ")]
    for name in ("pointing game", "SES", "SCH", "MOSU", "Gini", "SES less chance"):
        assert any(name in head for head in heads), name
    rows = [text.split("  ")[0] for text in told.splitlines()]
    for name in ("Grad-CAM", "Input x Gradient", "uniform", "ground-truth mask"):
        assert name in rows
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["pictures"]["count"] == 3
    assert sorted(found["pictures"]["classes"]) == ["car", "cat", "dog"]
    assert found["choice"]["metrics"] == ["ses", "sch", "mosu", "pointing", "gini"]
    assert found["given"]["sha256 of weights"] == outcome.sha256(
        Path(found["given"]["weights"])
    )
    values = found["values"]["Grad-CAM"]["mosu"]["values"]
    assert sum(value is None for value in values) == 2
    of = {(one["map"], one["metric"]): one for one in found["summary"]}
    sch = found["values"]["Grad-CAM"]["sch"]["values"]
    assert of["Grad-CAM", "sch"]["mean"] == pytest.approx(sum(sch) / 3, abs=1e-5)
    assert of["Grad-CAM", "mosu"]["undefined"] == {"fewer than two boxes": 2}
    assert f"{of['uniform', 'sch']['mean']:.3f}" in told
    assert found["provenance"]["libraries"]["captum"]
    assert torch.__version__.startswith(found["provenance"]["versions"]["torch"])


def test_the_page_stands_alone_and_says_what_it_shows(line, tmp_path: Path) -> None:
    page = tmp_path / "p.html"
    assert main([*line, "--html", str(page), "--shown", "2"]) == 0
    text = page.read_text("utf-8")
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    assert reader.outside == []
    assert not re.search(r"url\(|@import|<script", text)
    assert len(reader.images) == 2 * 4  # picture, object, two maps
    assert all(image["src"].startswith("data:image/") for image in reader.images)
    alts = [image["alt"] for image in reader.images]
    assert len(set(alts)) >= 6
    assert any(
        re.match(r"Grad-CAM for class .*, greatest (at|in|nowhere)", a) for a in alts
    )
    assert "prefers-color-scheme: dark" in text
    assert "higher is better" in text
    assert text.count('class="floor') == 3


def test_class_folders_without_masks(weights: Path, folders: Path, tmp_path) -> None:
    import shutil

    shutil.rmtree(folders / "masks")
    out = tmp_path / "r.json"
    given = [
        "--model",
        f"resnet20:{weights}",
        "--data",
        str(folders),
        "--out",
        str(out),
    ]
    given += ["--size", "32", "--limit", "2", "--metrics", "deletion,entropy"]
    assert main(given) == 0
    found = json.loads(out.read_text())
    assert found["pictures"]["left_out"] == {"over the limit": 13}
    assert [one["kind"] for one in found["summary"]].count("ceiling") == 0


@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        (("--size", "x"), "argument --size: invalid int value: 'x'; --help lists"),
        (("--methd", "rise"), "unrecognized arguments: --methd rise; --help lists"),
        (("--methods", "gradcm"), "unknown method 'gradcm'; did you mean"),
        (("--metrics", "ses,moso"), "unknown metric 'moso'; did you mean 'mosu'"),
        (("--methods", ","), "a method and a metric are needed"),
        (("--model", "resnet20"), "lacks its weights"),
        (("--model", "resnet20:none.pt"), "weights 'none.pt' are not there"),
        (("--data", "none"), "pictures 'none' are not there"),
        (("--masks", "none.json"), "annotations 'none.json' cannot be read"),
        (("--masks", "none"), "neither a COCO file"),
        (("--labels", "none.json"), "label map 'none.json' cannot be read"),
        (("--size", "0"), "--size must be 1 or more"),
        (("--crop", "33"), "--crop 33 must be from 1 to --size"),
        (("--seed", "-1"), "--seed must be 0 or more"),
        (("--normalise", "imagnet"), "unknown normalisation 'imagnet'; did you mean"),
        (("--mean", "1,2,3"), "give --mean and --std together"),
        (("--mean", "1,2", "--std", "1,1,1"), "--mean '1,2' must be three numbers"),
        (("--mean", "1,2,3", "--std", "1,0,1"), "--std must be over 0"),
        (("--layer", "nine"), "--layer: no layer 'nine' in CifarResNet; its layers"),
        (("--out", "none/r.json"), "folder 'none' is not there"),
        (("--html", "."), "is a folder"),
        (("--size", "8"), "method 'gradcam': a map of 2 x 2 cells is too coarse"),
    ],
)
def test_each_fault_is_one_line_and_nothing_is_written(
    pairs: tuple[str, ...], text: str, line, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(changed(line, *pairs)) == 2
    told = capsys.readouterr()
    assert told.err.count("\n") == 1
    assert told.err.startswith("helpers.judge: ")
    assert text in told.err
    assert told.out == ""
    assert not (tmp_path / "r.json").exists()
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (torch.OutOfMemoryError(), 1, "out of memory: take a smaller --batch than 2"),
        (OSError("disk full"), 1, "disk full: nothing was written"),
        (
            KeyboardInterrupt(),
            130,
            "stopped; nothing was written: give the same command again",
        ),
    ],
)
def test_what_goes_wrong_on_the_way_is_one_line(
    error: BaseException, status: int, text: str, line, monkeypatch, capsys
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr("helpers.judge.__main__.judge", broken)
    assert main(line) == status
    assert capsys.readouterr().err == f"helpers.judge: {text}\n"


def wide(file: Path) -> str:
    """A network whose feature maps vanish on 8 pixels."""
    torch.save(get_model("squeezenet1_1", num_classes=5).state_dict(), file)
    return f"squeezenet1_1:{file}"


def tokens(file: Path) -> str:
    """A network without a feature map."""
    import timm

    torch.save(
        timm.create_model("vit_tiny_patch16_224", num_classes=5).state_dict(), file
    )
    return f"timm:vit_tiny_patch16_224:{file}"


def whole(file: Path) -> str:
    torch.save(backbone("resnet20", 5), file)
    return f"resnet20:{file}"


def not_a_number(file: Path) -> str:
    model = backbone("resnet20", 5)
    model.conv1.weight.data[0] = torch.nan
    torch.save(model.state_dict(), file)
    return f"resnet20:{file}"


def three(file: Path) -> str:
    torch.save(backbone("resnet20", 3).state_dict(), file)
    return f"resnet20:{file}"


@pytest.mark.parametrize(
    ("model", "size", "text"),
    [
        (
            tokens,
            "224",
            r"method 'gradcam': no last feature map .* layers: patch_embed",
        ),
        (three, "32", "5 class names for 3 logits"),
        (wide, "8", "the model does not take pictures of 3 x 8 x 8: .*another --size"),
        (whole, "32", r"hold more than tensors .* python -c .*weights_only=False"),
        (not_a_number, "32", r"hold NaN or inf in 'conv1\.weight'"),
    ],
)
def test_networks_that_cannot_be_judged_are_refused_before_they_run(
    model: Callable, size: str, text: str, line, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr("helpers.judge.judging._probabilities", never)
    given = changed(line, "--model", model(tmp_path / "w.pt"), "--size", size)
    assert_refused(given, text, capsys)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"bbox": [100, 5, 3, 3]}, r"its box .* misses the picture of 48 x 36"),
        ({"segmentation": [[60, 5, 70, 5, 70, 9]]}, "its mask misses the picture"),
        ({"segmentation": {"size": [9, 9], "counts": []}}, r"its mask is of \[9, 9\]"),
    ],
)
def test_annotations_that_miss_the_picture_are_refused_before_it_runs(
    change: dict, text: str, line, annotated, instances, monkeypatch, capsys
) -> None:
    monkeypatch.setattr("helpers.judge.networks.network", never)
    instances["annotations"][0] |= change
    annotated(instances)
    assert_refused(line, text, capsys)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"cat": 5}', "'cat' is class 5, the model has 0 to 4"),
        ('{"cat": -1}', "'cat' is class -1"),
        ('{"cat": "tim"}', "no class is called 'tim'; did you mean 'tom'"),
    ],
)
def test_targets_out_of_range_are_refused_before_it_runs(
    text: str, words: str, line, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr("helpers.judge.coco.read", never)
    (tmp_path / "map.json").write_text(text)
    assert_refused(line, words, capsys)


def never(*_: object) -> None:
    pytest.fail("too late: something was computed")


def assert_refused(
    line: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert re.search(text, told.err)


def test_a_mean_over_pictures_named_right_says_how_many(line, tmp_path, capsys) -> None:
    assert main(changed(line, "--metrics", "deletion")) == 0
    found = json.loads((tmp_path / "r.json").read_text())
    right = sum(found["accuracy"]["correct"])
    assert 0 < right < 3
    told = capsys.readouterr().out
    row = next(text for text in told.splitlines() if text.startswith("uniform"))
    assert row.endswith(f" n={right}")
    assert f"n = {right}</small>" in (tmp_path / "r.html").read_text("utf-8")


def test_a_line_without_a_model(capsys) -> None:
    assert main(["--data", "d"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "required: --model; --help lists the options" in told


def test_out_and_page_are_two_files(line, tmp_path: Path, capsys) -> None:
    assert main(changed(line, "--html", str(tmp_path / "r.json"))) == 2
    assert "give two names" in capsys.readouterr().err


def test_a_label_map_of_another_network(line, tmp_path: Path, capsys) -> None:
    file = tmp_path / "w.pt"
    torch.save(backbone("resnet20", 4).state_dict(), file)
    assert main(changed(line, "--model", f"resnet20:{file}")) == 2
    assert "5 class names for 4 logits" in capsys.readouterr().err


def test_defaults_and_help_name_what_there_is() -> None:
    text = arguments.parser().format_help()
    for name in (*METHODS, *METRICS):
        assert name in text, name
    given = arguments.asked(["--model", "resnet18:w.pt", "--data", "d"])
    assert given.choice.methods == ("gradcam",)
    assert (given.cut.size, given.cut.crop) == (224, 224)
    assert given.page.name == "report.html"
    assert given.choice.how.mean == (0.485, 0.456, 0.406)


def test_normalisation_by_numbers() -> None:
    assert arguments.normalisation(None, ".5,.5,.5", "1,1,1")[1] == (1, 1, 1)
    assert arguments.normalisation("none", None, None)[0] == (0, 0, 0)
    with pytest.raises(Refused, match="or --normalise alone"):
        arguments.normalisation("none", ".5,.5,.5", "1,1,1")
