"""Small CLIPs with 8 x 8 places: their grids, seeds, and what they are fit for."""

import pytest
import torch

from helpers.explain.clip_tokens import class_attention, image_tokens, own_projection
from helpers.explain.similarity import itsm
from helpers.language.map_clip import PLACES, RESNET, VIT, MapTower, build_map_clip
from helpers.language.tiny_clip import class_prompts, text_features
from helpers.settings import Refused

TOWERS = {
    "vit": VIT,
    "mean": MapTower(pooling="mean", depth=2),
    "max": MapTower(pooling="max", depth=2),
    "resnet": RESNET,
    "wide pictures": MapTower("vit", size=128, depth=1, width=32),
    "wide resnet": MapTower("resnet", "attention", depth=1, width=8, size=128),
}


@pytest.mark.parametrize("name", list(TOWERS))
def test_a_map_has_eight_places_a_side(name: str) -> None:
    tower = TOWERS[name]
    model = build_map_clip(0, tower).eval()
    images = torch.randn(2, 3, tower.size, tower.size)
    tokens = image_tokens(model, images)
    assert tokens.places.shape[1:3] == (PLACES, PLACES)
    whole = own_projection(model)(tokens.whole)
    torch.testing.assert_close(whole, model.encode_image(images), rtol=1e-4, atol=1e-5)
    texts = text_features(model, class_prompts(["daisy", "orchid"]))
    maps = itsm(model, images, torch.tensor([0, 1]), text_features=texts)
    assert maps.shape == (2, tower.size, tower.size)
    assert maps.amax() > 0.5 > maps.amin()
    if tower.pooling in ("mean", "max"):
        with pytest.raises(ValueError, match="reads more than its class token"):
            class_attention(model, images)
    else:
        assert class_attention(model, images).shape == (2, PLACES, PLACES)


def test_the_seed_alone_decides() -> None:
    one = build_map_clip(3, RESNET)
    drawn = torch.get_rng_state()
    two, other = build_map_clip(3, RESNET), build_map_clip(4, RESNET)
    assert torch.equal(torch.get_rng_state(), drawn)
    for (name, a), b in zip(
        one.state_dict().items(), two.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), name
    assert not torch.equal(one.visual.conv1.weight, other.visual.conv1.weight)


def test_poolings_begin_with_the_same_weights() -> None:
    towers = [MapTower(pooling=one, depth=2) for one in ("class token", "mean", "max")]
    models = [build_map_clip(0, tower).eval() for tower in towers]
    for name, weight in models[0].visual.state_dict().items():
        assert all(torch.equal(m.visual.state_dict()[name], weight) for m in models)
    images = torch.randn(2, 3, 64, 64)
    found = [model.encode_image(images) for model in models]
    tokens = [image_tokens(model, images) for model in models]
    assert all(torch.equal(one.places, tokens[0].places) for one in tokens)
    torch.testing.assert_close(tokens[2].whole, tokens[0].places.amax((1, 2)))
    assert (found[0] - found[1]).abs().max() > 0.01
    assert (found[1] - found[2]).abs().max() > 0.01


def test_gradients_reach_both_towers() -> None:
    for tower in (VIT, RESNET):
        model = build_map_clip(0, tower)
        images = torch.randn(2, 3, 64, 64)
        tokens = torch.randint(1, 400, (2, 24))
        image, text, scale = model(images, tokens)
        (scale * (image * text).sum()).backward()
        for name, weight in model.named_parameters():
            if "token_embedding" not in name:
                assert weight.grad is not None, name


def test_what_is_refused() -> None:
    for values, text in (
        ({"kind": "cnn"}, "'vit' or 'resnet'"),
        ({"pooling": "attention"}, "a vit pools by"),
        ({"kind": "resnet", "pooling": "mean"}, "a resnet pools by attention"),
        ({"size": 80}, "32 pixels"),
        ({"width": 40}, "multiple of 32"),
        ({"depth": 0}, "depth must be"),
    ):
        with pytest.raises(Refused, match=text):
            MapTower(**values)
    with pytest.raises(Refused, match="take 64"):
        build_map_clip(0, MapTower("resnet", "attention", 1, 8, size=96))
