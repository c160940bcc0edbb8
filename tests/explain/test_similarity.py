"""ITSM, its reversal and feature surgery: by loops, by hand, and what is refused."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.explain.cam import CoarseMapWarning, grad_cam, upsample
from helpers.explain.clip_tokens import Projection, image_tokens, own_projection
from helpers.explain.similarity import (
    Itsm,
    itsm,
    reverse,
    reversed_itsm,
    scaled,
    token_maps,
)
from helpers.explain.surgery import surgery, text_weights, without_shared
from helpers.explain.zero_shot import ZeroShot
from helpers.language.tiny_clip import build_tiny_clip
from helpers.measure.localisation import score_contrast
from tests.explain.clips import SIDE, E, pictures, resnet, texts, vit

targets = torch.tensor([0, 3, 1])
pytestmark = pytest.mark.filterwarnings("ignore::helpers.explain.cam.CoarseMapWarning")


@pytest.fixture(params=["vit", "resnet"])
def tower(request: pytest.FixtureRequest):
    return vit() if request.param == "vit" else resnet()


def assert_close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def slow(tower, images: Tensor, options: Itsm, wanted: Tensor) -> Tensor:
    """ITSM picture by picture and place by place."""
    tokens = image_tokens(tower, images, options.reading, blocks=options.blocks)
    project, some, size = own_projection(tower), texts(), images.shape[2:]
    maps = []
    for number, target in enumerate(wanted.tolist()):
        places = [project(one) for row in tokens.places[number] for one in row]
        if options.unit == "tokens":
            every = torch.stack([project(tokens.whole[number]), *places])
            length = (every**2).sum(0).sqrt()
            places = [one / length for one in places]
        rows = []
        for one in places:
            norm = one.norm() if options.unit == "channels" else 1
            rows.append(torch.stack([one @ t / (norm * t.norm()) for t in some]))
        alike = torch.stack(rows)  # [N, K]
        if options.softmax == "texts":
            alike = torch.stack([row.exp() / row.exp().sum() for row in alike])
        elif options.softmax == "places":
            alike = alike.exp() / alike.exp().sum(0)
        cells = alike[:, target].view(SIDE, SIDE)
        if options.order == "scale, resize":
            cells = (cells - cells.min()) / (cells.max() - cells.min())
            maps.append(upsample(cells[None], tuple(size))[0])
        else:
            wide = upsample(cells[None], tuple(size))[0]
            maps.append((wide - wide.min()) / (wide.max() - wide.min()))
    return torch.stack(maps)


@pytest.mark.parametrize(
    "options",
    [
        Itsm(),
        Itsm(reading="v-v", blocks=2),
        Itsm(unit="tokens"),
        Itsm(unit="none"),
        Itsm(softmax="texts"),
        Itsm(softmax="places"),
        Itsm(order="resize, scale"),
    ],
    ids=str,
)
def test_itsm_is_its_slow_twin(tower, options: Itsm) -> None:
    images = pictures(tower)
    found = itsm(tower, images, targets, options, text_features=texts(), chunk=2)
    assert found.shape == (3, *images.shape[2:])
    assert not found.requires_grad
    assert_close(found, slow(tower, images, options, targets))
    tokens = image_tokens(tower, images, options.reading, blocks=options.blocks)
    own, size = own_projection(tower), (images.shape[2], images.shape[3])
    assert_close(token_maps(tokens, own, texts(), targets, size, options), found)
    if options != Itsm():
        default = itsm(tower, images, targets, text_features=texts())
        assert (found - default).abs().max() > 1e-4


def test_the_token_that_is_the_text_is_the_maximum() -> None:
    """A text made of the token in a corner, where resizing takes nothing away."""
    tower = vit()
    images = pictures(tower)
    tokens = own_projection(tower)(image_tokens(tower, images).places)
    some = torch.stack([tokens[number, 0, 3] for number in range(3)])
    maps = itsm(tower, images, torch.arange(3), text_features=some)
    peaks = [divmod(int(one.argmax()), 32) for one in maps]
    assert all((y // 8, x // 8) == (0, 3) for y, x in peaks)


def test_lengths_do_not_count_and_another_projection_does(tower) -> None:
    images, some = pictures(tower), texts()
    found = itsm(tower, images, targets, text_features=some)
    longer = some * torch.tensor([[1.0], [2], [3], [4]])
    assert_close(itsm(tower, images, targets, text_features=longer), found)
    own = own_projection(tower)
    same = Projection(3 * own.weight, None if own.bias is None else 3 * own.bias)
    assert_close(
        itsm(tower, images, targets, text_features=some, projection=same), found
    )
    turned = Projection(own.weight.flip(1), own.bias)
    other = itsm(tower, images, targets, text_features=some, projection=turned)
    assert (other - found).abs().max() > 0.01


def test_a_classifier_of_texts_is_explained_like_its_tower(tower) -> None:
    images, some = pictures(tower), texts()
    model = ZeroShot(tower, some)
    assert_close(
        itsm(model, images, targets), itsm(tower, images, targets, text_features=some)
    )
    logits = model(images)
    wanted = 100 * F.normalize(tower(images), dim=1) @ F.normalize(some, dim=1).T
    assert_close(logits, wanted)
    if not hasattr(tower, "ln_post"):
        assert grad_cam(model, images, targets, tower.layer4).shape == (3, 128, 128)


def test_a_reversed_map_is_that_of_minus_s(tower) -> None:
    images, some = pictures(tower), texts()
    order = Itsm(order="resize, scale")
    maps = itsm(tower, images, targets, order, text_features=some)
    turned = reversed_itsm(tower, images, targets, order, text_features=some)
    assert_close(turned, scaled(-maps))
    opposite = itsm(tower, images, targets, order, text_features=-some)
    assert_close(turned, opposite)


def test_the_contrast_of_a_reversed_map_is_an_identity() -> None:
    generator = torch.Generator().manual_seed(3)
    maps = scaled(torch.rand(6, 9, 9, generator=generator).double())
    masks = torch.rand(6, 9, 9, generator=generator) > 0.7
    contrast = score_contrast(maps, masks)
    assert_close(score_contrast(reverse(maps), masks), -contrast)
    assert contrast.abs().min() > 0


def test_a_constant_map_is_zero_and_what_is_not_in_range_cannot_be_reversed() -> None:
    assert torch.equal(scaled(torch.full((2, 4, 4), 0.3)), torch.zeros(2, 4, 4))
    assert scaled(torch.tensor([[[1.0, 2], [3, 5]]])).tolist() == [
        [[0, 0.25], [0.5, 1]]
    ]
    for wrong in (1.01, -0.01, float("nan")):
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            reverse(torch.full((1, 4, 4), wrong))


# feature surgery


def materialised(tokens: Tensor, whole: Tensor, some: Tensor) -> Tensor:
    """Feature surgery channel by channel, `[N, K]`: tokens `[N, E]`, whole `[E]`."""
    tokens, some = F.normalize(tokens, dim=1), F.normalize(some, dim=1)
    shares = (2 * F.normalize(whole, dim=0) @ some.T).softmax(0)
    weights = shares / shares.mean()
    features = tokens[:, None] * some[None] * weights[None, :, None]  # [N, K, E]
    features = features - features.mean(1, keepdim=True)
    return features.sum(2)


@pytest.mark.parametrize("reading", ["token", "v-v"])
def test_surgery_is_its_materialised_form(tower, reading) -> None:
    images, some = pictures(tower), texts()
    options = Itsm(reading=reading)
    found = surgery(tower, images, targets, options, text_features=some, chunk=2)
    tokens, project = image_tokens(tower, images, reading), own_projection(tower)
    for number, target in enumerate(targets.tolist()):
        places = project(tokens.places[number]).flatten(0, 1)
        every = materialised(places, project(tokens.whole[number]), some)
        cells = scaled(every[:, target].view(1, SIDE, SIDE))
        assert_close(found[number], upsample(cells, tuple(images.shape[2:]))[0])


def test_surgery_by_hand() -> None:
    """Two texts, s = (.6, .2), w = (1.5, .5): (.9 - .5, .1 - .5)."""
    alike = torch.tensor([0.6, 0.2]).view(1, 1, 1, 2)
    found = without_shared(alike, torch.tensor([[1.5, 0.5]]))
    torch.testing.assert_close(found.flatten(), torch.tensor([0.4, -0.4]))
    whole = torch.tensor([[2.0, 0.0]])
    weights = text_weights(whole, torch.tensor([[3.0, 0], [0, 1]]))
    e = torch.tensor(2.0).exp()
    torch.testing.assert_close(weights[0], 2 * torch.stack([e, 1 + 0 * e]) / (1 + e))


def test_surgery_with_one_text_needs_the_empty_one(tower) -> None:
    images, some = pictures(tower), texts()
    one, none = some[:1], torch.zeros(3, dtype=torch.long)
    assert not surgery(tower, images, none, text_features=one).any()
    redundant = some[1]
    found = surgery(tower, images, none, text_features=one, redundant=redundant)
    tokens, project = image_tokens(tower, images, "v-v"), own_projection(tower)
    places = F.normalize(project(tokens.places), dim=-1)
    difference = F.normalize(some[0], dim=0) - F.normalize(redundant, dim=0)
    wanted = upsample(scaled(places @ difference), tuple(images.shape[2:]))
    assert_close(found, wanted)


# what is refused


def test_too_few_places_are_refused_and_few_warned_of() -> None:
    model = build_tiny_clip(0).eval()
    images = torch.randn(2, 3, 64, 64)
    with pytest.raises(ValueError, match="2 x 2 cells"):
        itsm(model, images, torch.zeros(2).long(), text_features=torch.randn(3, 64))
    tower = vit()
    with pytest.warns(CoarseMapWarning, match="4 x 4"):
        itsm(tower, pictures(tower), targets, text_features=texts())


@pytest.mark.parametrize("method", [itsm, reversed_itsm, surgery])
def test_wrong_input_is_refused(method) -> None:
    tower = vit()
    images, some = pictures(tower), texts()
    broken = images.clone()
    broken[1, 0, 0, 0] = float("nan")
    zero = some.clone()
    zero[2] = 0
    for pixels, aims, given, text in (
        (images, targets + 1, some, r"0\.\.3"),
        (images, targets[:2], some, r"shape \[3\]"),
        (images[0], targets, some, "images must be"),
        (images, targets, some[:, 1:], "another width: 4 for pictures of 5"),
        (images, targets, some[0], r"\[K, E\]"),
        (images, targets, zero, "none of them zero"),
        (images, targets, None, "text_features are missing"),
        (broken, targets, some, "picture 1 is not finite"),
        (images[..., :24], targets, some, "32 x 32, got 32 x 24"),
    ):
        with pytest.raises(ValueError, match=text) as caught:
            method(tower, pixels, aims, text_features=given)
        assert "\n" not in str(caught.value)
    for options, text in (
        (Itsm(unit="length"), "unit must be"),
        (Itsm(order="none"), "order must be"),
        (Itsm(softmax="channels"), "softmax"),
        (Itsm(reading="value"), "'value' is of"),
    ):
        with pytest.raises(ValueError, match=text):
            method(tower, images, targets, options, text_features=some)
    with pytest.raises(ValueError, match="chunk must be"):
        method(tower, images, targets, text_features=some, chunk=0)
    with pytest.raises(ValueError, match=r"redundant features must be \[E\]"):
        surgery(tower, images, targets, text_features=some, redundant=some)
    options = Itsm(softmax="texts")
    with pytest.raises(ValueError, match="no softmax"):
        surgery(tower, images, targets, options, text_features=some)


def test_a_classifier_leaves_the_modes_of_its_tower() -> None:
    tower = resnet().train()
    tower.bn1.eval()
    flags = [part.training for part in tower.modules()]
    assert ZeroShot(tower, texts()).training
    assert [part.training for part in tower.modules()] == flags
    assert not ZeroShot(tower.eval(), texts()).training


def test_a_classifier_refuses_another_clips_tower() -> None:
    tower = vit()
    with pytest.raises(ValueError, match="another CLIP"):
        ZeroShot(tower, torch.ones(2, E + 1).double())(pictures(tower))
    with pytest.raises(ValueError, match="scale must be"):
        ZeroShot(tower, texts(), 0.0)
