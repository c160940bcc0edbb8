"""Attention, tokens and grid of a ViT, against what the libraries give themselves."""

import pytest
import timm
import torch
from torch import Tensor, nn

from helpers.explain.transformer import (
    attention_layers,
    attentions,
    inputs,
    patch_grid,
)
from tests.explain.vits import as_timm, clip_tower, timm_vit, torchvision_vit

images = torch.randn(
    2, 3, 16, 16, dtype=torch.double, generator=torch.Generator().manual_seed(1)
)
MAKERS = {"torchvision": torchvision_vit, "timm": timm_vit, "open_clip": clip_tower}


@pytest.fixture(params=list(MAKERS))
def model(request: pytest.FixtureRequest) -> nn.Module:
    return MAKERS[request.param]()


def timm_own(model: nn.Module, pictures: Tensor) -> list[Tensor]:
    """Return the weights that timm's layers compute without fused attention."""
    seen: list[Tensor] = []
    handles = []
    for block in model.blocks:
        block.attn.fused_attn = False
        drop = block.attn.attn_drop
        handles.append(drop.register_forward_hook(lambda *x: seen.append(x[2])))
    logits = model(pictures)
    for handle, block in zip(handles, model.blocks, strict=True):
        handle.remove()
        block.attn.fused_attn = True
    logits[:, 1].sum().backward(inputs=seen)
    return seen


def multi_head_own(model: nn.Module, pictures: Tensor) -> list[Tensor]:
    """Return the weights that `nn.MultiheadAttention` gives when asked for them."""
    seen: list[Tensor] = []

    def ask(layer: nn.Module, args: tuple) -> None:
        if len(seen) == len(layers):
            return
        with torch.no_grad():
            hooks = layer._forward_pre_hooks.copy()
            layer._forward_pre_hooks.clear()
            seen.append(layer(*args[:3], average_attn_weights=False)[1])
            layer._forward_pre_hooks.update(hooks)

    layers = [m for m in model.modules() if isinstance(m, nn.MultiheadAttention)]
    handles = [layer.register_forward_pre_hook(ask) for layer in layers]
    model(pictures)
    for handle in handles:
        handle.remove()
    return seen


def test_weights_are_those_of_the_library(model: nn.Module) -> None:
    with attentions(model) as seen:
        model(images)
    own = timm_own if hasattr(model, "blocks") else multi_head_own
    wanted = own(model, images)
    assert len(seen) == len(wanted) == 3
    for a, b in zip(seen, wanted, strict=True):
        assert a.shape == (2, 2, 5, 5)
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(a.sum(-1), torch.ones(2, 2, 5).double())
        assert a.std() > 0.05  # no uniform attention, which would hide much


def test_gradients_are_those_of_timm_without_fused_attention() -> None:
    model = timm_vit()
    with attentions(model) as seen:
        score = model(images)[:, 1].sum()
    found = torch.autograd.grad(score, seen)
    for a, b in zip(found, timm_own(model, images), strict=True):
        torch.testing.assert_close(a, b.grad, rtol=1e-9, atol=1e-12)
        assert a.abs().max() > 1e-3


def test_logits_are_the_same_and_the_hooks_go(model: nn.Module) -> None:
    before = model(images)
    with attentions(model), inputs(attention_layers(model)[-1]):
        torch.testing.assert_close(model(images), before, rtol=1e-10, atol=1e-12)
    with (
        pytest.raises(ZeroDivisionError),
        attentions(model),
        inputs(attention_layers(model)[-1]),
    ):
        raise ZeroDivisionError
    for part in model.modules():
        assert not part._forward_hooks
        assert not part._forward_pre_hooks
    assert torch.equal(model(images), before)


