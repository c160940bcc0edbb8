"""Small Vision Transformers of three libraries, for the tests of their maps."""

import timm
import torch
from torch import Tensor, nn
from torchvision.models.vision_transformer import VisionTransformer

from helpers.streams import stream
from helpers.vision.vit import SceneViT


def torchvision_vit(depth: int = 3) -> SceneViT:
    """Of four classes, 16 pixels, 2 x 2 patches, two heads; double."""
    model = SceneViT(4, size=16, depth=depth, heads=2, width=8)
    model.initialise(stream(0, "vit"))
    loud(model)
    return model.double().eval()


def timm_vit(size: tuple[int, int] = (16, 16), depth: int = 3, **more) -> nn.Module:
    torch.manual_seed(0)
    model = timm.create_model(
        "vit_tiny_patch16_224",
        img_size=size,
        patch_size=8,
        embed_dim=8,
        depth=depth,
        num_heads=2,
        mlp_ratio=2,
        num_classes=4,
        **more,
    )
    loud(model)
    return model.double().eval()


def loud(model: nn.Module) -> None:
    """Make weights, biases and norms large and unlike each other."""
    generator = stream(1, "loud")
    with torch.no_grad():
        for weight in model.parameters():
            noise = torch.randn(weight.shape, generator=generator)
            scale = weight[0].numel() ** -0.5 if weight.ndim > 1 else 0.3
            weight.add_(1.5 * scale * noise)


def as_timm(model: VisionTransformer) -> nn.Module:
    """Return timm's ViT with the weights of torchvision's."""
    other = timm_vit(depth=len(model.encoder.layers))
    pairs: list[tuple[Tensor, Tensor]] = [
        (other.cls_token, model.class_token),
        (other.pos_embed, model.encoder.pos_embedding),
    ]
    modules: list[tuple[nn.Module, nn.Module]] = [
        (other.patch_embed.proj, model.conv_proj),
        (other.norm, model.encoder.ln),
        (other.head, model.heads.head),
    ]
    for new, old in zip(other.blocks, model.encoder.layers, strict=True):
        modules += [(new.norm1, old.ln_1), (new.norm2, old.ln_2)]
        modules += [(new.mlp.fc1, old.mlp[0]), (new.mlp.fc2, old.mlp[3])]
        modules.append((new.attn.proj, old.self_attention.out_proj))
        pairs.append((new.attn.qkv.weight, old.self_attention.in_proj_weight))
        pairs.append((new.attn.qkv.bias, old.self_attention.in_proj_bias))
    for new, old in modules:
        pairs += [(new.weight, old.weight), (new.bias, old.bias)]
    with torch.no_grad():
        for new, old in pairs:
            new.copy_(old)
    return other


def clip_tower() -> nn.Module:
    """open_clip's visual tower: its logits are the numbers of its embedding."""
    from open_clip.transformer import VisionTransformer as Tower

    torch.manual_seed(0)
    tower = Tower(
        image_size=16,
        patch_size=8,
        width=8,
        layers=3,
        heads=2,
        mlp_ratio=2,
        output_dim=4,
    )
    loud(tower)
    return tower.double().eval()
