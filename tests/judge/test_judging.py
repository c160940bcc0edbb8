"""A judgement is the methods and metrics of the book, whatever the blocks."""

import warnings
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from helpers.data.catalog import normalise
from helpers.data.geometry import random_crops
from helpers.explain.cam import grad_cam
from helpers.explain.named import METHODS, How
from helpers.explain.rise import stability
from helpers.judge import Choice, Material, judge, of_tensors
from helpers.judge.grids import Grids
from helpers.measure import consistency
from helpers.measure.perturbation import insertion_deletion
from helpers.settings import Refused
from helpers.streams import stream
from helpers.vision import backbone

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
HOW = How(MEAN, STD, masks=8, samples=20, seed=1, chunk=4)
METRICS = ("insertion", "ses", "mosu")
FLOORS = ("uniform", "centred Gaussian", "random smooth")


def network() -> nn.Module:
    """A small network, of which batch norms have seen something."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU()]
    layers += [nn.Conv2d(6, 8, 3, 2, 1), nn.ReLU(inplace=True)]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model.append(nn.Linear(8, 5))
    model(torch.randn(8, 3, 32, 32))
    return model.eval()


@pytest.fixture(scope="module")
def material() -> Material:
    generator = torch.Generator().manual_seed(2)
    images = torch.randint(
        0, 256, (7, 3, 32, 32), dtype=torch.uint8, generator=generator
    )
    masks = torch.zeros(7, 32, 32, dtype=torch.bool)
    masks[:6, 4:20, 8:28] = True  # the last has none
    boxes = torch.tensor([[8.0, 4, 18, 20], [18, 4, 28, 20]]).repeat(7, 1, 1)
    boxes[3, 1] = -1
    boxes[6] = -1
    given = of_tensors(images, torch.arange(7) % 5, masks, boxes)
    return replace(given, groups=((0, 3), *given.groups[1:]))


def test_rows_are_methods_then_floors_then_ceilings(material: Material) -> None:
    found = judge(network(), material, Choice(("gradcam", "rise"), METRICS, HOW))
    assert [row.name for row in found.rows] == [
        *("Grad-CAM", "RISE"),
        *FLOORS,
        *("ground-truth mask", "pooled mask"),
    ]
    told = [note for note in found.notes if note.startswith("RISE of 8 masks")]
    assert len(told) == 1
    assert "under 0.9: take more --rise-masks" in told[0]
    kinds = [row.kind for row in found.rows]
    assert kinds == ["method"] * 2 + ["floor"] * 3 + ["ceiling"] * 2
    assert found.choice.metrics == ("insertion", "ses", "sch", "mosu", "gini")
    assert found.cells == (8, 8)
    assert found.outputs == 5
    assert found.top5 is None
    best = {row.name: row.scores["sch"].mean() for row in found.rows}
    assert best["ground-truth mask"].mean == pytest.approx(1)
    share = 16 * 20 / 32**2
    assert best["uniform"].mean == pytest.approx(share, abs=1e-5)
    assert best["Grad-CAM"].undefined == {"no object": 1}
    assert found.rows[0].scores["mosu"].mean().undefined == {"fewer than two boxes": 2}


def test_values_are_those_of_the_functions(material: Material) -> None:
    model = network()
    found = judge(model, material, Choice(("gradcam",), METRICS, HOW, draws=2))
    images = normalise(material.images, MEAN, STD)
    with torch.no_grad():
        logits = model(images)
    either = 0 if logits[0, 0] >= logits[0, 3] else 3
    targets = torch.tensor([either, 1, 2, 3, 4, 0, 1])
    assert torch.equal(found.targets, targets)
    right = logits.argmax(1) == targets
    right[0] = bool(logits[0].argmax() in (0, 3))
    assert torch.equal(found.top1, right)
    maps = grad_cam(model, images, targets)
    score = found.rows[0].scores
    assert material.masks is not None
    assert material.boxes is not None
    wanted = {
        "insertion": insertion_deletion(
            model, images, targets, maps, seed=1
        ).insertion_auc,
        "sch": consistency.sch(maps, material.masks),
        "mosu": consistency.mosu(maps, material.boxes).area_to_saliency,
    }
    draws = [
        consistency.self_consistency(
            lambda some: grad_cam(model, some, targets),
            images,
            random_crops(7, (32, 32), stream(1, "crops", draw)),
        )
        for draw in (0, 1)
    ]
    wanted["ses"] = (draws[0].ses + draws[1].ses) / 2
    for name, values in wanted.items():
        assert_near(score[name].values, values)
    assert_near(
        score["ses"].beside["less chance"], (draws[0].excess + draws[1].excess) / 2
    )


def assert_near(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a.float(), b.float(), atol=2e-4, rtol=0, equal_nan=True)


def test_many_masks_of_rise_agree(material: Material) -> None:
    """The note is the rank correlation of the maps of seeds 1 and 2."""
    model, some = network(), material.first(2)
    how = replace(HOW, masks=4000, chunk=512)
    found = judge(model, some, Choice(("rise",), ("gini",), how))
    images = normalise(some.images, MEAN, STD)
    maps = [
        METHODS["rise"].maps(model, images, found.targets, replace(how, seed=seed))
        for seed in (1, 2)
    ]
    mean = float(stability(*maps).mean())
    assert f"agree to {mean:.2f} (rank correlation, 2 pictures)" in found.notes[-1]


def test_blocks_change_nothing(material: Material) -> None:
    choice = Choice(("gradcam",), ("deletion", "ses", "epg", "border"), HOW)
    one = judge(network(), material, choice)
    for chunk in (3, 64):
        other = judge(
            network(), material, replace(choice, how=replace(HOW, chunk=chunk))
        )
        for a, b in zip(one.rows, other.rows, strict=True):
            for name in one.choice.metrics:
                assert_near(a.scores[name].values, b.scores[name].values)


def test_gridpg_has_a_quarter_of_floors_and_one_of_the_cell(
    material: Material,
) -> None:
    class Named(nn.Module):
        """Says of each picture what it is told to, by its mean colour's order."""

        def __init__(self) -> None:
            super().__init__()
            self.net = network()

        def forward(self, images: Tensor) -> Tensor:
            logits = self.net(images)
            if images.shape[2] == 32 and len(images) > 1:
                logits = logits + 50 * nn.functional.one_hot(torch.arange(7) % 5, 5)
            return logits

    how = replace(HOW, chunk=64)
    given = replace(material, groups=tuple((int(i),) for i in torch.arange(7) % 5))
    found = judge(Named(), given, Choice(("gradcam",), ("gridpg",), how, grids=3))
    score = {row.name: row.scores["gridpg"].mean() for row in found.rows}
    assert score["uniform"].mean == pytest.approx(0.25)
    assert score["ground-truth mask"].mean > 0.9  # less what smoothing moves out
    assert score["Grad-CAM"].used == 12
    with pytest.raises(Refused, match=r"gridpg': a grid of 2 x 2 needs 4 classes"):
        judge(network(), material.first(2), Choice(("gradcam",), ("gridpg",), how))


