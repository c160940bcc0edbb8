"""Tokens of CLIP's towers: slow twins by hand, and what the tower itself says."""

import copy
import warnings

import open_clip
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from helpers.explain.clip_tokens import (
    class_attention,
    image_tokens,
    image_tower,
    own_projection,
    value_attention,
)
from helpers.explain.transformer import attentions
from helpers.language.tiny_clip import build_tiny_clip
from tests.explain.clips import (
    SIDE,
    by_heads,
    pictures,
    resnet,
    slow_resnet,
    slow_vit,
    vit,
)
from tests.explain.vits import timm_vit, torchvision_vit


def assert_close(a, b) -> None:
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("blocks", [0, 1, 2, 3, 6])
@pytest.mark.parametrize("more", [{}, {"pool_type": "avg"}, {"ls_init_value": 0.7}])
def test_tokens_of_a_vit(blocks: int, more: dict) -> None:
    tower = vit(**more)
    images = pictures(tower)
    reading = "v-v" if blocks else "token"
    found = image_tokens(tower, images, reading, blocks=max(blocks, 1), chunk=2)
    for number, image in enumerate(images):
        wanted = slow_vit(tower, image, min(blocks, 3))
        assert_close(found.places[number].flatten(0, 1), wanted[1:])
        own = slow_vit(tower, image)
        whole = own[1:].mean(0) if more.get("pool_type") else own[0]
        assert_close(found.whole[number], whole)
    assert_close(own_projection(tower)(found.whole), tower(images))


@pytest.mark.parametrize("reading", ["token", "value", "v-v"])
def test_tokens_of_a_resnet(reading) -> None:
    tower = resnet()
    images = pictures(tower)
    found = image_tokens(tower, images, reading, chunk=2)
    assert found.places.shape == (3, SIDE, SIDE, 64)
    for number, image in enumerate(images):
        wanted = slow_resnet(tower, image, reading)
        assert_close(found.places[number].flatten(0, 1), wanted[1:])
        assert_close(found.whole[number], slow_resnet(tower, image, "token")[0])
    assert_close(own_projection(tower)(found.whole), tower(images))


def test_open_clips_own_tokens_are_the_same() -> None:
    tower = vit(output_tokens=True)
    images = pictures(tower)
    _, wanted = tower(images)
    assert_close(image_tokens(tower, images).places.flatten(1, 2), wanted)


def test_value_attention_of_two_tokens() -> None:
    """v = (0), (ln 3): rows of shares (1/2, 1/2) and (1/(1+3^ln 3), ...)."""
    log = torch.tensor(3.0).double().log()
    values = torch.tensor([[[0.0], [1.0]]]).double() * log
    share = 3**log / (1 + 3**log)
    assert_close(
        value_attention(values, 1)[0, :, 0], torch.stack([log / 2, share * log])
    )
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(1, 5, 6, generator=generator).double()
    wanted = by_heads(values[0], values[0], values[0], 2)
    assert_close(value_attention(values, 2)[0], wanted)


def test_class_attention_of_vits() -> None:
    for tower in (vit(), torchvision_vit(), timm_vit()):
        size = 32 if hasattr(tower, "ln_post") else 16
        images = torch.randn(3, 3, size, size).double()
        side = size // 8
        with attentions(tower) as seen:
            tower(images)
        wanted = seen[-1].mean(1)[:, 0, 1:].unflatten(1, (side, side))
        assert_close(class_attention(tower, images, chunk=2), wanted.detach())


