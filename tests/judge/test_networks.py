"""Networks by name, with weights that fit, are whole and hold no code."""

import re
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import get_model

from helpers.judge.networks import maker, network, parts
from helpers.settings import Refused
from helpers.vision import backbone


def saved(model: torch.nn.Module, file: Path) -> Path:
    torch.save({"state_dict": model.state_dict()}, file)
    return file


def test_name_and_file_of_a_text() -> None:
    assert parts("resnet18:a/b.pt") == ("resnet18", Path("a/b.pt"))
    assert parts("timm:resnet10t:C:/w.pt") == ("timm:resnet10t", Path("C:/w.pt"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("resnet18", "lacks its weights: write NAME:WEIGHTS"),
        (":w.pt", "lacks its name"),
        ("resnet81:w.pt", "unknown model 'resnet81'; did you mean"),
        ("zzzz:w.pt", "unknown model 'zzzz'; see helpers.vision"),
        ("timm:resnet10x:w.pt", "timm has no model 'resnet10x'; did you mean"),
    ],
)
def test_unknown_models_are_refused(text: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        parts(text)


@pytest.mark.parametrize("name", ["squeezenet1_1", "timm:resnet10t", "resnet20"])
def test_the_number_of_classes_is_that_of_the_weights(
    name: str, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    wanted = maker(name)(13).eval()
    model, outputs = network(name, saved(wanted, tmp_path / "w.pt"))
    assert outputs == 13
    picture = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(picture), wanted(picture))
    assert not model.training


def test_weights_of_another_network(tmp_path: Path) -> None:
    file = saved(backbone("resnet20", 5), tmp_path / "w.pt")
    with pytest.raises(Refused, match=r"fit resnet56: missing: layer1\.3") as one:
        network("resnet56", file)
    with pytest.raises(Refused, match="unknown: bn1"):
        network("squeezenet1_1", file)
    state = backbone("resnet20", 5).state_dict()
    state["conv1.weight"] = torch.rand(16, 4, 3, 3)
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(Refused, match=r"of another shape: conv1\.weight"):
        network("resnet20", tmp_path / "w.safetensors")
    assert "\n" not in str(one.value)


def test_weights_that_are_not_finite(tmp_path: Path) -> None:
    model = backbone("resnet20", 5)
    model.conv1.weight.data[0, 0, 0, 0] = float("nan")
    with pytest.raises(Refused, match=r"NaN or inf in .conv1\.weight"):
        network("resnet20", saved(model, tmp_path / "w.pt"))


@pytest.mark.parametrize("kind", ["the network", "state_dict", "model"])
def test_a_checkpoint_that_would_run_code_names_the_line_that_converts_it(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the line does so."""
    torch.manual_seed(2)
    whole = backbone("resnet20", 5)
    entries = {kind: whole.state_dict(), "args": Namespace(lr=0.1), "epoch": 3}
    torch.save(whole if kind == "the network" else entries, tmp_path / "whole.pt")
    with pytest.raises(Refused, match="hold more than tensors") as caught:
        network("resnet20", tmp_path / "whole.pt")
    told = str(caught.value)
    assert "\n" not in told
    line = re.search(r'python -c "(.*)", and give weights.pt$', told)
    assert line is not None
    monkeypatch.chdir(tmp_path)
    exec(line[1], {})
    model, outputs = network("resnet20", Path("weights.pt"))
    assert outputs == 5
    assert torch.equal(model.conv1.weight, whole.conv1.weight)


def test_torchvisions_own_come_after_those_of_this_book() -> None:
    assert type(maker("resnet18")(3)) is type(backbone("resnet18", 3))
    assert type(maker("squeezenet1_0")(3)) is type(get_model("squeezenet1_0"))
