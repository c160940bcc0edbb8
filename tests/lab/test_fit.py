"""Clipped gradients, 16 bits, loss scaling: what the trainer makes of each."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from helpers.data.catalog import load
from helpers.data.scenes import CLASS_NAMES
from helpers.lab.fit import CHECKPOINT, fit, quiet_lightning
from helpers.language.tiny_clip import Architecture, build_tiny_clip
from helpers.methods.presets import RECIPES, preset
from helpers.methods.text_side import Language
from helpers.settings import DataSettings

quiet_lightning()
import lightning.pytorch as pl  # noqa: E402

ROWS = torch.tensor([[3.0, 4.0], [6.0, 8.0], [0.0, 1.0], [3.0, 0.0]])


class Line(pl.LightningModule):
    """Loss = size * w x, so that the gradient is size * x; SGD of rate 1."""

    def __init__(self, size: float = 1.0) -> None:
        super().__init__()
        self.line, self.size = nn.Linear(2, 1, bias=False), size
        nn.init.zeros_(self.line.weight)
        self.kinds: list[torch.dtype] = []

    def training_step(self, batch: tuple[torch.Tensor]) -> dict[str, torch.Tensor]:
        out = self.line(batch[0])
        self.kinds.append(out.dtype)
        return {"loss": self.size * out.float().sum()}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 1.0)


def moved(folder: Path, rows: torch.Tensor, size: float = 1.0, **given: Any) -> Line:
    module = Line(size)
    fit(module, (rows,), epochs=1, batch=1, seed=1, folder=folder, **given)
    return module


@pytest.mark.parametrize(("limit", "left"), [(0.0, 5.0), (0.5, 0.5), (7.0, 5.0)])
def test_a_gradient_is_scaled_to_the_norm_it_may_have(
    limit: float, left: float, tmp_path: Path
) -> None:
    found = moved(tmp_path, ROWS[:1], clip_norm=limit).line.weight
    assert found.norm().item() == pytest.approx(left, rel=1e-5)
    torch.testing.assert_close(found / found.norm(), -ROWS[:1] / 5)


def test_clipping_is_torchs_step_by_step(tmp_path: Path) -> None:
    weight = torch.zeros(1, 2)
    for row in ROWS:
        gradient = nn.Parameter(torch.zeros(1, 2))
        gradient.grad = row[None].clone()
        nn.utils.clip_grad_norm_([gradient], 2.0)
        weight -= gradient.grad
    found = moved(tmp_path, ROWS, clip_norm=2.0).line.weight
    torch.testing.assert_close(found.detach(), weight)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({}, torch.float32),
        ({"precision": "bf16"}, torch.bfloat16),
        ({"precision": "16"}, torch.float16),
        ({"precision": "16", "scaler": True}, torch.float16),
    ],
    ids=["32", "bf16", "16", "16 scaled"],
)
def test_precision_is_that_of_products_and_not_of_weights(
    given: dict[str, Any], kind: torch.dtype, tmp_path: Path
) -> None:
    module = moved(tmp_path, ROWS, 2**-10, **given)
    assert module.kinds == [kind] * 4
    assert module.line.weight.dtype == torch.float32
    wanted = -(2**-10) * ROWS.sum(0)[None]
    torch.testing.assert_close(module.line.weight.detach(), wanted)


def test_a_scaler_keeps_what_float16_loses(tmp_path: Path) -> None:
    """A gradient of 1e-9 is 0 in float16, and not once it is scaled by 65536."""
    lost = moved(tmp_path / "a", ROWS, 1e-9, precision="16")
    assert lost.line.weight.abs().max() == 0
    kept = moved(tmp_path / "b", ROWS, 1e-9, precision="16", scaler=True)
    wanted = -1e-9 * ROWS.sum(0)[None]
    torch.testing.assert_close(kept.line.weight.detach(), wanted, rtol=2e-2, atol=0)
    wide = moved(tmp_path / "c", ROWS, 1e-9, precision="bf16")
    torch.testing.assert_close(wide.line.weight.detach(), wanted, rtol=2e-2, atol=0)


def test_what_is_clipped_is_the_gradient_without_its_scale(tmp_path: Path) -> None:
    given = {"precision": "16", "scaler": True, "clip_norm": 2**-9}
    found = moved(tmp_path, ROWS[:1], 2**-10, **given).line.weight
    assert found.norm().item() == pytest.approx(2**-9, rel=1e-3)


def test_a_step_that_overflows_is_left_out_and_the_scale_halved(tmp_path: Path) -> None:
    """1.5 x 65536 is no float16, 1.5 x 32768 is: of four steps one is lost."""
    rows = torch.tensor([[1.0, 0.0]]).expand(4, 2)
    found = moved(tmp_path, rows, 1.5, precision="16", scaler=True)
    assert found.line.weight.tolist() == [[-4.5, 0.0]]
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert state["MixedPrecision"]["scale"] == 32768


DATA = DataSettings(train=16, size=32)
SMALL = Architecture(text_width=16, heads=2, embed=12)


class Killed(BaseException):
    """As a signal would end it."""


def lico(folder: Path, killed: bool = False, **given: Any) -> dict[str, torch.Tensor]:
    from helpers.methods.lico import LicoClassifier

    pictures = load(DATA, "train")
    words = Language(CLASS_NAMES, build_tiny_clip(0, SMALL))
    module = LicoClassifier(preset("lico_fact", **given), pictures, words, 1)

    def report(line: str) -> None:
        if killed and line.startswith("epoch 2 "):
            raise Killed

    names = ("precision", "scaler", "clip_norm")
    history = fit(
        module,
        (pictures.images, pictures.labels),
        epochs=2,
        batch=4,
        seed=1,
        folder=folder,
        report=report,
        **{name: given[name] for name in names if name in given},
    )
    assert history["loss"].notna().all()
    assert history.iloc[0].notna().all()  # the losses are looked into at step 0
    return module.state_dict()


def test_a_code_trains_by_its_own_recipe_and_goes_on_with_the_same_bits(
    tmp_path: Path,
) -> None:
    """lico-fact's: autocast to float16 and a scaler, whose state is kept."""
    recipe = {**RECIPES["lico_fact"], "clip_norm": 0.5}
    whole = lico(tmp_path / "a", **recipe)
    assert all(value.dtype != torch.float16 for value in whole.values())
    assert all(value.isfinite().all() for value in whole.values())
    with pytest.raises(Killed):
        lico(tmp_path / "b", killed=True, **recipe)
    resumed = lico(tmp_path / "b", **recipe)
    assert all(torch.equal(resumed[name], value) for name, value in whole.items())
