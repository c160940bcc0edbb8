"""Grad-CAM at tokens and CGW1 of CLIP: other libraries, and what both keep."""

import copy
import dataclasses

import pytest
import timm
import torch
from torch import Tensor, nn

from helpers.explain.attention import cgw1, cgw2, rollout
from helpers.explain.cam import upsample
from helpers.explain.clip_relevance import clip_cgw1, clip_steps
from helpers.explain.token_cam import token_grad_cam
from helpers.explain.transformer import inputs
from helpers.explain.transformer_lrp import attention_relevance, steps_of
from helpers.explain.zero_shot import ZeroShot
from tests.explain.clips import E, pictures, resnet, texts, vit
from tests.explain.vits import loud, timm_vit, torchvision_vit

targets = torch.tensor([0, 3, 1])
METHODS = {"grad-cam": token_grad_cam, "cgw1": clip_cgw1}


def classifier() -> ZeroShot:
    return ZeroShot(vit(), texts())


def close(a: Tensor, b: Tensor, rtol: float = 1e-8) -> bool:
    return a.shape == b.shape and bool((a - b).abs().max() <= rtol * b.abs().max())


def stretched(maps: Tensor) -> Tensor:
    """pytorch-grad-cam's scaling."""
    maps = maps - maps.amin((1, 2), keepdim=True)
    return maps / (1e-7 + maps.amax((1, 2), keepdim=True))


def test_grad_cam_at_tokens_is_pytorch_grad_cams() -> None:
    witness = pytest.importorskip("pytorch_grad_cam")
    chosen = pytest.importorskip("pytorch_grad_cam.utils.model_targets")
    model = classifier()
    images = pictures(model.visual)
    found = token_grad_cam(model, images, targets, chunk=2)
    layer = model.visual.transformer.resblocks[-1].ln_1

    def grid(tokens: Tensor) -> Tensor:
        return tokens[:, 1:].mT.unflatten(2, (4, 4))

    aims = [chosen.ClassifierOutputTarget(int(one)) for one in targets]
    theirs = copy.deepcopy(model)
    layer = theirs.visual.transformer.resblocks[-1].ln_1
    with witness.GradCAM(theirs, [layer], reshape_transform=grid) as cam:
        wanted = torch.from_numpy(cam(images, aims)).double()
    assert found.amax((1, 2)).min() > 0
    assert (stretched(found) - wanted).abs().max() < 1e-5


def test_grad_cam_of_three_libraries_by_differences() -> None:
    """The slope at the tokens that the last attention is given, by differences."""
    for model, layer in (
        (timm_vit(), "blocks.2.norm1"),
        (torchvision_vit(), "encoder.layers.encoder_layer_2.ln_1"),
        (classifier(), "visual.transformer.resblocks.2.ln_1"),
    ):
        size = 32 if isinstance(model, ZeroShot) else 16
        generator = torch.Generator().manual_seed(1)
        shape = (1, 3, size, size)
        image = torch.randn(shape, dtype=torch.double, generator=generator)
        found = token_grad_cam(model, image, torch.tensor([1]))
        norm, side = model.get_submodule(layer), size // 8
        kept: list[Tensor] = []
        moved: list[Tensor] = []

        def move(_m, _i, out, kept=kept, moved=moved):
            kept.append(out.detach())
            return out + moved[-1] if moved else None

        handle = norm.register_forward_hook(move)
        with torch.no_grad():
            model(image)
            tokens = kept[0]
            mean = torch.zeros(tokens.shape[2]).double()
            for channel in range(tokens.shape[2]):
                step = torch.zeros_like(tokens)
                step[:, 1:, channel] = 1e-5  # all patches at once: the sum of slopes
                moved.append(step)
                up = model(image)[0, 1]
                moved.append(-step)
                down = model(image)[0, 1]
                mean[channel] = (up - down) / 2e-5 / side**2
        handle.remove()
        cells = (tokens[0, 1:] @ mean).relu().view(1, side, side)
        assert close(found, upsample(cells, (size, size)), 1e-5)


def as_timm(tower: nn.Module) -> nn.Module:
    """Return timm's ViT with the weights of open_clip's tower, its head the space."""
    other = timm.create_model(
        "vit_tiny_patch16_224",
        img_size=32,
        patch_size=8,
        embed_dim=8,
        depth=3,
        num_heads=2,
        mlp_ratio=2,
        num_classes=E,
        pre_norm=True,
        norm_layer=torch.nn.LayerNorm,
    )
    other = other.double().eval()
    pairs = [
        (other.cls_token, tower.class_embedding[None, None]),
        (other.pos_embed, tower.positional_embedding[None]),
        (other.patch_embed.proj.weight, tower.conv1.weight),
        (other.head.weight, tower.proj.T),
        (other.head.bias, torch.zeros(E)),
    ]
    if other.patch_embed.proj.bias is not None:
        pairs.append((other.patch_embed.proj.bias, torch.zeros(8)))
    modules = [(other.norm_pre, tower.ln_pre), (other.norm, tower.ln_post)]
    for new, old in zip(other.blocks, tower.transformer.resblocks, strict=True):
        modules += [(new.norm1, old.ln_1), (new.norm2, old.ln_2)]
        modules += [(new.mlp.fc1, old.mlp.c_fc), (new.mlp.fc2, old.mlp.c_proj)]
        modules.append((new.attn.proj, old.attn.out_proj))
        pairs.append((new.attn.qkv.weight, old.attn.in_proj_weight))
        pairs.append((new.attn.qkv.bias, old.attn.in_proj_bias))
    for new, old in modules:
        pairs += [(new.weight, old.weight), (new.bias, old.bias)]
    with torch.no_grad():
        for new, old in pairs:
            new.copy_(old)
    return other