def test_each_picture_of_a_composite_is_explained_in_its_own_cell(
    material: Material,
) -> None:
    """The k-th composite for its j-th class shows picture places[k, j] in cell j."""
    places = torch.tensor([[3, 1, 0, 2], [4, 5, 6, 1]])
    grids = Grids(2, places)
    targets = torch.arange(7) + 10
    subject = grids.subject(network(), targets)
    assert subject.targets.tolist() == [13, 11, 10, 12, 14, 15, 16, 11]
    assert subject.grid is not None
    assert subject.grid[1].tolist() == [0, 1, 2, 3] * 2
    whole = grids.composites(material, Choice(how=HOW))
    images = normalise(material.images, MEAN, STD)
    for number, (cell, place) in enumerate(
        zip([0, 1, 2, 3] * 2, places.flatten().tolist(), strict=True)
    ):
        row, column = divmod(cell, 2)
        shown = whole[number, :, 32 * row :, 32 * column :][:, :32, :32]
        assert torch.equal(shown, images[place])
    truth = grids.references(material, Choice(how=HOW), (8, 8))["ground-truth mask"]
    assert truth[1, :32, 32:].min() == 1
    assert truth[1].sum() == 32 * 32


def test_the_network_is_left_as_it_was(material: Material) -> None:
    model = network().train()
    before = {name: values.clone() for name, values in model.state_dict().items()}
    judge(model, material, Choice(("gradcam", "guided"), ("ses",), HOW))
    assert model.training
    after = model.state_dict()
    assert all(torch.equal(values, after[name]) for name, values in before.items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_network_without_a_feature_map_is_judged_by_what_needs_none(
    material: Material,
) -> None:
    plain = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 5))
    found = judge(plain, material, Choice(("ixg", "lime"), ("ses", "border"), HOW))
    assert found.cells == (7, 7)
    assert any("no feature map" in note for note in found.notes)
    with pytest.raises(
        Refused, match=r"'gradcam': no last feature map .* layers: 0, 1"
    ):
        judge(plain, material, Choice(("gradcam",), ("ses",), HOW))


