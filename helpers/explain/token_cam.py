"""Grad-CAM of a Vision Transformer: its tokens, laid out in the grid of patches."""

import torch
from torch import Tensor, nn

from helpers.explain.attribution import Model, by_parts, check_chunk, checked_logits
from helpers.explain.cam import (
    check_images,
    check_targets,
    upsample,
    weighted_map,
)
from helpers.explain.transformer import attention_layers, inputs, patch_grid


def token_grad_cam(
    model: nn.Module, images: Tensor, targets: Tensor, *, chunk: int = 16
) -> Tensor:
    """Return Grad-CAM at what the last attention is given (Selvaraju et al. 2017).

    relu(sum_c a_c x_ic) of the patch tokens x_i after the first norm of the last block,
    a_c the mean over the patches of dy_t / dx_ic. After that block the logits read the
    class token alone, and no later token has a gradient. Valid for ViTs that read a
    class token; a ViT has no feature map for `cam.grad_cam`.

    Shapes: images `[B, 3, H, W]`, targets `[B]` -> `[B, H, W]`, no gradient; bilinear
    from the grid of patches.
    Range: [0, inf), in logits.

    Args:
        model: a ViT images -> logits `[n, K]`, or a `ZeroShot` of one.
        images: pictures as the model takes them, normalised.
        targets: the class to explain, per picture, in 0..K-1.
        chunk: pictures a forward pass.

    Raises:
        ValueError: images or targets of the wrong shape, dtype or range; a model
            without attention or class token; a map that is not finite.
    """
    check_images(images)
    check_targets(targets, len(images))
    check_chunk(chunk)
    rows, columns = patch_grid(model, images)
    last: nn.Module = attention_layers(model)[-1]
    first = not getattr(last, "batch_first", True)  # the axis of the pictures is second

    def part(logits: Model, pictures: Tensor, wanted: Tensor) -> Tensor:
        with inputs(last) as kept:
            found = checked_logits(logits, pictures, wanted)
        score = found.gather(1, wanted[:, None]).sum()
        (slope,) = torch.autograd.grad(score, kept[0])
        tokens = kept[0]
        if first:
            tokens, slope = tokens.transpose(0, 1), slope.transpose(0, 1)
        count = rows * columns
        features, weights = tokens[:, -count:].mT, slope[:, -count:].mean(1)
        maps = weighted_map(features.unflatten(2, (rows, columns)), weights)
        return maps.detach()[:, None]

    coarse = by_parts(part, model, images, targets, chunk)
    return upsample(coarse, (images.shape[2], images.shape[3]))
