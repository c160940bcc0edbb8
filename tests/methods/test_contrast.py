"""CGC's training step against the published way to it: a gradient of a gradient."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.data.catalog import Pictures, load, normalise
from helpers.data.geometry import crop_images, crop_maps
from helpers.methods.baseline import Baseline
from helpers.methods.contrast import CgcClassifier, Views
from helpers.methods.slopes import gradient_norm
from helpers.settings import Cgc, CrossEntropy, DataSettings, Refused

DATA = DataSettings(train=24, size=32)


def made(step: int = 0, seed: int = 1, **switches: Any) -> CgcClassifier:
    module = CgcClassifier(Cgc.of(**switches), load(DATA, "train"), seed)
    module.trainer = SimpleNamespace(global_step=step)
    return module


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return load(DATA, "train")


def slow(module: CgcClassifier, views: Views, labels: Tensor) -> dict[str, Tensor]:
    """The published step: maps by autograd within the graph, enlarged and moved."""
    features, logits = [], []
    for view in views[:3]:
        features.append(module.model.features(view))
        logits.append(module.model.head(features[-1].mean((2, 3))))
    ce = sum(F.cross_entropy(each, labels) for each in logits)
    target = logits[1].argmax(1)[:, None]
    wide = []
    for maps, scores in zip(features[1:], logits[1:], strict=True):
        chosen = scores.gather(1, target).sum()
        (slope,) = torch.autograd.grad(chosen, maps, create_graph=True)
        cam = (slope * maps).sum(1).relu()
        up = F.interpolate(cam[:, None], views.crops.size, mode="bilinear")[:, 0]
        wide.append(up / (up.sum((1, 2), keepdim=True) + 1e-8) + 1e-8)
    o = F.normalize(crop_maps(wide[0], views.crops).flatten(1), dim=1)
    a = F.normalize(wide[1].flatten(1), dim=1)
    rows = []
    for b in range(len(a)):
        others = torch.cat([a[:b], a[b + 1 :]])
        rows.append(torch.cat([(a[b] @ o[b])[None], others @ a[b]]))
    scores = torch.stack(rows) / module.cgc.temperature
    contrast = F.cross_entropy(scores, torch.zeros(len(a), dtype=torch.long))
    assert isinstance(ce, Tensor)
    return {"ce": ce, "contrast": contrast, "loss": ce + module.cgc.lam * contrast}


@pytest.mark.parametrize(
    "switches",
    [{}, {"temperature": 0.01, "lam": 2.0}, {"flips": "published"}, {"lam": 0.0}],
    ids=["authors", "study", "published flips", "control"],
)
def test_the_step_is_the_published_one_with_its_gradients(
    switches: dict[str, Any], pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A double backward pass, of every weight, in float64."""
    module = made(step=3, **switches)
    views = module.views(pictures.images)
    module.double()
    exact = Views(*(view.double() for view in views[:3]), views.crops)
    monkeypatch.setattr(module, "views", lambda _: exact)
    found = module.training_step((pictures.images, pictures.labels))
    wanted = slow(module, exact, pictures.labels)
    for name in ("ce", "contrast", "loss"):
        assert abs(found[name].item() - wanted[name].item()) < 1e-10, name
    weights = dict(module.model.named_parameters())
    assert {"head.weight", "stem.0.weight"} <= weights.keys()
    one = torch.autograd.grad(found["loss"], list(weights.values()))
    two = torch.autograd.grad(wanted["loss"], list(weights.values()))
    for name, mine, theirs in zip(weights, one, two, strict=True):
        gap = (mine - theirs).abs().max()
        assert gap < 1e-10 * max(1, theirs.abs().max()), name


def test_the_contrast_moves_head_and_filters(pictures: Pictures) -> None:
    module = made()
    views = module.views(pictures.images)
    maps = [module.model.features(view) for view in (views.original, views.augmented)]
    logits = module.model.head(maps[0].mean((2, 3)))
    loss, _ = module.contrast(*maps, logits, views.crops)
    names = ("head.weight", "stem.0.weight")
    weights = [module.model.get_parameter(name) for name in names]
    for slope in torch.autograd.grad(loss, weights, retain_graph=True):
        assert slope.abs().max() > 0
    for slope in torch.autograd.grad(loss, maps):  # no view is detached
        assert slope.abs().max() > 0