def test_a_coarse_map_is_noted(material: Material) -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 6, 6, 6), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    found = judge(model, material, Choice(("gradcam",), ("gini",), HOW))
    assert found.cells == (5, 5)
    assert sum("5 x 5 cells localises coarsely" in note for note in found.notes) == 1


def wide(width: int = 5) -> nn.Module:
    layers = [nn.Conv2d(3, width, 40), nn.Flatten(), nn.LazyLinear(width)]
    return nn.Sequential(*layers)


def nan_net() -> nn.Module:
    model = network()
    model[7].bias.data[0] = torch.nan  # type: ignore[index]
    return model


@pytest.mark.parametrize(
    ("model", "choice", "text"),
    [
        (wide, Choice(), "does not take pictures of 3 x 32 x 32: .*Kernel size"),
        (lambda: nn.Conv2d(3, 5, 3), Choice(), r"must give logits \[n, K\], .*\[1, 5"),
        (lambda: backbone("resnet20", 3), Choice(), r"labels lie in 0\.\.4, .* 0 to 2"),
        (nan_net, Choice(), "gives NaN or inf for a picture"),
        (network, Choice(("bcos",)), "method 'bcos': .* no explanation mode"),
        (network, Choice(("cam",)), "unknown method 'cam'"),
        (network, Choice(metrics=("sess",)), "unknown metric 'sess'; did you mean"),
        (network, Choice(()), "a method and a metric are needed"),
        (
            network,
            Choice(how=How(layer="nine")),
            "no layer 'nine' .* its layers: 0",
        ),
        (network, Choice(device="cuda:99"), "device 'cuda:99' is not there"),
        (network, Choice(draws=0), "--draws must be 1 or more"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    model: Callable[[], nn.Module], choice: Choice, text: str, material: Material
) -> None:
    with pytest.raises(Refused, match=text) as caught:
        judge(model(), material, choice)
    assert "\n" not in str(caught.value)


def test_a_network_that_breaks_on_perturbed_pictures(material: Material) -> None:
    class Fragile(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = network()

        def forward(self, images: Tensor) -> Tensor:
            flat = images.flatten(2).std(2).amin() < 1e-3  # one colour alone
            return self.net(images) + (torch.nan if flat else 0)

    with pytest.raises(Refused, match="metrics: the model gives NaN"):
        judge(Fragile(), material, Choice(("gradcam",), ("deletion",), HOW))


def test_what_takes_long_is_reported_on_the_way(
    material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no patience at all: after each block but the last."""
    monkeypatch.setattr("helpers.judge.rows.PATIENCE", 0)
    told: list[str] = []
    choice = Choice(("gradcam", "rise"), ("gini",), HOW)
    judge(network(), material, choice, told.append)
    blocks = [line.split(" after ")[0] for line in told if " of 7 pictures" in line]
    assert blocks[:2] == [
        "Grad-CAM, maps: 4 of 7 pictures",
        "Grad-CAM, scores: 4 of 7 pictures",
    ]
    assert [f"RISE, maps: {n} of 7 pictures" for n in (2, 4, 6)] == blocks[2:5]
    assert "floor uniform: 4 of 7 pictures" in blocks


def test_notes_are_for_who_reads_scores(material: Material) -> None:
    class Wordy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = network()

        def forward(self, images: Tensor) -> Tensor:
            warnings.warn("old call", DeprecationWarning, stacklevel=1)
            warnings.warn("half of it is dark", UserWarning, stacklevel=1)
            return self.net(images)

    found = judge(Wordy(), material, Choice(("ixg",), ("gini",), HOW))
    assert "half of it is dark" in found.notes
    assert "old call" not in found.notes


def test_metrics_without_what_they_need(material: Material) -> None:
    bare = replace(material, masks=None, boxes=None)
    for name, text in (
        ("sch", "metric 'sch' needs masks: give --masks"),
        ("epg", "metric 'epg' needs boxes: give --masks coco.json"),
        ("mosu", "metric 'mosu' needs boxes"),
    ):
        with pytest.raises(Refused, match=text):
            judge(network(), bare, Choice(metrics=(name,)))
    with pytest.raises(Refused, match="'ses' needs crops: give two pictures"):
        judge(network(), material.first(1), Choice(metrics=("ses",)))


def boxed(*corners: float) -> Tensor:
    """Boxes of seven pictures, of which the last has one that is given."""
    boxes = torch.full((7, 1, 4), -1.0)
    boxes[:6] = torch.tensor([0.0, 0, 1, 1])
    boxes[6, 0] = torch.tensor(corners)
    return boxes


def test_material_that_does_not_fit_is_refused(material: Material) -> None:
    for change, text in (
        ({"images": material.images.float()}, "must be uint8"),
        ({"groups": ((1,),)}, "need as many labels"),
        ({"masks": torch.ones(7, 9, 9, dtype=torch.bool)}, "masks must be bool"),
        ({"ignored": torch.ones(7, 32, 32)}, "ignored must be bool"),
        ({"boxes": torch.ones(6, 1, 4)}, "boxes must be"),
        ({"boxes": boxed(40, 4, 50, 9)}, r"box \[40\.0, .* of picture 6 misses its 32"),
        ({"boxes": boxed(9, 4, 9, 9)}, "misses its 32 x 32 pixels"),
        ({"boxes": boxed(9, 4, torch.nan, 9)}, "misses its 32 x 32 pixels"),
    ):
        with pytest.raises(Refused, match=text):
            replace(material, **change)
    for labels, text in (
        (torch.arange(7.0), "labels must be integers"),
        (torch.arange(6), r"labels must be integers of shape \[7\]"),
        (torch.arange(7), "labels must lie in 0..1"),
    ):
        with pytest.raises(Refused, match=text):
            of_tensors(material.images, labels, class_names=["a", "b"])
    for labels in (torch.arange(7) % 5 - 1, torch.arange(7)):
        wrong = of_tensors(material.images, labels)
        told = rf"labels lie in {int(labels.min())}\.\.{int(labels.max())}, .* 0 to 4"
        with pytest.raises(Refused, match=told):
            judge(network(), wrong, Choice(how=HOW))
    with pytest.raises(Refused, match="no picture is left to judge: 3 lost"):
        replace(material, images=material.images[:0], left_out={"lost": 3})