def test_the_blocks_of_clip_are_timms() -> None:
    """timm knows a head that reads the space itself, without length 1 and texts."""
    model = classifier()
    tower, images = model.visual, pictures(model.visual)
    other = as_timm(tower)
    assert close(tower(images), other(images), 1e-10)
    steps = clip_steps(model)
    plain = dataclasses.replace(steps, tail=steps.tail[:2])
    with torch.no_grad(), inputs(steps.first) as tokens:
        logits = tower(images)
    found = attention_relevance(plain, tokens[0], targets, logits)
    wanted = attention_relevance(steps_of(other), tokens[0], targets, logits)
    for a, b in zip(found, wanted, strict=True):
        assert close(a, b)


def test_texts_that_are_the_space_hand_all_relevance_to_their_coordinate() -> None:
    """Of a positive coordinate; one without positive contribution gives none."""
    tower = vit()
    model = ZeroShot(tower, torch.eye(E).double(), 7.0)
    images = pictures(tower)
    logits = model(images).detach()
    steps = clip_steps(model)
    plain = dataclasses.replace(steps, tail=steps.tail[:2])
    with torch.no_grad(), inputs(steps.first) as tokens:
        own = tower(images)
    for wanted in (logits.argmax(1), logits.argmin(1)):
        found = attention_relevance(steps, tokens[0], wanted, logits)
        shares = attention_relevance(plain, tokens[0], wanted, own)
        positive = (logits.gather(1, wanted[:, None]) > 0)[..., None, None]
        for a, b in zip(found, shares, strict=True):
            assert close(a, b * positive)
    assert clip_cgw1(model, images, logits.argmax(1)).min() >= 0


def test_all_rivals_explain_a_clip() -> None:
    model = classifier()
    images = pictures(model.visual)
    maps = {
        "rollout": rollout(model, images, targets),
        "cgw2": cgw2(model, images, targets),
        **{name: call(model, images, targets) for name, call in METHODS.items()},
    }
    assert all(one.shape == (3, 32, 32) for one in maps.values())
    with pytest.raises(ValueError, match="CGW1 knows the steps"):
        cgw1(model, images, targets)


@pytest.fixture(params=list(METHODS))
def method(request: pytest.FixtureRequest):
    return METHODS[request.param]


def test_parts_targets_weights_and_state(method) -> None:
    model = classifier().train()
    model.visual.ln_pre.eval()
    model.visual.conv1.weight.requires_grad_(False)
    flags = [part.training for part in model.modules()]
    state = copy.deepcopy(model.state_dict())
    images = pictures(model.visual)
    before = images.clone()
    together = method(model, images, targets)
    for one in range(3):
        alone = method(model, images[one : one + 1], targets[one : one + 1], chunk=1)
        assert close(alone[0], together[one])
    with torch.no_grad():
        assert torch.equal(method(model, images, targets), together)
    assert not together.requires_grad
    assert not close(method(model, images, (targets + 1) % 4), together, 0.05)
    assert torch.equal(images, before)
    assert [part.training for part in model.modules()] == flags
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name])
    assert all(weight.grad is None for weight in model.parameters())
    assert [w.requires_grad for w in model.parameters()].count(False) == 1
    for part in model.modules():
        assert not part._forward_hooks
        assert not part._forward_pre_hooks
    loud(model)
    assert not close(method(model, images, targets), together, 0.05)


def test_what_is_refused(method) -> None:
    model = classifier()
    images = pictures(model.visual)
    for network in (
        ZeroShot(resnet(), texts()),
        ZeroShot(vit(pool_type="avg"), texts()),
    ):
        with pytest.raises(ValueError, match=r"attention|class token") as caught:
            method(network, pictures(network.visual), targets)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"0\.\.3"):
        method(model, images, targets + 1)
    with pytest.raises(ValueError, match="images must be"):
        method(model, images[0], targets)
    with pytest.raises(ValueError, match="chunk must be"):
        method(model, images, targets, chunk=0)
    images[1, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        method(model, images, targets)


def test_cgw1_is_of_a_classifier_of_texts() -> None:
    tower = vit()
    with pytest.raises(ValueError, match="not of VisionTransformer"):
        clip_cgw1(tower, pictures(tower), targets)
    strange = ZeroShot(vit(qk_norm=True), texts())
    with pytest.raises(ValueError, match="does not know"):
        clip_steps(strange)