def test_no_gradient_of_a_gradient_is_taken(
    pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def watched(real):
        def run(*parts, **options):
            asked.append(bool(options.get("create_graph")))
            return real(*parts, **options)

        return run

    monkeypatch.setattr(torch.autograd, "grad", watched(torch.autograd.grad))
    monkeypatch.setattr(torch.autograd, "backward", watched(torch.autograd.backward))
    loss = made().training_step((pictures.images, pictures.labels))["loss"]
    torch.autograd.backward(loss)
    assert len(asked) > 1
    assert not any(asked)


def test_the_control_is_cross_entropy_on_the_same_three_views(
    pictures: Pictures,
) -> None:
    batch = (pictures.images, pictures.labels)
    control, contrasted = made(lam=0.0), made()
    one, two = control.training_step(batch), contrasted.training_step(batch)
    assert torch.equal(one["ce"], two["ce"])
    assert torch.equal(one["contrast"], two["contrast"])
    assert torch.equal(one["loss"].detach(), one["ce"])
    wanted = two["ce"] + 0.5 * two["contrast"].float()
    assert two["loss"].item() == pytest.approx(wanted.item())
    fresh = made()
    views = fresh.views(pictures.images)
    parts = [F.cross_entropy(fresh.model(view), pictures.labels) for view in views[:3]]
    assert torch.equal(one["ce"], (parts[0] + parts[1] + parts[2]).detach())
    one["loss"].backward()
    torch.stack(parts).sum().backward()
    for mine, plain in zip(
        control.model.parameters(), fresh.model.parameters(), strict=True
    ):
        assert mine.grad is not None
        assert plain.grad is not None
        assert torch.equal(mine.grad, plain.grad)


def test_the_original_is_what_the_baseline_is_shown(pictures: Pictures) -> None:
    shown = {"flip": True, "shift": 3, "least_area": 0.5}
    plain = Baseline(CrossEntropy.of(**shown), pictures, seed=1)
    plain.trainer = SimpleNamespace(global_step=2)
    views = made(step=2, **shown).views(pictures.images)
    assert torch.equal(views.original, plain.prepared(pictures.images))
    again = crop_images(views.original, views.crops)
    assert torch.equal(views.augmented, again)
    assert torch.equal(views.extra, made(step=2).views(pictures.images).extra)


def test_views_are_fixed_by_seed_and_step_alone(pictures: Pictures) -> None:
    first = made(step=5).views(pictures.images)
    torch.rand(9)
    again = made(step=5, lam=0.0).views(pictures.images)
    assert all(torch.equal(a, b) for a, b in zip(first[:3], again[:3], strict=True))
    for other in (made(step=4), made(step=5, seed=2)):
        views = other.views(pictures.images)
        assert not torch.equal(first.extra, views.extra)
        assert not torch.equal(first.augmented, views.augmented)
    assert not torch.equal(first.extra, first.augmented)  # windows of their own


def test_windows_are_those_of_the_authors(pictures: Pictures) -> None:
    """Areas from 8 % of the picture, or from what is asked; mirrored half of them."""
    many = pictures.images.repeat(20, 1, 1, 1)
    for least, switches in ((0.08, {}), (0.6, {"least_crop": 0.6})):
        crops = made(**switches).views(many).crops
        areas = crops.windows[:, 2:].prod(1) / 32**2
        assert least - 0.03 < areas.min() < least + 0.05
        assert areas.max() > 0.9
        assert 0.4 < crops.mirrored.float().mean() < 0.6
    views = made().views(many)
    whole = normalise(many, pictures.mean, pictures.std)
    assert torch.equal(views.original, whole)
    assert torch.equal(views.augmented, crop_images(whole, views.crops))


def test_published_flips_move_some_maps_and_not_their_pictures(
    pictures: Pictures,
) -> None:
    many = pictures.images.repeat(40, 1, 1, 1)
    together = made().views(many)
    published = made(flips="published").views(many)
    assert torch.equal(published.crops.windows, together.crops.windows)
    assert torch.equal(published.crops.mirrored, together.crops.mirrored)
    assert torch.equal(published.extra, together.extra)
    alike = (published.augmented == together.augmented).flatten(1).all(1)
    turned = (published.augmented == together.augmented.flip(3)).flatten(1).all(1)
    assert (alike | turned).all()
    assert published.crops.mirrored[~alike].all()  # the map is, the picture is not
    assert 0.44 < (~alike)[published.crops.mirrored].float().mean() < 0.56
    loss = [
        made(flips=flips).training_step((pictures.images, pictures.labels))["contrast"]
        for flips in ("together", "published")
    ]
    assert loss[0] != loss[1]


def test_accuracy_is_that_on_the_originals(pictures: Pictures) -> None:
    module = made()
    views = module.views(pictures.images)
    guesses = [module.model(view).argmax(1) for view in views[:3]]
    assert not torch.equal(guesses[0], guesses[1])
    assert not torch.equal(guesses[2], guesses[1])
    assert made().training_step((pictures.images, guesses[1]))["accuracy"] == 1


def test_the_log_says_what_each_loss_does_to_the_maps(pictures: Pictures) -> None:
    batch = (pictures.images, pictures.labels)
    said = made().training_step(batch)
    for name in ("ce gradient", "contrast gradient", "agreement", "zero maps"):
        assert said[name].isfinite()
    assert said["ce gradient"] > 0
    assert said["contrast gradient"] > 0
    assert 0 <= said["agreement of others"] <= 1
    twice = made(lam=1.0).training_step(batch)["contrast gradient"]
    assert twice.item() == pytest.approx(2 * said["contrast gradient"].item())
    assert "ce gradient" not in made(step=1).training_step(batch)
    assert "contrast gradient" not in made(lam=0.0).training_step(batch)
    assert not said["ce"].requires_grad
    assert not said["contrast"].requires_grad


def test_gradient_norms_are_over_all_maps() -> None:
    one = torch.tensor([3.0], requires_grad=True)
    two = torch.tensor([[4.0]], requires_grad=True)
    loss = (one**2).sum() / 2 + (two**2).sum() / 2
    assert gradient_norm(loss, one, two).item() == 5
    assert gradient_norm((one**2).sum() / 2, one, two).item() == 3
    assert gradient_norm(torch.ones(1, requires_grad=True).sum(), one) == 0
    assert gradient_norm(torch.zeros(()), one, two) == 0


def test_a_last_batch_of_one_picture(pictures: Pictures) -> None:
    said = made().training_step((pictures.images[:1], pictures.labels[:1]))
    assert said["contrast"] == 0
    assert said["loss"] == said["ce"]
    assert "agreement of others" not in said


def test_settings_out_of_range_are_refused_by_name() -> None:
    for name, value in (
        ("lam", -0.1),
        ("temperature", 0.0),
        ("least_crop", 0.0),
        ("flips", "apart"),
    ):
        with pytest.raises(Refused, match=f"parameter '{name}'"):
            Cgc.of(**{name: value})