def test_class_attention_of_a_resnet() -> None:
    tower = resnet()
    images = pictures(tower)
    found = class_attention(tower, images, chunk=2)
    pool = tower.attnpool
    f = tower.layer4(tower.layer3(tower.layer2(tower.layer1(tower.stem(images)))))
    x = f.flatten(2).mT
    x = torch.cat([x.mean(1, keepdim=True), x], 1) + pool.positional_embedding
    _, wanted = F.multi_head_attention_forward(
        *([x.transpose(0, 1)] * 3),
        x.shape[2],
        pool.num_heads,
        None,
        torch.cat([pool.q_proj.bias, pool.k_proj.bias, pool.v_proj.bias]),
        None,
        None,
        False,
        0.0,
        pool.c_proj.weight,
        pool.c_proj.bias,
        use_separate_proj_weight=True,
        q_proj_weight=pool.q_proj.weight,
        k_proj_weight=pool.k_proj.weight,
        v_proj_weight=pool.v_proj.weight,
    )
    assert_close(found.flatten(1), wanted[:, 0, 1:].detach())
    assert found.shape == (3, SIDE, SIDE)
    assert (found.sum((1, 2)) < 1).all()


def test_a_tower_within_a_clip_and_the_tiny_one() -> None:
    model = build_tiny_clip(0).eval()
    images = torch.randn(2, 3, 64, 64)
    found = image_tokens(model, images)
    assert found.places.shape == (2, 2, 2, 512)
    whole = own_projection(model)(found.whole)
    torch.testing.assert_close(whole, model.encode_image(images), rtol=1e-4, atol=1e-5)


def test_a_real_vit_with_random_weights() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tower = open_clip.create_model("ViT-B-32", pretrained=None).visual.eval()
    image = torch.randn(1, 3, 224, 224)
    found = image_tokens(tower, image)
    assert found.places.shape == (1, 7, 7, 768)
    whole = own_projection(tower)(found.whole)
    torch.testing.assert_close(whole, tower(image), rtol=1e-3, atol=1e-4)
    assert class_attention(tower, image).shape == (1, 7, 7)
    second = image_tokens(tower, image, "v-v").places
    assert second.isfinite().all()


@pytest.mark.parametrize("make", [vit, resnet])
def test_the_tower_is_left_as_found(make) -> None:
    tower = make()
    tower.train()
    for part in (tower.ln_post,) if make is vit else (tower.bn1,):
        part.eval()
    flags = [part.training for part in tower.modules()]
    state = copy.deepcopy(tower.state_dict())
    images = pictures(tower)
    before = images.clone()
    for reading in ("token", "v-v"):
        image_tokens(tower, images, reading)
    class_attention(tower, images)
    with pytest.raises(ValueError, match="pictures of"):
        image_tokens(tower, images[..., 8:])
    assert torch.equal(images, before)
    assert [part.training for part in tower.modules()] == flags
    for name, value in tower.state_dict().items():
        assert torch.equal(value, state[name])
    for part in tower.modules():
        assert not part._forward_hooks
        assert not part._forward_pre_hooks


@pytest.mark.parametrize(
    "tower",
    [
        nn.Linear(2, 2),
        torchvision_vit(),
        vit(pool_type="none"),
        vit(pool_type="avg", final_ln_after_pool=True),
        vit(attentional_pool=True, attn_pooler_queries=4, attn_pooler_heads=1),
        vit(patch_dropout=0.5),
    ],
    ids=["linear", "torchvision", "none", "norm last", "pooler", "dropout"],
)
def test_other_towers_are_refused(tower: nn.Module) -> None:
    with pytest.raises(ValueError, match="tokens are read of") as caught:
        image_tower(tower)
    assert "\n" not in str(caught.value)


def test_readings_that_are_not_there() -> None:
    tower = vit()
    images = pictures(tower)
    with pytest.raises(ValueError, match="'value' is of CLIP's ResNets"):
        image_tokens(tower, images, "value")
    with pytest.raises(ValueError, match="reading must be one of"):
        image_tokens(tower, images, "q-q")
    with pytest.raises(ValueError, match="blocks must be"):
        image_tokens(tower, images, "v-v", blocks=0)
    with pytest.raises(ValueError, match="does not know"):
        image_tokens(vit(qk_norm=True), images, "v-v")
    tower.register_forward_hook(lambda *given: 2 * given[2])
    with pytest.raises(ValueError, match="does more than"):
        image_tokens(tower, images)