def test_without_gradient_as_with_it(model: nn.Module) -> None:
    """Where no gradient is wanted, torch has a faster path of its own."""
    with attentions(model) as wanted:
        model(images)
    with torch.no_grad(), attentions(model) as found:
        model(images)
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_one_set_of_weights_in_two_libraries() -> None:
    model = torchvision_vit()
    other = as_timm(model)
    torch.testing.assert_close(other(images), model(images), rtol=1e-10, atol=1e-12)
    with attentions(model) as one, attentions(other) as two:
        model(images)
        other(images)
    for a, b in zip(one, two, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_inputs_are_the_tokens_after_the_first_norm() -> None:
    model = timm_vit()
    with inputs(model.blocks[-1].attn) as kept:
        model(images)
    x = model.patch_embed(images)
    x = model.norm_pre(model._pos_embed(x))
    for block in model.blocks[:-1]:
        x = block(x)
    torch.testing.assert_close(kept[0], model.blocks[-1].norm1(x))


def test_qk_norm_is_read() -> None:
    model = timm_vit(qk_norm=True)
    with attentions(model) as seen:
        model(images)
    wanted = timm_own(model, images)
    torch.testing.assert_close(seen[2], wanted[2], rtol=1e-10, atol=1e-12)


def test_the_grid_of_patches(model: nn.Module) -> None:
    assert patch_grid(model, images) == (2, 2)


def test_the_grid_of_a_picture_that_is_no_square_and_of_registers() -> None:
    wide = torch.randn(1, 3, 16, 32).double()
    assert patch_grid(timm_vit((16, 32)), wide) == (2, 4)
    assert patch_grid(timm_vit(reg_tokens=3), images) == (2, 2)


def test_the_grid_behind_a_stem_of_convolutions() -> None:
    from torchvision.models.vision_transformer import ConvStemConfig, VisionTransformer

    stem = [ConvStemConfig(4, 3, 2), ConvStemConfig(6, 3, 2), ConvStemConfig(8, 3, 2)]
    model = VisionTransformer(16, 8, 1, 2, 8, 8, conv_stem_configs=stem)
    assert patch_grid(model, images.float()) == (2, 2)


def test_the_grid_of_a_network_with_a_convolution_at_its_end() -> None:
    class Aside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.vit, self.aside = timm_vit(), nn.Conv2d(3, 1, 16).double()

        def forward(self, pictures: Tensor) -> Tensor:
            return self.vit(pictures) + self.aside(pictures)[:, :, 0, 0]

    assert patch_grid(Aside(), images) == (2, 2)


def assert_refused(model: nn.Module, pictures: Tensor, text: str) -> None:
    with pytest.raises(ValueError, match=text) as caught:
        patch_grid(model, pictures)
    assert "\n" not in str(caught.value)
    assert not any(part._forward_hooks for part in model.modules())


def test_networks_without_what_is_needed() -> None:
    cnn = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 14 * 14, 4))
    assert_refused(cnn.double(), images, "Sequential has no attention: this is of ViTs")
    assert_refused(
        timm_vit(class_token=False, global_pool="avg"), images, "no class token"
    )
    assert_refused(timm_vit(global_pool="avg"), images, "more than its class token")
    wide = torch.randn(1, 3, 24, 16).double()
    assert_refused(
        torchvision_vit(), wide, "takes no pictures of 24 x 16: Wrong image height"
    )
    assert_refused(timm_vit(), wide, "takes no pictures of 24 x 16: Input height")
    assert_refused(timm_vit(), images.log(), "NaN or inf for a picture")


def test_attention_that_is_more_is_refused_by_name() -> None:
    swin = timm.create_model(
        "swin_tiny_patch4_window7_224", img_size=56, embed_dim=12, num_heads=(1,) * 4
    )
    assert_refused(
        swin, torch.randn(1, 3, 56, 56), "WindowAttention does more than softmax"
    )
    model = torchvision_vit()
    model.encoder.layers[1].self_attention.bias_k = nn.Parameter(
        torch.ones(1, 1, 8).double()
    )
    model.encoder.layers[1].self_attention.bias_v = nn.Parameter(
        torch.ones(1, 1, 8).double()
    )
    assert_refused(model, images, "MultiheadAttention does more than softmax")
    training = timm_vit(attn_drop_rate=0.5).train()
    with pytest.raises(ValueError, match="or dropout"), attentions(training):
        training(images)
